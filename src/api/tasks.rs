//! Coding agents at work: dispatched, watched, asked for, answered and stopped.

mod approval;
mod event;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use approval::{Approval, ApprovalKind, Remember, Resolved, Suggestion};
pub use event::{TaskEvent, TaskEventType};

use super::operation::{Many, One, Operation, Permission, Quota, Spec};

/// Most bytes of a prompt.
pub const PROMPT_BYTES: usize = 1024 * 1024;
/// Longest name of a task, characters.
pub const NAME_LENGTH: usize = 100;
/// The agent that is meant where none is named.
pub const USUAL_AGENT: &str = "claude";
/// A `since` above this is a time, milliseconds since the epoch, not a number of an event: the Node version's page sends those.
pub const SINCE_IS_A_TIME: u64 = 1_000_000_000_000;

/// What an agent may do without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// It asks before everything that changes something.
    #[default]
    Default,
    /// It may edit files in its folder.
    AcceptEdits,
    /// It may do everything.
    BypassPermissions,
    /// What would be asked is denied.
    DontAsk,
    /// It makes a plan and changes nothing.
    Plan,
}

impl PermissionMode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Default, Self::AcceptEdits, Self::BypassPermissions, Self::DontAsk, Self::Plan];

    /// The word on the wire, which is Claude Code's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::BypassPermissions => "bypassPermissions",
            Self::DontAsk => "dontAsk",
            Self::Plan => "plan",
        }
    }
}

