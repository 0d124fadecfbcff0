//! An agent that plays scripts, in Claude Code's stream-json protocol. Tests put it on a daemon's PATH as `claude`.
//!
//! The script is in the prompt, so that one program serves all tests: `<fake>[STEP, …]</fake>`. A prompt without one is echoed.
//! Steps:
//!
//! | step | does |
//! |---|---|
//! | `{"text":"…"}` `{"think":"…"}` | says it, in pieces and whole. `{{last}}` is the newest tool's result, `{{cwd}}`, `{{args}}`, `{{env}}` what it was started with |
//! | `{"tool":"Bash","input":{"command":"…"}}` | asks, runs the command if it may (any other tool does nothing), tells the result. `"suggest":[…]` goes along as permission_suggestions; `"free":true` does not ask |
//! | `{"together":[tool, …]}` | asks for all of them, then goes on as the answers come |
//! | `{"spawn":"…"}` | starts a shell line and leaves it running |
//! | `{"sleep":ms}` `{"hang":true}` | waits, until it is interrupted |
//! | `{"raw":"…"}` `{"bytes":n}` `{"values":n}` `{"flood":n}` `{"forever":"…"}` | writes a line as it is; n bytes without a line break; a line with n values; n events; a line without end |
//! | `{"stderr":"…"}` `{"exit":n}` `{"fail":"…"}` | complains; leaves at once; ends the turn with an error |

#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a program of its own, which is not Loopsy")]

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let session = ["--session-id=", "--resume="].iter().find_map(|name| args.iter().find_map(|arg| arg.strip_prefix(name)));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                eprintln!("Error parsing streaming input line");
                std::process::exit(1);
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    let session = session.unwrap_or("00000000-0000-4000-8000-000000000000").to_owned();
    let mut agent = Agent {
        rules: args
            .iter()
            .filter_map(|arg| arg.strip_prefix("--allowedTools="))
            .flat_map(|list| list.split(','))
            .map(str::to_owned)
            .collect(),
        partial: args.iter().any(|arg| arg == "--include-partial-messages"),
        args,
        session,
        lines,
        prompts: VecDeque::new(),
        last: String::new(),
        said: String::new(),
        asked: 0,
        turns: 0,
        failed: false,
    };
    while let Some(prompt) = agent.next_prompt() {
        agent.turn(&prompt);
    }
    std::process::exit(i32::from(agent.failed));
}

struct Agent {
    args: Vec<String>,
    session: String,
    partial: bool,
    lines: Receiver<Value>,
    prompts: VecDeque<String>,
    /// What it may do without asking: `Bash(command)`.
    rules: Vec<String>,
    last: String,
    said: String,
    asked: u32,
    turns: u32,
    failed: bool,
}

/// Why a turn ends before its time.
enum Stop {
    Interrupted,
    Failed(String),
}

