//! Sessions: further daemons of this machine, each a peer of its own, with one owner.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{One, Operation, Spec};
use crate::base::Error;

/// Most sessions that one call starts, and that a machine tells others of.
pub const MOST: u32 = 256;

/// The port of the dashboard unless told otherwise. No session takes it.
pub const DASHBOARD_PORT: u16 = 19540;

/// Whether a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Its process is there, and holds its lock.
    Running,
    /// It is not, whoever uses its port or its process id now.
    Stopped,
}

/// A session of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub status: SessionState,
    /// Its port, which it keeps; 0 for one that is chosen when it starts.
    pub port: u16,
    /// Its process id, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name among peers; absent where it has never run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Its node id; absent where it has never run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// Its data directory.
    pub data_dir: String,
}

/// List the sessions of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionList {}
impl Operation for SessionList {
    const SPEC: Spec = Spec::get("session.list", "/sessions");
    type Reply = One<Sessions>;
    fn example() -> Self {
        Self {}
    }
}

/// The sessions of this machine, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// By name, numbers in their order.
    pub sessions: Vec<Session>,
}

/// Tell of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionGet {
    /// Its name.
    pub name: String,
}
impl Operation for SessionGet {
    const SPEC: Spec = Spec::get("session.get", "/sessions/{name}");
    type Reply = One<Session>;
    fn example() -> Self {
        Self { name: "worker-1".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.name)
    }
}

/// Start a session, made where there is none of this name; one that runs is left as it is. Answers when it listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStart {
    /// Its name: 1 to 32 lower-case letters, digits, `-` and `_`.
    pub name: String,
}
impl Operation for SessionStart {
    const SPEC: Spec = Spec::post("session.start", "/sessions");
    type Reply = One<Session>;
    fn example() -> Self {
        // Refused by its name, and so without an effect.
        Self { name: "main".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.name)
    }
}

/// Start the sessions `worker-1` to `worker-<count>`; those that run are left as they are. Answers when all listen, or failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStartFleet {
    /// How many, 1 to 256.
    pub count: u32,
}
impl Operation for SessionStartFleet {
    const SPEC: Spec = Spec::post("session.start-fleet", "/sessions/fleet");
    type Reply = One<SessionsDone>;
    fn example() -> Self {
        // None, which is refused.
        Self { count: 0 }
    }
}

/// Stop a session. Its data stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStop {
    /// Its name.
    pub name: String,
}
impl Operation for SessionStop {
    const SPEC: Spec = Spec::delete("session.stop", "/sessions/{name}");
    type Reply = One<Session>;
    fn example() -> Self {
        Self { name: "worker-1".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.name)
    }
}

/// Stop all sessions of this machine. Their data stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStopAll {}
impl Operation for SessionStopAll {
    const SPEC: Spec = Spec::delete("session.stop-all", "/sessions");
    type Reply = One<SessionsDone>;
    fn example() -> Self {
        Self {}
    }
}

/// What was done with several sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsDone {
    /// Those with which it went well.
    pub sessions: Vec<Session>,
    /// Those with which it did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<SessionFailed>,
}

/// Why it did not go well with a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFailed {
    /// Its name.
    pub name: String,
    /// Why.
    #[schemars(with = "serde_json::Value")]
    pub error: Error,
}
