//! Real programs on their screens: the size that they are told, and what a second client sees.

use std::process::Command;

use loopsy::platform::files;

use super::{Viewer, get, open};
use crate::support::node::Pair;
use crate::support::process::skipped;

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(&format!("there is no {program} here"));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn stty_size_is_that_of_the_client_that_resized_last() {
    let pair = Pair::start();
    for link in pair.links() {
        let terminal = open(&link, "bash", &["--norc", "-i"]).await;
        let mut first = Viewer::attach(&link, &terminal, Some((91, 17))).await;
        first.types("stty size\n").await;
        first.until_text("17 91").await;
        let mut second = Viewer::attach(&link, &terminal, None).await;
        assert_eq!(second.size, (91, 17));
        second.resize(100, 30).await;
        first.until("the other's size", |viewer| viewer.size == (100, 30)).await;
        first.types("clear; stty size\n").await;
        first.until_text("30 100").await;
        second.until_text("30 100").await;
        let shown = get(&link, &terminal).await;
        assert_eq!((shown.cols, shown.rows, shown.clients), (100, 30, 2));
        first.types("exit 9\n").await;
        assert_eq!(first.end().await, (Some(9), None));
        assert_eq!(second.end().await, (Some(9), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_attaches_to_less_later_sees_the_same_and_may_go_on() {
    if !has("less") {
        return;
    }
    let pair = Pair::start();
    let text: String = (1..=300).map(|n| format!("line {n}\n")).collect();
    files::write_private(&pair.kai.program.folder().join("long.txt"), text.as_bytes()).unwrap();
    for link in pair.links() {
        let terminal = open(&link, "bash", &["--norc", "-c", "seq 1 100; less long.txt; echo over"]).await;
        let mut first = Viewer::attach(&link, &terminal, Some((80, 24))).await;
        first.until_text("line 23").await;
        first.types(" ").await;
        first.until_text("line 46").await;
        let mut second = Viewer::attach(&link, &terminal, Some((80, 24))).await;
        second.until_text("line 46").await;
        assert!(second.screen.screen().alternate_screen());
        second.assert_same(&first);
        // It has another size, for which the program paints anew.
        second.resize(60, 10).await;
        second.until("the size", |viewer| viewer.size == (60, 10)).await;
        // It may take the first key for a sign of life alone.
        second.types("r").await;
        second.until("the prompt", |viewer| viewer.text().ends_with(':')).await;
        second.types("g").await;
        for viewer in [&mut first, &mut second] {
            viewer.until("the first page", |viewer| viewer.text().starts_with("line 1\n") && viewer.text().contains("line 9")).await;
            assert!(!viewer.text().contains("line 10"), "{}", viewer.text());
        }
        second.assert_same(&first);
        second.types("q").await;
        for viewer in [&mut first, &mut second] {
            viewer.until_text("over").await;
            assert!(!viewer.screen.screen().alternate_screen(), "{}", viewer.text());
            assert_eq!(viewer.end().await, (Some(0), None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_attaches_to_vim_later_sees_the_same() {
    if !has("vim") {
        return;
    }
    let pair = Pair::start();
    let link = pair.leo.link().via("kai");
    let terminal = open(&link, "vim", &["-u", "NONE", "-N", "notes.txt"]).await;
    let mut first = Viewer::attach(&link, &terminal, Some((80, 24))).await;
    first.until_text("notes.txt").await;
    first.types("ihello from vim\x1b:set number\n").await;
    first.until_text("1 hello from vim").await;
    let mut second = Viewer::attach(&link, &terminal, Some((80, 24))).await;
    second.until_text("1 hello from vim").await;
    second.assert_same(&first);
    second.resize(40, 12).await;
    second.types("Go\x1bisecond line\x1b").await;
    for viewer in [&mut first, &mut second] {
        viewer.until_text("2 second line").await;
        assert_eq!(viewer.size, (40, 12));
    }
    second.types(":wq\n").await;
    assert_eq!(first.end().await, (Some(0), None));
    let kept = std::fs::read_to_string(pair.kai.program.folder().join("notes.txt")).unwrap();
    assert_eq!(kept, "hello from vim\nsecond line\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_scrolled_away_is_there_for_who_comes_back() {
    let pair = Pair::start();
    let link = pair.leo.link().via("kai");
    let terminal = open(&link, "bash", &["--norc", "-c", "seq 1 500; read a; echo bye"]).await;
    let mut first = Viewer::attach(&link, &terminal, Some((80, 24))).await;
    first.until_text("500").await;
    drop(first);
    let mut again = Viewer::attach(&link, &terminal, Some((80, 24))).await;
    again.until_text("500").await;
    let screen = again.screen.screen_mut();
    screen.set_scrollback(usize::MAX);
    assert_eq!(screen.scrollback(), 500 - 23);
    assert!(screen.contents().starts_with("1\n2\n3\n"), "{}", screen.contents());
    again.screen.screen_mut().set_scrollback(0);
    again.types("\n").await;
    assert_eq!(again.end().await, (Some(0), None));
}
