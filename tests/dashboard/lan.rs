//! `--lan`: for phones, and other machines.

use http::Method;
use loopsy::api::node::StatusGet;
use loopsy::client::Link;
use loopsy::client::connector::Security;
use loopsy::net::Network;
use serde_json::json;

use super::board::{Board, token};
use crate::support::node::Node;

#[tokio::test]
async fn tls_alone_is_spoken_with_the_machines_certificate() {
    let node = Node::start("leo", json!({}));
    let board = Board::with(&node.program, &["--lan"]);
    assert!(board.origin().starts_with("https://127.0.0.1:"));
    assert!(board.first.lan.iter().all(|url| url.starts_with("https://") && token(url) == token(&board.first.url)), "{:?}", board.first);
    let machine = node.link().call(&StatusGet {}).await.unwrap().certificate.unwrap().fingerprint;
    assert_eq!(board.first.fingerprint.as_deref(), Some(&*machine));
    let mut plain = board.line().await;
    plain.write(board.head("GET", "/", "")).await;
    let refused = plain.whole("GET").await;
    assert_eq!(refused.failure(), (426, 1004));
    assert!(refused.header("content-security-policy").is_some());
    let entered = board.enter(token(&board.first.url), &[]).await;
    assert!(entered.header("set-cookie").unwrap().ends_with("; Secure"), "{entered:?}");
    let login = super::board::Login::of(&entered);
    let me = board.get(&login, "/me").await.json();
    assert_eq!((me["lan"].as_bool(), me["daemons"][0]["name"].as_str()), (Some(true), Some("main")));
    assert_eq!(board.get(&login, "/d/main/api/v1/status").await.status, 200);
    for (name, status) in [("evil.example", 403), ("leo.local", 200), ("leo", 200)] {
        let host = format!("{name}:{}", board.first.port);
        let headers = [&login.headers()[..], &[("host", &*host)]].concat();
        assert_eq!(board.ask(Method::GET, "/me", &headers, "").await.status, status, "{name}");
    }
}

#[tokio::test]
async fn a_link_for_a_phone_is_a_picture_of_it() {
    let node = Node::start("leo", json!({}));
    let board = Board::with(&node.program, &["--lan"]);
    let login = board.log_in().await;
    let made = board.call(&login, Method::POST, "/links", &json!({})).await.json();
    if !board.first.lan.is_empty() {
        let (size, rows) = (made["qr"]["size"].as_u64().unwrap(), made["qr"]["rows"].as_array().unwrap());
        assert!(rows.len() as u64 == size && rows[0].as_str().unwrap().starts_with("1111111"), "{made}");
    }
    board.log_in_with(token(made["url"].as_str().unwrap())).await;
    let again: serde_json::Value = serde_json::from_str(&node.program.ok(&["dashboard", "--lan", "--json"])).unwrap();
    assert_eq!(again["fingerprint"], *board.first.fingerprint.as_ref().unwrap());
}

#[tokio::test]
async fn who_sits_in_between_shows_another_certificate() {
    let node = Node::start("leo", json!({}));
    let board = Board::with(&node.program, &["--lan"]);
    let pinned =
        |fingerprint: String| Link::secured(&Network::Sockets, board.address(), Security::Pinned(fingerprint.parse().unwrap())).unwrap();
    let other = pinned("ab".repeat(32)).call(&StatusGet {}).await.unwrap_err();
    assert_eq!(other.code.number(), 2006);
    let own = pinned(board.first.fingerprint.clone().unwrap()).call(&StatusGet {}).await.unwrap_err();
    assert_eq!(own.code.number(), 9004, "it is a dashboard, and no daemon");
}
