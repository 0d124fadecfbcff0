//! Clients and programs that mean harm.

use futures_util::{SinkExt, StreamExt};
use http::Method;
use loopsy::api::terminal::{TerminalReply, TerminalSocket};
use loopsy::base::Code;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Viewer, get, open};
use crate::support::node::{Node, Pair};
use crate::support::sim::OWNER;

#[tokio::test(flavor = "multi_thread")]
async fn strange_messages_are_refused_and_change_nothing() {
    let node = Node::start("kai", json!({}));
    let link = node.link();
    let terminal = open(&link, "bash", &["--norc", "-i"]).await;
    let mut viewer = Viewer::attach(&link, &terminal, Some((80, 24))).await;
    let texts = [
        "no json",
        "[]",
        "{}",
        r#"{"type":"resize"}"#,
        r#"{"type":"resize","cols":0,"rows":24}"#,
        r#"{"type":"resize","cols":80,"rows":0}"#,
        r#"{"type":"resize","cols":-1,"rows":24}"#,
        r#"{"type":"resize","cols":70000,"rows":24}"#,
        r#"{"type":"resize","cols":65535,"rows":65535}"#,
        r#"{"type":"resize","cols":"80","rows":24}"#,
        r#"{"type":"attached","cols":80,"rows":24}"#,
        r#"{"type":"exit"}"#,
    ];
    for text in texts {
        let before = viewer.said.len();
        viewer.send(Message::text(text)).await;
        viewer.until("the refusal", |viewer| viewer.said.len() > before).await;
        let Some(TerminalReply::Error { error }) = viewer.said.last() else { panic!("{text}: {:?}", viewer.said) };
        assert_eq!(error.code, Code::InvalidRequest, "{text}");
    }
    // Far more of them than are told of.
    for _ in 0..2000 {
        viewer.send(Message::text("x")).await;
    }
    viewer.types("stty size\n").await;
    viewer.until_text("24 80").await;
    viewer.send(Message::binary((0..=255_u8).cycle().take(100_000).collect::<Vec<_>>())).await;
    node.answers().await;
    assert!(viewer.said.len() < 2000 + texts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_not_there_or_somebody_else_s_looks_the_same() {
    let pair = Pair::start();
    let (owner, peer) = (pair.kai.link(), pair.leo.link().via("kai"));
    let owners = open(&owner, "sleep", &["1000"]).await;
    let peers = open(&peer, "sleep", &["1000"]).await;
    for terminal_id in [owners.terminal_id.as_str(), "nothing", "../identity", "\u{0}"] {
        let op = TerminalSocket { terminal_id: terminal_id.to_owned(), cols: None, rows: None };
        match peer.socket(&op).await {
            Ok(socket) => {
                let mut viewer = Viewer { socket, screen: vt100::Parser::default(), size: (0, 0), said: Vec::new(), bytes: 0 };
                viewer.step().await;
                let Some(TerminalReply::Error { error }) = viewer.said.first() else { panic!("{:?}", viewer.said) };
                assert_eq!(error.code, Code::ExecJobNotFound, "{terminal_id:?}");
            }
            Err(error) => assert_eq!(error.code, Code::InvalidRequest, "{terminal_id:?}"),
        }
    }
    // The owner sees all.
    Viewer::attach(&owner, &peers, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_that_no_screen_has_are_refused_on_every_way_in() {
    let node = Node::start("kai", json!({}));
    let terminal = open(&node.link(), "sleep", &["1000"]).await;
    let (raw, auth) = (node.raw(), format!("Bearer {OWNER}"));
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    let size = format!("/api/v1/terminals/{}/size", terminal.terminal_id);
    for body in [r#"{"cols":0,"rows":1}"#, r#"{"cols":80}"#, r#"{"cols":1000,"rows":1000}"#, r#"{"cols":99999,"rows":1}"#] {
        let answer = raw.send(Method::PUT, &size, &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 9003), "{body}");
        let answer = raw.send(Method::POST, "/api/v1/terminals", &headers, body).await;
        assert_eq!(answer.status == 201, body == r#"{"cols":80}"#, "{body}");
    }
    node.answers().await;
}

/// known fault 14: what can't be started is a failure, and the daemon lives.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_started_is_said() {
    let node = Node::start("kai", json!({ "terminal": { "maxConcurrent": 2 } }));
    let (raw, auth) = (node.raw(), format!("Bearer {OWNER}"));
    let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
    let cases = [
        (r#"{"command":"sh","args":["a\u0000b"]}"#, 9003),
        (r#"{"command":""}"#, 9003),
        (r#"{"command":"sh","env":{"A=B":"c"}}"#, 9003),
        (r#"{"command":"sh","cwd":"/etc/passwd"}"#, 3004),
        (r#"{"command":"no-such-program"}"#, 3004),
        (r#"{"command":"rm","args":["-rf","x"]}"#, 3001),
        (r#"{"command":"bash","args":["-c","true; rm x"]}"#, 3001),
        (r#"{"args":["x"]}"#, 9003),
    ];
    for (body, code) in cases {
        let answer = raw.send(Method::POST, "/api/v1/terminals", &headers, body).await;
        assert_eq!(answer.code(), code, "{body}");
    }
    for expected in [201, 201, 429] {
        let answer = raw.send(Method::POST, "/api/v1/terminals", &headers, r#"{"command":"sleep","args":["1000"]}"#).await;
        assert_eq!(answer.status.as_u16(), expected);
    }
    node.answers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_without_end_and_other_floods_of_control_do_not_grow_the_daemon() {
    let node = Node::start("kai", json!({}));
    let link = node.link();
    let floods = [
        r"printf '\033]0;'; head -c 20000000 /dev/zero | tr '\0' x; printf '\007done'",
        r"printf '\033P'; head -c 5000000 /dev/zero | tr '\0' x; printf '\033\\done'",
        r"i=0; while [ $i -lt 500 ]; do printf '\033[9999S\033[9999T\033[9999L\033[9999@'; i=$((i+1)); done; printf '\033[H\033[2Jdone'",
    ];
    for flood in floods {
        let terminal = open(&link, "sh", &["-c", &format!("{flood}; read a")]).await;
        let mut viewer = Viewer::attach(&link, &terminal, None).await;
        let mut tail = Vec::new();
        while !tail.ends_with(b"done") {
            use futures_util::StreamExt;
            if let Message::Binary(bytes) = viewer.socket.next().await.unwrap().unwrap() {
                tail.extend_from_slice(&bytes);
                tail.drain(..tail.len().saturating_sub(4));
            }
        }
        let mut later = Viewer::attach(&link, &terminal, None).await;
        later.until_text("done").await;
    }
    assert!(node.process().peak_memory().unwrap() < 64 * loopsy::base::units::MIB);
}

/// What one client sends at once, and how many there are, is bounded: their messages are kept until they are whole.
#[tokio::test(flavor = "multi_thread")]
async fn clients_take_little_memory() {
    let node = Node::start("kai", json!({}));
    let link = node.link();
    let terminal = open(&link, "cat", &[]).await;
    let mut viewer = Viewer::attach(&link, &terminal, None).await;
    viewer.send(Message::binary(vec![b'x'; 64 * 1024])).await;
    viewer.until_text("xxxx").await;
    let _ = viewer.socket.send(Message::binary(vec![b'x'; 64 * 1024 + 1])).await;
    while viewer.step().await {}
    assert!(!viewer.said.iter().any(|reply| matches!(reply, TerminalReply::Exit { .. })));

    let nobody = || async {
        while get(&link, &terminal).await.clients > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::PATIENCE, nobody()).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..32 {
        crowd.push(Viewer::attach(&link, &terminal, None).await);
    }
    let mut refused = link.socket(&TerminalSocket { terminal_id: terminal.terminal_id.clone(), cols: None, rows: None }).await.unwrap();
    let Some(Ok(Message::Text(text))) = refused.next().await else { panic!("an answer") };
    let TerminalReply::Error { error } = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    assert_eq!(error.code, Code::ExecMaxConcurrent);
    drop(crowd);
    tokio::time::timeout(super::PATIENCE, nobody()).await.unwrap();
    Viewer::attach(&link, &terminal, None).await;
}
