//! The store as peers see it, on the wire.

use loopsy::base::clock;
use serde_json::json;

use crate::support::sim::{OWNER, Sim, pair_key};

/// The literal requests and responses of the Node version (spec: wire, context store).
#[tokio::test]
async fn the_context_routes_speak_the_node_versions_wire() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let (raw, key) = (a.raw(), pair_key("a", "b"));
    let put = raw.json(http::Method::PUT, "/api/v1/context/build%2Fstatus", &key, &json!({ "value": "green", "ttl": 60 })).await;
    assert_eq!(put.status, 200);
    let entry = put.json();
    assert_eq!((entry["key"].as_str(), entry["value"].as_str(), entry["ttl"].as_f64()), (Some("build/status"), Some("green"), Some(60.0)));
    assert!(entry["createdAt"].as_u64() == entry["updatedAt"].as_u64() && entry["expiresAt"].as_u64().unwrap() > clock::now());
    assert!(entry["fromNodeId"].is_string());
    let got = raw.get("/api/v1/context/build%2Fstatus", Some(&key)).await;
    assert_eq!(got.json(), entry);
    assert_eq!(got.header("etag").unwrap(), format!("\"{}\"", entry["version"]));
    let list = raw.get("/api/v1/context?prefix=build", Some(&key)).await;
    assert_eq!(list.json(), json!({ "entries": [entry] }));
    let gone = raw
        .send(
            http::Method::DELETE,
            "/api/v1/context/build%2Fstatus",
            &[("authorization", &format!("Bearer {key}")), ("content-type", "application/json")],
            "",
        )
        .await;
    assert_eq!(gone.json(), json!({ "success": true, "key": "build/status" }));
    let missing = raw.get("/api/v1/context/build%2Fstatus", Some(&key)).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, 5001));
}

/// known faults 54, 55: keys of 256 characters, values of 1 MiB, and only texts.
#[tokio::test]
async fn the_documented_sizes_are_the_real_ones() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let raw = a.raw();
    let (long, too_long) = ("ü".repeat(256), "k".repeat(257));
    let path = |key: &str| format!("/api/v1/context/{}", loopsy::api::wire::segment(key));
    for value in ["x".repeat(1024 * 1024), "\u{1}".repeat(1024 * 1024), String::new()] {
        let put = raw.json(http::Method::PUT, &path(&long), OWNER, &json!({ "value": value })).await;
        assert_eq!(put.status, 200, "{}", value.len());
        assert_eq!(raw.get(&path(&long), Some(OWNER)).await.json()["value"].as_str(), Some(value.as_str()));
    }
    let over = raw.json(http::Method::PUT, &path("k"), OWNER, &json!({ "value": "x".repeat(1024 * 1024 + 1) })).await;
    assert_eq!((over.status.as_u16(), over.code()), (413, 5002));
    let over = raw.json(http::Method::PUT, &path(&too_long), OWNER, &json!({ "value": "" })).await;
    assert_eq!((over.status.as_u16(), over.code()), (400, 9003));
    for value in [json!(7), json!({}), json!([]), json!(true), json!(null)] {
        let put = raw.json(http::Method::PUT, &path("k"), OWNER, &json!({ "value": value })).await;
        assert_eq!((put.status.as_u16(), put.code()), (400, 9003), "{value}");
    }
}

#[tokio::test]
async fn one_of_two_claims_wins_and_the_other_sees_why() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let bearer = format!("Bearer {OWNER}");
    let claim = |who: &'static str| {
        let raw = a.raw();
        let bearer = bearer.clone();
        async move {
            let headers = [("authorization", bearer.as_str()), ("if-none-match", "*"), ("content-type", "application/json")];
            raw.send(http::Method::PUT, "/api/v1/context/task:1", &headers, json!({ "value": who }).to_string()).await
        }
    };
    let (one, two) = tokio::join!(claim("one"), claim("two"));
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    assert_eq!((won.status.as_u16(), lost.status.as_u16(), lost.code()), (200, 409, 5004));
    assert_eq!(lost.json()["error"]["details"], won.json());
}

/// known fault 46: what has expired is never returned.
#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_gone() {
    clock::follow_runtime();
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    a.raw().json(http::Method::PUT, "/api/v1/context/k", OWNER, &json!({ "value": "v", "ttl": 0.5 })).await;
    tokio::time::sleep(std::time::Duration::from_millis(501)).await;
    let answer = a.raw().get("/api/v1/context/k", Some(OWNER)).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (404, 5001));
    assert_eq!(a.raw().get("/api/v1/context", Some(OWNER)).await.json(), json!({ "entries": [] }));
}
