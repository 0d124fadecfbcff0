//! Commands over a WebSocket: the handshake and the frames (RFC 6455), byte by byte.

use serde_json::{Value, json};

use super::same;
use crate::support::line::{Head, Line};
use crate::support::sim::{Machine, OWNER, Sim};

/// A frame of a client. A mask of zeros is a mask.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long => vec![0x80 | 126, (long >> 8) as u8, long as u8],
    };
    [&[0x80 | opcode][..], &length, &[0; 4], payload].concat()
}

fn text(value: &Value) -> Vec<u8> {
    frame(1, value.to_string().as_bytes())
}

/// The next frame of the server that is no ping: its opcode and payload. None at the end.
async fn next(line: &mut Line) -> Option<(u8, Vec<u8>)> {
    loop {
        let head = line.read(2).await;
        let [first, length] = head[..] else { return None };
        assert!(first & 0x80 != 0 && length & 0x80 == 0, "whole, and without a mask");
        let length = match length {
            126 => line.read(2).await.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            127 => line.read(8).await.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            short => short.into(),
        };
        let payload = line.read(length).await;
        if first & 0x0f != 9 {
            return Some((first & 0x0f, payload));
        }
    }
}

async fn control(line: &mut Line) -> Value {
    let (opcode, payload) = next(line).await.unwrap();
    assert_eq!(opcode, 1, "{}", String::from_utf8_lossy(&payload));
    serde_json::from_slice(&payload).unwrap()
}

/// Asks for a WebSocket; `more` are headers with their line ends.
pub(super) async fn upgrade(machine: &Machine, more: &str) -> (Line, Head) {
    let mut line = Line::to(machine).await;
    line.write(format!(
        "GET /api/v1/execute/ws HTTP/1.1\r\nHost: 127.0.0.1:19532\r\nAuthorization: Bearer {OWNER}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    ))
    .await;
    let head = line.head().await.unwrap();
    (line, head)
}

/// Speaks with `cat` from start to exit; bytes that are no text pass untouched.
pub(super) async fn converse(line: &mut Line) {
    line.write(text(&json!({ "type": "start", "command": "cat", "openStdin": true }))).await;
    same(&control(line).await, &json!({ "type": "started", "jobId": "<uuid>" }));
    let sent: Vec<u8> = (0..=255).collect();
    line.write(frame(2, &[&[0], sent.as_slice()].concat())).await;
    assert_eq!(next(line).await, Some((2, [&[1], sent.as_slice()].concat())));
    line.write(frame(2, &[0])).await;
    let exit = control(line).await;
    same(&exit, &json!({ "type": "exit", "exitCode": 0, "timedOut": false, "killed": false, "duration": "<count>" }));
    assert_eq!(next(line).await.unwrap().0, 8, "the server closes");
}

#[tokio::test]
async fn bytes_pass_untouched_both_ways() {
    let a = Sim::default().machine("a", &[], "").await;
    let (mut line, head) = upgrade(&a, "").await;
    assert_eq!((head.status, head.header("upgrade"), head.header("connection")), (101, Some("websocket"), Some("upgrade")));
    // The example of RFC 6455, section 1.3.
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    converse(&mut line).await;
}

#[tokio::test]
async fn standard_error_a_signal_and_a_failure_have_their_frames() {
    let a = Sim::default().machine("a", &[], "").await;
    let (mut line, _) = upgrade(&a, "").await;
    line.write(text(&json!({ "type": "start", "command": "sh", "args": ["-c", "echo err >&2; exec sleep 60"] }))).await;
    control(&mut line).await;
    assert_eq!(next(&mut line).await, Some((2, b"\x02err\n".to_vec())));
    line.write(text(&json!({ "type": "signal", "signal": "SIGINT" }))).await;
    let exit = json!({ "type": "exit", "exitCode": null, "signal": "SIGINT", "timedOut": false, "killed": false, "duration": "<count>" });
    same(&control(&mut line).await, &exit);

    for (first, code) in [
        (text(&json!({ "type": "start", "command": "no-such-program" })), 3004),
        (text(&json!({ "type": "cancel" })), 9003),
        (text(&json!({ "type": "start", "command": "echo", "args": ["a\u{0}"] })), 9003),
        (frame(1, b"nonsense"), 9003),
        (frame(2, b"\x00x"), 9003),
    ] {
        let (mut line, _) = upgrade(&a, "").await;
        line.write(first).await;
        let failed = control(&mut line).await;
        assert_eq!((failed["type"].as_str(), failed["error"]["code"].as_u64()), (Some("error"), Some(code)), "{failed}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused() {
    let a = Sim::default().machine("a", &[], "").await;
    for head in
        ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Version: 13\r\n"]
    {
        let mut line = Line::to(&a).await;
        line.write(format!("GET /api/v1/execute/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OWNER}\r\n{head}\r\n")).await;
        assert_eq!(line.whole("GET").await.failure(), (400, 9003), "{head}");
    }
    let (_, refused) = upgrade(&a, "Origin: http://localhost\r\n").await;
    assert_eq!(refused.status, 403);
}
