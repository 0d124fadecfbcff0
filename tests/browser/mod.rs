//! The dashboard in a real browser, before real machines: leo, whose dashboard it is, with the session worker-1, and kai, a peer
//! over TLS. Each scene is a script beside this file.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::node::Node;
use crate::support::pairing::Paired;
use crate::support::process::{heavy, skipped};
use crate::support::program::{Program, binary};
use crate::support::sim::OWNER;

/// The machines, and the dashboard of one of them.
struct Stage {
    pair: Paired,
    dashboard: Child,
    url: String,
}

impl Stage {
    fn set() -> Self {
        let pair = Paired::with(json!({}));
        for node in [&pair.kai, &pair.leo] {
            node.program.install("claude", None);
        }
        pair.leo.program.ok(&["session", "start", "worker-1"]);
        let mut dashboard = pair.leo.program.command(&["dashboard", "-p", "0", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(dashboard.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { pair, dashboard, url: told["url"].as_str().unwrap().to_owned() }
    }

    /// Every key that no page may see.
    fn secrets(&self) -> Vec<String> {
        let of = |node: &Node| loopsy::home::config_file::load(&node.program.home()).unwrap().config.auth.allowed_keys;
        let keys = [&self.pair.kai, &self.pair.leo].into_iter().flat_map(|node| of(node).into_values());
        keys.map(|key| key.expose().to_owned()).chain([OWNER.to_owned()]).collect()
    }

    /// What the scripts are told.
    fn told(&self, scene: &str, tools: &Tools) -> Value {
        let target = binary().parent().and_then(|folder| folder.parent()).unwrap().to_owned();
        json!({
            "scene": scene,
            "url": self.url,
            "binary": binary(),
            "packages": tools.packages,
            "chromium": tools.chromium,
            "screenshots": target.join("screenshots"),
            "folder": self.pair.leo.program.folder(),
            "secrets": self.secrets(),
            "dashboardPid": self.dashboard.id(),
            "leo": machine(&self.pair.leo),
            "kai": machine(&self.pair.kai),
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.dashboard.kill();
        let _ = self.dashboard.wait();
        self.pair.leo.program.run(&["session", "stop-all"]);
    }
}

fn machine(node: &Node) -> Value {
    json!({
        "address": node.address().to_string(),
        "key": OWNER,
        "pid": node.ready.pid,
        "folder": node.program.folder(),
        "env": environment(&node.program),
    })
}

/// The variables with which a script runs the program on a machine.
fn environment(program: &Program) -> BTreeMap<String, String> {
    let command = program.command(&[]);
    let own = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())));
    own.collect()
}

/// What plays the scenes.
struct Tools {
    packages: PathBuf,
    chromium: PathBuf,
}

impl Tools {
    /// Where `tests/run` has put them.
    fn found() -> Option<Self> {
        let path = |variable| std::env::var_os(variable).map(PathBuf::from);
        Some(Self { packages: path("LOOPSY_BROWSER_PACKAGES")?, chromium: path("LOOPSY_CHROMIUM")? })
    }
}

/// Plays the scene of a name.
#[expect(clippy::print_stdout, reason = "what a scene measures is for whoever runs it")]
fn play(scene: &str) {
    let Some(tools) = Tools::found() else { return skipped("browser: tests/run gets Chromium and what drives it") };
    let stage = Stage::set();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(format!("{scene}.mjs"));
    let ran = Command::new("node")
        .arg(script)
        .env("LOOPSY_STAGE", stage.told(scene, &tools).to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{scene}\n{told}");
    println!("{told}");
}

/// known faults 20, 21: pages of other origins get nothing and move nothing, whatever they try.
#[test]
fn other_origins_get_nothing() {
    play("forgery");
}

/// Figures of the first paint and of an event on its way to the screen; that they are told at all is what is tested.
#[test]
fn the_page_comes_in_few_bytes() {
    play("first_paint");
}

/// known fault 63
#[test]
fn the_store_is_edited_as_it_was_seen() {
    play("context");
}

#[test]
fn messages_go_to_a_peer_and_its_acknowledgement_comes_back() {
    play("messages");
}

#[test]
fn agents_are_put_to_work_and_answered() {
    play("tasks");
}

#[test]
fn the_fleet_is_shown_as_it_is_now() {
    play("overview");
}

#[test]
fn a_machine_is_paired_from_the_page() {
    play("pairing");
}

#[test]
fn the_audit_log_is_followed_and_searched() {
    play("activity");
}

#[test]
fn logins_are_listed_and_ended() {
    play("access");
}

#[test]
fn everything_is_reached_by_keyboard() {
    play("keyboard");
}

#[test]
fn terminals_behave_through_resizes_and_losses() {
    play("terminal");
}

/// known fault 22: whatever a peer writes into a key, a value, a message, a task, a terminal, a name or a path is text.
#[test]
fn what_a_peer_writes_never_runs() {
    play("hostile");
}

/// A thousand peers, ten thousand messages, a hundred thousand keys.
#[test]
fn heavy_many_of_everything_stay_usable() {
    if heavy() {
        play("volume");
    }
}
