//! Other machines: the registry, and how two daemons get to know each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::Identity;
use super::operation::{One, Operation, Permission, Spec};
use crate::base::Error;
use crate::base::secret::Secret;

/// The port a daemon listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 19532;

fn default_port() -> u16 {
    DEFAULT_PORT
}

/// Whether a peer answered when it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// It answered.
    Online,
    /// It failed three times in a row.
    Offline,
    /// It has not been asked yet.
    #[default]
    Unknown,
}

/// A machine that this one knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its node id; `manual-<address>:<port>` until it has answered.
    pub node_id: String,
    /// Its own name for itself; its address until it has answered.
    pub hostname: String,
    /// IP address or host name.
    pub address: String,
    /// Port of its daemon.
    pub port: u16,
    /// `linux`, `darwin`, `win32`, or `unknown`.
    #[serde(default)]
    pub platform: String,
    /// Version of the protocol.
    #[serde(default)]
    pub version: String,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Whether it answered last.
    #[serde(default)]
    pub status: PeerState,
    /// When it answered last, milliseconds since the epoch; 0 for never.
    #[serde(default)]
    pub last_seen: u64,
    /// Failed checks in a row.
    #[serde(default)]
    pub failure_count: u32,
    /// Whether this machine has a key for it.
    #[serde(default)]
    pub trusted: bool,
    /// Whether a person entered it.
    #[serde(default)]
    pub manually_added: bool,
    /// Its entry in `auth.allowedKeys` (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Round trip of the last check, milliseconds (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What it was busy with at the last check, told while somebody follows the events (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Whether it is called over TLS (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// SHA-256 of the certificate that it must have, 64 hexadecimal digits (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What it may do here (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// It was paired and has not called yet: until when it must have, milliseconds since the epoch (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed_until: Option<u64>,
}

/// What a machine is busy with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Commands that run.
    pub jobs: u32,
    /// Tasks of agents that run or wait for an answer.
    pub tasks: u32,
    /// Terminals whose program runs.
    #[serde(default)]
    pub terminals: u32,
}

impl Peer {
    /// A machine of which nothing is known but where it is.
    pub fn unknown(address: &str, port: u16) -> Self {
        Self {
            node_id: format!("manual-{address}:{port}"),
            hostname: address.to_owned(),
            address: address.to_owned(),
            port,
            platform: "unknown".into(),
            version: String::new(),
            capabilities: Vec::new(),
            status: PeerState::Unknown,
            last_seen: 0,
            failure_count: 0,
            trusted: false,
            manually_added: true,
            name: None,
            latency_ms: None,
            load: None,
            tls: None,
            fingerprint: None,
            permissions: None,
            unconfirmed_until: None,
        }
    }
    /// What people call it: its name, else its hostname.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.hostname)
    }
    /// Whether it has told who it is: beside its id, which anybody may ask for, its name, system and abilities.
    pub fn is_described(&self) -> bool {
        !self.version.is_empty()
    }
}

/// List every machine that this one knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeerList {}
impl Operation for PeerList {
    const SPEC: Spec = Spec::get("peer.list", "/peers").compat();
    type Reply = One<Peers>;
    fn example() -> Self {
        Self {}
    }
}

/// Every machine that this one knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peers {
    /// By name.
    pub peers: Vec<Peer>,
}

/// Add a machine by its address, or change the entry that it has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerAdd {
    /// IP address or host name.
    pub address: String,
    /// Port of its daemon.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Its node id, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// Its name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The name of its entry in `auth.allowedKeys` (ours); its hostname unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key that the two machines share (ours); stored in `auth.allowedKeys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub key: Option<Secret>,
}
impl Operation for PeerAdd {
    const SPEC: Spec = Spec::post("peer.add", "/peers").of_main().compat();
    type Reply = One<Peer>;
    fn example() -> Self {
        Self { address: "192.0.2.7".into(), port: DEFAULT_PORT, node_id: None, hostname: Some("kai".into()), name: None, key: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.address)
    }
}

