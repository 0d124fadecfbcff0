//! Coding agents on this machine, and how each is told of Loopsy's tools.
//!
//! An agent is a row of [`AGENTS`]: how its own command line registers a server, and where it writes that down. What is
//! registered is read from there, since asking the agents themselves takes seconds. To add one, add a row.

mod enrol;
mod jsonc;
mod server;
mod state;
mod toml;

use std::path::PathBuf;

pub use enrol::{add, last_words, remove};
pub use server::{Server, line};
pub use state::{Elsewhere, Fit, State};

use crate::base::agents::{self, Agent as Known};
use crate::platform::host;
use crate::platform::process::which;
use state::Entry;

/// The name under which Loopsy is registered.
const NAME: &str = "loopsy";

/// A coding agent.
#[derive(Debug)]
pub struct Agent {
    /// Its names, its program, and how that is installed.
    pub known: &'static Known,
    /// What its program is told to register the command that follows, for all folders.
    add: &'static [&'static str],
    /// Whether that replaces an earlier registration.
    replaces: bool,
    /// What its program is told to forget the registration; nothing where it can't, and its file is edited.
    remove: Option<&'static [&'static str]>,
    /// The variable that names the folder of its files.
    variable: &'static str,
    /// That folder, below the user's home, where the variable is not set.
    folder: &'static str,
    /// Its files below that folder; a later one counts more.
    files: &'static [&'static str],
    /// The member, or table, in which servers are registered.
    section: &'static str,
    /// What it reads in a project's folder besides.
    project_file: Option<&'static str>,
    /// Finds the entry of a section in a file's text.
    read: fn(&str, &str) -> Result<Option<Entry>, String>,
}

/// THE LIST of agents.
pub static AGENTS: [Agent; 4] = [
    Agent {
        known: &agents::CLAUDE,
        // The name comes first: an option that takes several values would eat it.
        add: &["mcp", "add", NAME, "--scope", "user", "--"],
        replaces: false,
        remove: Some(&["mcp", "remove", NAME, "--scope", "user"]),
        variable: "CLAUDE_CONFIG_DIR",
        folder: "",
        files: &[".claude.json"],
        section: "mcpServers",
        project_file: Some(".mcp.json"),
        read: Entry::in_json,
    },
    Agent {
        known: &agents::CODEX,
        add: &["mcp", "add", NAME, "--"],
        replaces: true,
        remove: Some(&["mcp", "remove", NAME]),
        variable: "CODEX_HOME",
        folder: ".codex",
        files: &["config.toml"],
        section: "mcp_servers",
        project_file: None,
        read: Entry::in_toml,
    },
    Agent {
        known: &agents::GEMINI,
        add: &["mcp", "add", "-s", "user", NAME],
        replaces: true,
        remove: Some(&["mcp", "remove", "-s", "user", NAME]),
        variable: "GEMINI_CLI_HOME",
        folder: "",
        files: &[".gemini/settings.json"],
        section: "mcpServers",
        project_file: Some(".gemini/settings.json"),
        read: Entry::in_json,
    },
    Agent {
        known: &agents::OPENCODE,
        add: &["mcp", "add", NAME, "--"],
        replaces: true,
        remove: None,
        variable: "XDG_CONFIG_HOME",
        folder: ".config",
        files: &["opencode/opencode.json", "opencode/opencode.jsonc"],
        section: "mcp",
        project_file: None,
        read: Entry::in_json,
    },
];

impl Agent {
    /// The agent of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        AGENTS.iter().find(|agent| agent.known.name == name)
    }
    /// Its program, if it is installed.
    fn program(&self) -> Option<PathBuf> {
        which(self.known.program)
    }
    /// The files in which it may be registered, those that count more first.
    fn files(&self) -> Vec<PathBuf> {
        let named = std::env::var_os(self.variable).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folder = named.unwrap_or_else(|| host::home_dir().join(self.folder));
        self.files.iter().rev().map(|file| folder.join(file)).collect()
    }
}
