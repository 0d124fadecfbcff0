//! The audit log of a whole daemon.

use futures_util::{SinkExt, StreamExt};
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
