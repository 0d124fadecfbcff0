//! A model for agents to ask, in the manner of Anthropic's Messages API: the test thinks for it, and every byte it was sent
//! is kept.

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
    answer: mpsc::Sender<Value>,
}

impl Ask {
    /// Has the agent call a tool.
    pub fn call(self, tool: &str, arguments: &Value) {
        self.answer.send(json!({ "type": "tool_use", "id": name("toolu"), "name": tool, "input": arguments })).unwrap();
    }
    /// Ends the conversation with these words.
    pub fn say(self, text: &str) {
        self.answer.send(json!({ "type": "text", "text": text })).unwrap();
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
    let (kind, content) = if target.starts_with("/v1/messages/count_tokens") {
        ("application/json", json!({ "input_tokens": 10 }).to_string())
    } else {
        let block = think(&request, ask);
        if request["stream"] == true {
            ("text/event-stream", streamed(&block))
        } else {
            ("application/json", message(&[block]).to_string())
        }
    };
    let length = content.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{content}");
    stream.write_all(answer.as_bytes()).ok()
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

/// One block of an answer. Requests without tools are an agent's own housekeeping, and a test that is over thinks no more.
fn think(request: &Value, ask: &UnboundedSender<Ask>) -> Value {
    let nothing = json!({ "type": "text", "text": "ok" });
    if request["tools"].as_array().is_none_or(Vec::is_empty) {
        return nothing;
    }
    let (answer, thought) = mpsc::channel();
    let _ = ask.send(Ask { body: request.clone(), answer });
    thought.recv().unwrap_or(nothing)
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
fn streamed(block: &Value) -> String {
    let whole = message(std::slice::from_ref(block));
    let mut begun = message(&[]);
    begun["stop_reason"] = Value::Null;
    let (empty, delta) = if block["type"] == "tool_use" {
        let mut empty = block.clone();
        empty["input"] = json!({});
        (empty, json!({ "type": "input_json_delta", "partial_json": block["input"].to_string() }))
    } else {
        (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": block["text"] }))
    };
    let events = [
        json!({ "type": "message_start", "message": begun }),
        json!({ "type": "content_block_start", "index": 0, "content_block": empty }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": whole["stop_reason"], "stop_sequence": null }, "usage": whole["usage"] }),
        json!({ "type": "message_stop" }),
    ];
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())).collect()
}
