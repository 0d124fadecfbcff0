//! What an agent on leo does with each of the eighteen tools, whoever the agent is, and what has come of it on both machines.

use std::path::PathBuf;

use loopsy::api::context::{ContextEntry, ContextGet};
use loopsy::api::messages::{MessageAck, MessageAcks, MessageInbox, MessageSend, MessageState};
use loopsy::api::tasks::TaskApprove;
use loopsy::base::Code;
use loopsy::client::Link;
use serde_json::{Value, json};

use crate::support::pairing::Paired;

/// Who calls tools.
pub trait Agent {
    /// Calls a tool of Loopsy's and waits for the end of it.
    async fn call(&mut self, tool: &str, arguments: Value) -> Done;
}

/// What came of a call.
#[derive(Debug)]
pub struct Done {
    pub failed: bool,
    /// The structured result; null where it failed.
    pub value: Value,
    /// What there is to read for a model.
    pub text: String,
}

/// Calls what must succeed; its structured result.
async fn done(agent: &mut impl Agent, tool: &str, arguments: Value) -> Value {
    let done = agent.call(tool, arguments.clone()).await;
    assert!(!done.failed, "{tool} {arguments}: {}", done.text);
    done.value
}

async fn entry(link: &Link, key: &str) -> Option<ContextEntry> {
    match link.call(&ContextGet { key: key.into() }).await {
        Ok(entry) => Some(entry),
        Err(error) if error.code == Code::ContextKeyNotFound => None,
        Err(error) => panic!("{error}"),
    }
}

async fn value(link: &Link, key: &str) -> Option<String> {
    entry(link, key).await?.value
}

/// All of it.
pub async fn run(agent: &mut impl Agent, machines: &Paired) {
    peers(agent, machines).await;
    files(agent, machines).await;
    context(agent, machines).await;
    messages(agent, machines).await;
    tasks(agent, machines).await;
}

async fn peers(agent: &mut impl Agent, machines: &Paired) {
    let known = done(agent, "loopsy_list_peers", json!({})).await;
    let kai = &known["peers"][0];
    assert_eq!((kai["hostname"].as_str(), kai["nodeId"].as_str()), (Some("kai"), Some(machines.kai.ready.node_id.as_str())), "{known}");
    let status = done(agent, "loopsy_peer_status", json!({ "peer": "kai" })).await;
    assert_eq!(status["nodeId"], kai["nodeId"], "{status}");
    let ran =
        done(agent, "loopsy_execute", json!({ "peer": "kai", "command": "sh", "args": ["-c", "echo $0; pwd; exit 3", "hello"] })).await;
    assert_eq!(ran["exitCode"], 3, "{ran}");
    assert!(ran["stdout"].as_str().unwrap().starts_with("hello\n"), "{ran}");
    let typed = done(agent, "loopsy_execute", json!({ "peer": "kai", "command": "cat", "stdin": "typed" })).await;
    assert_eq!(typed["stdout"], "typed", "{typed}");
}

