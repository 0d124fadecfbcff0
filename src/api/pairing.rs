//! Pairing: how two machines that never met come to trust each other, by one code that is typed and one that is compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{One, Operation, Permission, Spec};
use super::peers::DEFAULT_PORT;
use crate::base::secret::Secret;

/// Version of the handshake.
pub const PAIRING_VERSION: u32 = 2;
/// Most bytes of a request that anybody may send.
const OPEN_LIMIT: usize = 16 * 1024;
/// Longest wait for a change, seconds.
pub const LONGEST_WAIT: u64 = 60;

fn default_port() -> u16 {
    DEFAULT_PORT
}

/// Wait for another machine to pair with this one: makes the code to be typed there, good for five minutes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairStart {
    /// End a pairing that is under way.
    #[serde(default)]
    pub replace: bool,
}
impl Operation for PairStart {
    const SPEC: Spec = Spec::post("pair.start", "/pair/start").of_main();
    type Reply = One<PairStarted>;
    fn example() -> Self {
        Self { replace: true }
    }
}

/// This machine waits for another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairStarted {
    /// The code to be typed on the other machine, six digits.
    #[schemars(with = "String")]
    pub invite_code: Secret,
    /// When it ends, milliseconds since the epoch.
    pub expires_at: u64,
    /// Tells this pairing of this machine from the next.
    #[serde(default)]
    pub session: u64,
}

/// First step of the machine that has typed the code: it commits itself to its part of the keys without showing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairInitiate {
    /// Version of the handshake, 2.
    pub version: u32,
    /// Node id of the machine that calls.
    pub node_id: String,
    /// Its name.
    pub hostname: String,
    /// SHA-256 over its part of the keys and its name, base64url.
    pub commitment: String,
}
impl Operation for PairInitiate {
    const SPEC: Spec = Spec::post("pair.initiate", "/pair/initiate").open().limit(OPEN_LIMIT);
    type Reply = One<PairInitiated>;
    fn example() -> Self {
        Self {
            version: PAIRING_VERSION,
            node_id: "0f8fad5b-d9cb-469f-a165-70867728950e".into(),
            hostname: "kai".into(),
            commitment: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".into(),
        }
    }
}

/// The waiting machine's part of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairInitiated {
    /// Names this try in what follows.
    pub session_id: String,
    /// Node id of the waiting machine.
    pub node_id: String,
    /// Its name.
    pub hostname: String,
    /// Its public key (P-256, uncompressed), base64url.
    pub public_key: String,
    /// 32 random bytes, base64url.
    pub nonce: String,
    /// Its message of SPAKE2, base64url.
    pub pake: String,
}

/// Second step: the part that was committed to, and proof of knowing the code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairExchange {
    /// From the first step.
    pub session_id: String,
    /// Public key (P-256, uncompressed), base64url.
    pub public_key: String,
    /// 32 random bytes, base64url.
    pub nonce: String,
    /// Message of SPAKE2, base64url.
    pub pake: String,
    /// MAC under the keys that both sides have now, base64url.
    pub confirm: String,
}
impl Operation for PairExchange {
    const SPEC: Spec = Spec::post("pair.exchange", "/pair/exchange").open().limit(OPEN_LIMIT);
    type Reply = One<PairExchanged>;
    fn example() -> Self {
        Self {
            session_id: "AAAAAAAAAAAAAAAAAAAAAA".into(),
            public_key: String::new(),
            nonce: String::new(),
            pake: String::new(),
            confirm: String::new(),
        }
    }
}

/// The waiting machine's proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairExchanged {
    /// MAC under the same keys, base64url.
    pub confirm: String,
}

/// This side's user has compared the six digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairConfirm {
    /// Whether they are the same on both screens.
    pub confirmed: bool,
    /// The digits that were compared: refused where they are not those of the pairing that is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<String>,
    /// What the other machine may do here; all unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Permission>>,
    /// The entry whose place it may take: the name that `replaces` of the state told when the user agreed. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<String>,
}
impl Operation for PairConfirm {
    const SPEC: Spec = Spec::post("pair.confirm", "/pair/confirm");
    type Reply = One<PairState>;
    fn example() -> Self {
        Self { confirmed: true, sas: None, allow: Some(vec![Permission::Execute, Permission::Context]), replace: None }
    }
}

