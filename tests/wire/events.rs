//! `GET /events`: what happens, in order, once, from where a reader left off.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ask, written};
use crate::support::line::Line;
use crate::support::sim::{Machine, OWNER, Sim, pair_key};

/// A stream of events, after the headers of its answer.
async fn watch(machine: &Machine, query: &str, headers: &str) -> Line {
    let mut line = Line::to(machine).await;
    line.write(written(&format!("GET /api/v1/events{query}"), OWNER, headers, "")).await;
    let head = line.head().await.unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    line
}
/// The next event; its number is the SSE id.
async fn next(line: &mut Line) -> Value {
    let event = line.event().await.unwrap();
    let (id, data) = event.split_once('\n').unwrap();
    let value: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(id, format!("id: {}", value["id"]));
    assert!(value["ts"].is_u64(), "{value}");
    value
}
fn said(event: &Value) -> String {
    ["type", "action", "subject"].map(|field| event[field].as_str().unwrap()).join(" ")
}
/// The events up to the first that says this.
async fn until(line: &mut Line, last: &str) -> Vec<Value> {
    let mut events = Vec::new();
    while events.last().is_none_or(|event| said(event) != last) {
        events.push(next(line).await);
    }
    events
}
async fn set(machine: &Machine, key: &str) {
    assert_eq!(ask(machine, OWNER, &format!("PUT /api/v1/context/{key}"), r#"{"value":"a secret value"}"#).await.status(), 200);
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let sim = Sim::default();
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path().canonicalize().unwrap();
    let a = sim.machine("a", &["b"], &format!("transfer:\n  allowedPaths: [{folder:?}]\n")).await;
    let mut events = watch(&a, "", "").await;
    assert_eq!(next(&mut events).await["type"], "hello");
    set(&a, "k").await;
    let told = until(&mut events, "context set k").await;
    assert!(told.last().unwrap()["details"]["version"].is_u64());

    let key = pair_key("a", "b");
    let ran = ask(&a, &key, "POST /api/v1/execute", r#"{"command":"sh","args":["-c","echo a secret value; exit 3"]}"#).await.json();
    let job = ran["jobId"].as_str().unwrap();
    let told = until(&mut events, &format!("job ended {job}")).await;
    let ended = told.last().unwrap();
    assert_eq!((&ended["peer"], &ended["details"]["exitCode"]), (&json!("b"), &json!(3)));
    assert!(told.iter().any(|event| said(event) == format!("job started {job}")));

    let file = folder.join("x");
    let path = file.to_str().unwrap();
    let put = format!("PUT /api/v1/transfer/file?path={path}");
    assert_eq!(ask(&a, &key, &put, "a secret value").await.status(), 200);
    let told = until(&mut events, &format!("transfer received {path}")).await;
    assert_eq!(told.last().unwrap()["details"]["bytes"], 14);
    assert_eq!(ask(&a, &key, "POST /api/v1/transfer/pull", &json!({ "sourcePath": path }).to_string()).await.body, b"a secret value");
    let told = until(&mut events, &format!("transfer sent {path}")).await;
    assert_eq!((&told.last().unwrap()["peer"], &told.last().unwrap()["details"]["bytes"]), (&json!("b"), &json!(14)));
    assert_eq!(ask(&a, &key, "PUT /api/v1/transfer/file?path=/etc/passwd", "x").await.failure(), (403, 4001));
    assert_eq!(until(&mut events, "transfer failed /etc/passwd").await.last().unwrap()["details"]["code"], 4001);

    assert_eq!(ask(&a, OWNER, "POST /api/v1/peers", r#"{"address":"10.9.9.9","hostname":"zoe"}"#).await.status(), 200);
    until(&mut events, "peer added zoe").await;
    let all = until_revoked(&a, &mut events).await;
    assert!(!all.iter().any(|event| event.to_string().contains("a secret value") || event.to_string().contains(&key)), "{all:?}");
}
async fn until_revoked(a: &Machine, events: &mut Line) -> Vec<Value> {
    let peers = ask(a, OWNER, "GET /api/v1/peers", "").await.json();
    let b = peers["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == "b").unwrap()["nodeId"].as_str().unwrap().to_owned();
    assert_eq!(ask(a, OWNER, &format!("DELETE /api/v1/peers/{b}"), "").await.status(), 200);
    let mut wanted: BTreeSet<String> = ["trust revoked b".into(), "peer removed b".into()].into();
    let mut all = Vec::new();
    while !wanted.is_empty() {
        all.push(next(events).await);
        wanted.remove(&said(all.last().unwrap()));
    }
    all
}
#[tokio::test]
async fn a_reader_that_comes_again_misses_nothing_and_gets_nothing_twice() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let mut line = watch(&a, "?kinds=context", "").await;
    let mut last = next(&mut line).await["id"].clone();
    drop(line);
    let (mut seen, mut written) = (Vec::new(), 0);
    for round in 0..4 {
        for _ in 0..5 {
            set(&a, &format!("k{written}")).await;
            written += 1;
        }
        // By the address, or by the header, which is newer than what the address still says.
        let mut line = match round % 2 {
            0 => watch(&a, &format!("?kinds=context&since={last}"), "").await,
            _ => watch(&a, "?kinds=context&since=0", &format!("Last-Event-ID: {last}\r\n")).await,
        };
        for _ in 0..3 + round % 2 {
            let event = next(&mut line).await;
            last = event["id"].clone();
            seen.push(event["subject"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen, (0..seen.len()).map(|n| format!("k{n}")).collect::<Vec<_>>());
}
#[tokio::test]
async fn what_is_no_longer_known_is_a_reset_also_after_a_restart() {
    let sim = Sim::default();
    let mut a = sim.machine("a", &[], "").await;
    let mut line = watch(&a, "", "").await;
    let before = next(&mut line).await["id"].as_u64().unwrap();
    drop(line);
    set(&a, "k").await;
    for strange in [0, before - 1, u64::MAX] {
        let mut line = watch(&a, &format!("?since={strange}&kinds=peer"), "").await;
        assert_eq!(next(&mut line).await["type"], "reset", "{strange}");
    }
    a.stop().await;
    a.start().await;
    set(&a, "k").await;
    let mut line = watch(&a, "", &format!("Last-Event-ID: {before}\r\n")).await;
    let reset = next(&mut line).await;
    assert!(reset["type"] == "reset" && reset["id"].as_u64().unwrap() > before, "{reset}");
    assert_eq!(said(&next(&mut line).await), "context set k");
}
/// Both ends hear of a message by its id, step by step, and nothing of what it says.
#[tokio::test]
async fn a_message_is_told_on_both_ends() {
    let sim = Sim::default();
    let (a, b) = (sim.machine("a", &["b"], "").await, sim.machine("b", &["a"], "").await);
    let (mut here, mut there) = (watch(&a, "?kinds=message", "").await, watch(&b, "?kinds=message", "").await);
    for line in [&mut here, &mut there] {
        assert_eq!(next(line).await["type"], "hello");
    }
    let sent = ask(&a, OWNER, "POST /api/v1/messages", r#"{"to":"b","body":"a secret value"}"#).await.json();
    let id = sent["id"].as_str().unwrap();
    let expect = async |line: &mut Line, action: &str, peer: &str| {
        let event = next(line).await;
        assert_eq!((said(&event), event["peer"].as_str()), (format!("message {action} {id}"), Some(peer)));
        assert!(!event.to_string().contains("secret"), "{event}");
    };
    expect(&mut here, "queued", "b").await;
    expect(&mut there, "received", "a").await;
    expect(&mut here, "delivered", "b").await;
    assert_eq!(ask(&b, OWNER, &format!("POST /api/v1/messages/{id}/ack"), "").await.status(), 200);
    expect(&mut there, "acknowledged", "a").await;
    expect(&mut here, "acked", "b").await;
}
#[tokio::test]
async fn only_the_owner_listens_and_only_to_what_there_is() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let refused = ask(&a, &pair_key("a", "b"), "GET /api/v1/events", "").await;
    assert_eq!(refused.failure(), (403, 1005));
    for query in ["?kinds=nonsense", "?kinds=", "?since=x", "?since=-1"] {
        assert_eq!(ask(&a, OWNER, &format!("GET /api/v1/events{query}"), "").await.failure(), (400, 9003), "{query}");
    }
    let capabilities = ask(&a, OWNER, "GET /api/v1/identity", "").await.json()["capabilities"].clone();
    assert!(capabilities.as_array().unwrap().contains(&json!("events")));
}
/// known fault 50
#[tokio::test]
async fn the_stream_ends_when_the_daemon_stops() {
    let sim = Sim::default();
    let mut a = sim.machine("a", &[], "").await;
    let mut line = watch(&a, "", "").await;
    assert_eq!(next(&mut line).await["type"], "hello");
    a.stop().await;
    while line.event().await.is_some() {}
}
/// The store's own stream goes on by the same header.
#[tokio::test]
async fn a_watch_of_the_store_is_resumed_by_the_header_too() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    set(&a, "one").await;
    let version = ask(&a, OWNER, "GET /api/v1/context/one", "").await.json()["version"].clone();
    set(&a, "two").await;
    let mut line = Line::to(&a).await;
    line.write(written("GET /api/v1/context-watch", OWNER, &format!("Last-Event-ID: {version}\r\n"), "")).await;
    assert_eq!(line.head().await.unwrap().status, 200);
    let event = line.event().await.unwrap();
    assert!(event.contains(r#""key":"two""#), "{event}");
}
