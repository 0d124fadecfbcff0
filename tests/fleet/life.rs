//! Starting, using, killing and stopping sessions.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use loopsy::home::config_file;
use loopsy::home::instance::{Instance, Running};
use loopsy::platform::files;
use loopsy::platform::pid::process_start_time;
use serde_json::{Value, json};

use super::{named, peers, process, started, states};
use crate::support::node::Node;
use crate::support::process::until;
use crate::support::program::Program;

/// How long a test waits for what takes about a second.
const SOON: Duration = Duration::from_secs(10);

fn machine() -> Program {
    let program = Program::ready();
    program.ok(&["config", "set", "server.hostname", "leo"]);
    program.ok(&["config", "set", "discovery.enabled", "false"]);
    program
}

#[test]
fn sessions_and_the_main_daemon_know_each_other_at_once_and_after_restarts() {
    let leo = machine();
    leo.ok(&["start"]);
    // Of the usual ports another test may take one while nobody uses it.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let home = leo.home().of_session(&"worker-1".parse().unwrap());
    files::create_private_dir(home.root()).unwrap();
    files::write_private(&home.config(), format!("server: {{port: {port}}}\n").as_bytes()).unwrap();
    let first = started(&leo, "worker-1");
    assert_eq!((&first["hostname"], &first["status"]), (&json!("leo-worker-1"), &json!("running")));
    leo.ok(&["session", "start-fleet", "--count", "2"]);
    let of_main = named(&[("leo/worker-1", "online"), ("leo/worker-2", "online")]);
    assert_eq!(peers(&leo, &[]), of_main);
    assert_eq!(peers(&leo, &["--session", "worker-1"]), named(&[("leo/main", "online"), ("leo/worker-2", "online")]));

    // Each by its session's name, its host name, and what it is called among peers.
    for name in ["worker-1", "leo-worker-1", "leo/worker-1"] {
        assert_eq!(leo.ok(&["exec", name, "echo", "hello"]), "hello\n", "{name}");
    }
    assert_eq!(leo.ok(&["--session", "worker-1", "exec", "main", "echo", "up"]), "up\n");
    leo.ok(&["--session", "worker-1", "context", "set", "k", "of worker-1"]);
    leo.fails(&["context", "get", "k"], 1);
    assert_eq!(leo.ok(&["context", "get", "k", "--peer", "worker-1"]).trim(), "of worker-1");
    assert_eq!(leo.ok(&["--session", "worker-2", "context", "get", "k", "--peer", "leo/worker-1"]).trim(), "of worker-1");

    leo.ok(&["session", "stop-all"]);
    assert_eq!(states(&leo), [("worker-1".into(), false), ("worker-2".into(), false)]);
    assert_eq!(peers(&leo, &[]), named(&[("leo/worker-1", "offline"), ("leo/worker-2", "offline")]));
    assert!(leo.fails(&["exec", "worker-1", "true"], 4).contains("Start it with: loopsy session start worker-1"));
    let again = started(&leo, "worker-1");
    assert_eq!((&again["port"], &again["nodeId"]), (&first["port"], &first["nodeId"]), "both are kept");
    leo.ok(&["restart"]);
    assert_eq!(peers(&leo, &[]), named(&[("leo/worker-1", "online"), ("leo/worker-2", "offline")]));
    leo.ok(&["stop"]);
    assert_eq!(peers(&leo, &["--session", "worker-1"]), named(&[("leo/main", "offline"), ("leo/worker-2", "offline")]));
    leo.ok(&["--session", "worker-1", "stop"]);
    leo.fails(&["session", "stop", "worker-1"], 3);
    leo.fails(&["--session", "worker-1", "status"], 3);
}

#[test]
fn messages_reach_sessions_and_say_which_of_them_wrote() {
    let leo = machine();
    leo.ok(&["start"]);
    leo.ok(&["session", "start-fleet", "-c", "2"]);
    leo.ok(&["session", "stop", "worker-2"]);
    leo.ok(&["message", "send", "*", "to all of you"]);
    let inbox =
        |of: &str| -> Value { serde_json::from_str(&leo.ok(&["--session", of, "message", "inbox", "--wait", "10", "--json"])).unwrap() };
    let letter = inbox("worker-1")["messages"][0].clone();
    assert_eq!((&letter["body"], &letter["sender"]), (&json!("to all of you"), &json!("leo/main")));
    // Who was away gets it when it is back.
    leo.ok(&["session", "start", "worker-2"]);
    assert_eq!(inbox("worker-2")["messages"][0]["body"], "to all of you");
    leo.ok(&["--session", "worker-2", "message", "send", "worker-1", "between us"]);
    let told = |told: &Value| told["messages"].as_array().unwrap().iter().any(|letter| letter["sender"] == "leo/worker-2");
    assert!((0..20).any(|_| told(&inbox("worker-1"))), "{}", inbox("worker-1"));
    leo.ok(&["--session", "worker-1", "message", "ack", letter["id"].as_str().unwrap()]);
}

