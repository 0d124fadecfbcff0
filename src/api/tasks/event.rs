//! What a task does, as it does it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::operation::Event;

/// What a [`TaskEvent`] tells; `data` of each is given in brackets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskEventType {
    /// A piece of the agent's words (the text; pieces follow one another without anything between).
    Text,
    /// A piece of its thoughts (likewise).
    Thinking,
    /// It uses a tool (`id`, `name`, `input`; `parent` where a helper of the agent does).
    ToolUse,
    /// What came of it (`id`, `content`, `isError`; `parent`).
    ToolResult,
    /// It asks whether it may (an [`Approval`](super::Approval)).
    PermissionRequest,
    /// It wants something chosen (likewise) (ours).
    Question,
    /// A question was settled (a [`Resolved`](super::Resolved)) (ours).
    PermissionResolved,
    /// The task is at another stage (`status`; `prompt` where it goes on with one).
    Status,
    /// Something went wrong (`message`).
    Error,
    /// A turn is over (`result`, `isError`, `cost`, `usage`, `turns`, `sessionId`, `durationMs`).
    Result,
    /// The task has ended (`status`, `exitCode`, `error`).
    Exit,
    /// Anything else that the agent tells, as it tells it, cut; of Loopsy itself, `subtype` is `skipped` with `upTo`: events up to
    /// there are no longer kept.
    #[default]
    System,
}

impl TaskEventType {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Text,
        Self::Thinking,
        Self::ToolUse,
        Self::ToolResult,
        Self::PermissionRequest,
        Self::Question,
        Self::PermissionResolved,
        Self::Status,
        Self::Error,
        Self::Result,
        Self::Exit,
        Self::System,
    ];
}

/// Something that a task did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskEvent {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: TaskEventType,
    /// The task's id.
    pub task_id: String,
    /// When, milliseconds since the epoch.
    pub timestamp: u64,
    /// What there is to tell; its shape goes by the type.
    pub data: Value,
    /// Its number, from 1 (ours).
    #[serde(default)]
    pub seq: u64,
}
impl Event for TaskEvent {
    fn id(&self) -> Option<u64> {
        Some(self.seq)
    }
}
