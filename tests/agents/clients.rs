//! The official clients of the protocol, in both of its eras, and what its inspector says.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use loopsy::api::execute::{Job, JobList};
use loopsy::api::messages::{MessageAck, MessageSend};
use loopsy::base::workers::blocking;
use loopsy::client::Link;
use serde_json::{Value, json};

use super::Fetched;
use super::client::{Client, Kind};
use super::errands::{self, Agent};
use crate::support::pairing::Paired;
use crate::support::process::{heavy, until};
use crate::support::program::{Program, Ran, binary};

/// How long what has to happen may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of the list of tools: a model reads it at the start of every conversation.
const TOOLS_BYTES: usize = 20_000;
const TOOLS: [&str; 18] = [
    "loopsy_ack_message",
    "loopsy_broadcast_context",
    "loopsy_check_ack",
    "loopsy_check_inbox",
    "loopsy_context_delete",
    "loopsy_context_get",
    "loopsy_context_list",
    "loopsy_context_set",
    "loopsy_dispatch_task",
    "loopsy_execute",
    "loopsy_list_peers",
    "loopsy_list_remote_files",
    "loopsy_peer_status",
    "loopsy_send_message",
    "loopsy_task_approve",
    "loopsy_task_cancel",
    "loopsy_task_status",
    "loopsy_transfer_file",
];
const RESOURCES: [&str; 5] = ["loopsy://context", "loopsy://inbox", "loopsy://peers", "loopsy://status", "loopsy://tasks"];
const TEMPLATES: [&str; 2] = ["loopsy://context/{key}", "loopsy://peers/{peer}"];
const PROMPTS: [&str; 2] = ["loopsy_coordinate", "loopsy_help"];

/// One field of every element, sorted.
fn named<'a>(list: &'a Value, of: &str, field: &str) -> Vec<&'a str> {
    let elements = list[of].as_array().unwrap_or_else(|| panic!("no {of}: {list}"));
    let mut names: Vec<_> = elements.iter().map(|element| element[field].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

async fn jobs(link: &Link) -> Vec<Job> {
    link.call(&JobList {}).await.unwrap().jobs
}

/// Waits until a machine runs this many jobs.
async fn until_jobs(link: &Link, count: usize) {
    let looking = async {
        while jobs(link).await.len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, looking).await.is_ok(), "not {count} jobs: {:?}", jobs(link).await);
}

async fn tools(client: &mut Client) {
    let list = client.ask("tools", json!({})).await;
    assert_eq!(named(&list, "tools", "name"), TOOLS);
    assert!(list.to_string().len() < TOOLS_BYTES, "{} bytes", list.to_string().len());
}

async fn resources(client: &mut Client, machines: &Paired) {
    let list = client.ask("resources", json!({})).await;
    assert_eq!(named(&list, "resources", "uri"), RESOURCES);
    let templates = client.ask("templates", json!({})).await;
    assert_eq!(named(&templates, "resourceTemplates", "uriTemplate"), TEMPLATES);
    client.call("loopsy_context_set", json!({ "key": "a note/1", "value": "noted" })).await;
    let asked = [("loopsy://status", "leo"), ("loopsy://peers", "kai"), ("loopsy://peers/kai", "kai")];
    for (uri, word) in asked.into_iter().chain([("loopsy://context", "noted"), ("loopsy://context/a%20note%2F1", "noted")]) {
        let read = client.ask("read", json!({ "uri": uri })).await;
        let text = read["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{uri}: {read}"));
        serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("{uri} is not JSON: {text}"));
        assert!(text.contains(word), "{uri}: {text}");
    }
    client.ask("subscribe", json!({ "uri": "loopsy://inbox" })).await;
    let message = MessageSend { to: "leo".into(), body: "wake up".into(), ..MessageSend::default() };
    let id = machines.kai.link().call(&message).await.unwrap().id;
    // The first notice may come from when the server began to look, before the message is there.
    let mut inbox = Value::Null;
    while !inbox.to_string().contains("wake up") {
        client.updated("loopsy://inbox").await;
        inbox = client.ask("read", json!({ "uri": "loopsy://inbox" })).await;
    }
    machines.leo.link().call(&MessageAck { id }).await.unwrap();
}

async fn prompts(client: &mut Client) {
    let list = client.ask("prompts", json!({})).await;
    assert_eq!(named(&list, "prompts", "name"), PROMPTS);
    let help = client.ask("prompt", json!({ "name": "loopsy_help" })).await;
    assert!(help["messages"][0]["content"]["text"].as_str().unwrap().contains("loopsy_send_message"), "{help}");
    let arguments = json!({ "peer": "kai", "task": "count the stars" });
    let together = client.ask("prompt", json!({ "name": "loopsy_coordinate", "arguments": arguments })).await;
    assert!(together.to_string().contains("kai") && together.to_string().contains("count the stars"), "{together}");
    let completed = [
        (json!({ "prompt": "loopsy_coordinate", "argument": { "name": "peer", "value": "k" } }), "kai"),
        (json!({ "template": "loopsy://peers/{peer}", "argument": { "name": "peer", "value": "" } }), "kai"),
        (json!({ "template": "loopsy://context/{key}", "argument": { "name": "key", "value": "a no" } }), "a note/1"),
    ];
    for (asked, word) in completed {
        let completion = client.ask("complete", asked.clone()).await;
        assert_eq!(completion["completion"]["values"], json!([word]), "{asked}");
    }
}

