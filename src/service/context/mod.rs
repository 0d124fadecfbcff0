//! The context store: durable, ordered, watched.
//!
//! Reads are made where they are asked for: a get is a few microseconds on pages that the store or the system holds in
//! memory, less than handing it to another thread would cost. Writes go through one writer that makes all that wait
//! durable with one sync.

pub(in crate::service) mod batch;
mod change;
mod import;
pub(in crate::service) mod letters;
pub mod look;
mod record;
pub(in crate::service) mod rules;
mod store;
pub(in crate::service) mod tables;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

#[cfg(fuzzing)]
pub use self::{import::parse as parse_import, record::Record};

use std::collections::VecDeque;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use futures_util::stream;
use redb::ReadTransaction;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::batch::{Batch, New, missing};
use self::change::{Asked, Change};
use self::rules::Precondition;
use self::store::{Store, Wanted};
use self::tables::Step as Made;
use self::writer::{QUEUE, Writer};
use crate::api::context::{
    ContextChange, ContextChangeType, ContextDelete, ContextDeleted, ContextEntry, ContextGet, ContextList, ContextSet, ContextWatch,
};
use crate::api::{Caller, Events};
use crate::base::clock;
use crate::base::replay::{Follower, Replay, Step};
use crate::base::workers::{Workers, blocking};
use crate::base::{Code, Error, Result};
use crate::home::settings::Settings;

/// Changes that a watcher may have missed and still get.
const LOG_EVENTS: usize = 10_000;
/// The same in bytes.
const LOG_BYTES: usize = 8 * 1024 * 1024;

type Log = Replay<ContextChange>;

/// The store of a daemon. Clones are the same store.
#[derive(Clone)]
pub struct Context {
    store: Arc<Store>,
    log: Arc<Log>,
    queue: mpsc::Sender<Box<dyn Change>>,
    stopping: CancellationToken,
    warnings: Arc<[String]>,
}

