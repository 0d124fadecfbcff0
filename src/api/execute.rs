//! Commands on this machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Event, Many, One, Operation, Permission, Quota, Spec, Upgrade};
use super::wire::MESSAGE_LIMIT;

/// What to run, the same on every way in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Program, looked up on PATH; with `shell`, a line for the user's shell.
    pub command: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Folder it runs in; the home folder unless given. `~` is the home folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables laid over the daemon's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Milliseconds until it is ended; `execution.defaultTimeout` unless given, 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Accepted for the Node version's clients; the route decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Text for its standard input, which is closed after it (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Bytes of output kept of each stream: the head and the tail (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
    /// Run `command` through the user's shell (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<bool>,
}

/// Run a command to its end and answer all its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Execute(pub Command);
impl Operation for Execute {
    const SPEC: Spec = Spec::post("execute.run", "/execute").permit(Permission::Execute).quota(Quota::Execute).compat();
    type Reply = One<Executed>;
    fn example() -> Self {
        Self(example())
    }
    fn target(&self) -> Option<&str> {
        Some(&self.0.command)
    }
}

fn example() -> Command {
    Command { command: "true".into(), args: Some(Vec::new()), timeout: Some(10_000), ..Command::default() }
}

/// A command that has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Executed {
    /// The job's id.
    pub job_id: String,
    /// Exit code; null when a signal ended it.
    pub exit_code: Option<i32>,
    /// Standard output; bytes that are not UTF-8 become U+FFFD.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Milliseconds it ran.
    pub duration: u64,
    /// Whether this daemon ended it (time-out, cancel).
    pub killed: bool,
    /// Whether it ran out of time (ours).
    #[serde(default)]
    pub timed_out: bool,
    /// Name of the signal that ended it, such as `SIGTERM` (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whether output was left out in the middle (ours).
    #[serde(default)]
    pub truncated: bool,
}

/// Run a command and stream its output as events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ExecuteStream(pub Command);
impl Operation for ExecuteStream {
    const SPEC: Spec = Spec::post("execute.stream", "/execute/stream").permit(Permission::Execute).quota(Quota::Execute).compat();
    type Reply = Many<ExecuteEvent>;
    fn example() -> Self {
        Self(example())
    }
    fn target(&self) -> Option<&str> {
        Some(&self.0.command)
    }
}

/// What an [`ExecuteEvent`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecuteEventType {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end.
    Exit,
    /// It could not go on.
    Error,
}

/// A piece of output, or the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteEvent {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: ExecuteEventType,
    /// Output text; of `exit` the code as a decimal string, empty when a signal ended it; of `error` the message.
    pub data: String,
    /// The job's id.
    pub job_id: String,
    /// Milliseconds since the epoch.
    pub timestamp: u64,
    /// Of `exit`: the code (ours); absent when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Of `exit`: the signal's name (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Of `exit`: whether it ran out of time (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<bool>,
}
impl Event for ExecuteEvent {
    fn ends(&self) -> bool {
        matches!(self.kind, ExecuteEventType::Exit | ExecuteEventType::Error)
    }
}

/// Run a command over a WebSocket that carries bytes untouched both ways.
///
/// Binary frames start with a channel byte: 0 standard input, 1 standard output, 2 standard error; an empty frame of
/// channel 0 ends the input. Text frames are control messages: the client sends `start` first, then `signal` or
/// `cancel`; the server sends `started`, then `exit` or `error`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteSocket {}
impl Operation for ExecuteSocket {
    const SPEC: Spec =
        Spec::get("execute.socket", "/execute/ws").permit(Permission::Execute).quota(Quota::Execute).websocket(MESSAGE_LIMIT);
    type Reply = Upgrade;
    fn example() -> Self {
        Self {}
    }
}

/// Channel byte of standard input.
pub const STDIN: u8 = 0;
/// Channel byte of standard output.
pub const STDOUT: u8 = 1;
/// Channel byte of standard error.
pub const STDERR: u8 = 2;

/// A text frame from the client of [`ExecuteSocket`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SocketRequest {
    /// The first frame: what to run.
    Start {
        /// The command.
        #[serde(flatten)]
        command: Command,
        /// Whether input frames follow; without them standard input is closed.
        #[serde(default, rename = "openStdin")]
        open_stdin: bool,
    },
    /// Send a signal to the command's process group.
    Signal {
        /// `SIGINT`, `SIGTERM`, `SIGHUP`, `SIGQUIT`, `SIGUSR1`, `SIGUSR2` or `SIGKILL`.
        signal: String,
    },
    /// End the command and all it started.
    Cancel,
}

/// A text frame from the server of [`ExecuteSocket`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum SocketReply {
    /// It runs.
    Started {
        /// The job's id.
        job_id: String,
    },
    /// It ended; nothing follows.
    Exit {
        /// Exit code; null when a signal ended it.
        exit_code: Option<i32>,
        /// The signal's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
        /// Whether it ran out of time.
        #[serde(default)]
        timed_out: bool,
        /// Whether this daemon ended it.
        #[serde(default)]
        killed: bool,
        /// Milliseconds it ran.
        #[serde(default)]
        duration: u64,
    },
    /// It could not start; nothing follows.
    Error {
        /// The failure.
        error: crate::base::Error,
    },
}

/// Cancel a running command and everything it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecuteCancel {
    /// The job's id.
    pub job_id: String,
}
impl Operation for ExecuteCancel {
    const SPEC: Spec = Spec::delete("execute.cancel", "/execute/{jobId}").permit(Permission::Execute).compat();
    type Reply = One<Cancelled>;
    fn example() -> Self {
        Self { job_id: "2f1c8d5a-55f1-4d7e-9a0e-4a7f4f3f8f10".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.job_id)
    }
}

/// A command is being ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    /// Always true.
    pub success: bool,
    /// The job's id.
    pub job_id: String,
}

/// List the commands that run now: a peer's own, or all for the owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobList {}
impl Operation for JobList {
    const SPEC: Spec = Spec::get("execute.jobs", "/execute/jobs").permit(Permission::Execute).compat();
    type Reply = One<Jobs>;
    fn example() -> Self {
        Self {}
    }
}

/// The commands that run now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// Oldest first.
    pub jobs: Vec<Job>,
}

/// A command that runs now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's id.
    pub job_id: String,
    /// Program or shell line.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Milliseconds since the epoch.
    pub started_at: u64,
    /// Node id of the machine that asked.
    pub from_node_id: String,
    /// Process id.
    #[serde(default)]
    pub pid: Option<u32>,
}
