//! `loopsy dashboard` as a command.

use http::Method;
use loopsy::platform::files;
use serde_json::Value;

use super::board::{Board, token};
use crate::support::program::Program;

#[tokio::test]
async fn a_second_call_gets_a_link_of_the_first() {
    let program = Program::bare();
    let board = Board::of(&program);
    let ran = program.run(&["dashboard"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let link = ran.out.trim();
    assert!(link.starts_with(&format!("{}/#link=", board.origin())) && link != board.first.url, "{ran:?}");
    assert!(ran.err.contains("runs already") && !ran.err.contains(token(link)));
    board.log_in_with(token(link)).await;
    let told: Value = serde_json::from_str(&program.ok(&["dashboard", "--json"])).unwrap();
    assert_eq!((&told["port"], &told["pid"]), (&board.first.port.into(), &board.first.pid.into()));
    assert!(program.fails(&["dashboard", "--port", "1"], 1).contains(&format!("on port {}", board.first.port)));
    assert!(program.fails(&["dashboard", "--lan"], 1).contains("this machine alone"));
    // The secret for that is for who can read the owner's files.
    for secret in [None, Some("Bearer x"), Some("")] {
        let headers: Vec<_> = secret.iter().map(|secret| ("authorization", *secret)).collect();
        let refused = board.raw().send(Method::POST, "/api/v1/invite", &headers, "{}").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, 1005));
    }
}

#[test]
fn what_a_killed_dashboard_left_is_in_nobodys_way() {
    let program = Program::bare();
    let killed = Board::of(&program);
    killed.process().signal("KILL");
    drop(killed);
    assert!(program.home().dashboard().exists());
    drop(Board::of(&program));
}

#[test]
fn without_a_daemon_the_page_is_there_and_says_so() {
    let program = Program::ready();
    let mut board = Board::of(&program);
    assert!(board.stop().0.success());
    assert!(board.said().contains("Start it with: loopsy start"));
    let bare = Program::bare();
    let mut board = Board::of(&bare);
    board.stop();
    assert!(board.said().contains("warning:"));
}

#[test]
fn a_port_that_another_program_has_is_named_and_another_way_too() {
    let program = Program::ready();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = program.fails(&["dashboard", "--port", &port], 1);
    assert!(said.contains(&port) && said.contains("in use") && said.contains("loopsy dashboard --port"), "{said}");
    drop(Board::of(&program));
}

/// known fault 19: other machines do not reach it unless that is asked for.
#[tokio::test]
async fn it_listens_on_loopback_alone() {
    let program = Program::bare();
    let board = Board::of(&program);
    let own = loopsy::net::interfaces::callable();
    for ip in own.iter().filter(|ip| ip.is_ipv4()) {
        assert!(tokio::net::TcpStream::connect((*ip, board.first.port)).await.is_err(), "{ip}");
    }
}

#[test]
fn a_link_is_opened_without_showing_it_to_other_users() {
    let program = Program::bare();
    let bin = program.folder().join("bin");
    files::create_private_dir(&bin).unwrap();
    let (script, seen) = (bin.join("xdg-open"), program.folder().join("seen"));
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}.part'\ncat \"$1\" >> '{0}.part'\nmv '{0}.part' '{0}'\n", seen.display());
    files::write_private(&script, text.as_bytes()).unwrap();
    assert!(std::process::Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    let board = Board::with(&program, &["--open"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(crate::support::process::until("the page is opened", std::time::Duration::from_secs(10), || seen.exists()));
    let seen = std::fs::read_to_string(seen).unwrap();
    let (argument, page) = seen.split_once('\n').unwrap();
    assert_eq!(argument, program.home().dashboard_door().to_str().unwrap());
    assert!(page.contains(&format!("url={}", board.first.url)), "{page}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(argument).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}
