//! Claude Code, whose model is the test.

use std::process::{Child, Stdio};

use loopsy::base::workers::blocking;
use serde_json::Value;

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

/// known faults 4, 9, 34: an agent does everything there is to do, and is never shown a key.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_claude_uses_every_tool_and_sees_no_key() {
    let (true, Some(fetched)) = (heavy(), Fetched::found()) else { return };
    let machines = Paired::start();
    let leo = &machines.leo.program;
    let added = Ran::of(fetched.loopsy(leo, &["mcp", "add"]).output().unwrap());
    assert_eq!(added.code, 0, "{added:?}");
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
