//! Much output: complete, in little memory.

use std::time::Instant;

use futures_util::StreamExt;
use loopsy::base::units::MIB;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Viewer, open};
use crate::support::node::{Node, Pair};
use crate::support::process::heavy;

/// Bytes of output.
const MUCH: u64 = 500_000_000;
/// Most memory that a daemon may hold.
const MEMORY: u64 = 64 * MIB;

/// As programs print it.
const TEXT: &str = "yes 'a line of output as programs print it, with some words in it' | head -c 500000000; echo; echo all written; read a";

/// Takes all that comes, without a picture of it.
async fn drain(viewer: &mut Viewer) {
    let mut tail = Vec::new();
    while !tail.ends_with(b"all written\r\n") {
        if let Message::Binary(bytes) = viewer.socket.next().await.unwrap().unwrap() {
            viewer.bytes += bytes.len() as u64;
            tail.extend_from_slice(&bytes[bytes.len().saturating_sub(64)..]);
            tail.drain(..tail.len().saturating_sub(64));
        }
    }
}

#[expect(clippy::print_stdout, reason = "how fast it was is kept in the test's record")]
fn report(what: &str, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    println!("{what}: {:.0} MB/s", MUCH as f64 / 1e6 / seconds);
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_half_a_gigabyte_through_a_terminal_takes_little_memory() {
    if !heavy() {
        return;
    }
    let pair = Pair::start();
    for (what, link) in [("as the owner", pair.kai.link()), ("through a peer", pair.leo.link().via("kai"))] {
        let terminal = open(&link, "sh", &["-c", TEXT]).await;
        let mut viewer = Viewer::attach(&link, &terminal, None).await;
        let began = Instant::now();
        drain(&mut viewer).await;
        assert!(viewer.bytes > MUCH, "{}", viewer.bytes);
        report(what, began);
        for (name, node) in [("leo", &pair.leo), ("kai", &pair.kai)] {
            let peak = node.process().peak_memory().unwrap();
            assert!(peak < MEMORY, "{name} held {} MiB", peak / MIB);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_half_a_gigabyte_that_nobody_reads_does_not_hold_up_the_program() {
    if !heavy() {
        return;
    }
    let node = Node::start("kai", json!({}));
    let link = node.link();
    let terminal = open(&link, "sh", &["-c", TEXT]).await;
    let began = Instant::now();
    // It takes nothing, and its socket fills up.
    let _stuck = Viewer::attach(&link, &terminal, None).await;
    let mut reader = Viewer::attach(&link, &terminal, None).await;
    drain(&mut reader).await;
    report("with one who does not read", began);
    let peak = node.process().peak_memory().unwrap();
    assert!(peak < MEMORY, "it held {} MiB", peak / MIB);
}
