//! One of the official clients of the protocol, with the server that it started.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Fetched;
use super::errands::{Agent, Done};
use crate::support::process::skipped;
use crate::support::program::{Program, binary};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client, and the eras of the protocol that it can be made to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Python: begins with the newer era.
    PythonAuto,
    /// Python: `initialize`.
    PythonLegacy,
    /// TypeScript, first version: knows `initialize` alone.
    TypeScriptFirst,
    /// TypeScript: begins with the newer era.
    TypeScriptAuto,
    /// TypeScript: `initialize`.
    TypeScriptLegacy,
}

impl Kind {
    /// The version of the protocol that has to be agreed on.
    pub fn version(self) -> &'static str {
        match self {
            Self::PythonAuto | Self::TypeScriptAuto => "2026-07-28",
            Self::PythonLegacy | Self::TypeScriptFirst | Self::TypeScriptLegacy => "2025-11-25",
        }
    }
    /// The program that drives it, where it can be had; else says why a test is skipped.
    fn driver(self) -> Option<Command> {
        let beside = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/agents").join(name);
        let (program, script, mode) = match self {
            Self::PythonAuto | Self::PythonLegacy => {
                let Some(python) = std::env::var_os("LOOPSY_MCP_PYTHON") else {
                    skipped("no python-mcp: LOOPSY_MCP_PYTHON is not set");
                    return None;
                };
                (python.into(), "client.py", if self == Self::PythonAuto { "auto" } else { "legacy" })
            }
            Self::TypeScriptFirst => (Fetched::found()?.program("node"), "client.mjs", "v1"),
            Self::TypeScriptAuto => (Fetched::found()?.program("node"), "client.mjs", "auto"),
            Self::TypeScriptLegacy => (Fetched::found()?.program("node"), "client.mjs", "legacy"),
        };
        let mut command = Command::new(program);
        command.arg(beside(script)).arg(mode);
        Some(command)
    }
}

/// A client that does what it is told. It and its server are ended at the latest when this is dropped.
pub struct Client {
    driver: Child,
    said: UnboundedReceiver<Value>,
    /// What was said before anybody listened for it.
    kept: Vec<Value>,
    number: u64,
    /// The version of the protocol that client and server agreed on.
    pub version: String,
}

impl Client {
    /// A client at the home of a machine; none where it can't be had here.
    pub async fn start(kind: Kind, at: &Program) -> Option<Self> {
        let mut command = kind.driver()?;
        command.arg(binary()).arg("mcp-serve");
        command.env("HOME", at.folder()).env("LOOPSY_DATA_DIR", at.home().root()).current_dir(at.folder());
        let mut driver = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(driver.stdout.take().unwrap());
        let (tell, said) = unbounded_channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(serde_json::from_str(&line).unwrap())));
        let mut client = Self { driver, said, kept: Vec::new(), number: 0, version: String::new() };
        let connected = client.hear(|line| line["event"] == "connected").await;
        client.version = connected["version"].as_str().unwrap_or_default().to_owned();
        Some(client)
    }
    /// The first line that is like this, said already or yet to come.
    async fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at);
        }
        let listening = async {
            loop {
                let line = self.said.recv().await.expect("the client goes on");
                if wanted(&line) {
                    return line;
                }
                self.kept.push(line);
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("the client answers")
    }
    /// Has something done, whose answer is waited for later.
    pub fn begin(&mut self, what: &str, with: &Value) -> u64 {
        self.number += 1;
        let line = json!({ "id": self.number, "do": what, "with": with });
        writeln!(self.driver.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.number
    }
    /// What came of it.
    pub async fn end(&mut self, number: u64) -> Result<Value, String> {
        let mut line = self.hear(|line| line["id"] == number).await;
        match line["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(line["result"].take()),
        }
    }
    /// Has something done that must succeed.
    pub async fn ask(&mut self, what: &str, with: Value) -> Value {
        let number = self.begin(what, &with);
        self.end(number).await.unwrap_or_else(|error| panic!("{what} {with}: {error}"))
    }
    /// What a tool tells of its progress, in the words of the server.
    pub async fn progress(&mut self, of: u64) -> String {
        self.hear(|line| line["event"] == "progress" && line["of"] == of).await["message"].as_str().unwrap_or_default().to_owned()
    }
    /// Waits until a resource is said to have changed.
    pub async fn updated(&mut self, uri: &str) {
        self.hear(|line| line["event"] == "updated" && line["uri"] == uri).await;
    }
    /// Hangs up; whether the client ended well.
    pub fn close(mut self) -> bool {
        drop(self.driver.stdin.take());
        self.driver.wait().unwrap().success()
    }
}

impl Agent for Client {
    async fn call(&mut self, tool: &str, arguments: Value) -> Done {
        let mut result = self.ask("call", json!({ "name": tool, "arguments": arguments })).await;
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{tool}: no text in {result}")).to_owned();
        Done { failed: result["isError"] == true, value: result["structuredContent"].take(), text }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
