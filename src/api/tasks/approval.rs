//! What an agent asks before it goes on, and what it was told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalKind {
    /// Whether a tool may be used.
    #[default]
    Permission,
    /// Something to choose: approved with `answers`, one for each question in `toolInput`.
    Question,
    /// Whether a plan is good.
    Plan,
}

/// For how long an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Remember {
    /// For this once.
    #[default]
    Once,
    /// For the rest of this session.
    Session,
    /// For all sessions in that folder: the agent writes it down.
    Always,
}

/// A question of an agent that waits for its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its id, by which it is answered.
    pub request_id: String,
    /// What is asked (ours).
    #[serde(default)]
    pub kind: ApprovalKind,
    /// The tool that the agent wants to use.
    pub tool_name: String,
    /// The tool's input. Long texts in it are cut; what runs is the whole.
    pub tool_input: Value,
    /// What it is for, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was asked, milliseconds since the epoch.
    pub timestamp: u64,
    /// When it is denied unless somebody answered (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What could be remembered with the answer; nothing of it is unless it is chosen (ours).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Suggestion>,
    /// Why it is asked (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that an agent could remember.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// Its id, within its question.
    pub id: String,
    /// What it would allow, in words: `Bash(npm test *)`.
    pub label: String,
    /// The longest that it can be remembered.
    pub remember: Remember,
    /// Whether it goes beyond the tool that is asked for: a mode, a folder. It is never chosen unless by its id.
    #[serde(default)]
    pub wider: bool,
}

/// How a question was settled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The question.
    pub request_id: String,
    /// Whether the agent may.
    pub approved: bool,
    /// Who said so: `owner`, a peer's name; `timeout`, `withdrawn` (by the agent) or `ended` (with the task) where nobody did.
    pub by: String,
    /// What the agent was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For how long the answer holds.
    #[serde(default)]
    pub remember: Remember,
    /// What is remembered, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<String>,
    /// Whether the tool's input was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
}
