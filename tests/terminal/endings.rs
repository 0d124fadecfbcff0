//! How terminals end: with their programs, with the daemon, and with the trust in who opened them.

use std::time::Duration;

use loopsy::api::peers::PeerRevoke;
use loopsy::api::terminal::{TerminalEnd, TerminalList};
use serde_json::json;

use super::{PATIENCE, Viewer, open};
use crate::support::node::{Node, Pair};
use crate::support::process::{Process, until};

/// A shell with a child that ignores being asked, each of which notes its number.
const FAMILY: &str =
    "trap '' TERM HUP; (trap '' TERM HUP; echo $BASHPID >child; while :; do sleep 1; done) & echo $$ >parent; echo up; wait";

async fn family(node: &Node) -> [Process; 2] {
    let mut found = [None, None];
    let files = ["parent", "child"].map(|name| node.program.folder().join(name));
    until("the family is there", PATIENCE, || {
        found = files.each_ref().map(|file| Process::noted_in(file));
        found.iter().all(Option::is_some)
    })
    .await;
    found.map(Option::unwrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_daemon_ends_the_programs_of_its_terminals() {
    let mut node = Node::start("kai", json!({}));
    let link = node.link();
    open(&link, "bash", &["--norc", "-c", FAMILY]).await;
    let shell = open(&link, "bash", &["--norc", "-i"]).await;
    let family = family(&node).await;
    let shell = Process::of(shell.pid.unwrap()).unwrap();
    node.kill();
    until("the shell is gone at once", Duration::from_secs(2), || !shell.runs()).await;
    until("all are gone", Duration::from_secs(6), || family.iter().all(|process| !process.runs())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_daemon_ends_them_within_five_seconds_and_tells_who_looks() {
    let node = Node::start("kai", json!({}));
    let link = node.link();
    open(&link, "bash", &["--norc", "-c", FAMILY]).await;
    let family = family(&node).await;
    let shell = open(&link, "bash", &["--norc", "-i"]).await;
    let mut viewer = Viewer::attach(&link, &shell, None).await;
    viewer.until_text("bash").await;
    node.process().signal("TERM");
    assert_eq!(viewer.end().await, (None, Some("SIGHUP".into())));
    until("all are gone", Duration::from_secs(6), || family.iter().all(|process| !process.runs())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_terminal_ends_its_tree_and_is_told() {
    let pair = Pair::start();
    let link = pair.leo.link().via("kai");
    let terminal = open(&link, "bash", &["--norc", "-c", FAMILY]).await;
    let mut viewer = Viewer::attach(&link, &terminal, None).await;
    viewer.until_text("up").await;
    let family = family(&pair.kai).await;
    link.call(&TerminalEnd { terminal_id: terminal.terminal_id }).await.unwrap();
    assert!(link.call(&TerminalList {}).await.unwrap().terminals.is_empty());
    assert_eq!(viewer.end().await, (None, Some("SIGKILL".into())));
    until("all are gone", PATIENCE, || family.iter().all(|process| !process.runs())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_running_in_the_background_lives_on_until_the_daemon_ends() {
    let mut node = Node::start("kai", json!({}));
    let link = node.link();
    let script =
        "nohup sh -c 'echo $$ >parent; exec sleep 1000' >/dev/null 2>&1 & while ! [ -s parent ]; do sleep 0.01; done; cp parent child";
    let terminal = open(&link, "bash", &["--norc", "-c", script]).await;
    let mut viewer = Viewer::attach(&link, &terminal, None).await;
    assert_eq!(viewer.end().await, (Some(0), None));
    let [left, _] = family(&node).await;
    node.answers().await;
    assert!(left.runs());
    node.kill();
    until("it is gone", PATIENCE, || !left.runs()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_revoked_is_cut_off_and_its_terminals_end() {
    let pair = Pair::start();
    let link = pair.leo.link().via("kai");
    let terminal = open(&link, "bash", &["--norc", "-i"]).await;
    let own = open(&pair.kai.link(), "sleep", &["1000"]).await;
    let mut viewer = Viewer::attach(&link, &terminal, None).await;
    let shell = Process::of(terminal.pid.unwrap()).unwrap();
    pair.kai.link().call(&PeerRevoke { node_id: "leo".into() }).await.unwrap();
    while viewer.step().await {}
    until("its shell is gone", PATIENCE, || !shell.runs()).await;
    assert!(Process::of(own.pid.unwrap()).unwrap().runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_signals_come_back() {
    let pair = Pair::start();
    for link in pair.links() {
        for (script, code, signal) in [("exit 0", Some(0), None), ("exit 200", Some(200), None), ("kill -USR1 $$", None, Some("SIGUSR1"))] {
            let terminal = open(&link, "sh", &["-c", script]).await;
            let mut viewer = Viewer::attach(&link, &terminal, None).await;
            assert_eq!(viewer.end().await, (code, signal.map(str::to_owned)), "{script}");
        }
    }
}
