//! What happens on this daemon, told to whoever listens: services push a line, readers follow.

mod feeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

pub use feeds::start;

use crate::api::Events;
use crate::api::events::{EventWatch, Notice, NoticeType};
use crate::base::replay::{Replay, Step};
use crate::base::{Result, clock};

/// Events that a reader may have missed and still get.
const KEPT: usize = 4096;
/// The same in bytes.
const KEPT_BYTES: usize = 4 * 1024 * 1024;
/// Numbers to a millisecond: faster than a daemon can work for as long as it lives.
const PER_MILLISECOND: u64 = 1000;

/// The journal of a daemon. Clones are the same.
#[derive(Clone)]
pub struct Journal {
    log: Arc<Replay<Notice>>,
    /// Readers who hear of peers.
    ears: Arc<AtomicUsize>,
}

impl Default for Journal {
    fn default() -> Self {
        // From the clock, so that a number from before a restart is never one of now.
        Self { log: Arc::new(Replay::new(clock::now() * PER_MILLISECOND, KEPT, KEPT_BYTES)), ears: Arc::default() }
    }
}

impl Journal {
    /// Tells that something happened: gives it its number and its time.
    pub fn push(&self, notice: Notice) {
        let weight = size_of::<Notice>() + notice.subject.len();
        self.log.push_next(weight, |id| Notice { id, ts: clock::now(), ..notice });
    }
    /// Whether somebody follows what peers do, so that it pays to ask them.
    pub fn hears_of_peers(&self) -> bool {
        self.ears.load(Ordering::Relaxed) > 0
    }
    /// What happened after an event, and what happens from now on. Ends with `stopping`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a type that there is none of.
    pub fn watch(&self, op: &EventWatch, stopping: CancellationToken) -> Result<Events<Notice>> {
        let kinds = op.kinds.as_deref().map(NoticeType::list).transpose()?;
        let since = op.since.unwrap_or_else(|| self.log.last());
        let hello = op.since.is_none().then(|| Ok(own(NoticeType::Hello, since)));
        let ear = kinds.as_ref().is_none_or(|kinds| kinds.contains(&NoticeType::Peer)).then(|| Ear::on(&self.ears));
        let is_wanted = move |notice: &Notice| kinds.as_ref().is_none_or(|kinds| kinds.contains(&notice.kind));
        let follower = self.log.follow(since);
        let happening = stream::unfold((follower, is_wanted, stopping, ear), |(mut follower, is_wanted, stopping, ear)| async move {
            loop {
                let step = tokio::select! { biased; () = stopping.cancelled() => return None, step = follower.next() => step };
                let notice = match step {
                    Step::Event(_, notice) if is_wanted(&notice) => Notice::clone(&notice),
                    Step::Event(..) => continue,
                    Step::Skipped(id) => own(NoticeType::Reset, id),
                };
                return Some((Ok(notice), (follower, is_wanted, stopping, ear)));
            }
        });
        Ok(Box::pin(stream::iter(hello).chain(happening)))
    }
}

/// A reader who hears of peers, until dropped.
struct Ear(Arc<AtomicUsize>);

impl Ear {
    fn on(ears: &Arc<AtomicUsize>) -> Self {
        ears.fetch_add(1, Ordering::Relaxed);
        Self(ears.clone())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An event of the stream itself.
fn own(kind: NoticeType, id: u64) -> Notice {
    Notice { id, ts: clock::now(), ..Notice::new(kind, kind.name(), "") }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(journal: &Journal, since: Option<u64>, kinds: Option<&str>, count: usize) -> Vec<Notice> {
        let op = EventWatch { since, kinds: kinds.map(str::to_owned) };
        journal.watch(&op, CancellationToken::new()).unwrap().take(count).map(Result::unwrap).collect().await
    }
    fn job(id: usize) -> Notice {
        Notice::new(NoticeType::Job, "ended", id.to_string())
    }

    #[tokio::test]
    async fn a_reader_that_comes_again_misses_nothing_and_gets_nothing_twice() {
        let journal = Journal::default();
        let hello = taken(&journal, None, None, 1).await.remove(0);
        assert_eq!(hello.kind, NoticeType::Hello);
        let (mut seen, mut since) = (Vec::new(), hello.id);
        for round in 0..10 {
            (0..7).for_each(|n| journal.push(job(round * 7 + n)));
            for notice in taken(&journal, Some(since), None, 5).await {
                since = notice.id;
                seen.push(notice.subject.parse::<usize>().unwrap());
            }
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
    #[tokio::test]
    async fn what_is_too_old_or_of_another_life_is_told() {
        let journal = Journal::default();
        let start = taken(&journal, None, None, 1).await[0].id;
        for strange in [0, start - 1, start + 1, u64::MAX] {
            let first = &taken(&journal, Some(strange), None, 1).await[0];
            assert_eq!((first.kind, first.id), (NoticeType::Reset, start), "{strange}");
        }
        (0..=KEPT).for_each(|n| journal.push(job(n)));
        let found = taken(&journal, Some(start), Some("peer,job"), 2).await;
        assert_eq!((found[0].kind, found[1].subject.as_str()), (NoticeType::Reset, "1"));
        assert_eq!(found[1].id, found[0].id + 1);
    }
    #[tokio::test]
    async fn only_what_is_wanted_comes_and_the_end_ends_it() {
        let journal = Journal::default();
        let stop = CancellationToken::new();
        let op = EventWatch { since: None, kinds: Some("peer".into()) };
        let mut events = journal.watch(&op, stop.clone()).unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().kind, NoticeType::Hello);
        journal.push(job(1));
        journal.push(Notice::new(NoticeType::Peer, "online", "kai"));
        assert_eq!(events.next().await.unwrap().unwrap().subject, "kai");
        assert!(journal.hears_of_peers());
        stop.cancel();
        assert!(events.next().await.is_none());
        assert!(!journal.hears_of_peers());
        assert!(journal.watch(&EventWatch { since: None, kinds: Some("x".into()) }, stop).is_err());
    }
}
