//! `loopsy events`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::program::Program;

#[test]
fn events_are_printed_until_the_daemon_ends() {
    let program = Program::ready();
    assert!(program.fails(&["events"], 3).contains("loopsy start"));
    program.ok(&["start"]);
    assert!(program.fails(&["events", "--kind", "nonsense"], 2).contains("There are: peer, job"));
    let mut child = program.command(&["events", "--json", "--kind", "context,job"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let hello = next();
    assert_eq!(hello["type"], "hello");
    program.ok(&["context", "set", "k", "v"]);
    let set = next();
    assert_eq!((&set["type"], &set["action"], &set["subject"]), (&"context".into(), &"set".into(), &"k".into()));
    program.ok(&["stop"]);
    assert!(lines.next().is_none() && child.wait().unwrap().success());
}