impl Context {
    /// Opens the store of a data directory and starts its writer in `workers`. A new store takes in the `context.json`
    /// of the Node version.
    ///
    /// When `workers` stop, what was accepted is still written, the file is closed, and later calls fail with
    /// [`Code::ShuttingDown`].
    pub async fn open(dir: &Path, settings: Settings, workers: Workers) -> Result<Self> {
        let (dir, now) = (dir.to_owned(), clock::now());
        let opened = blocking(move || Store::open(&dir, now)).await??;
        let log = Arc::new(Replay::new(opened.revision, LOG_EVENTS, LOG_BYTES));
        let store = Arc::new(opened.store);
        let (queue, waiting) = mpsc::channel(QUEUE);
        let next_expiry = store.next_expiry()?;
        let writer = Writer { store: store.clone(), log: log.clone(), settings, queue: waiting, next_expiry };
        workers.spawn_on_thread("context writer", writer.run(workers.stopping()));
        Ok(Self { store, log, queue, stopping: workers.stopping(), warnings: opened.warnings.into() })
    }
    /// What the owner should know about how the store was found: a damaged file, entries that could not be taken in.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
    /// Entries that live now.
    pub fn count(&self) -> Result<u64> {
        self.store.count(clock::now())
    }
    /// Writes a value; it is on the disk when this answers. Dropping the future does not undo the write.
    ///
    /// Fails with [`Code::ContextConflict`] (the current entry in the details) when a precondition does not hold, with
    /// [`Code::ContextValueTooLarge`] and [`Code::ContextMaxEntries`] at the limits.
    pub async fn set(&self, caller: &Caller, op: ContextSet) -> Result<ContextEntry> {
        rules::may_see(caller, &op.key)?;
        let when = rules::check(&op)?;
        let from_node_id = caller.node_id.clone();
        self.change(op.key.len() + op.value.len(), move |batch| {
            let entry = New { key: &op.key, value: &op.value, ttl: op.ttl, from_node_id: &from_node_id, sender: "" };
            batch.set(&entry, when)
        })
        .await
    }
    /// The entry under a key.
    pub fn get(&self, caller: &Caller, op: &ContextGet) -> Result<ContextEntry> {
        rules::check_key(&op.key)?;
        rules::may_see(caller, &op.key)?;
        self.store.get(&op.key, clock::now())?.ok_or_else(|| missing(&op.key))
    }
    /// Removes an entry; it is gone from the disk when this answers.
    pub async fn delete(&self, caller: &Caller, op: ContextDelete) -> Result<ContextDeleted> {
        rules::check_key(&op.key)?;
        rules::may_see(caller, &op.key)?;
        let when = Precondition::parse(op.if_match.as_deref(), None)?;
        let gone = self.change(op.key.len(), move |batch| batch.delete(&op.key, when)).await?;
        Ok(ContextDeleted { success: true, key: gone.key })
    }
    /// The entries in the order of their keys, read page by page as they are taken: memory stays flat, a slow reader
    /// holds nothing up, and changes made meanwhile may or may not show.
    pub fn list(&self, caller: &Caller, op: ContextList) -> Result<Events<ContextEntry>> {
        for (what, text) in [("prefix", &op.prefix), ("key to start after", &op.after)] {
            rules::check_text(what, text.as_deref().unwrap_or_default())?;
        }
        rules::may_see(caller, op.prefix.as_deref().unwrap_or_default())?;
        let reading = Reading {
            store: self.store.clone(),
            caller: caller.clone(),
            prefix: op.prefix.unwrap_or_default(),
            after: op.after,
            values: !op.keys_only,
            left: op.limit.unwrap_or(u64::MAX),
            ready: VecDeque::new(),
            ended: false,
        };
        Ok(Box::pin(stream::try_unfold(reading, |mut reading| async move { Ok(reading.next()?.map(|entry| (entry, reading))) })))
    }
    /// The changes after a version, or from now on, as they become durable. Ends when the daemon stops.
    pub fn watch(&self, caller: &Caller, op: ContextWatch) -> Result<Events<ContextChange>> {
        let prefix = op.prefix.unwrap_or_default();
        rules::check_text("prefix", &prefix)?;
        rules::may_see(caller, &prefix)?;
        let told = self.log.last();
        let since = op.since.unwrap_or(told);
        // A version may be read from the store a moment before the log has it; only one beyond both is of another history.
        let known = since <= told || self.store.revision()?.is_some_and(|durable| since <= durable);
        let follower = self.log.follow(if known { since.min(told) } else { since });
        let after = if known { since } else { 0 };
        let (caller, stopping) = (caller.clone(), self.stopping.clone());
        let wanted = move |change: &ContextChange| {
            change.version > after
                && change.entry.as_ref().is_none_or(|entry| entry.key.starts_with(&prefix) && rules::visible(&caller, &entry.key))
        };
        Ok(Box::pin(stream::unfold((follower, wanted, stopping), |(mut follower, wanted, stopping)| async move {
            loop {
                let step = tokio::select! { biased; () = stopping.cancelled() => return None, step = follower.next() => step };
                let change = match step {
                    Step::Event(_, change) if wanted(&change) => ContextChange::clone(&change),
                    Step::Event(..) => continue,
                    Step::Skipped(version) => ContextChange { kind: ContextChangeType::Reset, entry: None, version },
                };
                return Some((Ok(change), (follower, wanted, stopping)));
            }
        })))
    }
    /// Makes a change of several parts, durable as a whole when this answers. Where `make` refuses, it has written nothing yet.
    /// Dropping the future does not undo the change.
    pub(in crate::service) fn change<T, F>(&self, weight: usize, make: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Made<Result<T>> + Send + 'static,
    {
        let queue = self.queue.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let stopping = || Error::new(Code::ShuttingDown, "the daemon is shutting down");
            let change: Box<dyn Change> = Box::new(Asked { weight, make: Some(make), made: None, answer });
            queue.send(change).await.map_err(|_| stopping())?;
            answered.await.map_err(|_| stopping())?
        }
    }
    /// The entry under a key, whoever asks.
    pub(in crate::service) fn entry(&self, key: &str) -> Result<Option<ContextEntry>> {
        self.store.get(key, clock::now())
    }
    /// Reads what lies beside the entries.
    pub(in crate::service) fn read<T>(&self, step: impl FnOnce(&ReadTransaction) -> Made<T>) -> Result<T> {
        self.store.read(step)
    }
    /// Wakes at every change of the store from now on.
    pub(in crate::service) fn changes(&self) -> Follower<ContextChange> {
        self.log.follow(self.log.last())
    }
}

/// A listing on its way.
struct Reading {
    store: Arc<Store>,
    caller: Caller,
    prefix: String,
    after: Option<String>,
    values: bool,
    left: u64,
    ready: VecDeque<ContextEntry>,
    ended: bool,
}

impl Reading {
    fn next(&mut self) -> Result<Option<ContextEntry>> {
        while self.ready.is_empty() && !self.ended && self.left > 0 {
            let keep = |key: &str| rules::visible(&self.caller, key);
            let wanted = Wanted { prefix: &self.prefix, after: self.after.as_deref(), values: self.values, limit: self.left, keep: &keep };
            let page = self.store.page(&wanted, clock::now())?;
            self.ended = page.more_after.is_none();
            self.after = page.more_after;
            self.ready = page.entries;
        }
        let next = self.ready.pop_front();
        self.left -= u64::from(next.is_some());
        Ok(next)
    }
}
