//! The registry and the handshake.

use serde_json::{Value, json};

use super::{CALLER, ask, same};
use crate::support::line::Line;
use crate::support::sim::{OWNER, Sim, pair_key};

/// A peer that has not answered yet.
fn unknown(address: &str, port: u16) -> Value {
    json!({
        "nodeId": format!("manual-{address}:{port}"),
        "hostname": address,
        "address": address,
        "port": port,
        "platform": "unknown",
        "version": "",
        "capabilities": [],
        "status": "unknown",
        "lastSeen": 0,
        "failureCount": 1,
        "trusted": false,
        "manuallyAdded": true,
    })
}

#[tokio::test]
async fn a_peer_is_added_listed_and_deleted() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let b = sim.machine("b", &[], "").await;
    same(&ask(&a, OWNER, "GET /api/v1/peers", "").await.json(), &json!({ "peers": [] }));

    let silent = ask(&a, OWNER, "POST /api/v1/peers", r#"{"address":"192.0.2.7"}"#).await;
    assert_eq!(silent.status(), 200);
    same(&silent.json(), &unknown("192.0.2.7", 19532));

    // One that answers takes its real id at once; who it is it tells to a key only.
    let mut there = ask(&a, OWNER, "POST /api/v1/peers", r#"{"address":"b","port":19532,"hostname":"bee"}"#).await.json();
    let mut expected = unknown("b", 19532);
    expected["nodeId"] = json!(b.running.as_ref().unwrap().ready.node_id);
    expected["hostname"] = json!("bee");
    expected["status"] = json!("online");
    expected["lastSeen"] = json!("<time>");
    expected["failureCount"] = json!(0);
    expected["latencyMs"] = json!("<number>");
    same(&there, &expected);

    let list = ask(&a, OWNER, "GET /api/v1/peers", "").await;
    for peer in [&mut expected, &mut there] {
        peer["lastSeen"] = json!("<time>");
        peer["latencyMs"] = json!("<number>");
    }
    let mut silent = unknown("192.0.2.7", 19532);
    silent["failureCount"] = json!("<count>");
    same(&list.json(), &json!({ "peers": [silent, there] }));

    let gone = ask(&a, OWNER, "DELETE /api/v1/peers/manual-192.0.2.7:19532", "").await;
    assert_eq!(gone.status(), 200);
    same(&gone.json(), &json!({ "success": true, "nodeId": "manual-192.0.2.7:19532" }));
    assert_eq!(ask(&a, OWNER, "DELETE /api/v1/peers/manual-192.0.2.7%3A19532", "").await.failure(), (404, 2001));
    assert_eq!(ask(&a, OWNER, "GET /api/v1/peers", "").await.json()["peers"].as_array().unwrap().len(), 1);
}

/// known faults 37 and 53: a handshake changes the caller's own entry, and nonsense in it is 400.
#[tokio::test]
async fn a_handshake_answers_with_an_identity() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b", "c"], "").await;
    let introduction = json!({
        "nodeId": CALLER, "hostname": "kai", "platform": "darwin", "version": "1.0.0", "port": 19532,
        "capabilities": ["execute", "transfer", "context", "ai-tasks"],
    });
    let answer = ask(&a, &pair_key("a", "b"), "POST /api/v1/peers/handshake", &introduction.to_string()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    same(&answer.json(), &ask(&a, OWNER, "GET /api/v1/identity", "").await.json());
    let rows = ask(&a, OWNER, "GET /api/v1/peers", "").await.json();
    let row = |name: &str| rows["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == name).unwrap().clone();
    assert_eq!((row("b")["nodeId"].as_str(), row("b")["hostname"].as_str()), (Some(CALLER), Some("kai")));
    assert_eq!(row("b")["platform"], "darwin");
    assert_eq!((row("b")["address"].as_str(), row("c")["nodeId"].as_str()), (Some("b"), Some("manual-c:19532")));

    let stolen = ask(&a, &pair_key("a", "c"), "POST /api/v1/peers/handshake", &introduction.to_string()).await;
    assert_eq!(stolen.failure(), (502, 2004));
    for body in [
        "",
        "{}",
        "[]",
        r#"{"nodeId":7}"#,
        r#"{"nodeId":"../../x","hostname":"x","port":1}"#,
        r#"{"nodeId":"x","hostname":"x","port":"abc"}"#,
    ] {
        let answer = ask(&a, &pair_key("a", "b"), "POST /api/v1/peers/handshake", body).await;
        assert_eq!(answer.failure(), (400, 9003), "{body}");
    }
}

/// known fault 54: what is no address is no peer.
#[tokio::test]
async fn addresses_and_ports_are_validated() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for body in ["", "{}", r#"{"address":"x","port":"abc"}"#, r#"{"address":"x","port":70000}"#, r#"{"address":"a b"}"#, r#"{"address":7}"#]
    {
        assert_eq!(ask(&a, OWNER, "POST /api/v1/peers", body).await.failure(), (400, 9003), "{body}");
    }
    // A DELETE as the Node version's own programs send it, JSON named and no body.
    let mut line = Line::to(&a).await;
    line.write(format!(
        "DELETE /api/v1/peers/nobody HTTP/1.1\r\nhost: [::1]:19532\r\nContent-Type: application/json\r\nAuthorization: Bearer {OWNER}\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    assert_eq!(line.whole("DELETE").await.failure(), (404, 2001));
}
