//! The shared store of keys and values.

use std::time::Duration;

use loopsy::base::clock;
use serde_json::{Value, json};

use super::{CALLER, ask, ask_with, same, written};
use crate::support::line::Line;
use crate::support::sim::{Machine, OWNER, Sim, pair_key};

fn entry(key: &str, value: &str, from: &str) -> Value {
    json!({ "key": key, "value": value, "fromNodeId": from, "createdAt": "<time>", "updatedAt": "<time>", "version": "<count>" })
}

#[tokio::test]
async fn an_entry_is_put_read_listed_and_deleted() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let key = pair_key("a", "b");
    let put = ask(&a, &key, "PUT /api/v1/context/build%2Fstatus", r#"{"value":"green","ttl":60}"#).await;
    assert_eq!(put.status(), 200);
    let mut expected = entry("build/status", "green", CALLER);
    expected["ttl"] = json!(60.0);
    expected["expiresAt"] = json!("<count>");
    same(&put.json(), &expected);
    let entry = put.json();
    assert_eq!(entry["createdAt"], entry["updatedAt"]);
    assert_eq!(entry["expiresAt"].as_u64().unwrap(), entry["updatedAt"].as_u64().unwrap() + 60_000);

    let got = ask(&a, &key, "GET /api/v1/context/build%2Fstatus", "").await;
    same(&got.json(), &entry);
    assert_eq!(got.header("etag"), Some(format!("\"{}\"", entry["version"]).as_str()));
    same(&ask(&a, &key, "GET /api/v1/context?prefix=build%2F", "").await.json(), &json!({ "entries": [entry] }));
    same(&ask(&a, &key, "GET /api/v1/context?prefix=x", "").await.json(), &json!({ "entries": [] }));

    let gone = ask(&a, &key, "DELETE /api/v1/context/build%2Fstatus", "").await;
    assert_eq!(gone.status(), 200);
    same(&gone.json(), &json!({ "success": true, "key": "build/status" }));
    assert_eq!(ask(&a, &key, "GET /api/v1/context/build%2Fstatus", "").await.failure(), (404, 5001));
    assert_eq!(ask(&a, &key, "DELETE /api/v1/context/build%2Fstatus", "").await.failure(), (404, 5001));
}

