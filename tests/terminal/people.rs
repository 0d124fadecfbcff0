//! `loopsy shell`, as people have it: in a terminal of their own.

use std::process::ExitStatus;
use std::time::Duration;

use futures_util::StreamExt;
use loopsy::api::peers::PeerRevoke;
use loopsy::api::terminal::TerminalList;
use pty_process::{Pty, Size};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{PATIENCE, Viewer, open};
use crate::support::node::{Node, Pair};
use crate::support::process::{Process, heavy, until};
use crate::support::program::Program;

/// Somebody who sits at a terminal in which the program runs.
struct Seat {
    pty: Pty,
    child: tokio::process::Child,
    screen: vt100::Parser,
    /// All that came, also what is no longer on the screen.
    said: String,
}

impl Seat {
    fn take(program: &Program, args: &[&str]) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let plain = program.command(args);
        let mut command = pty_process::Command::new(plain.get_program()).args(plain.get_args()).kill_on_drop(true);
        for (name, value) in plain.get_envs() {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command.spawn(pts).unwrap();
        Self { pty, child, screen: vt100::Parser::new(24, 80, 0), said: String::new() }
    }
    fn text(&self) -> String {
        self.screen.screen().contents()
    }
    fn hear(&mut self, bytes: &[u8]) {
        self.screen.process(bytes);
        self.said += &String::from_utf8_lossy(bytes);
    }
    /// Reads until something is on the screen.
    async fn until(&mut self, what: &str) {
        let mut buffer = [0; 4096];
        let reading = async {
            while !self.text().contains(what) {
                let count = self.pty.read(&mut buffer).await.unwrap_or(0);
                assert!(count > 0, "it ended before {what:?}: {}", self.screen.screen().contents());
                self.hear(&buffer[..count]);
            }
        };
        let found = timeout(PATIENCE, reading).await.is_ok();
        assert!(found, "waited in vain for {what:?}: {}", self.text());
    }
    async fn types(&mut self, text: &str) {
        self.pty.write_all(text.as_bytes()).await.unwrap();
    }
    /// Reads until the program has ended; answers how.
    async fn end(&mut self) -> ExitStatus {
        let mut buffer = [0; 4096];
        let reading = async {
            while let Ok(count @ 1..) = self.pty.read(&mut buffer).await {
                self.hear(&buffer[..count]);
            }
        };
        timeout(PATIENCE, reading).await.expect("it ends");
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }
    /// Whether lines are read and shown as usual.
    fn is_usual(&self) -> bool {
        let modes = tcgetattr(&self.pty).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

/// What `--attach` is to be given, as it was said.
fn way_back(text: &str) -> String {
    let (_, rest) = text.split_once("--attach ").expect("it says how to come back");
    rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_on_a_peer_is_as_if_one_sat_there() {
    let pair = Pair::start();
    let mut seat = Seat::take(&pair.leo.program, &["shell", "--env", "PS1=ready-", "kai", "bash", "--norc", "-i"]);
    seat.until("ready-").await;
    assert!(!seat.is_usual());
    seat.types("stty size\r").await;
    seat.until("24 80").await;
    seat.pty.resize(Size::new(30, 70)).unwrap();
    seat.types("clear; while [ \"$(stty size)\" != '30 70' ]; do sleep 0.01; done; stty size\r").await;
    seat.until("30 70\nready-").await;
    // No terminal is as large as this window.
    for (window, size, known) in [((400, 900), "130 500", "1 large"), ((30, 70), "30 70", "2 small")] {
        seat.pty.resize(Size::new(window.0, window.1)).unwrap();
        let (number, word) = known.split_once(' ').unwrap();
        seat.types(&format!("clear; while [ \"$(stty size)\" != '{size}' ]; do sleep 0.01; done; echo $((0+{number})) {word}\r")).await;
        seat.until(known).await;
    }
    // An interrupt is the program's there, once the shell has given it the terminal.
    seat.types("sh -c 'echo $((30+3)) sleeps; exec sleep 1000'\r").await;
    seat.until("33 sleeps").await;
    seat.types("\u{3}").await;
    seat.until("^C\nready-").await;
    seat.types("echo $((6*7)) is on the screen\r").await;
    seat.until("42 is on the screen").await;
    seat.types("~?").await;
    seat.until("~~  type a tilde").await;
    seat.types("\rclear; echo ~~~~ | wc -c; exit 7\r").await;
    assert_eq!(seat.end().await.code(), Some(7), "{}", seat.text());
    assert!(seat.is_usual());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_told_how_to_come_back_and_finds_all_as_it_was() {
    let pair = Pair::start();
    let args = ["shell", "--env", "PS1=ready-", "--name", "work", "kai", "bash", "--norc", "-i"];
    let mut seat = Seat::take(&pair.leo.program, &args);
    seat.until("ready-").await;
    seat.types("echo $((6*7)) is the answer\r").await;
    seat.until("42 is the answer").await;
    seat.types("\r~.").await;
    assert_eq!(seat.end().await.code(), Some(0));
    assert!(seat.is_usual());
    let listed: Value = serde_json::from_str(&pair.leo.program.ok(&["shell", "kai", "--list", "--json"])).unwrap();
    assert_eq!((&listed["terminals"][0]["name"], &listed["terminals"][0]["status"]), (&json!("work"), &json!("running")));
    let id = way_back(&seat.text());
    assert!(pair.leo.program.ok(&["shell", "--list", "kai"]).contains(&id));
    let mut again = Seat::take(&pair.leo.program, &["shell", "kai", "--attach", &id]);
    again.until("42 is the answer").await;
    again.types("exit 3\r").await;
    assert_eq!(again.end().await.code(), Some(3));
    pair.leo.program.fails(&["shell", "kai", "--attach", "nothing"], 1);
    pair.leo.program.ok(&["shell", "kai", "--end", "work"]);
    assert!(pair.leo.program.ok(&["shell", "kai", "--list"]).is_empty());
    assert!(pair.leo.program.fails(&["shell", "nobody"], 4).contains("nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_as_before_after_every_way_out() {
    let mut pair = Pair::start();
    let args = ["shell", "kai", "sh", "-c", "printf 'up\\033[?1049h\\033[?2004h\\033[?1000hother'; read a"];
    for signal in ["TERM", "HUP"] {
        let mut seat = Seat::take(&pair.leo.program, &args);
        seat.until("other").await;
        Process::of(seat.child.id().unwrap()).unwrap().signal(signal);
        assert_eq!(seat.end().await.code(), Some(0), "{signal}");
        let screen = seat.screen.screen();
        assert!(seat.is_usual() && !screen.alternate_screen() && !screen.bracketed_paste(), "{signal}");
        assert!(seat.text().contains("--attach"), "{}", seat.text());
    }
    let mut seat = Seat::take(&pair.leo.program, &args);
    seat.until("other").await;
    pair.kai.kill();
    assert_eq!(seat.end().await.code(), Some(4));
    let text = seat.text();
    assert!(seat.is_usual() && text.contains("The connection broke\nIf kai's daemon still runs, come back with:"), "{text}");
    assert!(text.contains("--attach") && !text.contains("lives on"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_is_told_why() {
    let pair = Pair::start();
    let mut seat = Seat::take(&pair.leo.program, &["shell", "kai", "sh", "-c", "printf up; read a"]);
    seat.until("up").await;
    pair.kai.link().call(&PeerRevoke { node_id: "leo".into() }).await.unwrap();
    assert_eq!(seat.end().await.code(), Some(5), "{}", seat.text());
    assert!(seat.text().contains("this machine may not look at the terminal any more"), "{}", seat.text());
    assert!(!seat.text().contains("lives on") && !seat.text().contains("--attach"), "{}", seat.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_terminal_to_a_signal_is_told_which() {
    let pair = Pair::start();
    let args = ["shell", "--name", "work", "kai", "sh", "-c", "printf 'up\\033[?1049hother'; read a"];
    let mut seat = Seat::take(&pair.leo.program, &args);
    seat.until("other").await;
    pair.leo.program.ok(&["shell", "kai", "--end", "work"]);
    assert_eq!(seat.end().await.code(), Some(129));
    assert!(seat.text().contains("Ended by SIGHUP") && !seat.screen.screen().alternate_screen(), "{}", seat.text());
    let mut seat = Seat::take(&pair.leo.program, &args);
    seat.until("other").await;
    pair.kai.process().signal("TERM");
    assert_eq!(seat.end().await.code(), Some(129), "{}", seat.text());
    assert!(seat.text().contains("Ended by SIGHUP"), "{}", seat.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_that_of_what_runs_and_of_one_alone() {
    let pair = Pair::start();
    let leo = &pair.leo.program;
    leo.ok(&["shell", "--name", "work", "kai", "true"]);
    assert!(leo.fails(&["shell", "--attach", "work"], 1).contains("loopsy shell <peer> --attach work"));
    let sits = ["shell", "--name", "work", "kai", "sh", "-c", "printf up; read a"];
    let mut first = Seat::take(leo, &sits);
    first.until("up").await;
    let mut again = Seat::take(leo, &["shell", "kai", "--attach", "work"]);
    again.until("up").await;
    let mut second = Seat::take(leo, &sits);
    second.until("up").await;
    let which = leo.fails(&["shell", "kai", "--end", "work"], 2);
    assert!(which.contains("Name one by its id: "), "{which}");
    let listed = leo.ok(&["shell", "kai", "--list"]);
    assert_eq!(listed.lines().filter(|line| line.contains("running") && which.contains(&line[..8])).count(), 2, "{which}{listed}");
    let mut list = Seat::take(leo, &["shell", "kai", "--list"]);
    assert_eq!(list.end().await.code(), Some(0));
    let text = list.text();
    assert!(text.contains("  NAME  ") && text.contains("running") && !text.contains("[32m"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_of_one_s_own_it_works_all_the_same() {
    let pair = Pair::start();
    let leo = &pair.leo.program;
    let out = leo.piped(&["shell", "kai", "sh", "-c", "stty size; cat; exit 5"], b"hello\n");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.code() == Some(5) && text.contains("24 80\r\n") && text.ends_with("hello\r\n"), "{out:?}");
    // The end of the input is told until it is heard.
    for (command, input, code) in [
        (&["bash", "--norc", "-i"][..], &b"exit 4\n"[..], 4),
        (&["bash", "--norc", "-i"], b"", 0),
        (&["cat"], b"half a line", 0),
        (&["sh", "-c", "sleep 0.3; stty -icanon min 1; sleep 0.3; stty icanon; cat"], b"", 0),
    ] {
        let args = [&["shell", "kai"], command].concat();
        let out = tokio::task::block_in_place(|| leo.piped(&args, input));
        assert_eq!(out.status.code(), Some(code), "{command:?} {out:?}");
    }
    assert_eq!(leo.run(&["shell", "kai", "sh", "-c", "kill -9 $$"]).code, 137);
    assert!(leo.run(&["shell", ".", "--list"]).err.contains("No terminals on this machine"));
    assert!(leo.run(&["shell", ".", "sh", "-c", "echo $TERM on $((6*7))"]).out.contains("xterm-256color on 42"));
    // What comes after the command is its own.
    assert_eq!(leo.run(&["shell", "kai", "echo", "--list", "--name", "x"]).out.trim_end(), "--list --name x");
    leo.fails(&["shell", "kai", "no-such-program"], 1);
    leo.fails(&["shell", "kai", "rm", "x"], 5);
    leo.fails(&["shell"], 2);
    leo.fails(&["shell", "kai", "--list", "ls"], 2);
    leo.fails(&["shell", "--env", "x", "kai"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_one_terminal_share_it() {
    let node = Node::start("kai", json!({}));
    let terminal = open(&node.link(), "bash", &["--norc", "-i"]).await;
    let mut seats: Vec<Seat> = (0..3).map(|_| Seat::take(&node.program, &["shell", "--attach", &terminal.terminal_id])).collect();
    let all_there = async {
        while node.link().call(&TerminalList {}).await.unwrap().terminals[0].clients < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), all_there).await.unwrap();
    seats[0].types("echo $((1+1)) of us\r").await;
    for seat in &mut seats {
        seat.until("2 of us").await;
    }
    seats[1].types("exit\r").await;
    for mut seat in seats {
        assert_eq!(seat.end().await.code(), Some(0));
    }
}

/// Keys that nobody takes do not keep whoever typed them.
#[tokio::test(flavor = "multi_thread")]
async fn who_typed_into_a_program_that_reads_nothing_can_leave() {
    let node = Node::start("kai", json!({}));
    let line = format!("{}\r", "x".repeat(4000));
    for leaves in [true, false] {
        let mut seat = Seat::take(&node.program, &["shell", ".", "sh", "-c", "stty -echo raw; echo ready; exec sleep 1000"]);
        seat.until("ready").await;
        let mut bell = [0; 1024];
        // What is more than all that keep something together is told by the bell.
        let typing = async {
            loop {
                let written = timeout(Duration::from_millis(100), seat.pty.write_all(line.as_bytes())).await;
                written.unwrap_or(Ok(())).unwrap();
                if let Ok(Ok(count)) = timeout(Duration::from_millis(1), seat.pty.read(&mut bell)).await
                    && bell[..count].contains(&7)
                {
                    return;
                }
            }
        };
        timeout(PATIENCE, typing).await.expect("it is told that there is no room");
        if leaves {
            seat.types("\r~.").await;
        } else {
            Process::of(seat.child.id().unwrap()).unwrap().signal("TERM");
        }
        assert_eq!(seat.end().await.code(), Some(0), "{}", seat.text());
        assert!(seat.is_usual() && seat.said.contains("--attach"), "usual: {}, {:?}", seat.is_usual(), seat.said);
    }
}

/// A machine whose cable was pulled says no goodbye.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_who_looks_at_a_machine_that_vanishes_is_told() {
    if !heavy() {
        return;
    }
    let pair = Pair::start();
    let terminal = open(&pair.leo.link().via("kai"), "sleep", &["1000"]).await;
    let mut seat = Seat::take(&pair.leo.program, &["shell", "kai", "--attach", &terminal.terminal_id]);
    let mut viewer = Viewer::attach(&pair.leo.link().via("kai"), &terminal, None).await;
    until("both are there", PATIENCE, || pair.kai.program.ok(&["shell", ".", "--list", "--json"]).contains("\"clients\": 2")).await;
    pair.kai.process().signal("STOP");
    let ended = timeout(Duration::from_secs(60), seat.child.wait()).await;
    let closed = timeout(Duration::from_secs(60), async { while let Some(Ok(_)) = viewer.socket.next().await {} }).await;
    pair.kai.process().signal("CONT");
    ended.expect("the shell ends").unwrap();
    assert_eq!(seat.end().await.code(), Some(4), "{}", seat.text());
    let text = seat.text().replace('\n', "");
    assert!(text.contains("come back with: loopsy shell kai --attach"), "{text}");
    closed.expect("the forwarded socket is closed");
}