/// Put a coding agent to work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCreate {
    /// What it is to do, at most 1 MiB.
    pub prompt: String,
    /// Folder it works in; the home folder unless given. `~` is the home folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What it may do without asking; `default` unless given. From a peer never `bypassPermissions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// The model; the agent's own choice unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Dollars at which it stops (Claude Code alone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_budget_usd: Option<f64>,
    /// Tools it may use without asking, in its own notation (Claude Code alone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Tools it may not use (Claude Code alone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disallowed_tools: Option<Vec<String>>,
    /// Further arguments of its program. Not from a peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_args: Option<Vec<String>>,
    /// Session of the agent to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session_id: Option<String>,
    /// Which agent: `claude`, `gemini`, `opencode`, `codex`, or one of `aiTasks.agents`; `claude` unless given (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What people call the task, at most 100 characters (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Milliseconds it may work, waiting for approvals not counted; `aiTasks.timeout` unless given, 0 for no limit (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Whether the folder's own hooks, settings and servers are left alone; unless given, they are for peers (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted: Option<bool>,
    /// Whether it waits where `aiTasks.maxConcurrent` work already, instead of being refused (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<bool>,
}
impl Operation for TaskCreate {
    const SPEC: Spec = Spec::post("task.create", "/ai-tasks").permit(Permission::AiTasks).quota(Quota::Execute).created().compat();
    type Reply = One<Task>;
    fn example() -> Self {
        Self { prompt: "Run the tests and mend what fails".into(), cwd: Some("/home/ann/project".into()), ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        Some(self.agent.as_deref().unwrap_or(USUAL_AGENT))
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It waits for others to end.
    #[default]
    Pending,
    /// The agent works.
    Running,
    /// The agent waits for an answer.
    WaitingApproval,
    /// It is done.
    Completed,
    /// It went wrong; `error` says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl TaskStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Running, Self::WaitingApproval, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::WaitingApproval => "waiting_approval",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
    /// Whether nothing more happens unless somebody asks for more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A piece of work that an agent was given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub task_id: String,
    /// What the agent was asked first; cut in listings.
    pub prompt: String,
    /// How far it is.
    pub status: TaskStatus,
    /// When it was dispatched, milliseconds since the epoch.
    pub started_at: u64,
    /// When it last changed.
    pub updated_at: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<u64>,
    /// Node id of the machine that asked.
    pub from_node_id: String,
    /// Process id of the agent, while it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Exit code of the agent, once it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The oldest of `pendingApprovals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_approval: Option<Approval>,
    /// The agent's own id of the conversation, with which it can be gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Which agent (ours).
    #[serde(default)]
    pub agent: String,
    /// What people call it (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The peer that dispatched it; absent where that is the owner (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The folder it works in (ours).
    #[serde(default)]
    pub cwd: String,
    /// What the agent may do without asking (ours).
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// Whether the folder's own hooks, settings and servers are left alone (ours).
    #[serde(default)]
    pub untrusted: bool,
    /// Whether it is a session that somebody else started, of which only the questions are seen (ours).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watched: bool,
    /// What the agent waits to be told, oldest first (ours).
    #[serde(default)]
    pub pending_approvals: Vec<Approval>,
    /// The agent's last word; cut in listings (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Dollars it cost in all, as the agent says (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Tokens, in the agent's own words (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    /// How often the model was asked (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Number of its newest event (ours).
    #[serde(default)]
    pub last_event: u64,
}

/// List the tasks, newest first: a peer's own, or all for the owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {}
impl Operation for TaskList {
    const SPEC: Spec = Spec::get("task.list", "/ai-tasks").permit(Permission::AiTasks).compat();
    type Reply = One<Tasks>;
    fn example() -> Self {
        Self {}
    }
}

/// The tasks there are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// Newest first, long prompts and results cut.
    pub tasks: Vec<Task>,
}

macro_rules! of_one_task {
    ($($(#[$meta:meta])* $name:ident $spec:expr => $reply:ty;)*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The task's id.
            pub task_id: String,
        }
        impl Operation for $name {
            const SPEC: Spec = $spec;
            type Reply = $reply;
            fn example() -> Self {
                Self { task_id: example_id() }
            }
            fn target(&self) -> Option<&str> {
                Some(&self.task_id)
            }
        }
    )* };
}

fn example_id() -> String {
    "2f1c8d5a-55f1-4d7e-9a0e-4a7f4f3f8f10".into()
}

of_one_task! {
    /// One task, whole.
    TaskGet Spec::get("task.get", "/ai-tasks/{taskId}").permit(Permission::AiTasks).compat() => One<Task>;
    /// Have the agent stop what it is doing. The task ends as cancelled, and can be gone on with by a prompt.
    TaskInterrupt Spec::post("task.interrupt", "/ai-tasks/{taskId}/interrupt").permit(Permission::AiTasks) => One<TaskDone>;
}

/// Cancel a task that has not ended, with every process of its agent; delete one that has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDelete {
    /// The task's id.
    pub task_id: String,
    /// Only a task that has ended (true), or only one that has not (false); another is left as it is, with a failure (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<bool>,
}
impl Operation for TaskDelete {
    const SPEC: Spec = Spec::delete("task.delete", "/ai-tasks/{taskId}").permit(Permission::AiTasks).compat();
    type Reply = One<TaskDone>;
    fn example() -> Self {
        Self { task_id: example_id(), ended: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.task_id)
    }
}

/// It was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDone {
    /// Always true.
    pub success: bool,
    /// The task's id.
    pub task_id: String,
    /// Whether the task is no longer known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Of an approval: what the agent remembers, in words (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<String>,
}

/// Follow what a task does: first what is kept of it, then what comes. Ends when the task has ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskStream {
    /// The task's id.
    pub task_id: String,
    /// Events after this one; all that are kept unless given. Above 10^12 it is a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}
impl Operation for TaskStream {
    const SPEC: Spec = Spec::get("task.stream", "/ai-tasks/{taskId}/stream").permit(Permission::AiTasks).resume("since").compat();
    type Reply = Many<TaskEvent>;
    fn example() -> Self {
        Self { task_id: example_id(), since: Some(0) }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.task_id)
    }
}

/// What is kept of what a task did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskEvents {
    /// The task's id.
    pub task_id: String,
    /// Events after this one; all that are kept unless given (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}