impl Agent {
    fn emit(&self, mut message: Value) {
        message["session_id"] = self.session.as_str().into();
        message["uuid"] = "00000000-0000-4000-8000-00000000beef".into();
        write_line(&message.to_string());
    }
    fn next_prompt(&mut self) -> Option<String> {
        loop {
            if let Some(prompt) = self.prompts.pop_front() {
                return Some(prompt);
            }
            let message = self.lines.recv().ok()?;
            self.hear(message);
        }
    }
    /// Takes in what is not an answer; whether it is an interruption.
    fn hear(&mut self, message: Value) -> bool {
        if message["type"] == "user" {
            self.prompts.push_back(message["message"]["content"].as_str().unwrap_or_default().to_owned());
            return false;
        }
        let is_interrupt = message["type"] == "control_request" && message["request"]["subtype"] == "interrupt";
        if message["type"] == "control_request" {
            let response = json!({ "subtype": "success", "request_id": message["request_id"], "response": { "still_queued": [] } });
            self.emit(json!({ "type": "control_response", "response": response }));
        }
        is_interrupt
    }
    fn turn(&mut self, prompt: &str) {
        self.turns += 1;
        self.said.clear();
        self.state("running");
        let mode = self.args.iter().find_map(|arg| arg.strip_prefix("--permission-mode=")).unwrap_or("none").to_owned();
        let cwd = std::env::current_dir().unwrap_or_default();
        self.emit(json!({ "type": "system", "subtype": "init", "cwd": cwd, "model": "fake-1", "permissionMode": mode, "tools": ["Bash"] }));
        let script = prompt.split_once("<fake>").and_then(|(_, rest)| rest.split_once("</fake>"));
        let steps: Vec<Value> = match script {
            Some((script, _)) => serde_json::from_str(script).unwrap_or_else(|error| vec![json!({ "fail": error.to_string() })]),
            None => vec![json!({ "text": format!("echo: {prompt}") })],
        };
        let ended = steps.iter().try_for_each(|step| self.step(step));
        let usage = json!({ "input_tokens": 10 * self.turns, "output_tokens": 5 });
        let mut result = json!({
            "type": "result", "subtype": "success", "is_error": false, "result": self.said, "duration_ms": 7, "num_turns": self.turns,
            "terminal_reason": "completed", "total_cost_usd": 0.25 * f64::from(self.turns), "usage": usage, "permission_denials": [],
        });
        self.failed = ended.is_err();
        match ended {
            Ok(()) => {}
            Err(Stop::Failed(why)) => (result["is_error"], result["result"]) = (true.into(), why.into()),
            Err(Stop::Interrupted) => {
                result["subtype"] = "error_during_execution".into();
                (result["is_error"], result["terminal_reason"], result["errors"]) =
                    (true.into(), "aborted_tools".into(), json!(["interrupted"]));
            }
        }
        self.emit(result);
        self.state("idle");
    }
    fn state(&self, state: &str) {
        self.emit(json!({ "type": "system", "subtype": "session_state_changed", "state": state }));
    }
    fn step(&mut self, step: &Value) -> Result<(), Stop> {
        let text = |name: &str| step[name].as_str().map(str::to_owned);
        let number = |name: &str| step[name].as_u64().unwrap_or_default();
        if let Some(said) = text("text") {
            self.said = self.filled(&said);
            self.block("text", "text_delta", &self.said.clone());
        } else if let Some(thought) = text("think") {
            self.block("thinking", "thinking_delta", &thought);
        } else if step["tool"].is_string() {
            self.tools(std::slice::from_ref(step))?;
        } else if let Some(tools) = step["together"].as_array() {
            self.tools(tools)?;
        } else if let Some(line) = text("spawn") {
            let _ = Command::new("/bin/sh").args(["-c", &line]).stdin(Stdio::null()).spawn();
        } else if step["sleep"].is_u64() || step["hang"].is_boolean() {
            let limit = step["sleep"].as_u64().map_or(Duration::from_secs(86_400), Duration::from_millis);
            self.wait(Instant::now() + limit)?;
        } else if let Some(line) = text("raw") {
            write_line(&line);
        } else if step["bytes"].is_u64() {
            let piece = vec![b'x'; 1 << 20];
            let mut left = number("bytes") as usize;
            while left > 0 {
                let some = left.min(piece.len());
                out(&piece[..some]);
                left -= some;
            }
        } else if step["values"].is_u64() {
            out(b"{\"type\":\"system\",\"values\":[");
            (0..number("values") / 1000).for_each(|_| out("0,".repeat(1000).as_bytes()));
            write_line("0]}");
        } else if step["flood"].is_u64() {
            (0..number("flood")).for_each(|n| self.emit(json!({ "type": "system", "subtype": "informational", "n": n })));
        } else if let Some(line) = text("forever") {
            loop {
                write_line(&line);
            }
        } else if let Some(line) = text("stderr") {
            eprintln!("{line}");
        } else if step["exit"].is_u64() {
            std::process::exit(number("exit") as i32);
        } else if let Some(why) = text("fail") {
            return Err(Stop::Failed(why));
        }
        Ok(())
    }
    fn filled(&self, text: &str) -> String {
        let cwd = std::env::current_dir().unwrap_or_default();
        let env: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        let values = [
            ("{{last}}", self.last.clone()),
            ("{{cwd}}", cwd.display().to_string()),
            ("{{args}}", self.args.join(" ")),
            ("{{env}}", env.join("\n")),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
    fn block(&self, kind: &str, delta: &str, text: &str) {
        let id = format!("msg_{}", self.turns);
        let event = |event: Value| self.emit(json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }));
        if self.partial {
            event(json!({ "type": "message_start", "message": { "id": id, "role": "assistant" } }));
            event(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": kind, kind: "" } }));
            let at = text.floor_char_boundary(text.len() / 2);
            for piece in [&text[..at], &text[at..]] {
                event(json!({ "type": "content_block_delta", "index": 0, "delta": { "type": delta, kind: piece } }));
            }
            self.assistant(&id, json!({ "type": kind, kind: text }));
            event(json!({ "type": "content_block_stop", "index": 0 }));
            event(json!({ "type": "message_stop" }));
        } else {
            self.assistant(&id, json!({ "type": kind, kind: text }));
        }
    }
    fn assistant(&self, id: &str, block: Value) {
        self.emit(json!({
            "type": "assistant", "parent_tool_use_id": null,
            "message": { "id": id, "role": "assistant", "model": "fake-1", "content": [block], "stop_reason": null },
        }));
    }
    /// Uses tools, each once it may.
    fn tools(&mut self, tools: &[Value]) -> Result<(), Stop> {
        let mut open = Vec::new();
        for tool in tools {
            self.asked += 1;
            let (id, request) = (format!("toolu_{}", self.asked), format!("ask-{}", self.asked));
            self.assistant(
                &format!("msg_{}", self.turns),
                json!({ "type": "tool_use", "id": id, "name": tool["tool"], "input": tool["input"] }),
            );
            if tool["free"] == true || self.rules.contains(&named(tool)) {
                self.used(&id, tool, &tool["input"]);
                continue;
            }
            self.state("requires_action");
            self.emit(json!({ "type": "control_request", "request_id": request, "request": {
                "subtype": "can_use_tool", "tool_name": tool["tool"], "input": tool["input"], "tool_use_id": id,
                "description": "what a script wants", "permission_suggestions": tool["suggest"].as_array().cloned().unwrap_or_default(),
            } }));
            open.push((request, id, tool));
        }
        while !open.is_empty() {
            let message = self.lines.recv().unwrap_or_else(|_| std::process::exit(0));
            if message["type"] == "control_response" {
                let answered = open.iter().position(|(request, ..)| message["response"]["request_id"] == request.as_str());
                if let Some((_, id, tool)) = answered.map(|at| open.remove(at)) {
                    self.answered(&id, tool, &message["response"]["response"])?;
                }
            } else if self.hear(message) {
                for (request, id, _) in &open {
                    write_line(&json!({ "type": "control_cancel_request", "request_id": request }).to_string());
                    self.result(id, "interrupted", true);
                }
                return Err(Stop::Interrupted);
            }
        }
        self.state("running");
        Ok(())
    }
    fn answered(&mut self, id: &str, tool: &Value, answer: &Value) -> Result<(), Stop> {
        if answer["behavior"] != "allow" {
            self.last = answer["message"].as_str().unwrap_or("no message").to_owned();
            self.result(id, &self.last.clone(), true);
            return if answer["interrupt"] == true { Err(Stop::Interrupted) } else { Ok(()) };
        }
        for update in answer["updatedPermissions"].as_array().into_iter().flatten() {
            for rule in update["rules"].as_array().into_iter().flatten() {
                self.rules.push(format!("{}({})", word(&rule["toolName"]), word(&rule["ruleContent"])));
            }
        }
        self.used(id, tool, &answer["updatedInput"]);
        Ok(())
    }
    fn used(&mut self, id: &str, tool: &Value, input: &Value) {
        if tool["tool"] == "Bash" {
            let mut command = Command::new("setsid");
            let output = command.args(["/bin/sh", "-c", &word(&input["command"])]).stdin(Stdio::null()).output();
            self.last =
                output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        } else {
            self.last = input.to_string();
        }
        self.result(id, &self.last.clone(), false);
    }
    fn result(&self, id: &str, content: &str, is_error: bool) {
        let block = json!({ "type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error });
        self.emit(json!({ "type": "user", "message": { "role": "user", "content": [block] }, "parent_tool_use_id": null }));
    }
    fn wait(&mut self, until: Instant) -> Result<(), Stop> {
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(message) if self.hear(message.clone()) => return Err(Stop::Interrupted),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                // Nobody speaks to it any more; it does what it does all the same.
                Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(until.saturating_duration_since(Instant::now())),
            }
        }
    }
}

fn named(tool: &Value) -> String {
    format!("{}({})", word(&tool["tool"]), word(&tool["input"]["command"]))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn write_line(line: &str) {
    out(line.as_bytes());
    out(b"\n");
}

/// Nobody who reads is the end.
fn out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}
