//! Pages that are not the dashboard's own.

use http::{HeaderMap, Method};
use serde_json::json;

use super::board::{Board, token};
use crate::support::node::Node;
use crate::support::raw::Answer;

/// Every answer, good or bad, says what the page may not do, and lets no other page read it.
fn assert_protected(answer: &Answer) {
    let has = |name: &str, part: &str| assert!(answer.header(name).is_some_and(|value| value.contains(part)), "{name}: {answer:?}");
    has("content-security-policy", "default-src 'none'");
    has("content-security-policy", "require-trusted-types-for 'script'");
    has("x-content-type-options", "nosniff");
    has("referrer-policy", "no-referrer");
    has("cross-origin-resource-policy", "same-origin");
    has("cross-origin-opener-policy", "same-origin");
    has("permissions-policy", "camera=()");
    let is_cors = |headers: &HeaderMap| headers.keys().any(|name| name.as_str().starts_with("access-control-"));
    assert!(!is_cors(&answer.headers), "{answer:?}");
}

/// known faults 20 and 21: a page from elsewhere has nothing done and reads nothing, whatever the browser sends along with it.
#[tokio::test]
async fn a_foreign_page_is_refused() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    let key = "/d/main/api/v1/context/k";
    let own = board.origin();
    for origin in [
        "http://evil.example",
        "null",
        "",
        "http://localhost:19540",
        &own.replace("http:", "https:"),
        &format!("{own}0"),
        &format!("{own}.evil.example"),
    ] {
        let headers = [&login.headers()[..], &[("origin", origin), ("content-type", "application/json")]].concat();
        for (method, path) in
            [(Method::PUT, key), (Method::GET, "/me"), (Method::GET, "/"), (Method::POST, "/login"), (Method::POST, "/links")]
        {
            let answer = board.raw().send(method, path, &headers, json!({ "value": "x" }).to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (403, 1005), "{origin} {path}");
            assert_protected(&answer);
        }
    }
    // What a browser says of a request that another page makes.
    for site in ["cross-site", "same-site", "none"] {
        let headers =
            [&login.headers()[..], &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]].concat();
        assert_eq!(board.raw().send(Method::GET, "/d/main/api/v1/status", &headers, "").await.status, 403, "{site}");
    }
    let image = [("cookie", &*login.cookie), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    assert_eq!(board.raw().send(Method::GET, "/icon.svg", &image, "").await.status, 403);
    assert_eq!(board.get(&login, key).await.code(), 5001, "nothing was set");
}

/// known fault 20: a form, an image or a link of any page does nothing, even where the browser sends the cookie.
#[tokio::test]
async fn neither_a_form_nor_a_plain_get_does_anything() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    let cookie = ("cookie", &*login.cookie);
    let execute = "/d/main/api/v1/execute";
    let form = [cookie, ("content-type", "application/x-www-form-urlencoded"), ("origin", "null")];
    assert_eq!(board.raw().send(Method::POST, execute, &form, "command=touch&args=x").await.status, 403);
    assert_eq!(
        board.raw().send(Method::POST, execute, &[cookie], r#"{"command":"true"}"#).await.status,
        403,
        "it does not say where it comes from"
    );
    for path in [
        "/d/main/api/v1/execute/stream?command=true",
        "/dashboard/api/sse/execute/19532?command=true&args=[]",
        "/d/main/api/v1/execute?command=true",
    ] {
        let answer = board.raw().send(Method::GET, path, &[cookie], "").await;
        assert!([401, 404].contains(&answer.status.as_u16()), "{path}: {answer:?}");
    }
    let plain = [cookie, ("x-loopsy-token", &*login.token), ("origin", &*board.origin()), ("content-type", "text/plain")];
    assert_eq!(board.raw().send(Method::POST, "/links", &plain, "{}").await.status, 200, "it has no body to read");
    assert_eq!(board.raw().send(Method::POST, "/tickets", &plain, "{}").await.status, 415);
    assert_eq!(
        board
            .raw()
            .send(Method::OPTIONS, execute, &[("origin", "http://evil.example"), ("access-control-request-method", "POST")], "")
            .await
            .status,
        403
    );
}

