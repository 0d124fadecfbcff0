//! A model for agents to ask, in the manner of Anthropic's Messages API and of Gemini's: the test thinks for it, and every byte
//! it was sent is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use loopsy::base::sync::lock;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

/// How long an agent may take from one request to the next.
const PATIENCE: Duration = Duration::from_secs(60);

/// The model; its thread ends with the test process.
pub struct Model {
    port: u16,
    sent: Arc<Mutex<String>>,
    asked: UnboundedReceiver<Ask>,
}

/// An agent's request, for which the test has to think.
pub struct Ask {
    body: Value,
    answer: mpsc::Sender<Thought>,
}

/// What a model answers.
struct Thought {
    blocks: Vec<Value>,
    /// Whether it never comes to the end of it.
    hangs: bool,
}

/// A thought, in an answer of several parts.
pub fn thought(text: &str) -> Value {
    json!({ "type": "thinking", "thinking": text, "signature": "bW9jaw==" })
}

/// Words, in an answer of several parts.
pub fn words(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// A call, in an answer of several parts.
pub fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "type": "tool_use", "id": name("toolu"), "name": tool, "input": arguments })
}

impl Ask {
    /// Has the agent call a tool.
    pub fn call(self, tool: &str, arguments: &Value) {
        self.answer(vec![call(tool, arguments)]);
    }
    /// Ends the conversation with these words.
    pub fn say(self, text: &str) {
        self.answer(vec![words(text)]);
    }
    /// Answers with several parts.
    pub fn answer(self, blocks: Vec<Value>) {
        self.answer.send(Thought { blocks, hangs: false }).unwrap();
    }
    /// Begins with these words, and never ends.
    pub fn hang(self, text: &str) {
        self.answer.send(Thought { blocks: vec![words(text)], hangs: true }).unwrap();
    }
    /// All that it was sent.
    pub fn whole(&self) -> String {
        self.body.to_string()
    }
    /// What the newest tool call came to: whether it failed, and what the model gets to read.
    pub fn result(&self) -> (bool, String) {
        let messages = self.body["messages"].as_array().unwrap();
        let blocks = messages.iter().rev().filter_map(|message| message["content"].as_array()).flatten();
        let result = blocks.into_iter().find(|block| block["type"] == "tool_result").unwrap_or_else(|| panic!("no result: {messages:?}"));
        (result["is_error"] == true, text(&result["content"]))
    }
}

fn text(content: &Value) -> String {
    match content {
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n"),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

impl Model {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ask, asked) = unbounded_channel();
        let sent = Arc::<Mutex<String>>::default();
        let log = sent.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (ask, log) = (ask.clone(), log.clone());
                std::thread::spawn(move || serve(stream, &ask, &log));
            }
        });
        Self { port, sent, asked }
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// The next request of an agent at work.
    pub async fn asked(&mut self) -> Ask {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("the agent asks").unwrap()
    }
    /// All that was ever sent: requests, headers, bodies.
    pub fn sent(&self) -> String {
        lock(&self.sent).clone()
    }
}

fn serve(mut stream: TcpStream, ask: &UnboundedSender<Ask>, log: &Mutex<String>) -> Option<()> {
    let (head, body) = read(&stream)?;
    lock(log).push_str(&format!("{head}{}\n", String::from_utf8_lossy(&body)));
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let target = head.split(' ').nth(1)?;
    let length = |content: &str| format!("content-length: {}\r\n", content.len());
    let (kind, length, content, hangs) = if target.contains("count_tokens") || target.contains(":countTokens") {
        let content = json!({ "input_tokens": 10, "totalTokens": 10 }).to_string();
        ("application/json", length(&content), content, false)
    } else {
        let thought = think(&request, ask);
        let streams = request["stream"] == true || target.contains(":stream");
        let content = match (target.contains("enerateContent"), streams) {
            (true, true) => format!("data: {}\n\n", of_gemini(&thought.blocks)),
            (true, false) => of_gemini(&thought.blocks).to_string(),
            (false, true) => streamed(&thought),
            (false, false) => message(&thought.blocks).to_string(),
        };
        let length = if thought.hangs { String::new() } else { length(&content) };
        (if streams { "text/event-stream" } else { "application/json" }, length, content, thought.hangs)
    };
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{length}connection: close\r\n\r\n{content}");
    stream.write_all(answer.as_bytes()).ok()?;
    if hangs {
        let _ = stream.read(&mut [0]);
    }
    Some(())
}

