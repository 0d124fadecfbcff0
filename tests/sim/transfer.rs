//! Transfers between machines, as their owners see them while they are under way.

use std::path::Path;
use std::sync::Arc;

use loopsy::api::node::CAPABILITIES;
use loopsy::api::transfer::{Direction, RunningTransfer, RunningTransfers, TransferRunning, TransferWatch};
use loopsy::client::files::Files;
use loopsy::platform::files::write_private;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use futures_util::StreamExt;

use crate::support::sim::{Machine, Sim};

const SIZE: usize = 3_000_000;

fn files(machine: &Machine) -> Files {
    let capabilities: Vec<String> = CAPABILITIES.iter().map(ToString::to_string).collect();
    Files::new(machine.link().via("b"), &capabilities, Arc::new(|_| {}))
}

/// The one transfer of a machine, once this holds of it.
async fn once(machine: &Machine, is_it: impl Fn(&RunningTransfer) -> bool) -> RunningTransfer {
    let mut told = machine.link().call(&TransferWatch {}).await.unwrap();
    loop {
        let RunningTransfers { transfers } = told.next().await.unwrap().unwrap();
        if let Some(found) = transfers.iter().find(|transfer| is_it(transfer)) {
            return found.clone();
        }
    }
}

async fn until_none(machine: &Machine) {
    let mut told = machine.link().call(&TransferWatch {}).await.unwrap();
    while !told.next().await.unwrap().unwrap().transfers.is_empty() {}
    assert!(machine.link().call(&TransferRunning {}).await.unwrap().transfers.is_empty());
}

#[tokio::test]
async fn a_transfer_is_seen_on_both_machines_while_it_is_under_way() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let folder = tempfile::tempdir().unwrap();
    let b = sim.machine("b", &["a"], &format!("transfer:\n  allowedPaths: [{}]\n", folder.path().display())).await;
    let target = folder.path().join("sent").display().to_string();
    let files_of_b = files(&a);
    let (mut input, read) = duplex(64 * 1024);
    let seen = async {
        input.write_all(&vec![7; SIZE]).await.unwrap();
        let out = once(&a, |transfer| transfer.bytes > 0).await;
        assert_eq!((out.direction, out.peer.as_deref(), out.path.as_str()), (Direction::Out, Some("b"), target.as_str()));
        let arriving = once(&b, |transfer| transfer.bytes > 0).await;
        assert_eq!((arriving.direction, arriving.peer.as_deref(), arriving.path.as_str()), (Direction::In, Some("a"), target.as_str()));
        drop(input);
    };
    let (sent, ()) = tokio::join!(files_of_b.push_stream(read, None, &target), seen);
    assert_eq!(sent.unwrap().size, SIZE as u64);
    until_none(&a).await;
    until_none(&b).await;

    write_private(Path::new(&target), &vec![1; 30 * SIZE]).unwrap();
    let files_of_b = files(&a);
    let (output, mut read) = duplex(1024);
    let seen = async {
        let back = once(&a, |transfer| transfer.bytes > 0).await;
        assert_eq!(
            (back.direction, back.peer.as_deref(), back.path.as_str(), back.total),
            (Direction::In, Some("b"), "sent", Some(30 * SIZE as u64))
        );
        let leaving = once(&b, |transfer| transfer.bytes > 0).await;
        assert_eq!((leaving.direction, leaving.peer.as_deref(), leaving.total), (Direction::Out, Some("a"), back.total));
        let mut all = Vec::new();
        read.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 30 * SIZE);
    };
    let (fetched, ()) = tokio::join!(files_of_b.pull_stream(&target, output), seen);
    fetched.unwrap();
    until_none(&a).await;
    until_none(&b).await;
}
