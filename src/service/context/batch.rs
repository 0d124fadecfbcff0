//! Many changes in one transaction: each is judged on what those before it left, then all become durable together.

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use super::letters::{self, INBOX};
use super::record::{Head, Record, weight};
use super::rules::{Precondition, ends_at};
use super::tables::{BYTES, ENTRIES, EXPIRIES, FORMAT, REVISION, STATE, Step, damaged, due};
use super::wal::Steps;
use crate::api::context::{ContextChange, ContextChangeType, ContextEntry};
use crate::base::clock::Millis;
use crate::base::{Code, Error, Result};
use crate::home::config;

/// Expired entries that one transaction takes along, so that it stays short.
const RECLAIM: usize = 1000;

/// A value to be written.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct New<'a> {
    /// Under this key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
    /// Seconds it lives.
    pub ttl: Option<f64>,
    /// Node id of who writes.
    pub from_node_id: &'a str,
    /// Name under which whoever writes proved itself; kept with letters.
    pub sender: &'a str,
}

/// A transaction at work.
pub(in crate::service) struct Batch<'t> {
    txn: &'t WriteTransaction,
    limits: &'t config::Context,
    entries: Table<'t, &'static str, &'static [u8]>,
    expiries: Table<'t, (u64, &'static str), ()>,
    state: Table<'t, &'static str, u64>,
    revision: u64,
    bytes: u64,
    now: Millis,
    changes: Vec<ContextChange>,
    /// Whether there is anything to commit.
    written: bool,
    steps: Steps,
}

/// What a batch leaves behind.
pub(super) struct Done {
    /// Number of the newest change.
    pub revision: u64,
    /// Changes in the order of their revisions.
    pub changes: Vec<ContextChange>,
    /// Whether there is anything to commit.
    pub written: bool,
    /// What the log needs to know of it.
    pub steps: Steps,
    /// When the next entry ends.
    pub next_expiry: Option<Millis>,
}

