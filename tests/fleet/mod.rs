//! Sessions: further daemons of one machine, as processes of their own.

mod crowd;
mod life;
mod names;
mod trust;

use loopsy::home::instance::Instance;
use serde_json::Value;

use crate::support::process::Process;
use crate::support::program::Program;

/// What `session list` says of each session: its name, and whether it runs.
fn states(program: &Program) -> Vec<(String, bool)> {
    let told: Value = serde_json::from_str(&program.ok(&["session", "list", "--json"])).unwrap();
    let sessions = told["sessions"].as_array().unwrap();
    sessions.iter().map(|found| (found["name"].as_str().unwrap().to_owned(), found["status"] == "running")).collect()
}

/// A session as `session start` tells of it.
fn started(program: &Program, name: &str) -> Value {
    serde_json::from_str(&program.ok(&["session", "start", name, "--json"])).unwrap()
}

/// The process of a session's daemon.
fn process(program: &Program, name: &str) -> Process {
    let home = program.home().of_session(&name.parse().unwrap());
    Process::of(Instance::running(&home).unwrap().pid).unwrap()
}

/// How a daemon sees its peers: name and status.
fn peers(program: &Program, of: &[&str]) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(&program.ok(&[of, &["peers", "--json"]].concat())).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    told["peers"].as_array().unwrap().iter().map(|peer| (text(&peer["name"]), text(&peer["status"]))).collect()
}

fn named(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}
