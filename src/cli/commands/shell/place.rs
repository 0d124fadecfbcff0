//! A terminal and the way to it, in words.

use crate::api::terminal::Terminal;
use crate::client::Link;

/// How much of an id is shown: enough to tell terminals apart.
const SHOWN: usize = 8;
/// What this machine is called.
pub(super) const HERE: &str = ".";

/// A terminal, and the way to it.
pub(super) struct Place<'a> {
    /// The line to its machine.
    pub(super) link: Link,
    /// It, as it was found or made.
    pub(super) terminal: Terminal,
    /// The machine as it was named; `.` for this one.
    pub(super) machine: &'a str,
}

impl Place<'_> {
    /// The command that goes back to it.
    pub(super) fn back(&self) -> String {
        format!("loopsy shell {} --attach {}", self.machine, shown(&self.terminal))
    }
    /// Whose daemon it lives in.
    pub(super) fn daemon(&self) -> String {
        if self.machine == HERE { "the daemon".into() } else { format!("{}'s daemon", self.machine) }
    }
}

/// As much of its id as is shown.
pub(super) fn shown(terminal: &Terminal) -> &str {
    terminal.terminal_id.get(..SHOWN).unwrap_or(&terminal.terminal_id)
}
