//! The audit log of a whole daemon.

use futures_util::{SinkExt, StreamExt};
use loopsy::api::audit::{AuditRecord, AuditWatch};
use loopsy::api::context::ContextGet;
use loopsy::api::execute::{Command, Execute, ExecuteSocket, SocketRequest};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::support::sim::{Machine, OWNER, Sim, pair_key};

/// Runs a program over a socket, to the message that ends it.
async fn over_socket(machine: &Machine, program: &str) -> String {
    let mut socket = machine.link().socket(&ExecuteSocket {}).await.unwrap();
    let command = Command { command: program.into(), ..Command::default() };
    let start = serde_json::to_string(&SocketRequest::Start { command, open_stdin: false }).unwrap();
    socket.send(Message::text(start)).await.unwrap();
    let mut last = String::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            last = text.to_string();
        }
    }
    last
}

/// known fault 61: who asked what, on every way in, and no key anywhere.
#[tokio::test]
async fn every_command_is_in_the_log_with_its_job_whatever_the_way_in() {
    let sim = Sim::default();
    let mut a = sim.machine("a", &["b"], "").await;
    let ran = a.link().call(&Execute(Command { command: "true".into(), ..Command::default() })).await.unwrap();
    assert!(over_socket(&a, "uname").await.contains("exit"));
    assert!(over_socket(&a, "mkfs.ext4").await.contains("3001"));
    let denied = a.raw().json(http::Method::POST, "/api/v1/execute", &pair_key("a", "b"), &serde_json::json!({ "command": "rm" })).await;
    assert_eq!(denied.code(), 3001);
    a.stop().await;
    let text = std::fs::read_to_string(a.home().audit_log()).unwrap();
    assert!(!text.contains(OWNER) && !text.contains(&pair_key("a", "b")));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |target: &str| lines.iter().find(|line| line["target"] == target).unwrap_or_else(|| panic!("no {target} in {text}"));
    assert_eq!(of("true")["jobId"], ran.job_id.as_str());
    let socket = of("uname");
    assert_eq!(
        (socket["operation"].as_str(), socket["caller"].as_str(), socket["decision"].as_str()),
        (Some("execute.socket"), Some("owner"), Some("allowed"))
    );
    assert!(socket["jobId"].is_string() && socket["requestId"].is_string());
    assert_eq!((of("mkfs.ext4")["decision"].as_str(), of("mkfs.ext4")["error"].as_u64()), (Some("denied"), Some(3001)));
    assert_eq!(
        (of("rm")["caller"].as_str(), of("rm")["decision"].as_str(), of("rm")["statusCode"].as_u64()),
        (Some("b"), Some("denied"), Some(403))
    );
}

fn key(name: &str) -> ContextGet {
    ContextGet { key: name.into() }
}

#[tokio::test]
async fn the_log_is_followed_from_its_newest_records_on_and_none_is_missed_or_told_twice() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let targets = |records: &[AuditRecord]| records.iter().filter_map(|record| record.target.clone()).collect::<Vec<_>>();
    let names = |range: std::ops::Range<usize>| range.map(|n| format!("k{n}")).collect::<Vec<_>>();
    for name in names(0..50) {
        let _ = a.link().call(&key(&name)).await;
    }
    let mut log = a.link().call(&AuditWatch { last: Some(20) }).await.unwrap();
    for name in names(50..80) {
        let _ = a.link().call(&key(&name)).await;
    }
    let mut told = Vec::new();
    while told.last() != Some(&"k79".to_owned()) {
        told.extend(targets(&[log.next().await.unwrap().unwrap()]));
    }
    // How many of the first had been written when the log was read is the writer's business; the last ones always follow.
    assert!(told.len() >= 30 && told == names(80 - told.len()..80), "{told:?}");
    assert_eq!(
        a.link().call(&AuditWatch { last: Some(0) }).await.unwrap().next().await.unwrap().unwrap().operation.unwrap(),
        "audit.watch"
    );
}
