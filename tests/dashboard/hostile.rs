//! Input that nobody sends by mistake.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::board::{Board, token};
use crate::support::node::Node;
use crate::support::program::Program;

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_page_goes_on() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    let json = ("content-type", "application/json");
    for body in
        ["", "{", "[]", "null", "{}", "{\"link\":7}", "{\"link\":null}", "\u{0}", &"[".repeat(10_000), "{\"link\":\"a\",\"link\":\"b\"}"]
    {
        let answer = board.ask(Method::POST, "/login", &[json], body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 9003), "{body:.40}");
    }
    for path in ["/login", "/tickets"] {
        let large = format!("{{\"link\":\"{}\"}}", "a".repeat(70_000));
        let answer = board.ask(Method::POST, path, &[&login.headers()[..], &[json]].concat(), large).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (413, 9006), "{path}");
    }
    for (path, peer) in [("", None), ("/x", None), ("/d/main/api/v1/x", Some("")), ("/d/main/api/v1/x", Some("a\r\nb"))] {
        let answer = board.call(&login, Method::POST, "/tickets", &json!({ "path": path, "peer": peer })).await;
        assert!(answer.status.is_client_error(), "{path:?} {peer:?}");
    }
    let mut line = board.line().await;
    line.try_write(board.head("GET", "/", &format!("x: {}\r\n", "a".repeat(2_000_000)))).await;
    assert!(line.head().await.is_none_or(|head| head.status == 431));
    let mut line = board.line().await;
    line.try_write(board.head("GET", "/", &"a: b\r\n".repeat(2_000))).await;
    assert!(line.head().await.is_none_or(|head| head.status == 431));
    let mut line = board.line().await;
    line.write("\u{16}\u{3}\u{1} no TLS here\r\n\r\n").await;
    assert!(line.head().await.is_none_or(|head| head.status == 400));
    assert_eq!(board.get(&login, "/me").await.status, 200);
}

#[tokio::test]
async fn thousands_of_links_tickets_and_logins_take_no_room() {
    let program = Program::bare();
    let board = Board::of(&program);
    let login = board.log_in().await;
    let raw = board.raw();
    let origin = board.origin();
    let headers = [&login.headers()[..], &[("origin", &*origin), ("content-type", "application/json")]].concat();
    let wish = json!({ "path": format!("/d/main/api/v1/{}", "x".repeat(1000)) }).to_string();
    let mut first = None;
    for _ in 0..1000 {
        let ticket = raw.send(Method::POST, "/tickets", &headers, wish.clone()).await.json();
        first.get_or_insert_with(|| ticket["ticket"].as_str().unwrap().to_owned());
        assert_eq!(raw.send(Method::POST, "/links", &headers, "{}").await.status, 200);
    }
    let used =
        board.socket(&format!("/socket?ticket={}", first.unwrap()), &format!("Origin: {origin}\r\nCookie: {}\r\n", login.cookie)).await;
    assert_eq!({ used }.whole("GET").await.failure(), (403, 1005), "the oldest has gone");
    let mut last = login.clone();
    for _ in 0..40 {
        last = board.another(&last).await;
    }
    assert_eq!(board.get(&last, "/logins").await.json()["logins"].as_array().unwrap().len(), 32);
    assert_eq!(board.get(&login, "/me").await.status, 401, "the one that was used least recently has gone");
}

#[tokio::test]
async fn who_guesses_is_answered_ever_slower_and_the_owner_is_not() {
    let program = Program::bare();
    let board = Board::of(&program);
    let guess = async {
        loop {
            assert_eq!(board.enter("guess", &[]).await.code(), 1003);
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(1500), guess).await.is_err());
    let begun = std::time::Instant::now();
    board.enter("guess", &[]).await;
    assert!(begun.elapsed() >= Duration::from_millis(900));
    let begun = std::time::Instant::now();
    board.log_in_with(token(&board.first.url)).await;
    assert!(begun.elapsed() < Duration::from_millis(900));
}

/// Whoever had the port before may have left a service worker, which would see everything.
#[tokio::test]
async fn a_service_worker_that_asks_for_its_script_is_sent_away() {
    let program = Program::bare();
    let board = Board::of(&program);
    for path in ["/sw.js", "/js/main.js", "/a/b/worker.mjs"] {
        let answer = board.ask(Method::GET, path, &[("service-worker", "script")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("text/javascript")), "{path}");
        assert!(String::from_utf8_lossy(&answer.body).contains("registration.unregister()"), "{path}");
    }
}

#[tokio::test]
async fn files_are_sent_packed_once_and_no_path_leaves_them() {
    let program = Program::bare();
    let board = Board::of(&program);
    let packed = board.ask(Method::GET, "/", &[("accept-encoding", "gzip, br")], "").await;
    assert_eq!((packed.header("content-encoding"), packed.header("content-type")), (Some("gzip"), Some("text/html; charset=utf-8")));
    let tag = packed.header("etag").unwrap();
    let again = board.ask(Method::GET, "/", &[("accept-encoding", "gzip"), ("if-none-match", tag)], "").await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let head = board.ask(Method::HEAD, "/", &[("accept-encoding", "gzip")], "").await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, Some(tag)));
    assert_eq!(head.header("content-length"), packed.header("content-length"));
    for path in ["/../Cargo.toml", "/js/../../Cargo.toml", "/%2e%2e/x.json", "/js/", "/.hidden.js", "/vendor/README.md"] {
        let mut line = board.line().await;
        line.write(board.head("GET", path, "")).await;
        assert_eq!(line.whole("GET").await.failure(), (404, 9004), "{path}");
    }
}
