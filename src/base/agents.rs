//! Coding agents by their names: what people call each, which program it is, and how it is installed.

/// Variable that tells whoever runs inside of an agent which task that is.
pub const TASK_VARIABLE: &str = "LOOPSY_TASK";

/// A coding agent that Loopsy knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it is called on the command line and on the wire.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its program.
    pub program: &'static str,
    /// How its program is installed.
    pub install: &'static str,
}

/// Claude Code.
pub const CLAUDE: Agent =
    Agent { name: "claude", title: "Claude Code", program: "claude", install: "npm install -g @anthropic-ai/claude-code" };
/// Codex.
pub const CODEX: Agent = Agent { name: "codex", title: "Codex", program: "codex", install: "npm install -g @openai/codex" };
/// Gemini CLI.
pub const GEMINI: Agent = Agent { name: "gemini", title: "Gemini CLI", program: "gemini", install: "npm install -g @google/gemini-cli" };
/// opencode.
pub const OPENCODE: Agent = Agent { name: "opencode", title: "opencode", program: "opencode", install: "npm install -g opencode-ai" };
/// Codex as it speaks ACP: a program of its own.
pub const CODEX_ACP: Agent =
    Agent { name: "codex", title: "Codex", program: "codex-acp", install: "npm install -g @agentclientprotocol/codex-acp" };
