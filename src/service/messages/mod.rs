//! Messages between machines: kept until delivered, delivered once, acknowledged one by one.
//!
//! They ride on the context store, so that a Node peer can take part: a letter is an entry under `inbox:` at its recipient,
//! `outbox:` holds its text here, `ack:` tells the newest that a peer acknowledged. What else is known of them lies beside
//! the entries and changes together with them, in one transaction.

mod courier;
mod inbox;
mod ledger;
mod letter;
mod outbox;
mod seen;

#[cfg(fuzzing)]
pub use self::letter::{is_id, read};

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot, watch};

use self::courier::{Freight, Lanes};
use self::letter::Ids;
use crate::api::events::{Notice, NoticeType};
use crate::api::messages::{LONGEST_WAIT, MOST, MessageState, USUAL};
use crate::api::node::{Identity, MessageCounts};
use crate::base::clock::{self, Millis};
use crate::base::sync::lock;
use crate::base::workers::Workers;
use crate::base::{Code, Error, Result};
use crate::home::settings::Settings;
use crate::service::context::{Context, letters};
use crate::service::journal::Journal;
use crate::service::peers::Peers;

/// The messages of a daemon. Clones are the same.
#[derive(Clone)]
pub struct Messages(Arc<Inner>);

struct Inner {
    context: Context,
    peers: Peers,
    settings: Settings,
    identity: Identity,
    journal: Journal,
    workers: Workers,
    lanes: Mutex<Lanes>,
    ids: Mutex<Ids>,
    /// Wakes whoever ends messages when one may end sooner than any other.
    sooner: Notify,
    /// Told whenever a message has come to another state without a change of the store's entries.
    moved: watch::Sender<()>,
}

impl Messages {
    /// Goes on with what was under way when the daemon ended.
    pub fn start(context: Context, peers: Peers, settings: Settings, identity: Identity, journal: Journal, workers: &Workers) -> Self {
        let messages = Self(Arc::new(Inner {
            context,
            peers,
            settings,
            identity,
            journal,
            workers: workers.clone(),
            lanes: Mutex::default(),
            ids: Mutex::default(),
            sooner: Notify::new(),
            moved: watch::Sender::new(()),
        }));
        workers.spawn_until_stop("messages", messages.clone().keep());
        messages
    }

    /// Tells the journal what came of a message, by its id.
    fn tell(&self, action: &str, id: &str, peer: Option<&str>) {
        self.0.journal.push(Notice::new(NoticeType::Message, action, id).peer(peer));
    }

    /// How many there are.
    pub fn counts(&self) -> Result<MessageCounts> {
        let unread = self.0.context.read(letters::count)?;
        Ok(MessageCounts { unread, queued: lock(&self.0.lanes).waiting() as u64 })
    }

    async fn keep(self) {
        let failed = |error: &Error| tracing::error!(%error, "what is known of messages can't be read; it is tried again");
        let later = || Some(clock::now() + clock::NAP.as_millis() as Millis);
        while let Err(error) = self.take_up() {
            failed(&error);
            clock::nap(later()).await;
        }
        loop {
            let next = self.lapse().await.inspect_err(failed).unwrap_or_else(|_| later());
            tokio::select! {
                () = clock::nap(next) => {}
                () = self.0.sooner.notified() => {}
            }
        }
    }

    /// Does something that is not to be left half done when whoever asked for it goes away.
    async fn to_its_end<T: Send + 'static>(&self, name: &'static str, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.0.workers.spawn(name, async move {
            // Nobody may be there any more to hear of it.
            let _ = answer.send(work.await);
        });
        answered.await.map_err(|_| Error::new(Code::ShuttingDown, "the daemon is shutting down"))?
    }

    /// Has everything carried that still waits.
    fn take_up(&self) -> Result<()> {
        let mut waiting = Vec::new();
        self.0.context.read(|txn| {
            ledger::each_sent(txn, None, |entry| {
                let queued = entry.recipients().filter(|(recipient, _)| recipient.state == MessageState::Queued);
                waiting.extend(queued.map(|(_, party)| (entry.sent.id.clone(), party)));
                true
            })
        })?;
        // They come from the newest, and travel from the oldest.
        for (id, party) in waiting.into_iter().rev() {
            self.carry(Freight::Letters, id, party);
        }
        for (id, owed) in self.0.context.read(ledger::all_owed)? {
            self.carry(Freight::Acks, id, owed.to);
        }
        Ok(())
    }

    /// Waits until `look` finds what is wanted, at most for `wait` seconds; what it found last.
    async fn waited<T>(&self, wait: Option<u64>, mut look: impl FnMut() -> Result<(T, bool)>) -> Result<T> {
        if let Some(long) = wait.filter(|wait| *wait > LONGEST_WAIT) {
            return Err(
                Error::invalid(format!("wait: {long} s is too long")).hint(format!("Wait at most {LONGEST_WAIT} s, and ask again."))
            );
        }
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(wait.unwrap_or(0));
        let stopping = self.0.workers.stopping();
        // Before the first look, so that nothing comes in between.
        let (mut changes, mut moved) = (self.0.context.changes(), self.0.moved.subscribe());
        loop {
            let (found, is_enough) = look()?;
            if is_enough || wait.is_none() {
                return Ok(found);
            }
            tokio::select! {
                () = stopping.cancelled() => return Ok(found),
                () = tokio::time::sleep_until(deadline) => return Ok(look()?.0),
                _ = changes.next() => {}
                _ = moved.changed() => {}
            }
        }
    }
}

/// How many messages an answer is to have at most.
fn limit_of(asked: Option<u64>) -> Result<usize> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit as usize),
        other => Err(Error::invalid(format!("limit: {other} is not between 1 and {MOST}"))),
    }
}
