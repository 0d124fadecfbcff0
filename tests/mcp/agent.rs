//! A client of the server that writes and reads the lines itself.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::fit::misfit;
use crate::support::program::Program;

/// Longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub struct Agent {
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What came that nobody has waited for yet.
    waiting: Vec<Value>,
    /// Everything that came.
    pub transcript: String,
    next: u64,
    modern: bool,
    outputs: HashMap<String, Value>,
}

/// What every request of the newest version carries.
pub fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

impl Agent {
    /// A server that has not been spoken to.
    pub fn silent(program: &Program) -> Self {
        Self::of(program.command(&["mcp-serve"]))
    }
    pub fn of(mut command: std::process::Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (to, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| to.send(line).is_ok()));
        let stdin = child.stdin.take();
        let (waiting, outputs) = (Vec::new(), HashMap::new());
        Self { child, stdin, lines, waiting, transcript: String::new(), next: 0, modern: false, outputs }
    }
    /// A server with a session, as clients up to 2025-11-25 have one.
    pub fn start(program: &Program) -> Self {
        Self::silent(program).initialized(json!({}))
    }
    pub fn initialized(mut self, capabilities: Value) -> Self {
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info });
        assert_eq!(self.result("initialize", params)["protocolVersion"], "2025-11-25");
        self.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        self.learn();
        self
    }
    /// A server that is spoken to in the newest version, which knows no sessions.
    pub fn modern(program: &Program) -> Self {
        let mut agent = Self::silent(program);
        agent.modern = true;
        agent.learn();
        agent
    }
    fn learn(&mut self) {
        let tools = self.result("tools/list", json!({}));
        for tool in tools["tools"].as_array().unwrap() {
            self.outputs.insert(tool["name"].as_str().unwrap().to_owned(), tool["outputSchema"].clone());
        }
    }

    pub fn write_line(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line).unwrap();
        stdin.write_all(b"\n").unwrap();
    }
    pub fn write(&mut self, message: &Value) {
        self.write_line(message.to_string().as_bytes());
    }
    /// Ends the input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }
    /// The next message for which this holds.
    pub fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&is_it) {
            return self.waiting.remove(at);
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("never came: {what}; but {:?}", self.waiting));
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not the protocol: {line:?}"));
            self.transcript.push_str(&line);
            self.transcript.push('\n');
            if is_it(&message) {
                return message;
            }
            self.waiting.push(message);
        }
    }
    /// Sends a request; answers its id.
    pub fn request(&mut self, method: &str, mut params: Value) -> u64 {
        self.next += 1;
        if self.modern {
            let token = params["_meta"].take();
            params["_meta"] = meta();
            if let Some(token) = token.get("progressToken") {
                params["_meta"]["progressToken"] = token.clone();
            }
        }
        self.write(&json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }));
        self.next
    }
    pub fn answer(&mut self, id: u64) -> Value {
        self.wait(&format!("the answer to {id}"), |message| message["id"] == id && message.get("method").is_none())
    }
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }
    pub fn notification(&mut self, method: &str) -> Value {
        self.wait(method, |message| message["method"] == method)["params"].clone()
    }

    /// Begins a call of a tool; answers its id.
    pub fn begin(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }
    /// Calls a tool that must succeed; its result must fit the tool's schema.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.call_told(tool, arguments).0
    }
    /// The same, with the text for people.
    pub fn call_told(&mut self, tool: &str, arguments: Value) -> (Value, String) {
        let result = self.result("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_ne!(result["isError"], true, "{tool}: {result}");
        let structured = result["structuredContent"].clone();
        assert_eq!(misfit(&self.outputs[tool], &structured, tool), None);
        (structured, result["content"][0]["text"].as_str().unwrap().to_owned())
    }
    /// Calls a tool that must fail; answers its one line.
    pub fn fails(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.result("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(result["isError"], true, "{tool}: {result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(!text.contains('\n') && !text.contains("os error"), "{text}");
        text
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
