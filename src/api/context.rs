//! The shared key-value store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Event, Listed, Listing, Many, One, Operation, Permission, Quota, Spec};

/// Longest key, in characters.
pub const KEY_CHARS: usize = 256;
/// Longest value, in bytes of UTF-8.
pub const VALUE_BYTES: usize = 1024 * 1024;
/// Longest body of a write: a value of control characters grows six-fold in JSON.
pub const SET_LIMIT: usize = 6 * VALUE_BYTES + 100 * 1024;

/// How keys begin that carry messages: they are the daemon's and its owner's, peers only put letters in.
pub const RESERVED: [&str; 3] = ["inbox:", "outbox:", "ack:"];

const IF_MATCH: (&str, &str) = ("ifMatch", "if-match");
const IF_NONE_MATCH: (&str, &str) = ("ifNoneMatch", "if-none-match");

/// An entry of the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextEntry {
    /// Its key.
    pub key: String,
    /// Its value; absent in a listing of keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Node id of the machine that wrote it last.
    #[serde(default)]
    pub from_node_id: String,
    /// When the key was first written, milliseconds since the epoch.
    #[serde(default)]
    pub created_at: u64,
    /// When it was last written.
    #[serde(default)]
    pub updated_at: u64,
    /// Seconds it lives from the last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<f64>,
    /// When it ends, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Revision of the whole store at which it was written, never reused (ours).
    #[serde(default)]
    pub version: u64,
}
impl Listed for ContextEntry {
    const FIELD: &'static str = "entries";
}

impl ContextEntry {
    /// The entity tag of this state of the entry.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

/// Store a value under a key, replacing any earlier value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextSet {
    /// Key of the entry, 1 to 256 characters.
    pub key: String,
    /// Value, at most 1 MiB of UTF-8; the empty text is a value.
    pub value: String,
    /// Seconds until the entry expires; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<f64>,
    /// Only if the entry has this version still, as its `ETag` gives it (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// `*`: only if there is no such entry (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<String>,
}
impl Operation for ContextSet {
    const SPEC: Spec = Spec::put("context.set", "/context/{key}")
        .permit(Permission::Context)
        .quota(Quota::Context)
        .except(&RESERVED, Permission::Messages, Quota::Messages)
        .limit(SET_LIMIT)
        .headers(&[IF_MATCH, IF_NONE_MATCH])
        .compat();
    type Reply = One<ContextEntry>;
    fn example() -> Self {
        Self { key: "build/status".into(), value: "green".into(), ttl: Some(60.0), if_match: None, if_none_match: None }
    }
    fn reply_headers(entry: &ContextEntry) -> Vec<(&'static str, String)> {
        vec![("etag", entry.etag())]
    }
    fn target(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// Read the value under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextGet {
    /// Key of the entry.
    pub key: String,
}
impl Operation for ContextGet {
    const SPEC: Spec = Spec::get("context.get", "/context/{key}").permit(Permission::Context).quota(Quota::Context).compat();
    type Reply = One<ContextEntry>;
    fn example() -> Self {
        Self { key: "build/status".into() }
    }
    fn reply_headers(entry: &ContextEntry) -> Vec<(&'static str, String)> {
        vec![("etag", entry.etag())]
    }
    fn target(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// Remove the entry under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextDelete {
    /// Key of the entry.
    pub key: String,
    /// Only if the entry has this version still (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
}
impl Operation for ContextDelete {
    const SPEC: Spec =
        Spec::delete("context.delete", "/context/{key}").permit(Permission::Context).quota(Quota::Context).headers(&[IF_MATCH]).compat();
    type Reply = One<ContextDeleted>;
    fn example() -> Self {
        Self { key: "build/status".into(), if_match: None }
    }
    fn target(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// An entry was removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextDeleted {
    /// Always true.
    pub success: bool,
    /// Its key.
    pub key: String,
}

/// List entries in the order of their keys, optionally those whose key starts with a prefix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextList {
    /// Only keys that start with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// At most this many entries (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Only keys after this one (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Leave the values out (ours).
    #[serde(default)]
    pub keys_only: bool,
}
impl Operation for ContextList {
    const SPEC: Spec = Spec::get("context.list", "/context").permit(Permission::Context).quota(Quota::Context).compat();
    type Reply = Listing<ContextEntry>;
    fn example() -> Self {
        Self { prefix: Some("build/".into()), ..Self::default() }
    }
    fn target(&self) -> Option<&str> {
        self.prefix.as_deref()
    }
}

/// Follow the changes of the store, from a version on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextWatch {
    /// Only keys that start with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Changes after this version; absent means from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}
impl Operation for ContextWatch {
    const SPEC: Spec = Spec::get("context.watch", "/context-watch").permit(Permission::Context).quota(Quota::Context).resume("since");
    type Reply = Many<ContextChange>;
    fn example() -> Self {
        Self { prefix: Some("build/".into()), since: Some(0) }
    }
    fn target(&self) -> Option<&str> {
        self.prefix.as_deref()
    }
}

/// What a [`ContextChange`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContextChangeType {
    /// A value was written.
    Set,
    /// An entry was removed.
    Delete,
    /// An entry's time ended.
    Expire,
    /// Changes between the version asked for and this one are no longer known: list the entries anew.
    Reset,
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextChange {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ContextChangeType,
    /// The entry: as it is now, or for `delete` and `expire` as it was, without its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<ContextEntry>,
    /// Revision of the store.
    pub version: u64,
}
impl Event for ContextChange {
    fn id(&self) -> Option<u64> {
        Some(self.version)
    }
}
