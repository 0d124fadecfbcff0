//! Terminals on this machine: programs that people look at, and that live on when nobody does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{One, Operation, Permission, Quota, Spec, Upgrade};

/// Longest message that a terminal's client sends, bytes.
pub const LONGEST_INPUT: usize = 64 * 1024;
/// Most columns of a terminal.
pub const MOST_COLUMNS: u16 = 500;
/// Most rows of a terminal.
pub const MOST_ROWS: u16 = 300;
/// Most characters on the screen of a terminal: no width and height together may be more.
pub const MOST_CHARACTERS: u16 = 65_000;

/// The size, as columns and rows, that a terminal gets in a window of so many.
pub fn fitting((cols, rows): (u16, u16)) -> (u16, u16) {
    let cols = cols.clamp(1, MOST_COLUMNS);
    (cols, rows.clamp(1, MOST_ROWS).min(MOST_CHARACTERS / cols))
}

/// Open a terminal and start a program in it: the user's shell, or what is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalCreate {
    /// Program, looked up on PATH; the user's login shell unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Folder it runs in; the home folder unless given. `~` is the home folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables laid over the daemon's environment and those of the terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Columns, at most 500; 80 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    /// Rows, at most 300, and at most 65000 characters in all; 24 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
impl Operation for TerminalCreate {
    const SPEC: Spec = Spec::post("terminal.create", "/terminals").permit(Permission::Terminal).quota(Quota::Execute).created();
    type Reply = One<Terminal>;
    fn example() -> Self {
        Self { command: Some("true".into()), args: Some(Vec::new()), cols: Some(80), rows: Some(24), ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        Some(self.command.as_deref().unwrap_or("the login shell"))
    }
}

/// Whether a terminal's program runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TerminalStatus {
    /// It runs.
    #[default]
    Running,
    /// It has ended; what it showed last can be looked at for some minutes.
    Exited,
}

/// A terminal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terminal {
    /// Its id.
    pub terminal_id: String,
    /// Program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The title that the program gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Folder in which the program was started.
    pub cwd: String,
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Milliseconds since the epoch.
    pub created_at: u64,
    /// When something was last typed or shown, or somebody came or went; milliseconds since the epoch.
    pub last_used: u64,
    /// How many look at it now.
    pub clients: u32,
    /// Whether its program runs.
    pub status: TerminalStatus,
    /// Exit code of a program that has ended; absent when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Name of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Node id of the machine that opened it.
    pub from_node_id: String,
    /// Process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// List the terminals: a peer's own, or all for the owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TerminalList {}
impl Operation for TerminalList {
    const SPEC: Spec = Spec::get("terminal.list", "/terminals").permit(Permission::Terminal);
    type Reply = One<Terminals>;
    fn example() -> Self {
        Self {}
    }
}

/// The terminals that there are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Terminals {
    /// Oldest first.
    pub terminals: Vec<Terminal>,
}

/// The id in examples.
fn example_id() -> String {
    "7d1f0a52-3c1c-4a6b-8a68-58d8b1f2c7aa".into()
}

/// Show one terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalGet {
    /// The terminal's id.
    pub terminal_id: String,
}
impl Operation for TerminalGet {
    const SPEC: Spec = Spec::get("terminal.get", "/terminals/{terminalId}").permit(Permission::Terminal);
    type Reply = One<Terminal>;
    fn example() -> Self {
        Self { terminal_id: example_id() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.terminal_id)
    }
}

/// End a terminal with everything that its program started, and forget it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalEnd {
    /// The terminal's id.
    pub terminal_id: String,
}
impl Operation for TerminalEnd {
    const SPEC: Spec = Spec::delete("terminal.end", "/terminals/{terminalId}").permit(Permission::Terminal);
    type Reply = One<TerminalEnded>;
    fn example() -> Self {
        Self { terminal_id: example_id() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.terminal_id)
    }
}

/// A terminal is being ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalEnded {
    /// Always true.
    pub success: bool,
    /// The terminal's id.
    pub terminal_id: String,
}

/// Give a terminal another size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalResize {
    /// The terminal's id.
    pub terminal_id: String,
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}
impl Operation for TerminalResize {
    const SPEC: Spec = Spec::put("terminal.resize", "/terminals/{terminalId}/size").permit(Permission::Terminal);
    type Reply = One<Terminal>;
    fn example() -> Self {
        Self { terminal_id: example_id(), cols: 80, rows: 24 }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.terminal_id)
    }
}

/// Look at a terminal and type into it, over a WebSocket.
///
/// Binary frames are bytes as they are: what the program shows, and what is typed. What comes first paints the picture that
/// the terminal has now, with some of what was scrolled away. Text frames are control messages: the client may send `resize`;
/// the server sends `attached` first, `resize` when the size has changed, `error` for what it does not take, and `exit` last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalSocket {
    /// The terminal's id.
    pub terminal_id: String,
    /// Columns of the client; the terminal takes them on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    /// Rows of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
}
impl Operation for TerminalSocket {
    const SPEC: Spec = Spec::get("terminal.socket", "/terminals/{terminalId}/socket").permit(Permission::Terminal).websocket(LONGEST_INPUT);
    type Reply = Upgrade;
    fn example() -> Self {
        Self { terminal_id: example_id(), cols: Some(80), rows: Some(24) }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.terminal_id)
    }
}

/// A text frame from the client of [`TerminalSocket`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum TerminalRequest {
    /// Give the terminal another size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}

/// A text frame from the server of [`TerminalSocket`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum TerminalReply {
    /// The first frame.
    Attached {
        /// The terminal's id.
        terminal_id: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The terminal has another size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The program has ended; nothing follows.
    Exit {
        /// Exit code; null when a signal ended it.
        exit_code: Option<i32>,
        /// The signal's name.
        signal: Option<String>,
    },
    /// What the client asked for was not done.
    Error {
        /// The failure.
        error: crate::base::Error,
    },
}