fn read(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let begun = head.len();
        reader.read_line(&mut head).ok().filter(|count| *count > 0)?;
        let Some((name, value)) = head[begun..].trim().split_once(": ") else {
            if head[begun..].trim().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// An answer. Requests without tools are an agent's own housekeeping, and a test that is over thinks no more.
fn think(request: &Value, ask: &UnboundedSender<Ask>) -> Thought {
    let nothing = || Thought { blocks: vec![words("ok")], hangs: false };
    if request["tools"].as_array().is_none_or(Vec::is_empty) {
        return nothing();
    }
    let (answer, thought) = mpsc::channel();
    let _ = ask.send(Ask { body: request.clone(), answer });
    thought.recv().unwrap_or_else(|_| nothing())
}

/// The same in the manner of Gemini.
fn of_gemini(blocks: &[Value]) -> Value {
    let part = |block: &Value| match block["type"].as_str() {
        Some("tool_use") => json!({ "functionCall": { "id": block["id"], "name": block["name"], "args": block["input"] } }),
        Some("thinking") => json!({ "text": block["thinking"], "thought": true }),
        _ => json!({ "text": block["text"] }),
    };
    let content = json!({ "role": "model", "parts": blocks.iter().map(part).collect::<Vec<_>>() });
    json!({
        "candidates": [{ "content": content, "index": 0, "finishReason": "STOP" }], "modelVersion": "test", "responseId": name("answer"),
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15 },
    })
}

/// A name that nothing else has: answers of one name are taken for one.
fn name(of: &str) -> String {
    format!("{of}_{}", Uuid::new_v4().simple())
}

fn message(content: &[Value]) -> Value {
    let calls = content.iter().any(|block| block["type"] == "tool_use");
    json!({
        "id": name("msg"), "type": "message", "role": "assistant", "model": "test", "content": content,
        "stop_reason": if calls { "tool_use" } else { "end_turn" }, "stop_sequence": null,
        "usage": { "input_tokens": 10, "output_tokens": 5 },
    })
}

/// The same answer piece by piece.
fn streamed(thought: &Thought) -> String {
    let whole = message(&thought.blocks);
    let mut begun = message(&[]);
    begun["stop_reason"] = Value::Null;
    let mut events = vec![json!({ "type": "message_start", "message": begun })];
    for (index, block) in thought.blocks.iter().enumerate() {
        let mut empty = block.clone();
        let deltas = match block["type"].as_str() {
            Some("tool_use") => {
                empty["input"] = json!({});
                vec![json!({ "type": "input_json_delta", "partial_json": block["input"].to_string() })]
            }
            Some("thinking") => {
                (empty["thinking"], empty["signature"]) = ("".into(), "".into());
                let signature = json!({ "type": "signature_delta", "signature": block["signature"] });
                vec![json!({ "type": "thinking_delta", "thinking": block["thinking"] }), signature]
            }
            _ => {
                empty["text"] = "".into();
                vec![json!({ "type": "text_delta", "text": block["text"] })]
            }
        };
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": empty }));
        events.extend(deltas.into_iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })));
        if !thought.hangs {
            events.push(json!({ "type": "content_block_stop", "index": index }));
        }
    }
    if !thought.hangs {
        let delta = json!({ "stop_reason": whole["stop_reason"], "stop_sequence": null });
        events.push(json!({ "type": "message_delta", "delta": delta, "usage": whole["usage"] }));
        events.push(json!({ "type": "message_stop" }));
    }
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())).collect()
}
