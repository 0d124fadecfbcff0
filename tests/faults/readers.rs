//! Many who listen at once.

use std::time::Duration;

use loopsy::api::context::ContextSet;
use loopsy::api::execute::{Command, Execute};
use loopsy::api::fleet::SessionStart;
use loopsy::client::local;
use loopsy::home::Home;
use loopsy::home::instance::Instance;
use loopsy::net::Network;
use loopsy::platform::host;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::node::Node;
use crate::support::process::{Process, heavy, skipped};
use crate::support::program::Program;
use crate::support::sim::OWNER;

const READERS: usize = 10_000;
/// What the test and the daemon each need besides.
const SPARE: usize = 500;
/// Most memory of the daemon for one reader, bytes; what the system holds for its socket is not counted.
const EACH: u64 = 20 * 1024;

/// Reads until this has come.
async fn hears(reader: &mut TcpStream, words: &str) {
    let mut heard = Vec::new();
    let listening = async {
        while !String::from_utf8_lossy(&heard).contains(words) {
            assert_ne!(reader.read_buf(&mut heard).await.unwrap(), 0, "cut off after {}", String::from_utf8_lossy(&heard));
        }
    };
    assert!(timeout(Duration::from_secs(60), listening).await.is_ok(), "no {words}: {}", String::from_utf8_lossy(&heard));
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_ten_thousand_readers_take_little_memory_and_all_hear() {
    if !heavy() {
        return;
    }
    host::claim_descriptors();
    if host::descriptors() < READERS + SPARE {
        skipped("a process may have too few descriptors");
        return;
    }
    let set = |key: &str| ContextSet { key: key.into(), value: "x".into(), ttl: None, if_match: None, if_none_match: None };
    for (key, path) in [("told", "events?kinds=context"), ("watched", "context-watch")] {
        let node = Node::start("kai", json!({}));
        // What the first use of everything takes is not the readers'.
        node.link().call(&set("first")).await.unwrap();
        let before = node.process().memory().unwrap();
        let request = format!("GET /api/v1/{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OWNER}\r\n\r\n");
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let mut reader = TcpStream::connect(("127.0.0.1", node.ready.port)).await.unwrap();
            reader.write_all(request.as_bytes()).await.unwrap();
            readers.push(reader);
        }
        for reader in &mut readers {
            hears(reader, "\r\n\r\n").await;
        }
        let each = (node.process().memory().unwrap().saturating_sub(before)) / READERS as u64;
        assert!(each < EACH, "{path}: {each} bytes for each");
        node.link().call(&set(key)).await.unwrap();
        for reader in &mut readers {
            hears(reader, &format!("\"{key}\"")).await;
        }
        node.answers().await;
    }
}

/// The daemon takes the descriptors that it can have; what it starts must not be given them, since `select` can't cope.
#[tokio::test]
async fn commands_have_no_more_descriptors_than_the_daemon_was_started_with() {
    const GIVEN: usize = 300;
    let program = Program::with_descriptors(GIVEN);
    program.ok(&["start"]);
    // From the daemon, which has more.
    local::link(&program.home(), &Network::Sockets).unwrap().call(&SessionStart { name: "worker".into() }).await.unwrap();
    for home in [program.home(), Home::at(program.home().sessions().join("worker"))] {
        let daemon = Instance::running(&home).unwrap();
        assert!(Process::of(daemon.pid).unwrap().descriptors() > GIVEN);
        let asked = Command { command: "ulimit -S -n".into(), shell: Some(true), ..Command::default() };
        let told = local::link(&home, &Network::Sockets).unwrap().call(&Execute(asked)).await.unwrap();
        assert_eq!(told.stdout.trim(), GIVEN.to_string());
    }
}
