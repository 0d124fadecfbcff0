//! Claude Code, whose model is the test.

use std::process::{Child, Stdio};

use loopsy::api::tasks::TaskApprove;
use loopsy::base::workers::blocking;
use loopsy::platform::files;
use serde_json::{Value, json};

use super::errands::{self, Agent, Done};
use super::model::{Ask, Model};
use super::{Fetched, keys};
use crate::support::pairing::Paired;
use crate::support::process::heavy;
use crate::support::program::{Program, Ran};

/// A conversation, from its first request to its last.
struct Session {
    model: Model,
    child: Child,
    /// The request that waits for an answer.
    ask: Option<Ask>,
}

impl Session {
    async fn start(fetched: &Fetched, at: &Program) -> Self {
        let mut model = Model::start();
        let child = fetched
            .command("claude", at)
            .args(["-p", "Do the errands.", "--allowedTools", "mcp__loopsy", "--output-format", "stream-json", "--verbose"])
            .envs([("ANTHROPIC_BASE_URL", model.url().as_str()), ("ANTHROPIC_API_KEY", "no-key")])
            .envs([("DISABLE_AUTOUPDATER", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = Some(model.asked().await);
        Self { model, child, ask }
    }
    /// Calls a tool while something else happens; what came of both.
    async fn meanwhile<T>(&mut self, tool: &str, arguments: Value, other: impl Future<Output = T>) -> (Value, T) {
        let (done, other) = tokio::join!(self.call(tool, arguments), other);
        assert!(!done.failed, "{done:?}");
        (done.value, other)
    }
    /// Ends the conversation; what Claude said, and what its model was sent.
    async fn end(mut self) -> (Ran, String) {
        self.ask.take().unwrap().say("All errands are done.");
        let output = blocking(move || self.child.wait_with_output()).await.unwrap().unwrap();
        (Ran::of(output), self.model.sent())
    }
}

impl Agent for Session {
    async fn call(&mut self, tool: &str, arguments: Value) -> Done {
        self.ask.take().unwrap().call(&format!("mcp__loopsy__{tool}"), &arguments);
        let ask = self.model.asked().await;
        let (failed, text) = ask.result();
        self.ask = Some(ask);
        // A model is given the structured result as its JSON.
        Done { failed, value: serde_json::from_str(&text).unwrap_or_default(), text }
    }
}

/// Claude Code as the daemon of a machine finds it, with a model of the test's. The daemon itself hands no such variables on.
fn installed(fetched: &Fetched, at: &Program, model: &Model) {
    let script = at.folder().join("claude-here");
    let lines = [
        "#!/bin/sh".to_owned(),
        format!("export ANTHROPIC_BASE_URL={} ANTHROPIC_API_KEY=no-key", model.url()),
        "export DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1".to_owned(),
        format!("exec '{}' \"$@\"", fetched.program("claude").display()),
    ];
    files::write_private(&script, lines.join("\n").as_bytes()).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    at.install("claude", Some(&script));
}

fn registered(fetched: &Fetched, at: &Program) {
    let added = Ran::of(fetched.loopsy(at, &["mcp", "add"]).output().unwrap());
    assert_eq!(added.code, 0, "{added:?}");
}

/// known faults 34, 39: an agent puts an agent to work on another machine, whose owner answers what it asks, gets what came of it and
/// tells it more; and neither is shown a key.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_puts_claude_to_work_on_another_machine() {
    let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return };
    let machines = Paired::start();
    let (leo, kai) = (&machines.leo.program, &machines.kai.program);
    let mut there = Model::start();
    installed(&fetched, kai, &there);
    registered(&fetched, leo);
    let mut session = Session::start(&fetched, leo).await;
    let work = json!({ "peer": "kai", "prompt": "Count the stars.", "waitSeconds": 120 });
    let count = json!({ "command": "echo 42 > stars; cat stars", "description": "Count the stars" });
    let (asked, ()) = session.meanwhile("loopsy_dispatch_task", work, async { there.asked().await.call("Bash", &count) }).await;
    assert_eq!((&asked["status"], &asked["approvals"][0]["tool"]), (&json!("waiting_approval"), &json!("Bash")), "{asked}");

    let word = |of: &Value| of.as_str().unwrap().to_owned();
    let (task_id, request_id) = (word(&asked["taskId"]), word(&asked["approvals"][0]["requestId"]));
    let answer = TaskApprove { task_id: task_id.clone(), request_id, approved: true, ..TaskApprove::default() };
    machines.kai.link().call(&answer).await.unwrap();
    let waited = json!({ "peer": "kai", "taskId": task_id, "since": asked["lastEvent"], "waitSeconds": 120 });
    let telling = async {
        let ask = there.asked().await;
        let read = ask.result();
        ask.say("There are 42 stars.");
        read
    };
    let (seen, read) = session.meanwhile("loopsy_task_status", waited, telling).await;
    assert!(!read.0 && read.1.contains("42") && kai.folder().join("stars").exists(), "{read:?}");
    let task = &seen["tasks"][0];
    assert_eq!((&task["status"], &task["result"]), (&json!("completed"), &json!("There are 42 stars.")), "{seen}");
    assert!(task["cost"].as_f64().is_some_and(|dollars| dollars > 0.0), "{seen}");

    let more = json!({ "peer": "kai", "taskId": task_id, "prompt": "And planets?", "waitSeconds": 120 });
    let (told, ()) = session.meanwhile("loopsy_dispatch_task", more, async { there.asked().await.say("Eight.") }).await;
    assert_eq!((&told["result"], &told["sessionId"]), (&json!("Eight."), &task["sessionId"]), "{told}");
    let (said, sent) = session.end().await;
    assert_eq!(said.code, 0, "{said:?}");
    let sent_there = there.sent();
    assert!(sent.contains("There are 42 stars.") && sent_there.contains("And planets?"), "the logs hold what went on");
    for key in [&machines.leo, &machines.kai].into_iter().flat_map(keys) {
        assert!([&sent, &sent_there, &said.out, &said.err].iter().all(|text| !text.contains(&key)), "a key was shown to an agent");
    }
}

/// known faults 4, 9, 34: an agent does everything there is to do, and is never shown a key.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_uses_every_tool_and_sees_no_key() {
    let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return };
    let machines = Paired::start();
    let leo = &machines.leo.program;
    registered(&fetched, leo);
    let elsewhere = tempfile::tempdir().unwrap();
    let listed = Ran::of(fetched.command("claude", leo).args(["mcp", "list"]).current_dir(&elsewhere).output().unwrap());
    assert!(listed.out.lines().any(|line| line.starts_with("loopsy: ") && line.ends_with("✔ Connected")), "{listed:?}");

    let mut session = Session::start(&fetched, leo).await;
    errands::run(&mut session, &machines).await;
    let (said, sent) = session.end().await;
    assert_eq!(said.code, 0, "{said:?}");
    let end: Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!((end["is_error"].as_bool(), end["result"].as_str()), (Some(false), Some("All errands are done.")), "{end}");
    assert!(sent.contains("is it green?") && said.out.contains("all green"), "the logs hold what went on");
    let keys: Vec<_> = [&machines.leo, &machines.kai].into_iter().flat_map(keys).collect();
    assert_eq!(keys.len(), 4, "each has its owner's and the pair's");
    for key in keys {
        assert!([&sent, &said.out, &said.err].iter().all(|text| !text.contains(&key)), "a key was shown to an agent");
    }
}
