//! The audit log: one JSON line a request, batched, with keyless requests kept apart so that a flood can't push evidence out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

use crate::api::audit::AuditRecord;
use crate::base::clock::Millis;
use crate::base::workers::Workers;

/// Requests that wait to be written; a request waits when there are more.
const QUEUE: usize = 4096;
/// Most records of one write.
const BATCH: usize = 512;
/// Records that a slow follower may be behind.
const FOLLOWED: usize = 4096;
/// How often repeats of keyless requests are written as counts.
const KEYLESS_EVERY: Duration = Duration::from_secs(10);
/// Kinds of keyless requests counted at once; what is more is counted together.
const KEYLESS_KINDS: usize = 1000;

/// Where lines go.
pub trait Sink: Send + 'static {
    /// Appends whole lines.
    fn append(&mut self, lines: &[u8]) -> std::io::Result<()>;
}

/// The way into the log, and what follows it. Clones are the same.
#[derive(Clone)]
pub struct Audit {
    sender: mpsc::Sender<(bool, AuditRecord)>,
    written: Written,
}

/// What tells followers. It has room for all that it may hold, so there is none before somebody follows.
type Written = Arc<OnceLock<broadcast::Sender<AuditRecord>>>;

impl Audit {
    /// Starts writing: requests with a key to `keyed`, all others to `keyless`.
    pub fn start(workers: &Workers, keyed: impl Sink, keyless: impl Sink) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let written = Written::default();
        workers.spawn("audit", write(receiver, keyed, keyless, written.clone(), workers.stopping()));
        Self { sender, written }
    }
    /// The records of requests with a key, from now on, each once it is written. Who reads too slowly misses some.
    pub fn follow(&self) -> broadcast::Receiver<AuditRecord> {
        self.written.get_or_init(|| broadcast::Sender::new(FOLLOWED)).subscribe()
    }
    /// Keeps a record.
    pub(super) async fn record(&self, has_key: bool, record: AuditRecord) {
        // A closed log is a daemon past its end; nothing is served then.
        let _ = self.sender.send((has_key, record)).await;
    }
}

async fn write(
    mut receiver: mpsc::Receiver<(bool, AuditRecord)>,
    mut keyed: impl Sink,
    mut keyless: impl Sink,
    written: Written,
    stopping: tokio_util::sync::CancellationToken,
) {
    let mut repeats = Repeats::default();
    let mut tick = tokio::time::interval_at(Instant::now() + KEYLESS_EVERY, KEYLESS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::new();
    loop {
        let ended = tokio::select! {
            count = receiver.recv_many(&mut batch, BATCH) => count == 0,
            _ = tick.tick() => { append(&mut keyless, &repeats.drain()); false }
            () = stopping.cancelled() => {
                receiver.close();
                while receiver.recv_many(&mut batch, BATCH).await > 0 {}
                true
            }
        };
        let (mut lines, mut strange, mut followed) = (Vec::new(), Vec::new(), Vec::new());
        for (has_key, record) in batch.drain(..) {
            if has_key {
                line(&mut lines, &record);
                if written.get().is_some_and(|written| written.receiver_count() > 0) {
                    followed.push(record);
                }
            } else if repeats.is_new(&record) {
                line(&mut strange, &record);
            }
        }
        append(&mut keyed, &lines);
        append(&mut keyless, &strange);
        if let Some(written) = written.get() {
            // Nobody may be left to hear it.
            followed.into_iter().for_each(|record| drop(written.send(record)));
        }
        if ended {
            append(&mut keyless, &repeats.drain());
            return;
        }
    }
}

fn line<T: Serialize>(lines: &mut Vec<u8>, record: &T) {
    let start = lines.len();
    if serde_json::to_writer(&mut *lines, record).is_err() {
        lines.truncate(start);
        return;
    }
    lines.push(b'\n');
}

fn append(sink: &mut impl Sink, lines: &[u8]) {
    if lines.is_empty() {
        return;
    }
    if let Err(cause) = sink.append(lines) {
        tracing::error!(%cause, "the audit log could not be written");
    }
}

/// Keyless requests of one kind since the last write.
#[derive(Default)]
struct Repeats(HashMap<(IpAddr, String, String, u16), u64>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Repeated<'a> {
    from_ip: IpAddr,
    method: &'a str,
    path: &'a str,
    status_code: u16,
    repeats: u64,
    timestamp: Millis,
}

impl Repeats {
    /// Counts a request; whether it is the first of its kind, and so is written in full.
    fn is_new(&mut self, record: &AuditRecord) -> bool {
        let mut kind = (record.from_ip, record.method.clone(), record.path.clone(), record.status_code);
        if self.0.len() >= KEYLESS_KINDS && !self.0.contains_key(&kind) {
            kind.2 = "*".into();
            *self.0.entry(kind).or_insert(0) += 1;
            return false;
        }
        let count = self.0.entry(kind).and_modify(|count| *count += 1).or_insert(0);
        *count == 0
    }
    fn drain(&mut self) -> Vec<u8> {
        let mut lines = Vec::new();
        let timestamp = crate::base::clock::now();
        for ((from_ip, method, path, status_code), repeats) in self.0.drain().filter(|(_, count)| *count > 0) {
            line(&mut lines, &Repeated { from_ip, method: &method, path: &path, status_code, repeats, timestamp });
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::sync::lock;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Sink for Lines {
        fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
            lock(&self.0).extend_from_slice(lines);
            Ok(())
        }
    }

    fn record(path: &str) -> AuditRecord {
        AuditRecord {
            request_id: "r".into(),
            method: "GET".into(),
            path: path.into(),
            from_ip: [127, 0, 0, 1].into(),
            status_code: 401,
            duration: 0.1,
            error: Some(1001),
            timestamp: 1,
            caller: "stranger".into(),
            operation: None,
            target: None,
            answer: None,
            job_id: None,
            bytes: None,
            decision: "denied".into(),
        }
    }

    /// known fault 61: a flood of keyless requests is a few lines, and none of them in the log of keyed ones.
    #[tokio::test]
    async fn a_keyless_flood_becomes_counts() {
        let (keyed, keyless) = (Lines::default(), Lines::default());
        let workers = Workers::default();
        let audit = Audit::start(&workers, keyed.clone(), keyless.clone());
        for n in 0..5000 {
            audit.record(false, record(if n % 2 == 0 { "/a" } else { "/b" })).await;
        }
        audit.record(true, record("/c")).await;
        assert!(workers.stop(Duration::from_secs(5)).await.is_empty());
        let text = String::from_utf8(lock(&keyless.0).clone()).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(text.matches("\"repeats\":2499").count(), 2, "{text}");
        assert_eq!(lock(&keyed.0).iter().filter(|b| **b == b'\n').count(), 1);
    }
}