/// known faults 59, 60: who was killed is not listed as running, and nobody who has its number or its port is taken for it.
#[tokio::test]
async fn a_killed_session_is_stopped_whoever_has_its_number_and_its_port() {
    let leo = machine();
    leo.ok(&["start"]);
    leo.ok(&["session", "start-fleet", "-c", "3"]);
    let killed = process(&leo, "worker-2");
    let home = leo.home().of_session(&"worker-2".parse().unwrap());
    let before = Instance::running(&home).unwrap();
    killed.signal("KILL");
    until("the killed one is gone", SOON, || !killed.runs()).await;
    // Its last threads let go of its lock.
    until("the killed one is told as stopped", SOON, || states(&leo)[1] == ("worker-2".into(), false)).await;
    until("the others notice", SOON, || peers(&leo, &[])[1] == ("leo/worker-2".into(), "offline".into())).await;
    until("the sessions notice", SOON, || peers(&leo, &["--session", "worker-3"])[2] == ("leo/worker-2".into(), "offline".into())).await;

    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let theirs = Running { pid: stranger.id(), started: process_start_time(stranger.id()), ..before.clone() };
    files::write_private(&home.pid_file(), &serde_json::to_vec(&theirs).unwrap()).unwrap();
    let squatter = TcpListener::bind(("127.0.0.1", before.address.port())).unwrap();
    assert_eq!(states(&leo)[1], ("worker-2".into(), false));
    leo.fails(&["session", "stop", "worker-2"], 3);
    leo.ok(&["session", "start", "worker-2"]);
    let now = Instance::running(&home).unwrap();
    assert_ne!(now.address.port(), before.address.port(), "its port is another's");
    assert_eq!(peers(&leo, &[])[1], ("leo/worker-2".into(), "online".into()));
    assert_eq!(leo.ok(&["exec", "worker-2", "echo", "back"]), "back\n");
    leo.ok(&["session", "stop-all"]);
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    drop(squatter);
}

