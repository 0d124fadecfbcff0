//! The shared store of keys and values.

use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::context::{ContextDelete, ContextDeleted, ContextEntry, ContextGet, ContextList, ContextSet, KEY_CHARS};
use crate::api::peers::{PeerList, PeerState};
use crate::base::text::{one_line, shell_word};
use crate::base::{Error, Result};
use crate::client::Link;
use crate::client::fan_out::fan_out;
use crate::mcp::answer::{self, count, cut};
use crate::mcp::call::Call;
use crate::mcp::tool::Action;

/// Bytes of a value that are shown where it was asked for.
const VALUE_SHOWN: usize = 64 * 1024;
/// Bytes of each value in a list.
const LISTED_SHOWN: usize = 1024;
/// Entries of a list unless asked otherwise, and the most.
const USUAL: u64 = 100;
const MOST: u64 = 500;

/// `loopsy_context_set`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    /// 1 to 256 characters.
    key: String,
    /// Text, at most 1 MiB.
    value: String,
    /// Seconds until it is forgotten.
    ttl: Option<f64>,
    /// Store only if the entry still has this version, else fail.
    if_version: Option<u64>,
    /// Store only if there is no such key, else fail.
    if_absent: Option<bool>,
}

/// What is there now. The caller knows the value: he has just written it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    key: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl Action for Set {
    type Answer = Stored;

    async fn act(self, call: &Call) -> Result<Stored> {
        let set = ContextSet {
            key: self.key,
            value: self.value,
            ttl: self.ttl,
            if_match: self.if_version.map(|version| format!("\"{version}\"")),
            if_none_match: self.if_absent.unwrap_or(false).then(|| "*".into()),
        };
        let entry = call.line()?.call(&set).await?;
        Ok(Stored { key: entry.key, version: entry.version, expires_at: entry.expires_at })
    }
    fn tell(stored: &Stored, call: &Call) -> String {
        format!("Stored {} on {}, version {}.", stored.key, call.place(), stored.version)
    }
}

/// `loopsy_context_get`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Get {
    /// Key of the entry.
    key: String,
}

impl Action for Get {
    type Answer = ContextEntry;

    async fn act(self, call: &Call) -> Result<ContextEntry> {
        let mut entry = call.line()?.call(&ContextGet { key: self.key.clone() }).await?;
        let peer = call.machine().map_or_else(String::new, |machine| format!(" --peer {}", shell_word(machine)));
        // By the key that was asked for: the other machine may call it anything.
        let rest = format!("Save it with: loopsy context get {}{peer} > FILE, and read parts of that.", shell_word(&self.key));
        entry.value = entry.value.map(|value| cut(&value, VALUE_SHOWN, &rest).into_owned());
        Ok(entry)
    }
    fn tell(entry: &ContextEntry, _: &Call) -> String {
        entry.value.clone().unwrap_or_default()
    }
}

/// `loopsy_context_delete`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Delete {
    /// Key of the entry.
    key: String,
}

impl Action for Delete {
    type Answer = ContextDeleted;

    async fn act(self, call: &Call) -> Result<ContextDeleted> {
        call.line()?.call(&ContextDelete { key: self.key, if_match: None }).await
    }
    fn tell(gone: &ContextDeleted, call: &Call) -> String {
        format!("Deleted {} on {}.", gone.key, call.place())
    }
}

/// `loopsy_context_list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// Only keys that start with this.
    prefix: Option<String>,
    /// At most this many, 1 to 500; 100 unless given.
    limit: Option<u64>,
    /// Only keys after this one: to read on.
    after: Option<String>,
    /// Leave the values out.
    keys_only: Option<bool>,
}

/// A page of the store.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Page {
    /// In the order of keys.
    pub entries: Vec<ContextEntry>,
    /// Whether there are more after the last one.
    pub more: bool,
}