async fn files(agent: &mut impl Agent, machines: &Paired) {
    let (here, there) = (machines.leo.program.folder(), machines.kai.program.folder().join("folder"));
    let content: Vec<u8> = (0..200_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    let lay = |path: PathBuf| {
        #[expect(clippy::disallowed_methods, reason = "a test's own file is no file of the program")]
        std::fs::write(path, &content).unwrap();
    };
    lay(here.join("pushed"));
    let push = json!({ "peer": "kai", "direction": "push", "sourcePath": here.join("pushed"), "destPath": there.join("arrived") });
    done(agent, "loopsy_transfer_file", push).await;
    assert_eq!(std::fs::read(there.join("arrived")).unwrap(), content);
    let listed = done(agent, "loopsy_list_remote_files", json!({ "peer": "kai", "path": there })).await;
    assert!(listed.to_string().contains("\"arrived\"") && listed.to_string().contains(&content.len().to_string()), "{listed}");
    let pull = json!({ "peer": "kai", "direction": "pull", "sourcePath": there.join("arrived"), "destPath": here.join("back") });
    done(agent, "loopsy_transfer_file", pull).await;
    assert_eq!(std::fs::read(here.join("back")).unwrap(), content);
}

async fn context(agent: &mut impl Agent, machines: &Paired) {
    let (leo, kai) = (machines.leo.link(), machines.kai.link());
    done(agent, "loopsy_context_set", json!({ "key": "errand/here", "value": "on leo" })).await;
    done(agent, "loopsy_context_set", json!({ "peer": "kai", "key": "errand/there", "value": "on kai" })).await;
    assert_eq!((value(&leo, "errand/here").await.as_deref(), value(&leo, "errand/there").await), (Some("on leo"), None));
    assert_eq!((value(&kai, "errand/there").await.as_deref(), value(&kai, "errand/here").await), (Some("on kai"), None));
    let got = done(agent, "loopsy_context_get", json!({ "peer": "kai", "key": "errand/there" })).await;
    assert_eq!(got["value"], "on kai", "{got}");
    let got = done(agent, "loopsy_context_get", json!({ "key": "errand/here" })).await;
    assert_eq!(got["value"], "on leo", "{got}");
    let taken = agent.call("loopsy_context_set", json!({ "key": "errand/here", "value": "again", "ifAbsent": true })).await;
    assert!(taken.failed && value(&leo, "errand/here").await.as_deref() == Some("on leo"), "{taken:?}");
    for (arguments, key) in
        [(json!({ "prefix": "errand/" }), "errand/here"), (json!({ "peer": "kai", "prefix": "errand/" }), "errand/there")]
    {
        let list = done(agent, "loopsy_context_list", arguments).await;
        let keys: Vec<_> = list["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str()).collect();
        assert_eq!(keys, [Some(key)], "{list}");
    }
    let told = done(agent, "loopsy_broadcast_context", json!({ "key": "errand/everywhere", "value": "for all" })).await;
    assert!(told.to_string().contains("kai"), "{told}");
    for link in [&leo, &kai] {
        assert_eq!(value(link, "errand/everywhere").await.as_deref(), Some("for all"));
    }
    for (peer, key) in
        [(None, "errand/here"), (Some("kai"), "errand/there"), (None, "errand/everywhere"), (Some("kai"), "errand/everywhere")]
    {
        done(agent, "loopsy_context_delete", json!({ "peer": peer, "key": key })).await;
        assert_eq!(value(if peer.is_some() { &kai } else { &leo }, key).await, None);
    }
    let gone = agent.call("loopsy_context_get", json!({ "key": "errand/here" })).await;
    assert!(gone.failed && gone.text.contains("errand/here"), "{gone:?}");
}

async fn messages(agent: &mut impl Agent, machines: &Paired) {
    let (leo, kai) = (machines.leo.link(), machines.kai.link());
    let sent = done(agent, "loopsy_send_message", json!({ "peer": "kai", "type": "request", "body": "is it green?" })).await;
    let request = sent["id"].as_str().unwrap_or_else(|| panic!("no id: {sent}")).to_owned();
    let inbox = kai.call(&MessageInbox { wait: Some(60), ..MessageInbox::default() }).await.unwrap();
    let [received] = inbox.messages.as_slice() else { panic!("{inbox:?}") };
    assert_eq!((received.envelope.id.as_str(), received.sender.as_str()), (request.as_str(), "leo"));
    assert_eq!((received.envelope.kind.as_str(), received.envelope.body.as_str()), ("request", "is it green?"));
    kai.call(&MessageAck { id: request.clone() }).await.unwrap();
    let answer = MessageSend { to: "leo".into(), body: "all green".into(), reply_to: Some(request.clone()), ..MessageSend::default() };
    let answer = kai.call(&answer).await.unwrap().id;

    let inbox = done(agent, "loopsy_check_inbox", json!({ "waitSeconds": 60 })).await;
    let message = &inbox["messages"][0];
    assert_eq!((message["id"].as_str(), message["body"].as_str()), (Some(answer.as_str()), Some("all green")), "{inbox}");
    assert_eq!((message["sender"].as_str(), message["replyTo"].as_str()), (Some("kai"), Some(request.as_str())), "{inbox}");
    done(agent, "loopsy_ack_message", json!({ "messageId": answer })).await;
    assert_eq!(leo.call(&MessageInbox::default()).await.unwrap().messages, []);
    acked(&kai, "leo", &answer).await;
    acked(&leo, "kai", &request).await;
    let acks = done(agent, "loopsy_check_ack", json!({ "peer": "kai" })).await;
    assert!(acks.to_string().contains(&request), "{acks}");
}

/// The agent that is put to work on kai plays a script; what it asks is answered by kai's owner.
async fn tasks(agent: &mut impl Agent, machines: &Paired) {
    let kai = machines.kai.link();
    machines.kai.program.install("claude", None);
    let played = |steps: Value| json!({ "peer": "kai", "prompt": format!("<fake>{steps}</fake>"), "waitSeconds": 60 });
    let asking = json!([{ "tool": "Bash", "input": { "command": "echo 42 stars" } }, { "text": "There are {{last}}." }]);
    let asked = done(agent, "loopsy_dispatch_task", played(asking)).await;
    assert_eq!(asked["status"], "waiting_approval", "{asked}");
    let word = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let (task_id, request_id) = (word(&asked["taskId"]), word(&asked["approvals"][0]["requestId"]));
    let answer = json!({ "peer": "kai", "taskId": task_id, "requestId": request_id, "approved": true });
    let refused = agent.call("loopsy_task_approve", answer).await;
    assert!(refused.failed && refused.text.contains("agentsMayApprove"), "{refused:?}");
    kai.call(&TaskApprove { task_id: task_id.clone(), request_id, approved: true, ..TaskApprove::default() }).await.unwrap();
    let waited = json!({ "peer": "kai", "taskId": task_id, "since": asked["lastEvent"], "waitSeconds": 60 });
    let seen = done(agent, "loopsy_task_status", waited).await;
    assert_eq!((&seen["tasks"][0]["status"], &seen["tasks"][0]["result"]), (&json!("completed"), &json!("There are 42 stars.")), "{seen}");
    let more = json!({ "peer": "kai", "taskId": task_id, "prompt": "<fake>[{\"hang\":true}]</fake>" });
    assert_eq!(done(agent, "loopsy_dispatch_task", more).await["taskId"], task_id.as_str());
    let stopped = done(agent, "loopsy_task_cancel", json!({ "peer": "kai", "taskId": task_id })).await;
    assert_eq!(stopped["cancelled"], true, "{stopped}");
}

/// Waits until a machine knows that a peer has acknowledged a message of its own.
async fn acked(link: &Link, peer: &str, id: &str) {
    let acks = link.call(&MessageAcks { peer: peer.into(), id: Some(id.into()), wait: Some(60) }).await.unwrap();
    assert_eq!(acks.state, Some(MessageState::Acked), "{acks:?}");
}
