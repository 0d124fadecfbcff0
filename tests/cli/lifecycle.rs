//! Start, stop and what lies between.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use loopsy::home::instance::Instance;
use loopsy::platform::files::write_private;

use crate::support::program::Program;

fn port(program: &Program) -> u16 {
    program.running().unwrap().address.port()
}
fn answers(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// known faults 13 and 59
#[test]
fn start_returns_when_the_daemon_answers_and_stop_when_it_is_gone() {
    let program = Program::ready();
    assert!(program.fails(&["status"], 3).contains("Start it with: loopsy start"));
    assert_eq!(program.fails(&["stop"], 3), "Daemon is not running\n");
    program.ok(&["start"]);
    let (first, port) = (program.running().unwrap().pid, port(&program));
    assert!(answers(port));
    assert!(program.ok(&["status"]).contains(&format!("process {first}, port {port}")));
    let status: serde_json::Value = serde_json::from_str(&program.ok(&["status", "--json"])).unwrap();
    assert_eq!(status["jobs"]["active"], 0);

    let again = program.run(&["start"]);
    assert!(again.code == 0 && again.err.contains("running already"), "{again:?}");
    program.ok(&["restart"]);
    assert_ne!(program.running().unwrap().pid, first);
    program.ok(&["stop"]);
    assert!(program.running().is_none() && !program.home().pid_file().exists());
    program.fails(&["status"], 3);
}
/// known fault 31
#[test]
fn without_a_right_configuration_there_is_no_daemon() {
    let program = Program::bare();
    let said = program.fails(&["start"], 1);
    assert!(said.starts_with("There is no configuration") && said.contains("loopsy init"), "{said}");
    program.ok(&["init"]);
    for (text, place) in [("server:\n  port: abc\n", "line 2, column 9: server.port"), ("auth:\n\tapiKey: x\n", "line 2, column 1")] {
        write_private(&program.home().config(), text.as_bytes()).unwrap();
        let said = program.fails(&["start"], 1);
        assert!(said.starts_with("config.yaml ") && said.contains(place), "{said}");
        assert!(program.fails(&["daemon"], 1).contains(place));
        assert!(program.fails(&["config", "check"], 1).contains(place));
        assert_eq!(program.config(), text);
        Instance::acquire(&program.home()).expect("no daemon holds the home");
    }
}
/// What was wrong before an end is told before it: a daemon that could not come back is not stopped.
#[test]
fn a_restart_that_could_not_succeed_leaves_the_daemon_alone() {
    let program = Program::ready();
    program.ok(&["start"]);
    let before = program.running().unwrap().pid;
    let key = std::fs::read(program.home().certificate_key()).unwrap();
    write_private(&program.home().certificate_key(), b"nonsense").unwrap();
    assert!(program.fails(&["restart"], 1).contains("key.pem"));
    assert_eq!(program.running().unwrap().pid, before);
    write_private(&program.home().certificate_key(), &key).unwrap();
    program.ok(&["restart"]);
}

/// known fault 59
#[test]
fn a_port_in_use_is_told_and_by_which_loopsy() {
    let program = Program::ready();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port_of = |listener: &TcpListener| listener.local_addr().unwrap().port().to_string();
    program.ok(&["config", "set", "server.port", &port_of(&taken)]);
    let said = program.fails(&["start"], 1);
    assert!(said.contains("in use") && said.contains("server.port"), "{said}");
    assert!(program.running().is_none());

    let other = Program::ready();
    other.ok(&["start"]);
    program.ok(&["config", "set", "server.port", &port(&other).to_string()]);
    let said = program.fails(&["start"], 1);
    assert!(said.contains("by another Loopsy daemon (node "), "{said}");
}
/// known fault 59
#[test]
fn a_stale_pid_file_stops_nobody_and_hinders_no_start() {
    let program = Program::ready();
    program.ok(&["start"]);
    let running = program.running().unwrap();
    assert!(Command::new("kill").args(["-9", &running.pid.to_string()]).status().unwrap().success());
    Instance::wait_until_gone(&program.home()).unwrap();
    let left = std::fs::read(program.home().pid_file()).unwrap();
    program.fails(&["status"], 3);

    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let stale = String::from_utf8(left).unwrap().replace(&running.pid.to_string(), &stranger.id().to_string());
    for text in [stale, stranger.id().to_string()] {
        write_private(&program.home().pid_file(), text.as_bytes()).unwrap();
        program.fails(&["stop"], 3);
        program.ok(&["start"]);
        program.ok(&["stop"]);
        assert!(stranger.try_wait().unwrap().is_none(), "a stranger was ended");
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
#[test]
fn a_daemon_in_the_foreground_says_ready_and_ends_on_a_signal() {
    let program = Program::ready();
    for args in [&["daemon"][..], &["start", "--foreground"]] {
        let mut child = program.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["pid"], child.id());
        assert!(program.run(&["daemon"]).err.contains("running already"));
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success());
        assert!(program.running().is_none());
    }
    assert!(program.ok(&["logs", "--daemon"]).contains("listening"));
}
/// known fault 64
#[test]
fn a_followed_log_leaves_no_process_when_its_reader_goes_away() {
    let program = Program::ready();
    program.ok(&["start"]);
    program.ok(&["status"]);
    program.ok(&["stop"]);
    assert_eq!(program.ok(&["logs"]).lines().filter(|line| line.contains("/api/v1/status")).count(), 1);
    assert_eq!(program.ok(&["logs", "--status", "4xx"]), "");
    let mut child = program.command(&["logs", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("owner"), "{line}");
    assert!(child.wait().unwrap().success());
}
