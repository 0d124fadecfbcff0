//! `loopsy connect`, against a stand-in for a machine that runs the Node version.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use serde_json::Value;

use super::doctor::{all_well, doctor, well};
use crate::support::program::{Program, Ran};
use crate::support::stand_in::{StandIn, Traits};

/// Runs with these answers coming through a pipe.
fn answered(program: &Program, args: &[&str], answers: &str) -> Ran {
    Ran::of(program.piped(args, answers.as_bytes()))
}
/// The key in what is to be entered on the other machine.
fn key_in(out: &str) -> String {
    let keys: Vec<&str> = out.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(keys.len(), 1, "{out}");
    keys[0].to_owned()
}

/// known fault 64: every question can be answered through a pipe.
#[test]
fn a_node_peer_is_set_up_through_a_pipe_and_used() {
    let (program, kai) = (well(), StandIn::start(Traits::default()));
    let ran = answered(&program, &["connect"], &format!("{}\nkai\ny\n", kai.address()));
    assert!(ran.code == 0 && ran.err.contains("can read the key") && ran.err.contains("loopsy peers ping kai"), "{ran:?}");
    let (key, own) = (key_in(&ran.out), program.ok(&["key", "show"]));
    assert!(!ran.out.contains(own.trim()) && !ran.err.contains(own.trim()) && !ran.err.contains(&key), "{ran:?}");
    assert_eq!(program.ok(&["config", "get", "auth.allowedKeys.kai"]).trim(), key);
    assert!(program.ok(&["config", "get", "tls.allowPlaintext"]).contains("kai"));
    assert!(program.config().contains("# peer name: key shared with that peer"), "comments stay");

    program.fails(&["peers", "ping", "kai"], 5);
    program.fails(&["exec", "kai", "echo", "hello"], 5);
    kai.enter(&key);
    assert_eq!(program.ok(&["exec", "kai", "echo", "hello"]), "hello\n");
    program.ok(&["context", "set", "colour", "green", "--peer", "kai"]);
    assert_eq!(program.ok(&["context", "get", "colour", "--peer", "kai"]), "green\n");
    assert!(program.ok(&["context", "list", "--peer", "kai"]).contains("colour"));
    all_well(&doctor(&program));
}
/// Goes through the questions as a person does: the key is entered on the other machine before the test is asked for.
fn in_person(program: &Program, kai: &StandIn) -> (i32, String) {
    let mut command = program.command(&["connect", &kai.address(), "--name", "kai"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"y\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.by_ref().map(Result::unwrap).find(|line| line.split('"').any(|part| part.len() == 64)).unwrap();
    kai.enter(&key_in(&told));
    stdin.write_all(b"\n").unwrap();
    drop(stdin);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code().unwrap(), said)
}
#[test]
fn the_connection_is_tested_when_the_other_side_is_ready() {
    let (code, said) = in_person(&well(), &StandIn::start(Traits::default()));
    assert!(code == 0 && said.contains("accepts the key. Try: loopsy exec kai"), "{said}");
}
#[test]
fn what_is_wrong_with_the_connection_is_told() {
    let other = |traits: Traits| StandIn::start(traits).address();
    for (address, code, what, hint) in [
        (other(Traits::default()), 5, "kai does not accept the key yet", "restart Loopsy there"),
        (other(Traits { version: "3.0.0", ..Traits::default() }), 4, "kai speaks version 3.0.0", "same version"),
        ("127.0.0.1:1".into(), 4, "127.0.0.1:1 does not answer", "firewall"),
    ] {
        let ran = answered(&well(), &["connect", &address, "--name", "kai"], "y\n\n");
        assert!(ran.code == code && ran.err.contains(what) && ran.err.contains(hint), "{ran:?}");
    }
}
#[test]
fn a_machine_that_can_be_paired_is_told_from_a_node_peer() {
    let program = well();
    let kai = StandIn::start(Traits { capabilities: vec!["exec-v2"], ..Traits::default() });
    let (code, said) = in_person(&program, &kai);
    assert!(code == 2 && said.contains("it can be paired") && said.contains("loopsy pair 127.0.0.1:"), "{said}");
    let other = well();
    let address = format!("127.0.0.1:{}", other.running().unwrap().address.port());
    let (before, said) = (program.config(), program.fails(&["connect", &address, "--name", "leo", "--yes"], 2));
    assert!(said.contains("it can be paired") && program.config() == before, "{said}");
    program.ok(&["config", "set", "tls.pinnedCerts.leo", &"ab".repeat(32)]);
    assert!(program.fails(&["connect", &kai.address(), "--name", "leo", "--yes"], 2).contains("leo is paired already"));
}
#[test]
fn who_says_no_changes_nothing() {
    let (program, kai) = (well(), StandIn::start(Traits::default()));
    let before = program.config();
    for (answers, code) in [("kai\nn\n", 1), ("kai\n\n", 1), ("kai\n", 2), ("", 2), ("a/b\n", 2)] {
        let ran = answered(&program, &["connect", &kai.address()], answers);
        assert!(ran.code == code && ran.out.is_empty(), "{answers:?}: {ran:?}");
        assert_eq!(program.config(), before);
    }
    assert!(program.fails(&["connect", "a b", "--yes"], 2).contains("not an address"));
    assert_eq!(program.config(), before);
}
#[test]
fn a_script_gets_the_key_as_json_and_is_asked_nothing() {
    let program = Program::ready();
    let told: Value = serde_json::from_str(&program.ok(&["connect", "kai.example:19600", "--yes", "--json"])).unwrap();
    assert_eq!((&told["name"], &told["address"], &told["port"]), (&"kai".into(), &"kai.example".into(), &19600.into()));
    let key = told["key"].as_str().unwrap().to_owned();
    assert_eq!(program.ok(&["config", "get", "auth.allowedKeys.kai"]).trim(), key);
    let again: Value = serde_json::from_str(&program.ok(&["connect", "kai.example:19601", "--yes", "--json"])).unwrap();
    assert_ne!(again["key"], key, "a fresh one each time");
    assert_eq!(program.config().matches("kai.example").count(), 1, "the old line is gone");
}
