//! The seam between a task and its agent: what the task says, and what it makes of the agent's lines.
//!
//! A [`Dialogue`] is a pure state machine, lines in and steps out. The task's worker does what the steps say: it alone has the
//! process, the clock and the list of open questions.

use std::path::PathBuf;

use serde_json::Value;

use crate::api::tasks::{Approval, PermissionMode, Remember, Resolved, TaskEventType};
use crate::base::Result;

/// Longest line that is taken from an agent, bytes: pictures travel in them.
pub const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// What an agent is started for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Start {
    /// What it is to do first.
    pub prompt: String,
    /// Absolute path of the folder it works in.
    pub cwd: PathBuf,
    /// What it may do without asking.
    pub mode: PermissionMode,
    /// The model, unless it is the agent's choice.
    pub model: Option<String>,
    /// Dollars at which it stops.
    pub max_budget_usd: Option<f64>,
    /// Tools it may use without asking.
    pub allowed_tools: Vec<String>,
    /// Tools it may not use.
    pub disallowed_tools: Vec<String>,
    /// Further arguments of its program.
    pub additional_args: Vec<String>,
    /// Session to go on with.
    pub resume: Option<String>,
    /// Whether the folder's own hooks, settings and servers are left alone.
    pub untrusted: bool,
}

/// An agent's program as it is started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Invocation {
    /// A name to look for on the PATH, or a path.
    pub program: String,
    /// Its arguments. They are for everybody on the machine to see: neither prompts nor secrets are among them.
    pub args: Vec<String>,
    /// Variables laid over its environment.
    pub env: Vec<(String, String)>,
}

/// What is to be done after an agent said something, or is to be told something.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Write this line to the agent; the line break is added.
    Write(String),
    /// A piece of its words (or thoughts).
    Text {
        /// The piece.
        text: String,
        /// Whether it is thinking.
        thinking: bool,
    },
    /// Its words or thoughts are at the end of a paragraph: what comes next begins anew.
    Paragraph,
    /// Anything else that readers are told. Long texts in it are cut by whoever takes the step.
    Tell(TaskEventType, Value),
    /// It asks, and goes on once [`Dialogue::decide`] was called. Times are set, and the input is cut, by whoever takes the step.
    Ask(Approval),
    /// It no longer asks.
    Withdraw(String),
    /// Its session has this id.
    Session(String),
    /// It works with this model.
    Model(String),
    /// A turn is over.
    Turn(Turn),
    /// Nothing more comes unless it is told more: its input can be closed.
    Settled,
    /// It works again after it was settled.
    Busy,
    /// It can't be gone on with.
    Fail(String),
}

/// How a turn ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// The agent's last word.
    pub text: Option<String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Whether it ended because it was interrupted.
    pub interrupted: bool,
    /// Dollars that the session cost so far.
    pub cost: Option<f64>,
    /// Tokens, in the agent's own words.
    pub usage: Option<Value>,
    /// How often the model was asked.
    pub turns: Option<u64>,
    /// Milliseconds it took.
    pub duration_ms: Option<u64>,
}

/// An answer to a question of an agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Whether it may.
    pub approved: bool,
    /// What it is told where it may not.
    pub message: Option<String>,
    /// The tool's input where it is another than was asked for.
    pub input: Option<Value>,
    /// For how long the answer holds.
    pub remember: Remember,
    /// Which suggestion is remembered, by its id.
    pub suggestion: Option<String>,
    /// Of a question: each question's text with its answer.
    pub answers: Option<std::collections::BTreeMap<String, String>>,
}

impl Decision {
    /// The same with something to say where it is a no without a word.
    pub fn with_a_reason(mut self, by: &str) -> Self {
        if !self.approved {
            self.message.get_or_insert_with(|| format!("Denied by {by}."));
        }
        self
    }
    /// How it settles a question, as readers are told.
    pub fn resolved(&self, request_id: String, by: String) -> Resolved {
        let Self { approved, message, remember, input, .. } = self.clone();
        Resolved { request_id, approved, by, message, remember, remembered: None, edited: input.is_some() }
    }
}

/// What comes of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// What is to be done.
    pub steps: Vec<Step>,
    /// What the agent remembers, in words.
    pub remembered: Option<String>,
    /// The same as tools of [`Start::allowed_tools`], for when the session is gone on with in another process.
    pub rules: Vec<String>,
}

/// What an agent speaks.
pub trait Dialogue: Send {
    /// The program to start.
    fn invocation(&self) -> Invocation;
    /// What is said first, once it runs.
    fn begin(&mut self) -> Vec<Step>;
    /// Takes a line of its standard output, without the line break. Never fails: what can't be read is told as it is.
    fn line(&mut self, line: &[u8]) -> Vec<Step>;
    /// Tells it more.
    fn prompt(&mut self, text: &str) -> Vec<Step>;
    /// Answers a question that was asked and is still open.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an answer that this agent can't be given; the question stays open.
    fn decide(&mut self, request_id: &str, decision: Decision) -> Result<Decided>;
    /// Has it stop what it is doing.
    fn interrupt(&mut self) -> Vec<Step>;
}