impl Page {
    /// Reads a page; long values are cut.
    pub async fn read(link: &Link, list: ContextList) -> Result<Self> {
        let limit = list.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Error::invalid(format!("the argument limit is 1 to {MOST}")));
        }
        // One more than wanted says whether there are more.
        let list = ContextList { limit: Some(limit + 1), ..list };
        let mut found = link.call(&list).await?;
        let mut entries: Vec<ContextEntry> = Vec::new();
        while let Some(entry) = found.next().await {
            let mut entry = entry?;
            entry.value = entry
                .value
                .filter(|_| !list.keys_only)
                .map(|value| cut(&value, LISTED_SHOWN, "loopsy_context_get has more of it.").into_owned());
            entries.push(entry);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        Ok(Self { entries, more })
    }
}

impl Action for List {
    type Answer = Page;

    async fn act(self, call: &Call) -> Result<Page> {
        let keys_only = self.keys_only.unwrap_or(false);
        Page::read(&call.line()?, ContextList { prefix: self.prefix, limit: self.limit, after: self.after, keys_only }).await
    }
    fn tell(page: &Page, call: &Call) -> String {
        let mut text = format!("{} on {}", count(page.entries.len(), "entry", "entries"), call.place());
        for entry in &page.entries {
            text.push('\n');
            text.push_str(&one_line(&entry.key, KEY_CHARS));
            if let Some(value) = &entry.value {
                text.push_str(": ");
                text.push_str(&one_line(value, LISTED_SHOWN));
            }
        }
        if let Some(last) = page.entries.last().filter(|_| page.more) {
            text.push_str(&format!("\nThere are more: ask again with after {:?}.", last.key));
        }
        text
    }
}

/// `loopsy_broadcast_context`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Broadcast {
    /// 1 to 256 characters.
    key: String,
    /// Text, at most 1 MiB.
    value: String,
    /// Seconds until it is forgotten.
    ttl: Option<f64>,
}

/// What came of a broadcast.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Everywhere {
    /// One for each machine that was asked, this one first.
    results: Vec<Outcome>,
    /// Paired machines that are not online, and were not asked.
    not_online: Vec<String>,
}

/// What a machine said.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// Its name; `this machine` for the own one.
    machine: String,
    /// Whether it has the value.
    stored: bool,
    /// Version of its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// What failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Action for Broadcast {
    type Answer = Everywhere;

    async fn act(self, call: &Call) -> Result<Everywhere> {
        let own = call.own.link()?;
        let known = own.call(&PeerList {}).await?.peers;
        let (online, rest): (Vec<_>, Vec<_>) = known.iter().filter(|peer| peer.trusted).partition(|peer| peer.status != PeerState::Offline);
        let set = &ContextSet { key: self.key, value: self.value, ttl: self.ttl, if_match: None, if_none_match: None };
        // The empty name is before all others.
        let lines = std::iter::once((String::new(), own.clone()));
        let lines = lines.chain(online.into_iter().map(|peer| (peer.label().to_owned(), own.via(&peer.node_id))));
        let asked = fan_out(lines.map(|(name, line)| (name, async move { line.call(set).await }))).await;
        let results = asked.into_iter().map(|(name, result)| {
            let machine = if name.is_empty() { "this machine".into() } else { name };
            match result {
                Ok(entry) => Outcome { machine, stored: true, version: Some(entry.version), error: None },
                Err(error) => Outcome { machine, stored: false, version: None, error: Some(answer::failure(&error, None)) },
            }
        });
        Ok(Everywhere { results: results.collect(), not_online: rest.into_iter().map(|peer| peer.label().to_owned()).collect() })
    }
    fn tell(answer: &Everywhere, _: &Call) -> String {
        let stored = answer.results.iter().filter(|result| result.stored).count();
        let mut text = format!("Stored on {stored} of {}.", count(answer.results.len(), "machine", "machines"));
        for result in &answer.results {
            let came = result.error.as_deref().unwrap_or("stored");
            text.push_str(&format!("\n{}: {came}", result.machine));
        }
        if !answer.not_online.is_empty() {
            text.push_str(&format!("\nNot online, and not asked: {}", answer.not_online.join(", ")));
        }
        text
    }
}
