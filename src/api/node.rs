//! The daemon itself: health, identity, status, its documents, and its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::{One, Operation, Spec};
use crate::base::{Code, Error, Result};

/// Version of the protocol that this implementation speaks; the same major version can talk.
pub const PROTOCOL_VERSION: &str = "1.0.0";

/// Whether two versions of the protocol can talk: the same first number.
pub fn can_talk(version: &str) -> bool {
    version.split('.').next() == PROTOCOL_VERSION.split('.').next()
}

/// Checks that `who` speaks a version of the protocol that this machine understands.
///
/// # Errors
/// `PEER_VERSION_MISMATCH`.
pub fn check_protocol(who: &str, version: &str) -> Result<()> {
    if can_talk(version) {
        return Ok(());
    }
    let message = format!("{who} speaks version {version} of the protocol, this machine {PROTOCOL_VERSION}");
    Err(Error::new(Code::PeerVersionMismatch, message).hint("Install the same version on both machines."))
}

/// What this daemon can do: the Node version's words first, then ours.
pub const CAPABILITIES: &[&str] = &[
    "execute",
    "transfer",
    "context",
    "ai-tasks",
    "exec-v2",
    "transfer-v2",
    "transfer-tree",
    "context-v2",
    "messages",
    "events",
    "terminal",
];

/// Tell whether the daemon answers, without a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthGet {}
impl Operation for HealthGet {
    const SPEC: Spec = Spec::get("node.health", "/health").open().compat();
    type Reply = One<Health>;
    fn example() -> Self {
        Self {}
    }
}

/// The daemon answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// The node's id, a UUID that survives restarts.
    pub node_id: String,
    /// Milliseconds since the daemon started.
    pub uptime: u64,
    /// Version of the protocol.
    pub version: String,
}

/// Tell who this machine is and what it can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityGet {}
impl Operation for IdentityGet {
    const SPEC: Spec = Spec::get("node.identity", "/identity").peers().compat();
    type Reply = One<Identity>;
    fn example() -> Self {
        Self {}
    }
}

/// Who a machine is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The node's id.
    pub node_id: String,
    /// Its name, from `server.hostname` or the system.
    pub hostname: String,
    /// `linux`, `darwin` or `win32`.
    #[serde(default)]
    pub platform: String,
    /// Version of the protocol.
    #[serde(default)]
    pub version: String,
    /// The port it listens on.
    pub port: u16,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The session that it is of its machine's main daemon (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The sessions of its machine, where it is the main daemon (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<SessionIdentity>>,
}

/// A session of a machine, as the machine's main daemon tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionIdentity {
    /// Its name.
    pub name: String,
    /// Its node id.
    pub node_id: String,
    /// Its port, at the machine's address.
    pub port: u16,
    /// Its name among peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// Tell how the daemon is: counts of peers, jobs and entries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusGet {}
impl Operation for StatusGet {
    const SPEC: Spec = Spec::get("node.status", "/status").peers().compat();
    type Reply = One<Status>;
    fn example() -> Self {
        Self {}
    }
}

/// How a daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The node's id.
    pub node_id: String,
    /// Its name.
    pub hostname: String,
    /// The session that it is of its machine's main daemon (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// `linux`, `darwin` or `win32`.
    pub platform: String,
    /// Version of the protocol.
    pub version: String,
    /// Milliseconds since the daemon started.
    pub uptime: u64,
    /// Peers by state.
    pub peers: PeerCounts,
    /// Commands.
    pub jobs: JobCounts,
    /// The context store.
    pub context: ContextCounts,
    /// Tasks of agents (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_tasks: Option<TaskCounts>,
    /// Terminals whose program runs (ours).
    #[serde(default)]
    pub terminals: u32,
    /// Messages, told to the owner (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<MessageCounts>,
    /// Version and commit of the program (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Whether plaintext from other machines is refused (ours).
    #[serde(default)]
    pub tls: bool,
    /// The certificate that this daemon shows (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// Settings on disk that hold only after a restart (ours).
    #[serde(default)]
    pub restart_needed: Vec<String>,
    /// What the owner should know: an ignored setting, a file that was set aside (ours).
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Tasks of agents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCounts {
    /// Those whose agent works, or waits for an answer.
    pub active: u32,
    /// Those that wait for their turn.
    pub pending: u32,
    /// All that are kept.
    pub total: u32,
}

/// The certificate that a daemon shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// SHA-256 of its DER encoding, 64 hexadecimal digits: what peers pin.
    pub fingerprint: String,
    /// When it ends, milliseconds since the epoch; it is renewed well before.
    pub valid_until: u64,
}

/// Peers by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerCounts {
    /// All that are known.
    pub total: u32,
    /// Those that answered last.
    pub online: u32,
    /// All others.
    pub offline: u32,
}

/// Commands that peers and the owner had run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobCounts {
    /// Running now.
    pub active: u32,
    /// Started since the daemon did.
    pub total: u64,
}

/// The context store's size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextCounts {
    /// Entries that have not expired.
    pub entries: u64,
}

/// Messages that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageCounts {
    /// In the inbox, not acknowledged yet.
    pub unread: u64,
    /// On their way to peers.
    pub queued: u64,
}

/// Describe every operation as an OpenAPI 3.1 document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenApiGet {}
impl Operation for OpenApiGet {
    const SPEC: Spec = Spec::get("node.openapi", "/openapi.json");
    type Reply = One<Value>;
    fn example() -> Self {
        Self {}
    }
}

/// Take up the configuration file now instead of within a second, and tell what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReload {}
impl Operation for ConfigReload {
    const SPEC: Spec = Spec::post("node.reload", "/config/reload");
    type Reply = One<Reloaded>;
    fn example() -> Self {
        Self {}
    }
}

/// What came of reading the configuration file again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// Settings that hold only after a restart.
    pub restart_needed: Vec<String>,
    /// Unknown keys and the like.
    pub warnings: Vec<String>,
}

/// End the daemon: running jobs are ended, open streams closed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonStop {}
impl Operation for DaemonStop {
    const SPEC: Spec = Spec::post("node.stop", "/stop");
    type Reply = One<Stopping>;
    fn example() -> Self {
        Self {}
    }
}

/// The daemon is on its way out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stopping {
    /// Always true.
    pub success: bool,
    /// Process id of the daemon that ends.
    pub pid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_the_version_decides() {
        assert!(can_talk("1.0.0") && can_talk("1.9") && can_talk("1"));
        assert!(!can_talk("2.0.0") && !can_talk("") && !can_talk("10.0.0"));
    }
}
