//! In what agents that speak ACP differ.

use crate::api::tasks::{PermissionMode, Remember};

/// In what an agent differs from others.
#[derive(Debug, Clone)]
pub struct Quirks {
    /// What people call it.
    pub title: String,
    /// What it calls the modes.
    pub modes: Modes,
    /// Its options that hold until its process ends.
    pub for_the_session: &'static [&'static str],
    /// Its options that hold for ever, and are about the command that is asked for alone.
    pub for_ever: &'static [&'static str],
}

/// What an agent calls its modes; the first that it has is taken.
#[derive(Debug, Clone, Copy)]
pub struct Modes {
    /// It asks before everything that changes something.
    pub asks: &'static [&'static str],
    /// It edits files unasked.
    pub edits: &'static [&'static str],
    /// It does everything unasked.
    pub bypasses: &'static [&'static str],
    /// It changes nothing.
    pub plans: &'static [&'static str],
}

impl Modes {
    /// The words that agents use.
    pub const USUAL: Self = Self {
        asks: &["default", "ask", "read-only"],
        edits: &["acceptEdits", "autoEdit", "workspace-write"],
        bypasses: &["bypassPermissions", "yolo", "agent-full-access"],
        plans: &["plan"],
    };

    /// Its words for a mode.
    pub fn of(&self, mode: PermissionMode) -> &'static [&'static str] {
        match mode {
            // What it asks is denied without asking anybody.
            PermissionMode::Default | PermissionMode::DontAsk => self.asks,
            PermissionMode::AcceptEdits => self.edits,
            PermissionMode::BypassPermissions => self.bypasses,
            PermissionMode::Plan => self.plans,
        }
    }
}

impl Quirks {
    /// An agent of which nothing is known.
    pub fn unknown(title: &str) -> Self {
        Self { title: title.to_owned(), modes: Modes::USUAL, for_the_session: &[], for_ever: &[] }
    }

    /// For how long an option to allow always holds, and whether it goes beyond what is asked. `about`: the kind of tool.
    ///
    /// Of an option that is not known, the most is believed.
    pub fn remembers(&self, option: &str, about: &str) -> (Remember, bool) {
        // For other tools than commands the same option often means all uses of the tool.
        let is_command = about == "execute";
        if self.for_the_session.contains(&option) {
            (Remember::Session, !is_command)
        } else {
            (Remember::Always, !(is_command && self.for_ever.contains(&option)))
        }
    }
}
