//! A stand-in for a daemon of the Node version: it speaks the compat literals over plain HTTP/1.1, and may be given a
//! wrong clock, another version, or no key yet.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use loopsy::base::clock;
use serde_json::{Value, json};

/// What the stand-in is like.
#[derive(Debug, Clone)]
pub struct Traits {
    pub version: &'static str,
    /// Seconds that its clock is ahead.
    pub ahead: i64,
    /// The key that it accepts, once somebody has entered one.
    pub key: Option<String>,
    /// Beside those of the Node version.
    pub capabilities: Vec<&'static str>,
}

impl Default for Traits {
    fn default() -> Self {
        Self { version: "1.0.0", ahead: 0, key: None, capabilities: Vec::new() }
    }
}

/// The daemon; its thread ends with the test process.
pub struct StandIn {
    pub port: u16,
    traits: Arc<Mutex<Traits>>,
}

struct Asked {
    method: String,
    path: String,
    key: Option<String>,
    body: Value,
}

type Store = Arc<Mutex<BTreeMap<String, Value>>>;

impl StandIn {
    pub fn start(traits: Traits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let traits = Arc::new(Mutex::new(traits));
        let (shared, store) = (traits.clone(), Store::default());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (traits, store) = (shared.lock().unwrap().clone(), store.clone());
                std::thread::spawn(move || serve(stream, &traits, &store));
            }
        });
        Self { port, traits }
    }
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
    /// Somebody enters the key in its configuration and restarts it.
    pub fn enter(&self, key: &str) {
        self.traits.lock().unwrap().key = Some(key.to_owned());
    }
}

fn serve(mut stream: TcpStream, traits: &Traits, store: &Store) {
    // What is no request, such as a TLS greeting, is answered by hanging up.
    let Some(asked) = read(&stream) else { return };
    let now = UNIX_EPOCH + Duration::from_millis(clock::now());
    let ahead = Duration::from_secs(traits.ahead.unsigned_abs());
    let date = httpdate::fmt_http_date(if traits.ahead < 0 { now - ahead } else { now + ahead });
    let (status, kind, body) = answer(&asked, traits, store);
    let head = format!(
        "HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut key, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "authorization" => key = value.trim().strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, key, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn failure(status: u16, code: u16, message: &str) -> (u16, &'static str, String) {
    (status, "application/json; charset=utf-8", json!({ "error": { "code": code, "message": message } }).to_string())
}

fn answer(asked: &Asked, traits: &Traits, store: &Store) -> (u16, &'static str, String) {
    let good = |value: Value| (200, "application/json; charset=utf-8", value.to_string());
    let node_id = "6e1f3e0c-4f2a-4d6e-9a3b-0123456789ab";
    let path = asked.path.strip_prefix("/api/v1").unwrap_or_default();
    if (asked.method.as_str(), path) == ("GET", "/health") {
        return good(json!({ "status": "ok", "nodeId": node_id, "uptime": 5, "version": traits.version }));
    }
    match &asked.key {
        None => return failure(401, 1001, "Missing API key"),
        Some(key) if traits.key.as_ref() != Some(key) => return failure(403, 1002, "Invalid API key"),
        Some(_) => {}
    }
    let mut capabilities = vec!["execute", "transfer", "context", "ai-tasks"];
    capabilities.extend(&traits.capabilities);
    let text = |field: &str| asked.body[field].as_str().unwrap_or_default().to_owned();
    match (asked.method.as_str(), path.split_once("/context/").map_or((path, ""), |(_, key)| ("/context/{key}", key))) {
        ("GET", ("/identity", _)) | ("POST", ("/peers/handshake", _)) => good(json!({
            "nodeId": node_id, "hostname": "old-kai", "platform": "linux", "version": traits.version, "port": 19532,
            "capabilities": capabilities,
        })),
        ("GET", ("/status", _)) => good(json!({
            "nodeId": node_id, "hostname": "old-kai", "platform": "linux", "version": traits.version, "uptime": 5,
            "peers": { "total": 0, "online": 0, "offline": 0 }, "jobs": { "active": 0, "total": 0 }, "context": { "entries": 0 },
        })),
        ("POST", ("/execute" | "/execute/stream", _)) => {
            let args: Vec<String> = serde_json::from_value(asked.body["args"].clone()).unwrap_or_default();
            let ran = Command::new(text("command")).args(args).output().unwrap();
            let (stdout, code) = (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.status.code().unwrap());
            if path == "/execute" {
                return good(json!({ "jobId": "j", "exitCode": code, "stdout": stdout, "stderr": "", "duration": 1, "killed": false }));
            }
            let event =
                |kind: &str, data: &str| format!("data: {}\n\n", json!({ "type": kind, "data": data, "jobId": "j", "timestamp": 1 }));
            (200, "text/event-stream", event("stdout", &stdout) + &event("exit", &code.to_string()))
        }
        ("PUT", (_, key)) => {
            let entry = json!({ "key": key, "value": text("value"), "fromNodeId": "x", "createdAt": 1, "updatedAt": 1 });
            store.lock().unwrap().insert(key.to_owned(), entry.clone());
            good(entry)
        }
        ("GET", ("/context/{key}", key)) => match store.lock().unwrap().get(key) {
            Some(entry) => good(entry.clone()),
            None => failure(404, 5001, "Context key not found"),
        },
        ("DELETE", ("/context/{key}", key)) => {
            store.lock().unwrap().remove(key);
            good(json!({ "success": true, "key": key }))
        }
        ("GET", (path, _)) if path.starts_with("/context") => {
            good(json!({ "entries": store.lock().unwrap().values().collect::<Vec<_>>() }))
        }
        _ => (404, "text/html", "Not found".into()),
    }
}