impl<'t> Batch<'t> {
    /// Begins on tables that exist already, or makes them.
    pub(super) fn open(txn: &'t WriteTransaction, now: Millis, limits: &'t config::Context) -> Step<Self> {
        let state = txn.open_table(STATE)?;
        let number = |name: &str| -> Step<u64> { Ok(state.get(name)?.map_or(0, |number| number.value())) };
        let (revision, bytes) = (number(REVISION)?, number(BYTES)?);
        Ok(Self {
            txn,
            limits,
            entries: txn.open_table(ENTRIES)?,
            expiries: txn.open_table(EXPIRIES)?,
            state,
            revision,
            bytes,
            now,
            changes: Vec::new(),
            written: false,
            steps: Steps::new(),
        })
    }
    /// Starts the count of revisions; for a new store.
    pub(super) fn begin_at(&mut self, revision: u64, format: u64) -> Step<()> {
        self.revision = revision;
        self.state.insert(FORMAT, format)?;
        Ok(())
    }
    /// Removes a first lot of the entries whose time has ended.
    pub(super) fn reclaim(&mut self) -> Step<()> {
        self.reclaim_up_to(RECLAIM)
    }
    /// Number of the newest change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }
    /// When the transaction takes place.
    pub(in crate::service) fn now(&self) -> Millis {
        self.now
    }
    /// For looking into tables beside the entries.
    pub(in crate::service) fn around(&self) -> &'t WriteTransaction {
        self.txn
    }
    /// The entry under a key, unless its time has ended.
    pub(in crate::service) fn get(&self, key: &str) -> Step<Option<ContextEntry>> {
        let Some(bytes) = self.entries.get(key)? else { return Ok(None) };
        let record = Record::decode(bytes.value()).ok_or_else(|| damaged(key))?;
        Ok((!record.head.expired(self.now)).then(|| record.entry(key, true)))
    }
    /// For changes of tables beside the entries, made durable together with them.
    pub(in crate::service) fn beside(&mut self) -> &'t WriteTransaction {
        self.written = true;
        self.steps.spoil();
        self.txn
    }
    /// Writes an entry as it is given, but for its version; for imports into a new store, and for what was logged.
    pub(super) fn put(&mut self, key: &str, mut record: Record<'_>) -> Step<()> {
        if let Some((old, size)) = self.head(key)? {
            self.forget(key, old, size)?;
        }
        self.revision += 1;
        record.head.version = self.revision;
        self.store(key, record, "")
    }
    /// Writes the numbers down; the transaction can be committed then.
    pub(super) fn finish(mut self) -> Step<Done> {
        self.state.insert(REVISION, self.revision)?;
        self.state.insert(BYTES, self.bytes)?;
        let next_expiry = self.expiries.first()?.map(|(at, _)| at.value().0);
        Ok(Done { revision: self.revision, changes: self.changes, written: self.written, steps: self.steps, next_expiry })
    }

    /// Writes a value, or says why not.
    pub(in crate::service) fn set(&mut self, entry: &New<'_>, when: Precondition) -> Step<Result<ContextEntry>> {
        let New { key, value, ttl, from_node_id, .. } = *entry;
        let old = self.live(key)?;
        if !when.holds(old.map(|(head, _)| head.version)) {
            return Ok(Err(self.conflict(key)?));
        }
        let old_size = old.map(|(_, size)| size);
        if let Some(full) = self.full(old_size, weight(key, value)) {
            self.reclaim_up_to(usize::MAX)?;
            if self.full(old_size, weight(key, value)).is_some() {
                return Ok(Err(full));
            }
        }
        if let Some((head, size)) = old {
            self.forget(key, head, size)?;
        }
        self.revision += 1;
        let head = Head {
            version: self.revision,
            created_at: old.map_or(self.now, |(head, _)| head.created_at),
            updated_at: self.now,
            expires_at: ends_at(self.now, ttl),
            ttl: ttl.unwrap_or(0.0),
        };
        let record = Record { head, from_node_id, value };
        self.store(key, record, entry.sender)?;
        let entry = record.entry(key, true);
        self.changes.push(ContextChange { kind: ContextChangeType::Set, entry: Some(entry.clone()), version: self.revision });
        Ok(Ok(entry))
    }
    /// Removes an entry, or says why not.
    pub(in crate::service) fn delete(&mut self, key: &str, when: Precondition) -> Step<Result<ContextEntry>> {
        let old = self.live(key)?;
        if !when.holds(old.map(|(head, _)| head.version)) {
            return Ok(Err(self.conflict(key)?));
        }
        if old.is_none() {
            return Ok(Err(missing(key)));
        }
        Ok(self.remove(key, ContextChangeType::Delete)?.ok_or_else(|| missing(key)))
    }
    /// The entry under a key and its weight; one whose time has ended is removed on the way.
    fn live(&mut self, key: &str) -> Step<Option<(Head, u64)>> {
        let found = self.head(key)?;
        if found.is_some_and(|(head, _)| head.expired(self.now)) {
            self.remove(key, ContextChangeType::Expire)?;
            return Ok(None);
        }
        Ok(found)
    }
    fn head(&self, key: &str) -> Step<Option<(Head, u64)>> {
        let Some(bytes) = self.entries.get(key)? else { return Ok(None) };
        let record = Record::decode(bytes.value()).ok_or_else(|| damaged(key))?;
        Ok(Some((record.head, weight(key, record.value))))
    }
    fn store(&mut self, key: &str, record: Record<'_>, sender: &str) -> Step<()> {
        self.written = true;
        let bytes = record.encode();
        self.entries.insert(key, bytes.as_slice())?;
        self.log(key, &bytes);
        if record.head.expires_at != 0 {
            self.expiries.insert((record.head.expires_at, key), ())?;
        }
        self.bytes += weight(key, record.value);
        letters::arrived(self.txn, key, record.head.version, sender)
    }
    /// Takes an entry out of the counts and of the order of ends, before it is replaced or removed.
    fn forget(&mut self, key: &str, head: Head, size: u64) -> Step<()> {
        if head.expires_at != 0 {
            self.expiries.remove((head.expires_at, key))?;
        }
        self.written = true;
        self.bytes = self.bytes.saturating_sub(size);
        letters::left(self.txn, key, head.version)
    }
    /// Removes the entry under a key, if there is one, and tells why.
    pub(super) fn remove(&mut self, key: &str, kind: ContextChangeType) -> Step<Option<ContextEntry>> {
        let Some((head, size)) = self.head(key)? else { return Ok(None) };
        self.forget(key, head, size)?;
        let entry = match self.entries.remove(key)? {
            Some(bytes) => Record::decode(bytes.value()).ok_or_else(|| damaged(key))?.entry(key, false),
            None => return Ok(None),
        };
        self.log(key, &[]);
        self.revision += 1;
        self.changes.push(ContextChange { kind, entry: Some(entry.clone()), version: self.revision });
        Ok(Some(entry))
    }
    /// A letter is more than its entry.
    fn log(&mut self, key: &str, record: &[u8]) {
        if key.starts_with(INBOX) {
            self.steps.spoil();
        }
        self.steps.push(key, record);
    }
    fn reclaim_up_to(&mut self, most: usize) -> Step<()> {
        for (at, key) in due(&self.expiries, self.now + 1, most)? {
            if self.remove(&key, ContextChangeType::Expire)?.is_none() {
                self.expiries.remove((at, key.as_str()))?;
            }
        }
        Ok(())
    }
    /// Why a value does not fit, if it does not.
    fn full(&self, old_size: Option<u64>, new_size: u64) -> Option<Error> {
        let limits = self.limits;
        let entries = self.entries.len().unwrap_or(u64::MAX);
        let full = |what: String| {
            Some(
                Error::new(Code::ContextMaxEntries, what).hint("Delete entries, give them a ttl, or raise the limit in the configuration."),
            )
        };
        if old_size.is_none() && entries >= limits.max_entries {
            return full(format!("the store holds {entries} entries; context.maxEntries is {}", limits.max_entries));
        }
        let after = self.bytes.saturating_sub(old_size.unwrap_or(0)) + new_size;
        if after > limits.max_bytes && new_size > old_size.unwrap_or(0) {
            return full(format!("the store holds {} bytes; context.maxBytes is {}", self.bytes, limits.max_bytes));
        }
        None
    }
    fn conflict(&self, key: &str) -> Step<Error> {
        let current = match self.entries.get(key)? {
            Some(bytes) => Some(Record::decode(bytes.value()).ok_or_else(|| damaged(key))?.entry(key, true)),
            None => None,
        };
        let what = match &current {
            Some(entry) => format!("the entry {key:?} has version {}", entry.version),
            None => format!("there is no entry {key:?}"),
        };
        Ok(Error::new(Code::ContextConflict, what).details(serde_json::json!(current)).hint("Read the entry again and decide anew."))
    }
}

/// There is no such entry.
pub(super) fn missing(key: &str) -> Error {
    Error::new(Code::ContextKeyNotFound, format!("there is no entry {key:?}")).hint("List the keys with: loopsy context list")
}
