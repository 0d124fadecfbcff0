//! Streams and sockets: what they carry, and that they end with their login.

use std::time::Duration;

use http::Method;
use loopsy::net::Network;
use serde_json::{Value, json};

use super::board::{Board, Login};
use crate::support::line::Line;
use crate::support::node::Node;
use crate::support::sim::OWNER;

/// The next event of `/live` that is about this daemon and of this type.
async fn told(line: &mut Line, daemon: &str, kind: &str) -> Value {
    next(line, daemon, kind, |told| (told["event"]["type"] == kind).then(|| told["event"].clone())).await
}

/// What is wanted of the next message of `/live` about this daemon that has it.
async fn next(line: &mut Line, daemon: &str, what: &str, wanted: impl Fn(&Value) -> Option<Value>) -> Value {
    let looking = async {
        loop {
            let event = line.event().await.expect("the stream ended");
            let Some(data) = event.strip_prefix("data: ") else { continue };
            let told: Value = serde_json::from_str(data).unwrap();
            if let Some(found) = wanted(&told).filter(|_| told["daemon"] == daemon) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("no {what} of {daemon}"))
}

#[tokio::test]
async fn the_same_stream_tells_of_transfers() {
    let node = Node::start("leo", json!({ "transfer": { "allowedPaths": ["/tmp"] } }));
    let (board, folder) = (Board::of(&node.program), tempfile::tempdir_in("/tmp").unwrap());
    let login = board.log_in().await;
    let mut live = board.stream(&login, "/live").await;
    let transfers = |told: &Value| Some(told["transfers"].clone()).filter(Value::is_array);
    assert_eq!(next(&mut live, "main", "transfers", transfers).await, json!([]));
    let target = folder.path().join("big").display().to_string();
    let mut upload = Line::over(Network::Sockets.dial(&node.address()).await.unwrap());
    upload.write(format!("PUT /api/v1/transfer/file?path={target}&size=9000000 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\ncontent-length: 9000000\r\n\r\n")).await;
    upload.write(vec![7; 1_000_000]).await;
    let running = |told: &Value| told["transfers"].as_array()?.iter().find(|transfer| transfer["bytes"].as_u64() > Some(0)).cloned();
    let running = next(&mut live, "main", "transfer", running).await;
    assert_eq!((&running["direction"], &running["total"], &running["path"]), (&json!("in"), &json!(9_000_000), &json!(target)));
    drop(upload);
    let none = |told: &Value| told["transfers"].as_array().filter(|list| list.is_empty()).map(|list| json!(list));
    next(&mut live, "main", "end of the transfer", none).await;
}

/// An end that is seen as one: no more bytes, within a moment.
async fn ends(line: &mut Line) {
    let ended = tokio::time::timeout(Duration::from_secs(5), async { while !line.read(1).await.is_empty() {} }).await;
    assert!(ended.is_ok(), "it goes on");
}

async fn open_socket(board: &Board, login: &Login) -> Line {
    let ticket = board.ticket(login, "/d/main/api/v1/execute/ws").await;
    let mut line =
        board.socket(&format!("/socket?ticket={ticket}"), &format!("Origin: {}\r\nCookie: {}\r\n", board.origin(), login.cookie)).await;
    assert_eq!(line.head().await.unwrap().status, 101);
    // A ping and its answer: the socket goes through to the daemon.
    line.write([0x89, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(line.read(2).await, [0x8a, 0]);
    line
}

#[tokio::test]
async fn one_stream_tells_of_all_daemons_and_of_their_coming_and_going() {
    let mut node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    let mut live = board.stream(&login, "/live").await;
    told(&mut live, "main", "hello").await;
    board.call(&login, Method::PUT, "/d/main/api/v1/context/k", &json!({ "value": "v" })).await;
    assert_eq!(told(&mut live, "main", "context").await["subject"], "k");
    node.program.ok(&["session", "start", "worker-1"]);
    assert_eq!(told(&mut live, "worker-1", "daemon").await["action"], "started");
    told(&mut live, "worker-1", "hello").await;
    board.call(&login, Method::PUT, "/d/worker-1/api/v1/context/w", &json!({ "value": "v" })).await;
    assert_eq!(told(&mut live, "worker-1", "context").await["subject"], "w");
    node.program.ok(&["session", "stop", "worker-1"]);
    assert_eq!(told(&mut live, "worker-1", "daemon").await["action"], "stopped");
    node.kill();
    assert_eq!(told(&mut live, "main", "daemon").await["action"], "stopped");
    node.again();
    assert_eq!(told(&mut live, "main", "daemon").await["action"], "started");
    told(&mut live, "main", "hello").await;
}

#[tokio::test]
async fn a_login_that_is_ended_is_cut_off_in_the_middle_and_no_other() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let (owner, guest) = {
        let first = board.log_in().await;
        let second = board.another(&first).await;
        (first, second)
    };
    let mut guests =
        [board.stream(&guest, "/live").await, board.stream(&guest, "/d/main/api/v1/events").await, open_socket(&board, &guest).await];
    let mut own = [board.stream(&owner, "/live").await, open_socket(&board, &owner).await];
    told(&mut guests[0], "main", "hello").await;
    told(&mut own[0], "main", "hello").await;
    assert_eq!(board.ask(Method::DELETE, &format!("/logins/{}", guest.id), &owner.headers(), "").await.status, 200);
    for line in &mut guests {
        ends(line).await;
    }
    own[1].write([0x89, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(own[1].read(2).await, [0x8a, 0]);
    board.call(&owner, Method::PUT, "/d/main/api/v1/context/k", &json!({ "value": "v" })).await;
    told(&mut own[0], "main", "context").await;
}

#[tokio::test]
async fn an_upload_of_a_login_that_is_ended_is_cut_off_too() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let owner = board.log_in().await;
    let guest = board.another(&owner).await;
    let mut line = board.line().await;
    let more = format!("{}Origin: {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n", guest.text(), board.origin());
    line.write(board.head("PUT", "/d/main/api/v1/context/k", &more) + "{\"value\":").await;
    let looking = async {
        let mut rows = 0;
        while rows == 0 {
            rows = board.get(&owner, "/logins").await.json()["logins"].as_array().unwrap().len();
        }
    };
    looking.await;
    board.ask(Method::DELETE, &format!("/logins/{}", guest.id), &owner.headers(), "").await;
    let answer = tokio::time::timeout(Duration::from_secs(5), line.whole("PUT")).await.unwrap();
    assert_eq!(answer.failure(), (401, 1001));
}

#[tokio::test]
async fn the_end_is_quick_whatever_is_open() {
    let node = Node::start("leo", json!({}));
    let mut board = Board::of(&node.program);
    let login = board.log_in().await;
    let mut live = board.stream(&login, "/live").await;
    told(&mut live, "main", "hello").await;
    let mut events = board.stream(&login, "/d/main/api/v1/events").await;
    let mut socket = open_socket(&board, &login).await;
    let mut half = board.line().await;
    half.write("POST /login HTTP/1.1\r\nHost: ").await;
    let (ended, took) = board.stop();
    assert!(ended.success() && took < Duration::from_secs(3), "{took:?}");
    for line in [&mut live, &mut events, &mut socket, &mut half] {
        ends(line).await;
    }
    assert!(!node.program.home().dashboard().exists());
    node.answers().await;
}
