//! Health, identity, status, and the envelope of failures.

use serde_json::json;

use super::{ask, same};
use crate::support::line::Line;
use crate::support::sim::{OWNER, Sim, pair_key};

#[tokio::test]
async fn health_needs_no_key() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut line = Line::to(&a).await;
    line.write("GET /api/v1/health HTTP/1.1\r\nhost: 127.0.0.1:19532\r\nconnection: keep-alive\r\n\r\n").await;
    let answer = line.whole("GET").await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    same(&answer.json(), &json!({ "status": "ok", "nodeId": "<uuid>", "uptime": "<count>", "version": "1.0.0" }));
    // The connection is kept.
    line.write("GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(line.whole("GET").await.status(), 200);
}

#[tokio::test]
async fn identity_and_status_have_their_fields() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let identity = ask(&a, &pair_key("a", "b"), "GET /api/v1/identity", "").await;
    assert_eq!(identity.status(), 200);
    let capabilities = identity.json()["capabilities"].clone();
    same(
        &identity.json(),
        &json!({
            "nodeId": "<uuid>",
            "hostname": "a",
            "platform": loopsy::platform::host::PLATFORM,
            "version": "1.0.0",
            "port": 19532,
            "capabilities": capabilities,
        }),
    );
    let words: Vec<_> = capabilities.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[..4], ["execute", "transfer", "context", "ai-tasks"]);
    assert!(["linux", "darwin", "win32"].contains(&identity.json()["platform"].as_str().unwrap()));

    let status = ask(&a, &pair_key("a", "b"), "GET /api/v1/status", "").await;
    assert_eq!(status.status(), 200);
    same(
        &status.json(),
        &json!({
            "nodeId": identity.json()["nodeId"],
            "hostname": "a",
            "platform": loopsy::platform::host::PLATFORM,
            "version": "1.0.0",
            "uptime": "<count>",
            "peers": { "total": 1, "online": 0, "offline": 1 },
            "jobs": { "active": 0, "total": 0 },
            "context": { "entries": 0 },
            "build": "<text>", "certificate": { "fingerprint": "<text>", "validUntil": "<count>" },
            "aiTasks": { "active": 0, "pending": 0, "total": 0 },
            "terminals": 0,
            "tls": false,
            "restartNeeded": [],
            "warnings": [],
        }),
    );
}

/// known fault 58: the node id survives a restart.
#[tokio::test]
async fn the_node_id_survives_restarts() {
    let sim = Sim::default();
    let mut a = sim.machine("a", &[], "").await;
    let before = ask(&a, OWNER, "GET /api/v1/identity", "").await.json();
    a.stop().await;
    a.start().await;
    assert_eq!(ask(&a, OWNER, "GET /api/v1/identity", "").await.json(), before);
}

/// known faults 36 and 56: one envelope, whatever fails; a key counts with its scheme only, in any case.
#[tokio::test]
async fn every_failure_has_the_one_envelope() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let bare = |request: &str, more: &str| format!("{request} HTTP/1.1\r\nhost: localhost:19532\r\n{more}\r\n");
    let owner = format!("authorization: bEARER {OWNER}\r\n");
    let cases = [
        (bare("GET /api/v1/status", ""), 401, 1001),
        (bare("GET /api/v1/status", "authorization: Bearer nonsense\r\n"), 403, 1002),
        (bare("GET /api/v1/status", &format!("authorization: {OWNER}\r\n")), 403, 1002),
        (bare("GET /api/v1/peers", &format!("authorization: Bearer {}\r\n", pair_key("a", "b"))), 403, 1005),
        (bare("GET /api/v1/health", "origin: http://localhost\r\n"), 403, 1005),
        (bare("GET /api/v1/nothing", &owner), 404, 9004),
        (bare("POST /api/v1/health", &owner), 405, 9005),
        (bare("POST /api/v1/execute", &format!("{owner}content-length: 1\r\ncontent-type: text/plain\r\n")) + "x", 415, 9007),
        (bare("POST /api/v1/execute", &format!("{owner}content-length: 3000000\r\n")), 413, 9006),
        (bare("POST /api/v1/execute", &format!("{owner}content-length: 0\r\n")), 400, 9003),
    ];
    for (request, status, code) in cases {
        let mut line = Line::to(&a).await;
        line.write(&request).await;
        let answer = line.whole("GET").await;
        assert_eq!(answer.failure(), (status, code), "{request}");
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"), "{request}");
        assert_eq!(answer.header("x-loopsy-error"), Some(code.to_string().as_str()));
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
    }
    assert_eq!(ask(&a, OWNER, "GET /api/v1/status", "").await.status(), 200);
}
