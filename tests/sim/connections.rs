//! How long a connection may be quiet, how many there may be, and when one is cut off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use loopsy::api::context::ContextWatch;
use loopsy::api::execute::JobList;
use loopsy::api::node::StatusGet;
use loopsy::api::peers::PeerRevoke;
use loopsy::net::{Network, Stream, tls};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::line::Line;
use crate::support::sim::{Sim, at, pair_key};

/// How long a test waits, in time that is moved.
const PATIENCE: Duration = Duration::from_secs(400);
/// The beginning of every HTTP/2 connection: the preface, and settings that change nothing.
const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn dial(sim: &Sim, from: &str, to: &str) -> Stream {
    Network::Memory(sim.memory.host(from)).dial(&at(to)).await.unwrap()
}
/// How long it takes until a daemon closes a connection.
async fn closes(line: &mut Line) -> Duration {
    let began = Instant::now();
    timeout(PATIENCE, async { while !line.read(1).await.is_empty() {} }).await.unwrap();
    began.elapsed()
}

/// Who does not come to a first request is not waited for, however the connection began.
#[tokio::test(start_paused = true)]
async fn without_a_request_a_connection_ends_after_ten_seconds() {
    let sim = Sim::default();
    let _a = sim.machine("a", &[], "").await;
    let h2 = [H2, b"\0\0\x01"].concat();
    for beginning in [&b"P"[..], b"PRI * HTTP/2.0\r\n", b"GET /api/v1/health HTT", H2, &h2] {
        for secured in [false, true] {
            let mut stream = dial(&sim, "b", "a").await;
            if secured {
                stream = tls::Client::new(None).unwrap().connect(stream).await.unwrap().0;
            }
            let mut line = Line::over(stream);
            line.write(beginning).await;
            let took = closes(&mut line).await;
            assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(11), "{beginning:?}, TLS {secured}: {took:?}");
        }
    }
    let mut silent = Line::over(tls::Client::new(None).unwrap().connect(dial(&sim, "b", "a").await).await.unwrap().0);
    assert_eq!(closes(&mut silent).await.as_secs(), 10);
}

/// A connection that was of use may be so again for a minute.
#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_any_more_ends_after_a_minute() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut line = Line::to(&a).await;
    for _ in 0..3 {
        line.write("GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_eq!(line.whole("GET").await.status(), 200);
        tokio::time::sleep(Duration::from_secs(50)).await;
    }
    let took = closes(&mut line).await;
    assert!(took <= Duration::from_secs(11), "{took:?}");
    let stream = TokioIo::new(dial(&sim, "b", "a").await);
    let (mut client, mut connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let request = Request::get("http://a/api/v1/health").body(Empty::<Bytes>::new()).unwrap();
    let response = client.send_request(request);
    let asking = async { response.await.unwrap().into_body().collect().await.unwrap() };
    tokio::select! {
        _ = asking => {}
        ended = &mut connection => panic!("{ended:?}"),
    }
    let began = Instant::now();
    // It answers pings, as every client does.
    timeout(PATIENCE, connection).await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(60) && took <= Duration::from_secs(71), "{took:?}");
}

/// A stream is under way, though nothing is said on it for long.
#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_not_idle() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut watch = a.link().call(&ContextWatch { prefix: None, since: None }).await.unwrap();
    assert!(timeout(PATIENCE * 10, watch.next()).await.is_err());
}

/// One address has so many connections and no more; the owner's own are not counted.
#[tokio::test]
async fn nobody_takes_all_connections() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(Line::over(dial(&sim, "b", "a").await));
    }
    let mut refused = 0;
    for line in &mut held {
        if line.try_write("GET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await && line.head().await.is_some() {
            continue;
        }
        refused += 1;
    }
    assert_eq!(refused, 44);
    a.link().call(&StatusGet {}).await.unwrap();
    assert_eq!(sim.plain("c", "a").get("/api/v1/health", None).await.status, 200);
    drop(held);
    let again = async {
        let asks = async || {
            let mut line = Line::over(dial(&sim, "b", "a").await);
            line.try_write("GET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await && line.head().await.is_some()
        };
        while !asks().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), again).await.unwrap();
}

/// known fault 62: who sent more than is read yet is cut off like everybody else, and what runs for him ends.
#[tokio::test]
async fn a_revoked_peer_s_quiet_command_ends_though_its_connection_is_not_read() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let body = json!({ "command": "sleep", "args": ["60"] }).to_string();
    let bearer = format!("authorization: Bearer {}", pair_key("a", "b"));
    let first = format!(
        "POST /api/v1/execute HTTP/1.1\r\nhost: a\r\n{bearer}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let second = format!("GET /api/v1/status HTTP/1.1\r\nhost: a\r\n{bearer}\r\nx-filling: {}", "x".repeat(20_000));
    // All of it is there when the daemon's half of the handshake ends, so that nothing has ever waited for this connection.
    let mut line = Line::over(tls::Client::new(None).unwrap().connect(dial(&sim, "b", "a").await).await.unwrap().0);
    line.write(first + &second).await;
    let running = async || a.link().call(&JobList {}).await.unwrap().jobs;
    let started = async {
        while running().await.first().is_none_or(|job| job.pid.is_none()) {
            tokio::task::yield_now().await;
        }
        // From here on nothing happens for the connection any more.
        for _ in 0..100 {
            running().await;
        }
    };
    timeout(Duration::from_secs(5), started).await.unwrap();
    a.link().call(&PeerRevoke { node_id: "b".into() }).await.unwrap();
    let ended = async {
        while !running().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), ended).await.expect("the job goes on");
    assert!(line.head().await.is_none());
}