/// Output arrives while a command runs, and a call that is given up takes its command with it.
async fn running_commands(client: &mut Client, machines: &Paired) {
    let kai = machines.kai.link();
    let go = machines.kai.program.folder().join("go");
    let script = format!("echo first; while [ ! -e '{}' ]; do sleep 0.02; done; echo last", go.display());
    let execute = |args: Value| json!({ "name": "loopsy_execute", "arguments": { "peer": "kai", "command": "sh", "args": args } });
    let call = client.begin("call", &execute(json!(["-c", script])));
    assert!(client.progress(call).await.contains("first"));
    assert_eq!(jobs(&kai).await.len(), 1);
    drop(std::fs::File::create(&go).unwrap());
    let result = client.end(call).await.unwrap();
    assert_eq!(result["structuredContent"]["stdout"], "first\nlast\n", "{result}");

    let call = client.begin("call", &execute(json!(["-c", "sleep 600; true"])));
    until_jobs(&kai, 1).await;
    client.ask("cancel", json!({ "of": call })).await;
    client.end(call).await.unwrap_err();
    until_jobs(&kai, 0).await;
}

async fn mistakes(client: &mut Client) {
    for (tool, arguments, word) in [
        ("loopsy_execute", json!({ "peer": "kai" }), "command"),
        ("loopsy_execute", json!({ "peer": "kai", "command": "true", "timeout": "soon" }), "timeout"),
        ("loopsy_execute", json!({ "peer": "kai", "comand": "true" }), "comand"),
        ("loopsy_execute", json!({ "command": "true" }), "peer"),
        ("loopsy_peer_status", json!({ "peer": "nobody" }), "kai"),
        ("loopsy_transfer_file", json!({ "peer": "kai", "direction": "up", "sourcePath": "a", "destPath": "b" }), "direction"),
        ("loopsy_context_set", json!({ "value": "v" }), "key"),
        ("loopsy_send_message", json!({ "peer": "kai" }), "body"),
        ("loopsy_ack_message", json!({ "messageId": "../etc" }), "../etc"),
    ] {
        let done = client.call(tool, arguments.clone()).await;
        assert!(done.failed && done.text.contains(word) && !done.text.contains('\n'), "{tool} {arguments}: {done:?}");
    }
}

/// Has everything done that there is to do, and does some of it wrong.
async fn does_everything(kind: Kind) {
    if !heavy() {
        return;
    }
    let machines = Paired::start();
    let Some(mut client) = Client::start(kind, &machines.leo.program).await else { return };
    assert_eq!(client.version, kind.version());
    tools(&mut client).await;
    errands::run(&mut client, &machines).await;
    resources(&mut client, &machines).await;
    prompts(&mut client).await;
    running_commands(&mut client, &machines).await;
    mistakes(&mut client).await;
    assert!(blocking(|| client.close()).await.unwrap());
}

/// known faults 9, 12: so do the others, each in its own way.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_the_python_client_of_the_newer_era_does_everything() {
    does_everything(Kind::PythonAuto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_the_python_client_of_the_older_era_does_everything() {
    does_everything(Kind::PythonLegacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_the_typescript_client_of_the_newer_era_does_everything() {
    does_everything(Kind::TypeScriptAuto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_the_typescript_client_of_the_older_era_does_everything() {
    does_everything(Kind::TypeScriptLegacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_the_first_typescript_client_does_everything() {
    does_everything(Kind::TypeScriptFirst).await;
}

#[test]
fn heavy_the_inspector_finds_every_schema_in_order() {
    let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return };
    let home = Program::bare();
    let mut inspector = fetched.command("mcp-inspector", &home);
    let inspector = inspector.arg("--cli").arg(binary()).args(["mcp-serve", "--method", "tools/list", "--strict"]);
    let ran = Ran::of(inspector.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(named(&list, "tools", "name"), TOOLS);
    assert!(list.to_string().len() < TOOLS_BYTES, "{} bytes", list.to_string().len());
}

/// A client that is gone leaves nothing running: not the server, and not what it had begun.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_input_ends_the_server_and_what_it_runs() {
    let machines = Paired::start();
    let kai = machines.kai.link();
    let mut command = machines.leo.program.command(&["mcp-serve"]);
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    let execute = json!({ "name": "loopsy_execute", "arguments": { "peer": "kai", "command": "sh", "args": ["-c", "sleep 600; true"] } });
    let mut stdin = server.stdin.take().unwrap();
    for line in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": execute }),
    ] {
        writeln!(stdin, "{line}").unwrap();
    }
    until_jobs(&kai, 1).await;
    drop(stdin);
    until("the server ends", LIMIT, || server.try_wait().unwrap().is_some()).await;
    until_jobs(&kai, 0).await;
    assert!(server.wait().unwrap().success());
}
