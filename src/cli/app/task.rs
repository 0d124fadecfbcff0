//! The grammar of `loopsy task` and `loopsy hook`.

use clap::{Args, Subcommand, ValueHint};

use crate::api::tasks::{PermissionMode, Remember};

// On which machine a task is.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The task is on this peer, not on this machine.
    #[arg(long, value_name = "PEER")]
    pub peer: Option<String>,
}

// One task.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Its id, or the beginning of it: four characters or more.
    pub id: String,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
}

/// Coding agents at work.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Task {
    /// Put a coding agent to work, on this machine or on a peer, and follow what it does.
    ///
    /// Exits with 0 when the task was completed, with 1 when it failed or was cancelled. What the agent asks comes up as a
    /// question where standard input and standard error are a terminal. Ctrl-C cancels the task.
    Run(Box<Run>),
    /// List the tasks of a machine, newest first.
    List {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Show how a task is, and what it asks.
    Show(Which),
    /// Show what a task did.
    Logs {
        /// Which task.
        #[command(flatten)]
        which: Which,
        /// Go on with what it does, until it ends.
        #[arg(long, short)]
        follow: bool,
        /// Begin after the event with this number.
        #[arg(long, value_name = "NUMBER")]
        since: Option<u64>,
    },
    /// Let an agent do what it asks for.
    Approve(Approve),
    /// Refuse what an agent asks for.
    Deny {
        /// Which task.
        #[command(flatten)]
        question: Question,
        /// What the agent is told.
        #[arg(long, short, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Tell an agent more, in the same session, and follow what it does.
    Prompt {
        /// Which task.
        #[command(flatten)]
        which: Which,
        /// What it is told; `-` reads it from standard input.
        prompt: String,
        /// Print the id and leave.
        #[arg(long, short)]
        detach: bool,
    },
    /// Have an agent stop what it is doing; its task ends as cancelled, and can be gone on with by `prompt`.
    Interrupt(Which),
    /// End a task with every process of its agent.
    Cancel(Which),
    /// Forget a task that has ended.
    Delete(Which),
}

#[derive(Debug, Args)]
#[command(override_usage = "loopsy task run [OPTIONS] [PEER] <PROMPT>")]
pub struct Run {
    /// The peer to work on, this machine unless given; then what the agent is to do, `-` to read that from standard input.
    #[arg(required = true, num_args = 1..=2, value_name = "PEER PROMPT")]
    pub words: Vec<String>,
    /// Which agent: claude, codex, gemini, opencode, or one of `aiTasks.agents` over there; claude unless given.
    #[arg(long)]
    pub agent: Option<String>,
    /// Folder it works in; unless given, the current one on this machine, the home folder on a peer.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cwd: Option<String>,
    /// What it may do without asking: default, acceptEdits, bypassPermissions, dontAsk, plan.
    #[arg(long, value_parser = mode)]
    pub mode: Option<PermissionMode>,
    /// The model; the agent's own choice unless given.
    #[arg(long)]
    pub model: Option<String>,
    /// Dollars at which it stops.
    #[arg(long, value_name = "USD")]
    pub max_budget: Option<f64>,
    /// A tool that it may use without asking, in its own notation; may be given several times.
    #[arg(long = "allow-tool", value_name = "TOOL")]
    pub allowed_tools: Vec<String>,
    /// A tool that it may not use; may be given several times.
    #[arg(long = "deny-tool", value_name = "TOOL")]
    pub denied_tools: Vec<String>,
    /// A further argument of its program; may be given several times.
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Session of the agent to go on with.
    #[arg(long, value_name = "SESSION")]
    pub resume: Option<String>,
    /// What people call the task.
    #[arg(long)]
    pub name: Option<String>,
    /// End it when it has worked for this time: 30s, 5m, 2h; 0 for no limit.
    #[arg(long, short, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Leave the folder's own hooks, settings and servers alone, or not; they are left alone where a peer asks.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub untrusted: Option<bool>,
    /// Wait where as many tasks as may work there already, instead of failing.
    #[arg(long)]
    pub queue: bool,
    /// Print the id and leave.
    #[arg(long, short)]
    pub detach: bool,
}

// One question of a task.
#[derive(Debug, Clone, Args)]
pub struct Question {
    /// Id of the task, or the beginning of it: four characters or more.
    pub id: String,
    /// Id of the question, or the beginning of it; needed where several are open.
    pub request: Option<String>,
    /// Where the task is.
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// What it asks.
    #[command(flatten)]
    pub question: Question,
    /// For how long this holds: once, session, always; once unless given.
    #[arg(long, value_parser = remember, value_name = "SPAN")]
    pub remember: Option<Remember>,
    /// Which of the offered suggestions is remembered, by its id.
    #[arg(long, value_name = "ID", requires = "remember")]
    pub suggestion: Option<String>,
    /// What it may do instead: the tool's whole input as JSON, or @FILE.
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// Of a question: one of its questions and the answer; may be given several times.
    #[arg(long = "answer", value_name = "QUESTION=ANSWER")]
    pub answers: Vec<String>,
}

/// What agents run that Loopsy did not start.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(defer = true)]
pub enum Hook {
    /// Ask the people of this machine what an agent asks: a hook of Claude Code. Reads its input, prints its output.
    ///
    /// Where nobody can be asked it has no opinion, and the agent asks in its own terminal.
    Permission,
    /// Print settings with that hook: claude --settings "$(loopsy hook settings)".
    Settings,
}

fn mode(text: &str) -> Result<PermissionMode, String> {
    let plain = |word: &str| word.replace('-', "").to_lowercase();
    let there_are = || format!("there are: {}", PermissionMode::ALL.map(PermissionMode::name).join(", "));
    PermissionMode::ALL.into_iter().find(|mode| plain(mode.name()) == plain(text)).ok_or_else(there_are)
}

fn remember(text: &str) -> Result<Remember, String> {
    match text {
        "once" => Ok(Remember::Once),
        "session" => Ok(Remember::Session),
        "always" => Ok(Remember::Always),
        _ => Err("there are: once, session, always".into()),
    }
}