/// known fault 21: a name that was rebound to this machine is not answered, not even with the page's files.
#[tokio::test]
async fn a_rebound_name_is_refused() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    let port = board.first.port;
    for host in [
        format!("evil.example:{port}"),
        "127.0.0.1".into(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("leo:{port}"),
        String::new(),
        "localhost".into(),
    ] {
        let origin = format!("http://{host}");
        let headers = [&login.headers()[..], &[("host", &*host)]].concat();
        for path in ["/", "/me", "/d/main/api/v1/status", "/nothing"] {
            let answer = board.raw().send(Method::GET, path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (403, 1005), "{host} {path}");
            assert_protected(&answer);
        }
        let post = [("host", &*host), ("origin", &*origin), ("content-type", "application/json")];
        let body = json!({ "link": token(&board.first.url) }).to_string();
        assert_eq!(board.raw().send(Method::POST, "/login", &post, body).await.status, 403);
    }
    let local = format!("localhost:{port}");
    assert_eq!(board.raw().send(Method::GET, "/", &[("host", &local)], "").await.status, 200);
    let mut line = board.line().await;
    line.write(format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example:{port}\r\n\r\n")).await;
    assert_eq!(line.whole("GET").await.failure(), (403, 1005), "two hosts");
}

/// known fault 21: a WebSocket is opened by the own page alone, once for each ticket, and by whose ticket it is.
#[tokio::test]
async fn a_websocket_needs_origin_cookie_and_a_fresh_ticket() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let (login, own) = (board.log_in().await, board.origin());
    let other = board.another(&login).await;
    let path = "/d/main/api/v1/execute/ws";
    let good = format!("Origin: {own}\r\nCookie: {}\r\n", login.cookie);
    for (more, status) in [
        (format!("Cookie: {}\r\n", login.cookie), 403),
        (format!("Origin: http://evil.example\r\nCookie: {}\r\n", login.cookie), 403),
        (format!("Origin: {own}\r\n"), 401),
        (format!("Origin: {own}\r\nCookie: {}\r\n", other.cookie), 401),
    ] {
        let ticket = board.ticket(&login, path).await;
        let refused = board.socket(&format!("/socket?ticket={ticket}"), &more).await.whole("GET").await;
        assert_eq!(refused.failure().0, status, "{more}");
    }
    let ticket = format!("/socket?ticket={}", board.ticket(&login, path).await);
    assert_eq!(board.socket(&ticket, &good).await.head().await.unwrap().status, 101);
    for used in [&*ticket, "/socket?ticket=", "/socket", "/socket?ticket=x&ticket=y"] {
        assert_eq!(board.socket(used, &good).await.whole("GET").await.failure(), (403, 1005), "{used}");
    }
    // A ticket goes for what it was given, and the way with headers stays open to programs alone.
    assert_eq!(board.call(&login, Method::POST, "/tickets", &json!({ "path": "/me" })).await.code(), 9004);
    let headers = format!("{good}x-loopsy-token: {}\r\n", login.token);
    assert_eq!(board.socket("/d/main/api/v1/execute/ws", &headers).await.head().await.unwrap().status, 101);
}

/// known fault 22: whatever a page of ours shows, it runs nothing but the program's own files and makes no markup of text.
#[tokio::test]
async fn every_answer_is_protected() {
    let node = Node::start("leo", json!({}));
    let board = Board::of(&node.program);
    let login = board.log_in().await;
    for path in [
        "/",
        "/app.css",
        "/nothing",
        "/me",
        "/logins",
        "/live",
        "/d/main/api/v1/status",
        "/d/main/api/v1/openapi.json",
        "/d/main/api/v1/nothing",
        "/d/nobody/api/v1/status",
    ] {
        let answer = board.get(&login, path).await;
        assert_protected(&answer);
        let kept = if path == "/" || path == "/app.css" { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
    }
    assert_protected(&board.ask(Method::TRACE, "/", &[], "").await);
    assert_protected(&board.ask(Method::DELETE, "/login", &[], "").await);
}
