//! Several things at once, and how they end.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agent::Agent;
use crate::support::node::{Node, Pair};
use crate::support::process::{Process, until};
use crate::support::program::{Program, binary};

/// A command on kai that notes its process id and then waits for ever.
fn endless(pair: &Pair) -> (Value, std::path::PathBuf) {
    let note = pair.kai.program.folder().join("pid");
    let line = format!("echo $$ > {}; exec sleep 1000", note.display());
    (json!({ "peer": "kai", "command": line, "shell": true, "timeout": 0 }), note)
}

async fn noted(note: &std::path::Path) -> Process {
    until("the command runs", Duration::from_secs(10), || Process::noted_in(note).is_some()).await;
    Process::noted_in(note).unwrap()
}

#[tokio::test]
async fn a_slow_call_holds_up_no_other_and_cancelling_it_ends_the_job() {
    let pair = Pair::start();
    for modern in [false, true] {
        let mut agent = if modern { Agent::modern(&pair.leo.program) } else { Agent::start(&pair.leo.program) };
        let (command, note) = endless(&pair);
        let id = agent.begin("loopsy_execute", command);
        let process = noted(&note).await;
        assert_eq!(agent.call("loopsy_list_peers", json!({}))["peers"][0]["hostname"], "kai");
        agent.write(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "enough" } }));
        until("the job ends", Duration::from_secs(10), || !process.runs()).await;
        agent.call("loopsy_list_peers", json!({}));
        assert!(!agent.transcript.contains(&format!("\"id\":{id},")), "a cancelled request is not answered");
        std::fs::remove_file(note).unwrap();
    }
}

#[tokio::test]
async fn the_end_of_the_input_ends_everything_at_once() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    let (command, note) = endless(&pair);
    agent.begin("loopsy_execute", command);
    agent.result("resources/subscribe", json!({ "uri": "loopsy://context" }));
    let process = noted(&note).await;
    agent.hang_up();
    let began = Instant::now();
    until("the server ends", Duration::from_secs(5), || agent.child.try_wait().unwrap().is_some()).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(agent.child.wait().unwrap().success());
    until("the job ends", Duration::from_secs(10), || !process.runs()).await;
}

#[test]
fn a_script_that_pipes_requests_in_gets_its_answers() {
    let node = Node::start("leo", json!({}));
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "loopsy_peer_status", "arguments": {} } }),
    ];
    let input = lines.map(|line| format!("{line}\n")).concat();
    let output = node.program.piped(&["mcp-serve"], input.as_bytes());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(said.contains("\"hostname\":\"leo\""), "{said}");
}

#[test]
fn output_comes_as_progress_while_the_command_runs() {
    let pair = Pair::start();
    for modern in [false, true] {
        let mut agent = if modern { Agent::modern(&pair.leo.program) } else { Agent::start(&pair.leo.program) };
        let gate = pair.kai.program.folder().join("gate");
        let gate_shown = gate.display();
        let line = format!(
            "echo one; while [ ! -e {gate_shown} ]; do sleep 0.02; done; printf 'two\\nthree'; while [ -e {gate_shown} ]; do sleep 0.02; done"
        );
        let arguments = json!({ "peer": "kai", "command": line, "shell": true });
        let params = json!({ "name": "loopsy_execute", "arguments": arguments, "_meta": { "progressToken": "tok" } });
        let id = agent.request("tools/call", params);
        let first = agent.notification("notifications/progress");
        assert_eq!((&first["progressToken"], &first["message"]), (&json!("tok"), &json!("one")));
        std::fs::File::create(&gate).unwrap();
        let second = agent.notification("notifications/progress");
        assert_eq!(second["message"], "two");
        std::fs::remove_file(gate).unwrap();
        let result = agent.answer(id)["result"]["structuredContent"].clone();
        assert_eq!(result["stdout"], "one\ntwo\nthree");
        let third = agent.notification("notifications/progress");
        assert_eq!(third["message"], "three");
        assert_eq!([first, second, third].map(|told| told["progress"].as_f64().unwrap()), [4.0, 8.0, 13.0]);
    }
}

#[test]
fn a_daemon_that_is_restarted_or_gets_a_new_key_is_found_by_the_next_call() {
    let mut node = Node::start("leo", json!({}));
    let mut agent = Agent::start(&node.program);
    agent.call("loopsy_peer_status", json!({}));
    node.program.ok(&["key", "generate"]);
    agent.call("loopsy_peer_status", json!({}));
    node.kill();
    assert_eq!(agent.fails("loopsy_peer_status", json!({})), "Daemon is not running. Start it with: loopsy start");
    node.again();
    agent.call("loopsy_peer_status", json!({}));
}

#[test]
fn port_and_key_may_come_from_outside() {
    let node = Node::start("leo", json!({}));
    let elsewhere = Program::bare();
    let mut command = Command::new(binary());
    command.arg("mcp-serve").env("LOOPSY_DATA_DIR", elsewhere.home().root());
    command.env("LOOPSY_PORT", node.ready.port.to_string()).env("LOOPSY_API_KEY", crate::support::sim::OWNER);
    let mut agent = Agent::of(command).initialized(json!({}));
    assert_eq!(agent.call("loopsy_peer_status", json!({}))["hostname"], "leo");
}
