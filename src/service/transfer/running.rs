//! Transfers that are under way: how far each is, and how fast.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::transfer::{Direction, RunningTransfer, RunningTransfers};
use crate::api::{Events, Piece, Pieces};
use crate::base::clock;
use crate::base::sync::lock;

/// How often whoever watches is told of bytes.
const EVERY: Duration = Duration::from_millis(250);
/// A rate is of about this long.
const SPAN: Duration = Duration::from_secs(2);

/// The transfers that are under way. Clones are the same.
#[derive(Clone)]
pub struct Running(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    /// Changes when one begins or ends.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Table {
    last: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    transfer: RunningTransfer,
    moved: Arc<AtomicU64>,
    sampled: Instant,
    at_sample: u64,
    /// Bytes a second, once there is a sample.
    rate: Option<f64>,
}

impl Default for Running {
    fn default() -> Self {
        Self(Arc::new(Shared { table: Mutex::default(), changed: watch::Sender::new(()) }))
    }
}

impl Entry {
    fn now(&mut self) -> RunningTransfer {
        let moved = self.moved.load(Ordering::Relaxed);
        let elapsed = self.sampled.elapsed();
        if elapsed >= EVERY / 2 {
            let newest = (moved - self.at_sample) as f64 / elapsed.as_secs_f64();
            let weight = (elapsed.as_secs_f64() / SPAN.as_secs_f64()).min(1.0);
            self.rate = Some(self.rate.map_or(newest, |rate| rate + (newest - rate) * weight));
            (self.sampled, self.at_sample) = (Instant::now(), moved);
        }
        RunningTransfer { bytes: self.transfer.bytes + moved, rate: self.rate.unwrap_or(0.0) as u64, ..self.transfer.clone() }
    }
}

/// One that is under way until this is dropped.
pub struct Passage {
    running: Running,
    id: u64,
    moved: Arc<AtomicU64>,
}

impl Passage {
    /// So many bytes more have passed.
    pub fn add(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    /// Counts what is in these pieces as they are read.
    pub(super) fn count(&self, pieces: Pieces) -> Pieces {
        use futures_util::StreamExt;
        let moved = self.moved.clone();
        Box::pin(pieces.inspect(move |piece| {
            if let Ok(Piece::Data(bytes)) = piece {
                moved.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
        }))
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        lock(&self.running.0.table).entries.remove(&self.id);
        self.running.0.changed.send_replace(());
    }
}

impl Running {
    /// One begins: of which `done` bytes out of `total` are there already.
    pub fn begin(&self, direction: Direction, path: &str, peer: Option<&str>, done: u64, total: Option<u64>) -> Passage {
        let moved = Arc::<AtomicU64>::default();
        let id = {
            let mut table = lock(&self.0.table);
            table.last += 1;
            let id = table.last;
            let (path, peer) = (path.to_owned(), peer.map(str::to_owned));
            let transfer =
                RunningTransfer { transfer_id: id, direction, path, peer, bytes: done, total, rate: 0, started_at: clock::now() };
            let entry = Entry { transfer, moved: moved.clone(), sampled: Instant::now(), at_sample: 0, rate: None };
            table.entries.insert(id, entry);
            id
        };
        self.0.changed.send_replace(());
        Passage { running: self.clone(), id, moved }
    }

    /// All that are under way now, oldest first.
    pub fn list(&self) -> RunningTransfers {
        RunningTransfers { transfers: lock(&self.0.table).entries.values_mut().map(Entry::now).collect() }
    }

    /// The same now, and again and again while one is under way. Ends with `stopping`.
    pub fn watch(&self, stopping: CancellationToken) -> Events<RunningTransfers> {
        let changes = self.0.changed.subscribe();
        Box::pin(stream::unfold((self.clone(), changes, None, stopping), |(running, mut changes, told, stopping)| async move {
            if let Some(told) = told {
                let next = async {
                    tokio::time::sleep_until(told + EVERY).await;
                    if lock(&running.0.table).entries.is_empty() {
                        let _ = changes.changed().await;
                    }
                };
                tokio::select! { biased; () = stopping.cancelled() => return None, () = next => {} }
            }
            changes.mark_unchanged();
            let list = running.list();
            Some((Ok(list), (running, changes, Some(Instant::now()), stopping)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_transfer_is_told_from_its_beginning_to_its_end_with_its_rate() {
        let (running, stopping) = (Running::default(), CancellationToken::new());
        let mut told = running.watch(stopping.clone());
        assert!(told.next().await.unwrap().unwrap().transfers.is_empty());
        let passage = running.begin(Direction::Out, "/a", Some("kai"), 100, Some(10_100));
        let began = Instant::now();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            passage.add(100);
        }
        let mut last = None;
        for _ in 0..3 {
            last = told.next().await.unwrap().unwrap().transfers.pop();
        }
        let last = last.unwrap();
        assert_eq!((last.bytes, last.total, last.peer.as_deref()), (2100, Some(10_100), Some("kai")));
        assert!((500..=1100).contains(&last.rate), "{}", last.rate);
        assert!(began.elapsed() < Duration::from_secs(4));
        drop(passage);
        while !told.next().await.unwrap().unwrap().transfers.is_empty() {}
        stopping.cancel();
        assert!(told.next().await.is_none());
    }
    #[tokio::test(start_paused = true)]
    async fn nothing_is_told_while_nothing_is_under_way_and_little_while_much_is() {
        let running = Running::default();
        let mut told = running.watch(CancellationToken::new());
        told.next().await.unwrap().unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(3600), told.next()).await.is_err());
        let all: Vec<Passage> = (0..500).map(|n| running.begin(Direction::In, &n.to_string(), None, 0, None)).collect();
        let began = Instant::now();
        for _ in 0..8 {
            assert_eq!(told.next().await.unwrap().unwrap().transfers.len(), all.len());
        }
        assert!(began.elapsed() >= EVERY * 6, "{:?}", began.elapsed());
    }
}