#[tokio::test]
async fn an_update_keeps_when_it_was_created_and_takes_the_end_away() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let first = ask(&a, OWNER, "PUT /api/v1/context/a:b", r#"{"value":"1","ttl":0.5}"#).await.json();
    assert_eq!(first["ttl"].as_f64(), Some(0.5));
    let second = ask(&a, OWNER, "PUT /api/v1/context/a:b", r#"{"value":""}"#).await.json();
    same(&second, &entry("a:b", "", first["fromNodeId"].as_str().unwrap()));
    assert_eq!(first["createdAt"], second["createdAt"]);
    assert!(second["version"].as_u64() > first["version"].as_u64());
}

/// known faults 54 and 55: keys of 256 characters, values of 1 MiB, and only texts.
#[tokio::test]
async fn the_documented_sizes_are_the_real_ones() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let path = |key: &str| format!("/api/v1/context/{}", loopsy::api::wire::segment(key));
    let (long, too_long) = ("ü".repeat(256), "k".repeat(257));
    for value in ["x".repeat(1024 * 1024), "\u{1}".repeat(1024 * 1024), String::new()] {
        let body = json!({ "value": value }).to_string();
        assert_eq!(ask(&a, OWNER, &format!("PUT {}", path(&long)), &body).await.status(), 200, "{}", value.len());
        let got = ask(&a, OWNER, &format!("GET {}", path(&long)), "").await.json();
        assert_eq!(got["value"].as_str(), Some(value.as_str()));
    }
    let over = json!({ "value": "x".repeat(1024 * 1024 + 1) }).to_string();
    assert_eq!(ask(&a, OWNER, "PUT /api/v1/context/k", &over).await.failure(), (413, 5002));
    assert_eq!(ask(&a, OWNER, &format!("PUT {}", path(&too_long)), r#"{"value":""}"#).await.failure(), (400, 9003));
    for body in [
        "",
        "{}",
        r#"{"value":7}"#,
        r#"{"value":{}}"#,
        r#"{"value":[]}"#,
        r#"{"value":true}"#,
        r#"{"value":null}"#,
        r#"{"value":"x","ttl":"1"}"#,
        r#"{"value":"x","ttl":-1}"#,
    ] {
        assert_eq!(ask(&a, OWNER, "PUT /api/v1/context/k", body).await.failure(), (400, 9003), "{body}");
    }
    for key in ["a%00b", "%ff", "%c3"] {
        assert_eq!(ask(&a, OWNER, &format!("GET /api/v1/context/{key}"), "").await.failure(), (400, 9003), "{key}");
    }
}

/// known fault 46: what has expired is never returned.
#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_gone() {
    clock::follow_runtime();
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    ask(&a, OWNER, "PUT /api/v1/context/k", r#"{"value":"v","ttl":0.5}"#).await;
    tokio::time::sleep(Duration::from_millis(501)).await;
    assert_eq!(ask(&a, OWNER, "GET /api/v1/context/k", "").await.failure(), (404, 5001));
    same(&ask(&a, OWNER, "GET /api/v1/context", "").await.json(), &json!({ "entries": [] }));
}

/// Ours: who creates, and who changes what he has seen.
#[tokio::test]
async fn preconditions_are_honoured_and_the_loser_sees_why() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let put = async |more: &str, value: &str| {
        ask_with(&a, OWNER, "PUT /api/v1/context/task:1", more, &json!({ "value": value }).to_string()).await
    };
    let (one, two) = tokio::join!(put("If-None-Match: *\r\n", "one"), put("If-None-Match: *\r\n", "two"));
    let (won, lost) = if one.status() == 200 { (one, two) } else { (two, one) };
    assert_eq!((won.status(), lost.failure()), (200, (409, 5004)));
    same(&lost.json()["error"]["details"], &won.json());

    let etag = won.header("etag").unwrap().to_owned();
    let changed = put(&format!("If-Match: {etag}\r\n"), "three").await;
    assert_eq!((changed.status(), changed.json()["value"].as_str()), (200, Some("three")));
    assert_eq!(put(&format!("If-Match: {etag}\r\n"), "four").await.failure(), (409, 5004));
    assert_eq!(put("If-Match: 7\r\n", "four").await.failure(), (400, 9003));
    let delete = async |etag: &str| ask_with(&a, OWNER, "DELETE /api/v1/context/task:1", &format!("If-Match: {etag}\r\n"), "").await;
    let refused = delete(&etag).await;
    assert_eq!(refused.failure(), (409, 5004));
    same(&refused.json()["error"]["details"], &changed.json());
    assert_eq!(delete(changed.header("etag").unwrap()).await.status(), 200);
    assert_eq!(delete(&etag).await.failure(), (409, 5004));
}

/// Ours: a listing in pages, and of keys alone.
#[tokio::test]
async fn a_listing_has_pages() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for key in ["c", "a", "b", "d"] {
        ask(&a, OWNER, &format!("PUT /api/v1/context/{key}"), r#"{"value":"v"}"#).await;
    }
    let keys = async |query: &str| -> Vec<String> {
        let list = ask(&a, OWNER, &format!("GET /api/v1/context{query}"), "").await.json();
        list["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys("").await, ["a", "b", "c", "d"]);
    assert_eq!(keys("?limit=2").await, ["a", "b"]);
    assert_eq!(keys("?limit=2&after=b").await, ["c", "d"]);
    assert_eq!(keys("?after=d").await, [""; 0]);
    let list = ask(&a, OWNER, "GET /api/v1/context?keysOnly=true&limit=1", "").await.json();
    let mut bare = entry("a", "", "<uuid>");
    bare.as_object_mut().unwrap().remove("value");
    same(&list, &json!({ "entries": [bare] }));
    for query in ["?limit=x", "?limit=-1", "?keysOnly=maybe", "?limit=99999999999999999999"] {
        assert_eq!(ask(&a, OWNER, &format!("GET /api/v1/context{query}"), "").await.failure(), (400, 9003), "{query}");
    }
}

/// A stream of changes.
async fn watch(machine: &Machine, query: &str) -> Line {
    let mut line = Line::to(machine).await;
    line.write(written(&format!("GET /api/v1/context-watch{query}"), OWNER, "", "")).await;
    let head = line.head().await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    line
}

/// The next change; its number is the event's id.
async fn change(line: &mut Line) -> Value {
    let event = line.event().await.unwrap();
    let (id, data) = event.split_once('\n').unwrap();
    let value: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(id, format!("id: {}", value["version"]));
    value
}

/// Ours: every change as an event, from a version on, and a word when that version is too long ago.
#[tokio::test]
async fn changes_are_watched_from_a_version_on() {
    let sim = Sim::default();
    let mut a = sim.machine("a", &[], "").await;
    let mut live = watch(&a, "?prefix=k").await;
    let set = ask(&a, OWNER, "PUT /api/v1/context/k1", r#"{"value":"v"}"#).await.json();
    ask(&a, OWNER, "PUT /api/v1/context/other", r#"{"value":"v"}"#).await;
    ask(&a, OWNER, "DELETE /api/v1/context/k1", "").await;
    same(&change(&mut live).await, &json!({ "type": "set", "entry": set, "version": set["version"] }));
    let deleted = change(&mut live).await;
    let mut bare = entry("k1", "", "<uuid>");
    bare.as_object_mut().unwrap().remove("value");
    same(&deleted, &json!({ "type": "delete", "entry": bare, "version": "<count>" }));
    // From a version on: only what came after it.
    let mut later = watch(&a, &format!("?prefix=k&since={}", set["version"])).await;
    same(&change(&mut later).await, &deleted);
    drop((live, later));
    // What happened before a restart is no longer known one by one.
    a.stop().await;
    a.start().await;
    let mut anew = watch(&a, "?since=0").await;
    same(&change(&mut anew).await, &json!({ "type": "reset", "version": "<count>" }));
}
