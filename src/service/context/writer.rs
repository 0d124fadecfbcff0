//! The one writer: takes all changes that wait, makes them durable with one sync, then answers each and tells the watchers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Log;
use super::batch::Done;
use super::change::Change;
use super::store::Store;
use crate::api::context::{ContextChange, ContextChangeType};
use crate::base::Error;
use crate::base::clock::{self, Millis};
use crate::base::workers::{blocking, blocking_here};
use crate::home::settings::Settings;

/// Changes that may wait. More callers wait for room.
pub(super) const QUEUE: usize = 512;
/// Bytes of keys and values after which a batch takes no further change.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// What an event weighs in the log beside its key and value.
const EVENT: usize = 256;

/// The writer's belongings.
pub(super) struct Writer {
    /// Where to write.
    pub store: Arc<Store>,
    /// Whom to tell.
    pub log: Arc<Log>,
    /// Limits.
    pub settings: Settings,
    /// What waits.
    pub queue: mpsc::Receiver<Box<dyn Change>>,
    /// When the next entry ends.
    pub next_expiry: Option<Millis>,
}

impl Writer {
    /// Works until the daemon stops or nobody can ask any more; what was accepted by then is still written.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                () = stopping.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
                next = self.queue.recv() => match next {
                    Some(change) => Some(change),
                    None => break,
                },
                () = clock::nap(self.next_expiry) => None,
            };
            let batch = self.gather(first);
            self.write(batch).await;
        }
        let store = self.store;
        if let Err(error) = blocking(move || store.close()).await {
            tracing::warn!(%error, "the context store was not closed");
        }
    }
    fn gather(&mut self, first: Option<Box<dyn Change>>) -> Vec<Box<dyn Change>> {
        let mut bytes = first.as_ref().map_or(0, |change| change.weight());
        let mut batch: Vec<_> = first.into_iter().collect();
        while batch.len() < QUEUE && bytes < BATCH_BYTES {
            let Ok(change) = self.queue.try_recv() else { break };
            bytes += change.weight();
            batch.push(change);
        }
        batch
    }
    async fn write(&mut self, mut changes: Vec<Box<dyn Change>>) {
        let now = clock::now();
        if changes.is_empty() && self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let (store, settings) = (self.store.clone(), self.settings.get());
        let applied = blocking_here(move || {
            let outcome = store.apply(&mut changes, now, &settings.context);
            (changes, outcome)
        });
        match applied.await {
            Ok((changes, Ok(done))) => {
                self.tell(done);
                changes.into_iter().for_each(|change| change.answer(None));
            }
            Ok((changes, Err(error))) => self.fail(changes, &error).await,
            Err(error) => self.fail(Vec::new(), &error).await,
        }
    }
    fn tell(&mut self, done: Done) {
        self.next_expiry = done.next_expiry;
        for change in done.changes {
            let weight = EVENT + change.entry.as_ref().map_or(0, |entry| entry.key.len() + entry.value.as_ref().map_or(0, String::len));
            self.log.push(change.version, change, weight);
        }
    }
    /// A batch that failed may have become durable all the same; watchers then have to look anew.
    async fn fail(&mut self, changes: Vec<Box<dyn Change>>, error: &Error) {
        // Not at once again: an end that could not be reclaimed would keep the writer busy for nothing.
        self.next_expiry = self.next_expiry.map(|at| at.max(clock::now() + clock::NAP.as_millis() as Millis));
        let store = self.store.clone();
        if let Ok(Ok(Some(version))) = blocking(move || store.revision()).await {
            self.log.push(version, ContextChange { kind: ContextChangeType::Reset, entry: None, version }, EVENT);
        }
        changes.into_iter().for_each(|change| change.answer(Some(error)));
    }
}
