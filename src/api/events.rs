//! What happens on a daemon, as it happens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::{Event, Many, Operation, Spec};
use crate::base::{Error, Result};

/// Follow everything that happens on this daemon, from an event on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventWatch {
    /// Events after this one; absent means from now on. `Last-Event-ID`, which browsers and SSE clients send when they
    /// connect again, stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Only events of these types, separated by commas; all unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
}
impl Operation for EventWatch {
    const SPEC: Spec = Spec::get("event.watch", "/events").resume("since");
    type Reply = Many<Notice>;
    fn example() -> Self {
        Self { since: None, kinds: Some("peer,job".into()) }
    }
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoticeType {
    /// A peer: `added`, `removed`, `renamed`, `online`, `offline`, `load`. The subject is its name.
    Peer,
    /// A command: `started`, `ended`. The subject is the job's id.
    Job,
    /// A file or folder: `received`, `sent`, `failed`. The subject is its path.
    Transfer,
    /// A message that was sent: `queued`, `delivered`, `acked`, `failed`, `expired`; one that came: `received`, `acknowledged`.
    /// The subject is its id.
    Message,
    /// The store: `set`, `delete`, `expire`, `reset`. The subject is the key.
    Context,
    /// A task of an agent: `created`, `running`, `asked`, `answered`, `completed`, `failed`, `cancelled`, `deleted`. The subject is
    /// its id.
    Task,
    /// A terminal: `opened`, `attached`, `detached`, `exited`, `closed`. The subject is its id.
    Terminal,
    /// Who may do what: `paired`, `revoked`, `renewed`, `permissions`. The subject is the peer's name.
    Trust,
    /// The configuration: `changed`. The subject is the setting.
    Config,
    /// The first event of a stream that begins now: its number is where to go on from.
    Hello,
    /// Events between the one asked for and this one are no longer known: look at everything anew.
    Reset,
}

impl NoticeType {
    /// The types that can be asked for.
    pub const ALL: [Self; 9] =
        [Self::Peer, Self::Job, Self::Transfer, Self::Message, Self::Context, Self::Task, Self::Terminal, Self::Trust, Self::Config];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Job => "job",
            Self::Transfer => "transfer",
            Self::Message => "message",
            Self::Context => "context",
            Self::Task => "task",
            Self::Terminal => "terminal",
            Self::Trust => "trust",
            Self::Config => "config",
            Self::Hello => "hello",
            Self::Reset => "reset",
        }
    }
    /// The types in a list such as `peer,job`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with the types that there are.
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let named = |word: &str| {
            Self::ALL.into_iter().find(|kind| kind.name() == word.trim()).ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                Error::invalid(format!("kinds: there are no events of the type {word:?}")).hint(format!("There are: {known}."))
            })
        };
        text.split(',').map(named).collect()
    }
}

/// Something that happened. Values, texts of messages, contents of files and keys are never in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// Its number: higher than that of any event before, also before a restart.
    pub id: u64,
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: NoticeType,
    /// What happened; words that are not known yet may come.
    pub action: String,
    /// Who or what it happened to.
    pub subject: String,
    /// The peer that did it, or whom it concerns; absent where that is the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// When, milliseconds since the epoch.
    pub ts: u64,
    /// Small facts by their names, such as `exitCode` or `bytes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
}
impl Event for Notice {
    fn id(&self) -> Option<u64> {
        Some(self.id)
    }
}

impl Notice {
    /// What is to be told. Number and time are given when it is.
    pub fn new(kind: NoticeType, action: &str, subject: impl Into<String>) -> Self {
        Self { id: 0, kind, action: action.into(), subject: subject.into(), peer: None, ts: 0, details: BTreeMap::new() }
    }
    /// The peer that did it, or whom it concerns.
    pub fn peer(mut self, peer: Option<&str>) -> Self {
        self.peer = peer.map(str::to_owned);
        self
    }
    /// Adds a fact.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_they_are_written() {
        for kind in NoticeType::ALL.into_iter().chain([NoticeType::Hello, NoticeType::Reset]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(NoticeType::list("peer, job").unwrap(), [NoticeType::Peer, NoticeType::Job]);
        for bad in ["", "peers", "peer,", "hello", "reset"] {
            assert!(NoticeType::list(bad).unwrap_err().hint.unwrap().contains("trust"), "{bad:?}");
        }
    }
}
