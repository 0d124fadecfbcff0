//! Requests that the own daemon sends on: whole ones, streams and sockets.

use serde_json::{Value, json};

use super::{ask, ask_with, same, socket, written};
use crate::support::line::Line;
use crate::support::sim::{Machine, OWNER, Sim, pair_key};

async fn pair(sim: &Sim) -> (Machine, Machine) {
    (sim.machine("a", &["b"], "").await, sim.machine("b", &["a"], "").await)
}

/// known fault 30: each pair of machines has a key of its own; what is sent on carries no other.
#[tokio::test]
async fn a_request_is_sent_on_with_the_pairs_key_and_the_answer_comes_back() {
    let sim = Sim::default();
    let (a, b) = pair(&sim).await;
    let more = "X-Loopsy-Peer: b\r\nCookie: secret=1\r\nX-Request-Id: trace-7\r\n";
    let put = ask_with(&a, OWNER, "PUT /api/v1/context/k", &format!("{more}If-None-Match: *\r\n"), r#"{"value":"v"}"#).await;
    assert_eq!((put.status(), put.header("x-request-id")), (200, Some("trace-7")));
    // There the caller is the machine that sent it on, whatever the program said.
    assert_eq!(put.json()["fromNodeId"].as_str(), Some(a.running.as_ref().unwrap().ready.node_id.as_str()));
    same(&ask(&b, OWNER, "GET /api/v1/context/k", "").await.json(), &put.json());
    let again = ask_with(&a, OWNER, "PUT /api/v1/context/k", &format!("{more}If-None-Match: *\r\n"), r#"{"value":"w"}"#).await;
    assert_eq!(again.failure(), (409, 5004));
    let etag = ask_with(&a, OWNER, "GET /api/v1/context/k", more, "").await.header("etag").map(str::to_owned);
    assert_eq!(etag.as_deref(), put.header("etag"));
    assert_eq!(ask(&a, OWNER, "GET /api/v1/context/k", "").await.failure(), (404, 5001));
}

/// known fault 23: a key goes to a peer that the owner entered, never to an address that a request names.
#[tokio::test]
async fn who_may_not_or_names_nobody_is_refused() {
    let sim = Sim::default();
    let (a, _b) = pair(&sim).await;
    let sent_on =
        async |key: &str, peer: &str, request: &str| ask_with(&a, key, request, &format!("X-Loopsy-Peer: {peer}\r\n"), "").await.failure();
    assert_eq!(sent_on(&pair_key("a", "b"), "b", "GET /api/v1/health").await, (403, 1005));
    assert_eq!(sent_on(OWNER, "nobody", "GET /api/v1/health").await, (404, 2001));
    assert_eq!(sent_on(OWNER, "", "GET /api/v1/health").await, (404, 2001));
    let _stranger = sim.machine("c", &[], "").await;
    for address in ["c", "c:19532", "10.0.0.3:19532", "127.0.0.1:19532", "http://c:19532/"] {
        assert_eq!(sent_on(OWNER, address, "GET /api/v1/health").await, (404, 2001), "{address}");
    }
    assert_eq!(sent_on(OWNER, "b", "GET /api/v1/peers").await, (403, 1005));
    assert_eq!(sent_on(OWNER, "b", "GET /api/v1/nothing").await, (404, 9004));
    sim.memory.cut(&sim.memory.host("b"));
    assert_eq!(sent_on(OWNER, "b", "GET /api/v1/health").await, (502, 2003));
}

#[tokio::test]
async fn a_stream_comes_as_it_is_made_and_ends_there_when_it_is_left_here() {
    let sim = Sim::default();
    let (a, b) = pair(&sim).await;
    let mut line = Line::to(&a).await;
    let body = r#"{"command":"sh","args":["-c","echo on; exec sleep 60"]}"#;
    line.write(written("POST /api/v1/execute/stream", OWNER, "X-Loopsy-Peer: b\r\n", body)).await;
    let head = line.head().await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let event: Value = serde_json::from_str(line.event().await.unwrap().strip_prefix("data: ").unwrap()).unwrap();
    same(&event, &json!({ "type": "stdout", "data": "on\n", "jobId": "<uuid>", "timestamp": "<time>" }));
    let running = async || ask(&b, OWNER, "GET /api/v1/status", "").await.json()["jobs"]["active"].clone();
    assert_eq!(running().await, 1);
    drop(line);
    let gone = async {
        while running().await != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("the command goes on without its caller");
}

#[tokio::test]
async fn a_websocket_goes_through() {
    let sim = Sim::default();
    let (a, _b) = pair(&sim).await;
    let (mut line, head) = socket::upgrade(&a, "X-Loopsy-Peer: b\r\n").await;
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    socket::converse(&mut line).await;
    let (_, refused) = socket::upgrade(&a, "X-Loopsy-Peer: nobody\r\n").await;
    assert_eq!(refused.status, 404);
}