impl Operation for TaskEvents {
    const SPEC: Spec = Spec::get("task.events", "/ai-tasks/{taskId}/events").permit(Permission::AiTasks).compat();
    type Reply = One<TaskHistory>;
    fn example() -> Self {
        Self { task_id: example_id(), since: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.task_id)
    }
}

/// Events of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskHistory {
    /// Oldest first.
    pub events: Vec<TaskEvent>,
    /// How many these are.
    pub count: u64,
}

/// Answer what an agent asks. The first answer holds. Only the machine's owner and who dispatched the task may.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskApprove {
    /// The task's id.
    pub task_id: String,
    /// Which of its questions.
    pub request_id: String,
    /// Whether the agent may.
    pub approved: bool,
    /// What the agent is told where it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it may do instead: the tool's whole input (ours; Claude Code alone).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_input: Option<Map<String, Value>>,
    /// For how long the answer holds; for this once unless given (ours). From a peer never `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember: Option<Remember>,
    /// Which of the offered suggestions is remembered, by its id; the first that fits unless given (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Of a question: each question's text with its answer (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<BTreeMap<String, String>>,
}
impl Operation for TaskApprove {
    const SPEC: Spec = Spec::post("task.approve", "/ai-tasks/{taskId}/approve").permit(Permission::AiTasks).compat();
    type Reply = One<TaskDone>;
    fn example() -> Self {
        Self { task_id: example_id(), request_id: "c46b1c2e-85b6-4cb8-8a4b-0a1f8b3f6d10".into(), approved: true, ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.request_id)
    }
    fn answer(&self) -> Option<&'static str> {
        Some(match (self.approved, self.remember.unwrap_or_default(), self.updated_input.is_some()) {
            (false, ..) => "refused",
            (true, Remember::Once, false) => "approved",
            (true, Remember::Once, true) => "approved with another input",
            (true, Remember::Session, _) => "approved for the session",
            (true, Remember::Always, _) => "approved for always",
        })
    }
}

/// Tell the agent of a task more, in the same session: while it works, or after it ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskPrompt {
    /// The task's id.
    pub task_id: String,
    /// What it is told, at most 1 MiB.
    pub prompt: String,
}
impl Operation for TaskPrompt {
    const SPEC: Spec = Spec::post("task.prompt", "/ai-tasks/{taskId}/prompt").permit(Permission::AiTasks).quota(Quota::Execute);
    type Reply = One<TaskPrompted>;
    fn example() -> Self {
        Self { task_id: example_id(), prompt: "Now commit it".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.task_id)
    }
}

/// The agent was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskPrompted {
    /// Always true.
    pub success: bool,
    /// The task's id.
    pub task_id: String,
    /// Number of the newest event before: what comes of it has higher ones.
    pub since: u64,
    /// Whether the task had ended, and its agent was started again.
    pub resumed: bool,
}

/// Ask the people of this machine, for an agent's session that was not started here, whether a tool may be used. Answered when
/// they have answered; when the caller leaves, the question is withdrawn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskHook {
    /// What the agent tells its hook, as it tells it (Claude Code's `PermissionRequest`).
    pub input: Map<String, Value>,
    /// Seconds to wait for an answer; as long as `aiTasks.approvalTimeout`, which is the most, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}
impl Operation for TaskHook {
    const SPEC: Spec = Spec::post("task.hook", "/ai-tasks/permission-request");
    type Reply = One<TaskHooked>;
    fn example() -> Self {
        let asked = [("hook_event_name", "PermissionRequest"), ("session_id", "2f1c8d5a"), ("cwd", "/home/ann"), ("tool_name", "Bash")];
        Self { input: asked.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(), wait: Some(0) }
    }
}

/// What a hook says to its agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskHooked {
    /// As the agent wants it; an empty object is no opinion.
    pub output: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_they_are_named() {
        for mode in PermissionMode::ALL {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
        for status in TaskStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