#[test]
fn several_who_start_the_same_session_at_once_all_find_it_running() {
    let leo = machine();
    let children: Vec<_> = (0..3).map(|_| leo.command(&["session", "start", "a"]).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut stopping = leo.command(&["session", "stop", "a"]).spawn().unwrap();
    assert!(stopping.wait().unwrap().success());
    leo.ok(&["session", "start", "a"]);
    assert_eq!(states(&leo), [("a".into(), true)]);
}

/// known fault 32
#[test]
fn a_session_listens_where_the_main_daemon_does() {
    let leo = machine();
    leo.ok(&["session", "start", "worker-1"]);
    let port = Instance::running(&leo.home().of_session(&"worker-1".parse().unwrap())).unwrap().address.port();
    let reached = |host: &str, port: u16| std::net::TcpStream::connect((host, port)).is_ok();
    assert!(reached("127.0.0.1", port) && !reached("127.0.0.2", port));
    leo.ok(&["config", "set", "server.host", "0.0.0.0"]);
    leo.ok(&["--session", "worker-1", "restart"]);
    assert!(reached("127.0.0.2", port));
    assert!(leo.fails(&["--session", "worker-1", "config", "set", "server.host", "127.0.0.1"], 2).contains("without --session"));
}

#[test]
fn sessions_run_without_a_main_daemon_and_outlive_it() {
    let leo = machine();
    leo.ok(&["session", "start", "a"]);
    leo.ok(&["session", "start", "b"]);
    assert_eq!(leo.ok(&["--session", "a", "exec", "b", "echo", "hi"]), "hi\n");
    leo.ok(&["start"]);
    assert_eq!(peers(&leo, &["--session", "a"]), named(&[("leo/b", "online"), ("leo/main", "online")]));
    leo.ok(&["stop"]);
    assert_eq!(leo.ok(&["--session", "b", "exec", "a", "echo", "still"]), "still\n");
    assert_eq!(states(&leo), [("a".into(), true), ("b".into(), true)]);
}

#[test]
fn sessions_are_started_and_stopped_over_rest_as_well() {
    let leo = Node::start("leo", json!({}));
    let api = |name: &str, request: &str| -> Value { serde_json::from_str(&leo.program.ok(&["api", name, request])).unwrap() };
    let one = api("session.start", r#"{"name":"alice"}"#);
    assert_eq!((&one["status"], &one["hostname"]), (&json!("running"), &json!("leo-alice")));
    let fleet = api("session.start-fleet", r#"{"count":2}"#);
    assert_eq!(fleet["sessions"].as_array().unwrap().len(), 2, "{fleet}");
    assert_eq!(api("session.list", "{}")["sessions"].as_array().unwrap().len(), 3);
    assert_eq!(api("session.stop", r#"{"name":"alice"}"#)["status"], "stopped");
    assert_eq!(api("session.get", r#"{"name":"alice"}"#)["status"], "stopped");
    assert!(leo.program.fails(&["api", "session.get", r#"{"name":"bob"}"#], 1).contains("no session bob"));
    assert!(leo.program.fails(&["--session", "worker-1", "api", "session.stop-all", "{}"], 2).contains("main daemon"));
    let told: Value =
        serde_json::from_str(&leo.program.ok(&["--session", "worker-1", "api", "session.stop", r#"{"name":"worker-1"}"#])).unwrap();
    assert_eq!(told["status"], "stopped", "a session that is asked to end itself");
    assert_eq!(api("session.stop-all", "{}").as_object().unwrap().get("failed"), None);
    assert!(api("session.list", "{}")["sessions"].as_array().unwrap().iter().all(|found| found["status"] == "stopped"));
}

/// What the Node version left: a whole configuration with a copy of the keys, open to the network.
#[test]
fn a_session_of_the_node_version_is_taken_up_with_its_port_and_name_alone() {
    let leo = machine();
    let old = leo.home().of_session(&"worker-1".parse().unwrap());
    files::create_private_dir(old.root()).unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let copy = json!({
        "server": { "port": port, "host": "0.0.0.0", "hostname": "leo-w1", "dataDir": old.root() },
        "auth": { "apiKey": "a key of long ago", "allowedKeys": { "eve": "eves-key-of-long-ago" } },
        "tls": { "enabled": false },
        "execution": { "denylist": [] },
    });
    files::write_private(&old.config(), copy.to_string().as_bytes()).unwrap();
    files::write_private(&old.pid_file(), b"1").unwrap();
    assert_eq!(states(&leo), [("worker-1".into(), false)]);
    let found = started(&leo, "worker-1");
    assert_eq!((&found["hostname"], &found["port"]), (&json!("leo-w1"), &json!(port)));
    let config = config_file::load(&old).unwrap().config;
    assert!(config.auth.allowed_keys.is_empty() && config.server.host == "127.0.0.1");
    leo.ok(&["--session", "worker-1", "status"]);
}

/// A change of the main configuration reaches the sessions while they run, and what is a session's own stays its own.
#[tokio::test]
async fn a_change_of_the_configuration_reaches_the_sessions() {
    let leo = machine();
    leo.ok(&["start"]);
    leo.ok(&["session", "start-fleet", "-c", "2"]);
    leo.ok(&["--session", "worker-2", "config", "set", "execution.denylist", "[]"]);
    leo.ok(&["config", "set", "execution.denylist", "[echo]"]);
    let denied = || leo.run(&["exec", "worker-1", "echo", "x"]).code == 5;
    until("the session obeys", SOON, denied).await;
    assert_eq!(leo.ok(&["exec", "worker-2", "echo", "mine"]), "mine\n");
    let old = leo.ok(&["key", "show"]);
    let new = leo.ok(&["--session", "worker-1", "key", "generate"]);
    assert!(new != old && leo.ok(&["key", "show"]) == new);
    until("the new key holds", SOON, || leo.run(&["--session", "worker-2", "status"]).code == 0).await;
    assert_eq!(leo.ok(&["exec", "worker-2", "echo", "on"]), "on\n", "what they know each other by is another key");
}

#[test]
fn doctor_tells_of_sessions_and_takes_none_for_a_machine() {
    let leo = machine();
    leo.ok(&["start"]);
    leo.ok(&["session", "start-fleet", "-c", "2"]);
    leo.ok(&["session", "stop", "worker-2"]);
    let report = |of: &[&str]| -> Vec<(String, String, String)> {
        let ran = leo.run(&[of, &["doctor", "--json"]].concat());
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
        let lines = told.as_array().unwrap();
        lines.iter().map(|line| (text(line, "check"), text(line, "status"), text(line, "message"))).collect()
    };
    let lines = report(&[]);
    assert!(lines.contains(&("sessions".into(), "ok".into(), "1 running, 1 stopped".into())), "{lines:?}");
    assert!(!lines.iter().any(|(check, ..)| check == "peer"), "{lines:?}");
    assert!(report(&["--session", "worker-1"]).iter().all(|(_, status, _)| status == "ok"));
    let home = leo.home().of_session(&"worker-2".parse().unwrap());
    files::write_private(&home.config(), b"server: {port: many}\n").unwrap();
    let lines = report(&[]);
    assert!(
        lines.iter().any(|(check, status, said)| check == "sessions" && status == "fail" && said.contains("session worker-2")),
        "{lines:?}"
    );
}