/// Forget a machine: its entry, key, pin and permissions. Its open connections are cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRemove {
    /// Its node id.
    pub node_id: String,
}
impl Operation for PeerRemove {
    const SPEC: Spec = Spec::delete("peer.remove", "/peers/{nodeId}").of_main().compat();
    type Reply = One<PeerRemoved>;
    fn example() -> Self {
        Self { node_id: "manual-192.0.2.7:19532".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// A machine was forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRemoved {
    /// Always true.
    pub success: bool,
    /// Its node id.
    pub node_id: String,
}

/// End the trust in a machine: its key, pin and permissions go, its entry stays. Its open connections are cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRevoke {
    /// Its node id or the beginning of it, its name, hostname or address.
    pub node_id: String,
}
impl Operation for PeerRevoke {
    const SPEC: Spec = Spec::post("peer.revoke", "/peers/{nodeId}/revoke").of_main();
    type Reply = One<Peer>;
    fn example() -> Self {
        Self { node_id: "kai".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// Ask a machine now whether it answers and takes our key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerPing {
    /// Its node id or the beginning of it, its name, hostname or address.
    pub node_id: String,
}
impl Operation for PeerPing {
    const SPEC: Spec = Spec::post("peer.ping", "/peers/{nodeId}/ping");
    type Reply = One<Peer>;
    fn example() -> Self {
        Self { node_id: "kai".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// Look closely at a machine: whether it is there, takes our key, and agrees about time and protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerCheck {
    /// Its node id or the beginning of it, its name, hostname or address.
    pub node_id: String,
}
impl Operation for PeerCheck {
    const SPEC: Spec = Spec::post("peer.check", "/peers/{nodeId}/check");
    type Reply = One<PeerFindings>;
    fn example() -> Self {
        Self { node_id: "kai".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// What was found when a machine was looked at. A machine that is not as it should be is an answer, not a failure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerFindings {
    /// Whether a Loopsy answers at its address, and over a connection as it must be.
    pub reachable: bool,
    /// Whether it takes the key that the two share; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_accepted: Option<bool>,
    /// Round trip, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Version of the protocol that it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How far its clock is ahead of this machine's, milliseconds; good to a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
    /// SHA-256 of the certificate that it showed, 64 hexadecimal digits; absent where it speaks plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What it can do, once it has taken the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// What stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub error: Option<Error>,
}

/// Find a machine by what people call it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerFind {
    /// Its node id or the beginning of it, its name, hostname or address.
    pub node_id: String,
}
impl Operation for PeerFind {
    const SPEC: Spec = Spec::get("peer.find", "/peers/{nodeId}");
    type Reply = One<Peer>;
    fn example() -> Self {
        Self { node_id: "kai".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// Give a machine another name: its key and permissions go with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRename {
    /// Its node id.
    pub node_id: String,
    /// The new name: 1 to 64 letters, digits, `.`, `_`, `-`.
    pub name: String,
}
impl Operation for PeerRename {
    const SPEC: Spec = Spec::post("peer.rename", "/peers/{nodeId}/rename").of_main();
    type Reply = One<Peer>;
    fn example() -> Self {
        Self { node_id: "manual-192.0.2.7:19532".into(), name: "kai".into() }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.node_id)
    }
}

/// Introduce the calling machine: its identity in, this machine's identity out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PeerHandshake(pub Identity);
impl Operation for PeerHandshake {
    const SPEC: Spec = Spec::post("peer.handshake", "/peers/handshake").peers().compat();
    type Reply = One<Identity>;
    fn example() -> Self {
        Self(Identity {
            node_id: "0f8fad5b-d9cb-469f-a165-70867728950e".into(),
            hostname: "kai".into(),
            platform: "linux".into(),
            version: super::node::PROTOCOL_VERSION.into(),
            port: DEFAULT_PORT,
            capabilities: vec!["execute".into()],
            ..Identity::default()
        })
    }
}
