//! The one writer: takes all changes that wait, makes them durable with one sync, then answers each and tells the watchers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Log;
use super::batch::{Done, Op};
use super::store::Store;
use crate::api::context::{ContextChange, ContextChangeType, ContextEntry};
use crate::base::clock::{self, Millis};
use crate::base::workers::{blocking, blocking_here};
use crate::base::{Error, Result};
use crate::home::settings::Settings;

/// Changes that may wait. More callers wait for room.
pub(super) const QUEUE: usize = 512;
/// Bytes of keys and values after which a batch takes no further change.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for an end, so that a wall clock that was set forward is noticed.
const NAP: Duration = Duration::from_secs(60);
/// What an event weighs in the log beside its key and value.
const EVENT: usize = 256;

/// A change that waits for its answer.
pub(super) struct Pending {
    /// What to do.
    pub op: Op,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<ContextEntry>>,
}

/// The writer's belongings.
pub(super) struct Writer {
    /// Where to write.
    pub store: Arc<Store>,
    /// Whom to tell.
    pub log: Arc<Log>,
    /// Limits.
    pub settings: Settings,
    /// What waits.
    pub queue: mpsc::Receiver<Pending>,
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
                    Some(pending) => Some(pending),
                    None => break,
                },
                () = nap(self.next_expiry) => None,
            };
            let batch = self.gather(first);
            self.write(batch).await;
        }
        let store = self.store;
        if let Err(error) = blocking(move || store.close()).await {
            tracing::warn!(%error, "the context store was not closed");
        }
    }
    fn gather(&mut self, first: Option<Pending>) -> Vec<Pending> {
        let mut bytes = first.as_ref().map_or(0, |pending| pending.op.weight());
        let mut batch: Vec<_> = first.into_iter().collect();
        while batch.len() < QUEUE && bytes < BATCH_BYTES {
            let Ok(pending) = self.queue.try_recv() else { break };
            bytes += pending.op.weight();
            batch.push(pending);
        }
        batch
    }
    async fn write(&mut self, batch: Vec<Pending>) {
        let now = clock::now();
        if batch.is_empty() && self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let (ops, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(|pending| (pending.op, pending.answer)).unzip();
        let (store, settings) = (self.store.clone(), self.settings.get());
        let applied = blocking_here(move || store.apply(ops, now, &settings.context)).await;
        match applied.and_then(|applied| applied) {
            Ok((answers, done)) => {
                self.tell(done);
                for (caller, answer) in callers.into_iter().zip(answers) {
                    // A caller that went away does not undo its change.
                    let _ = caller.send(answer);
                }
            }
            Err(error) => self.fail(callers, &error).await,
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
    async fn fail(&mut self, callers: Vec<oneshot::Sender<Result<ContextEntry>>>, error: &Error) {
        // Not at once again: an end that could not be reclaimed would keep the writer busy for nothing.
        self.next_expiry = self.next_expiry.map(|at| at.max(clock::now() + NAP.as_millis() as Millis));
        let store = self.store.clone();
        if let Ok(Ok(Some(version))) = blocking(move || store.revision()).await {
            self.log.push(version, ContextChange { kind: ContextChangeType::Reset, entry: None, version }, EVENT);
        }
        for caller in callers {
            let _ = caller.send(Err(error.clone()));
        }
    }
}

async fn nap(until: Option<Millis>) {
    match until {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(clock::now())).min(NAP)).await,
        None => std::future::pending().await,
    }
}