/// Last step: who the calling machine is, sealed; answered when the waiting machine's user has decided. The same request
/// has the same answer until the code expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairFinish {
    /// From the first step.
    pub session_id: String,
    /// Sealed box, base64url.
    pub sealed: String,
}
impl Operation for PairFinish {
    const SPEC: Spec = Spec::post("pair.finish", "/pair/finish").open().limit(OPEN_LIMIT);
    type Reply = One<PairFinished>;
    fn example() -> Self {
        Self { session_id: "AAAAAAAAAAAAAAAAAAAAAA".into(), sealed: "AAAA".into() }
    }
}

/// Who the waiting machine is, or its refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairFinished {
    /// Sealed box, base64url.
    pub sealed: String,
}

/// End a pairing: the owner of either side, or the other machine with proof that it is the one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairCancel {
    /// From the first step; the owner need not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// MAC under the keys of the pairing, base64url; the owner needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The pairing that the owner means; whichever is live unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
}
impl Operation for PairCancel {
    const SPEC: Spec = Spec::post("pair.cancel", "/pair/cancel").open().limit(OPEN_LIMIT);
    type Reply = One<PairCancelled>;
    fn example() -> Self {
        Self { session_id: Some("AAAAAAAAAAAAAAAAAAAAAA".into()), mac: Some("AAAA".into()), session: None }
    }
}

/// There is no pairing under way any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairCancelled {
    /// Always true.
    pub success: bool,
}

/// Tell how the pairing of this machine stands, at once or at the next change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairStatus {
    /// Answer at the next change, or after so many seconds; at most 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
    /// The revision that is known already: another one is answered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Whether this is the screen of the one who pairs: where it does not ask again within five seconds of its answer, or of
    /// going away while it waits, a pairing that is under way is ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub screen: bool,
}
impl Operation for PairStatus {
    const SPEC: Spec = Spec::get("pair.status", "/pair/status");
    type Reply = One<PairState>;
    fn example() -> Self {
        Self::default()
    }
}

/// Pair with a machine that waits: this daemon takes the first two steps; what follows is [`PairConfirm`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PairConnect {
    /// IP address or host name.
    pub address: String,
    /// Port of its daemon.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The code that it shows: six digits; spaces and dashes do not matter.
    #[schemars(with = "String")]
    pub code: Secret,
}
impl Operation for PairConnect {
    const SPEC: Spec = Spec::post("pair.connect", "/pair/connect").of_main();
    type Reply = One<PairState>;
    fn example() -> Self {
        Self { address: "127.0.0.1".into(), port: 1, code: Secret::new("492817") }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.address)
    }
}

/// How far a pairing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairPhase {
    /// For the other machine.
    Waiting,
    /// The code was right: the users compare digits.
    KeyExchanged,
    /// This side's user said yes; the other's has not yet.
    Confirmed,
    /// The two trust each other.
    Completed,
    /// It came to nothing; `error` says why.
    Failed,
    /// It took too long.
    Expired,
}

impl PairPhase {
    /// Whether nothing follows.
    pub fn is_end(self) -> bool {
        matches!(self, PairPhase::Completed | PairPhase::Failed | PairPhase::Expired)
    }
}

/// Who ended a pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairEnder {
    /// This side's user.
    Here,
    /// The other side's.
    There,
}

/// The other machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairPeer {
    /// Its own name for itself.
    pub hostname: String,
    /// Where it is, or calls from.
    pub address: String,
}

/// How the pairing of this machine stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairState {
    /// Whether one is under way.
    pub active: bool,
    /// How far it is; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PairPhase>,
    /// The six digits that both screens must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sas: Option<String>,
    /// The other machine, once it has proved that it knows the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PairPeer>,
    /// When it ends, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Wrong codes until this one is void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// The entry that the other machine would replace, or whose name it bears; it gets a suffix unless it may replace it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The name that the other machine has here from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who ended it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<PairEnder>,
    /// Why it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The number of that failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u16>,
    /// Tells this pairing of this machine from the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Grows with every change.
    #[serde(default)]
    pub revision: u64,
}
