//! Real agents and real clients of the Model Context Protocol, as their makers publish them, at work on two machines.

mod claude;
mod client;
mod clients;
mod errands;
mod model;
mod registration;
mod tasks;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use loopsy::home::config_file;

use crate::support::node::Node;
use crate::support::process::skipped;
use crate::support::program::{Program, binary};

/// The folder that `tests/run` has put their programs into.
struct Fetched(PathBuf);

impl Fetched {
    /// It; where there is none, says why a test is skipped.
    fn found() -> Option<Self> {
        let folder = std::env::var_os("LOOPSY_AGENTS");
        if folder.is_none() {
            skipped("no agents: LOOPSY_AGENTS is not set");
        }
        folder.map(|folder| Self(folder.into()))
    }
    fn program(&self, name: &str) -> PathBuf {
        self.0.join("node_modules/.bin").join(name)
    }
    /// Where programs are looked for: theirs first, so that they run on the Node.js they were fetched with.
    fn path(&self) -> OsString {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.0.join("node_modules/.bin"), binary().parent().unwrap().to_owned()];
        std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&rest))).unwrap()
    }
    /// One of their programs at the home of a machine, with nothing else of the tester's surroundings.
    fn command(&self, name: &str, at: &Program) -> Command {
        let mut command = Command::new(self.program(name));
        command
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", at.folder())
            .env("TMPDIR", at.folder())
            .current_dir(at.folder())
            .stdin(Stdio::null());
        command
    }
    /// Loopsy where their programs are found.
    fn loopsy(&self, at: &Program, args: &[&str]) -> Command {
        let mut command = at.command(args);
        command.env("PATH", self.path());
        command
    }
}

/// Every key that a machine knows: its owner's, and those of its peers.
fn keys(node: &Node) -> Vec<String> {
    let auth = config_file::load(&node.program.home()).unwrap().config.auth;
    auth.allowed_keys.values().chain(&auth.api_key).map(|key| key.expose().to_owned()).collect()
}
