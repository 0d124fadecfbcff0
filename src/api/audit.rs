//! The audit log: what is kept of each request.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Event, Many, Operation, Spec};
use crate::base::clock::Millis;

/// Most older records that a reader is told first.
pub const MOST_OLDER: u32 = 10_000;

/// Follow the audit log: its newest records, then each one as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditWatch {
    /// How many of the newest records come first, 10 000 at most; 200 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
}
impl Operation for AuditWatch {
    const SPEC: Spec = Spec::get("audit.watch", "/audit-watch");
    type Reply = Many<AuditRecord>;
    fn example() -> Self {
        Self { last: Some(10) }
    }
}

/// What is kept of a request. Bodies, keys, codes and texts of messages never are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// The request's id, echoed to the caller.
    pub request_id: String,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Where it came from.
    pub from_ip: IpAddr,
    /// Status of the answer.
    pub status_code: u16,
    /// Milliseconds until the answer began.
    pub duration: f64,
    /// Number of the failure's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
    /// Milliseconds since the epoch.
    pub timestamp: Millis,
    /// Who asked: `owner`, a peer's name, `stranger`.
    pub caller: String,
    /// The operation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Cow<'static, str>>,
    /// A command, a path, a key of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it said to somebody who asked: `approved`, `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Cow<'static, str>>,
    /// The job or task that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Bytes of the request's body, where it announced them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// `allowed`, or `denied` by key, permission, policy or budget.
    pub decision: Cow<'static, str>,
}
impl Event for AuditRecord {}
