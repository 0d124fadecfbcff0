//! Hostile connections.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loopsy::base::clock;
use tokio::time::{Instant, timeout};

use crate::support::line::Line;
use crate::support::sim::{Machine, OWNER, Sim};

async fn machine() -> Machine {
    Sim::default().machine("a", &[], "").await
}

const HEALTH: &str = "GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// The daemon still does what it is asked, over a new connection.
async fn answers(machine: &Machine) {
    let mut line = Line::to(machine).await;
    line.write(HEALTH).await;
    assert_eq!(line.whole("GET").await.json()["status"], "ok");
}

/// The beginning of a request with a key.
fn keyed(request: &str) -> String {
    format!("{request} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\n")
}

/// Sends this and answers the status of what came back; none if the connection was just closed. It is closed in any case.
async fn refused(machine: &Machine, bytes: impl AsRef<[u8]>) -> Option<u16> {
    let mut line = Line::to(machine).await;
    // The daemon may have closed before all is sent.
    line.try_write(bytes).await;
    let head = line.head().await;
    let rest = line.read(1 << 20).await;
    assert!(rest.len() < 4096, "{}", String::from_utf8_lossy(&rest));
    head.map(|head| head.status)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed_after_ten_seconds() {
    clock::follow_runtime();
    let a = machine().await;
    let mut lines = Vec::new();
    for _ in 0..300 {
        lines.push(Line::to(&a).await);
    }
    answers(&a).await;
    let began = Instant::now();
    for line in &mut lines {
        assert!(line.read(1).await.is_empty());
    }
    assert!((10..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    answers(&a).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_has_a_minute() {
    clock::follow_runtime();
    let a = machine().await;
    let mut line = Line::to(&a).await;
    let began = Instant::now();
    line.write("GET /api/v1/health HTTP/1.1\r\n").await;
    while line.try_write("x: y\r\n").await && began.elapsed().as_secs() < 600 {
        if timeout(Duration::from_secs(5), line.read(1)).await.is_ok() {
            break;
        }
    }
    assert!(began.elapsed().as_secs() <= 66, "{:?}", began.elapsed());
    answers(&a).await;
}

#[tokio::test(start_paused = true)]
async fn a_json_body_that_trickles_in_has_half_a_minute() {
    clock::follow_runtime();
    let a = machine().await;
    let mut line = Line::to(&a).await;
    line.write(keyed("PUT /api/v1/context/k") + "content-length: 1000\r\n\r\n{").await;
    let began = Instant::now();
    assert_eq!(line.whole("PUT").await.failure(), (400, 9003));
    assert!((29..32).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    answers(&a).await;
}

/// A connection that was used and is quiet now is closed in the end too.
#[tokio::test(start_paused = true)]
async fn a_kept_connection_is_not_kept_for_ever() {
    clock::follow_runtime();
    let a = machine().await;
    let mut line = Line::to(&a).await;
    line.write(HEALTH).await;
    line.whole("GET").await;
    let began = Instant::now();
    assert!(line.read(1).await.is_empty());
    assert!(began.elapsed().as_secs() <= 66, "{:?}", began.elapsed());
}

#[tokio::test]
async fn heads_without_measure_are_refused() {
    let a = machine().await;
    let many: String = (0..10_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let one = format!("x: {}\r\n", "y".repeat(10 << 20));
    let target = format!("GET /api/v1/{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "p".repeat(2 << 20));
    for bomb in [keyed("GET /api/v1/status") + &many + "\r\n", keyed("GET /api/v1/status") + &one + "\r\n", target, "G".repeat(3 << 20)] {
        let status = refused(&a, &bomb).await;
        assert!(status.is_none_or(|status| [400, 414, 431].contains(&status)), "{status:?}");
        answers(&a).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let a = machine().await;
    for bytes in [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nho\0st: localhost\r\n\r\n",
        b"G\xcbT / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/1.1\r\n\r\n",
    ] {
        let mut line = Line::to(&a).await;
        line.try_write(bytes).await;
        line.end().await;
        let said = timeout(Duration::from_secs(30), line.read(1 << 16)).await.expect("the connection stays open");
        let said = String::from_utf8_lossy(&said).into_owned();
        let is_error = said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.0 4");
        assert!(said.is_empty() || is_error || !said.starts_with("HTTP/1"), "{bytes:?}: {said}");
        answers(&a).await;
    }
}

#[tokio::test]
async fn garbage_behind_a_request_does_not_spoil_its_answer() {
    let a = machine().await;
    let mut line = Line::to(&a).await;
    line.write(format!("{HEALTH}{HEALTH}\0\0garbage\r\n\r\n")).await;
    for _ in 0..2 {
        assert_eq!(line.whole("GET").await.json()["status"], "ok");
    }
    assert_eq!(line.head().await.map_or(400, |head| head.status), 400);
    assert!(line.read(1).await.is_empty());
    answers(&a).await;
}

/// Two readings of where a body ends are how requests are smuggled.
#[tokio::test]
async fn a_length_that_lies_is_refused_and_nothing_is_smuggled() {
    let a = machine().await;
    let put = keyed("PUT /api/v1/context/k") + "connection: close\r\n";
    let smuggled = keyed("PUT /api/v1/context/smuggled") + "content-length: 13\r\n\r\n{\"value\":\"x\"}";
    for framing in [
        "content-length: 13\r\ncontent-length: 14\r\n\r\n{\"value\":\"x\"}",
        "content-length: 13, 14\r\n\r\n{\"value\":\"x\"}",
        "content-length: -1\r\n\r\n",
        "content-length: +13\r\n\r\n{\"value\":\"x\"}",
        "content-length: 0x0d\r\n\r\n{\"value\":\"x\"}",
        "content-length: 99999999999999999999999\r\n\r\n",
        "content-length: 18446744073709551615\r\n\r\n",
        "transfer-encoding: nonsense\r\n\r\n",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
        "transfer-encoding: chunked\r\n\r\n-1\r\n",
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\n{\"vxx\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nd;x=y\n{\"value\":\"x\"}",
    ] {
        let status = refused(&a, format!("{put}{framing}")).await;
        assert!(status.is_none_or(|status| [400, 413, 431].contains(&status)), "{framing:?}: {status:?}");
        answers(&a).await;
    }
    // A length and chunks at once: whichever is believed, what follows is not a second request of the first one's.
    let both = format!("{put}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    refused(&a, both).await;
    let short = keyed("PUT /api/v1/context/k") + "content-length: 3\r\n\r\n{\"value\":\"x\"}";
    let mut line = Line::to(&a).await;
    line.write(short).await;
    assert_eq!(line.whole("PUT").await.failure(), (400, 9003));
    drop(line);
    let mut line = Line::to(&a).await;
    line.write(keyed("GET /api/v1/context?keysOnly=true") + "\r\n").await;
    assert_eq!(line.whole("GET").await.text(), "{\"entries\":[]}");
}

/// A body that ends before its length does is no request.
#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let a = machine().await;
    for framing in ["content-length: 100\r\n\r\n{\"value\":\"x\"}", "transfer-encoding: chunked\r\n\r\nd\r\n{\"value\":\"x\"}"] {
        let mut line = Line::to(&a).await;
        line.write(keyed("PUT /api/v1/context/k") + framing).await;
        line.end().await;
        line.read(1 << 16).await;
        answers(&a).await;
    }
    let mut line = Line::to(&a).await;
    line.write(keyed("GET /api/v1/context") + "\r\n").await;
    assert_eq!(line.whole("GET").await.text(), "{\"entries\":[]}");
}

#[tokio::test]
async fn a_thousand_connections_are_answered() {
    let a = machine().await;
    let mut lines = Vec::new();
    for _ in 0..1000 {
        let mut line = Line::to(&a).await;
        line.write(HEALTH).await;
        lines.push(line);
    }
    answers(&a).await;
    for line in &mut lines {
        assert_eq!(line.whole("GET").await.status(), 200);
    }
}

#[tokio::test]
async fn http_2_is_spoken_to_who_begins_with_it() {
    let a = machine().await;
    let stream = a.network().dial(&a.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let talk = async {
        let bearer = format!("Bearer {OWNER}");
        for (path, status) in [("health", 200), ("status", 200), ("nothing", 404)] {
            let request = http::Request::get(format!("http://localhost/api/v1/{path}")).header("authorization", &bearer);
            let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (status, http::Version::HTTP_2));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().is_object());
        }
    };
    tokio::select! {
        () = talk => {}
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
    answers(&a).await;
}
