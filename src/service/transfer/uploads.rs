//! The uploads that run now, so that a second try can tell one that goes on from one whose connection is dead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::sync::lock;

/// How long an upload may stand still before another try of it may end it.
const STILL: Duration = Duration::from_millis(300);
/// How long one that was ended may take for it: what it has may have to reach the disk first.
const ENDING: Duration = Duration::from_secs(10);
/// How often that is looked at before the upload counts as alive.
const LOOKS: usize = 3;

/// Uploads that can be resumed, by their token.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Running>>);

#[derive(Clone, Default)]
struct Running {
    progress: Arc<AtomicU64>,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// An upload that runs; leaves the list when dropped.
pub(super) struct Upload<'a> {
    all: &'a Uploads,
    token: Option<String>,
    running: Running,
}

impl Uploads {
    /// Adds an upload. One without a token, or with one that runs already, is on its own.
    pub(super) fn enter(&self, token: Option<String>) -> Upload<'_> {
        let running = Running::default();
        let mut all = lock(&self.0);
        let token = token.filter(|token| !all.contains_key(token));
        if let Some(token) = &token {
            all.insert(token.clone(), running.clone());
        }
        Upload { all: self, token, running }
    }

    /// Waits until no upload of this token runs, ending one that stands still; answers false if one goes on.
    pub(super) async fn settle(&self, token: &str) -> bool {
        let Some(running) = lock(&self.0).get(token).cloned() else { return true };
        let mut seen = running.progress.load(Ordering::Relaxed);
        for _ in 0..LOOKS {
            if tokio::time::timeout(STILL, running.ended.cancelled()).await.is_ok() {
                return true;
            }
            let now = running.progress.load(Ordering::Relaxed);
            if now == seen {
                running.stop.cancel();
                return tokio::time::timeout(ENDING, running.ended.cancelled()).await.is_ok();
            }
            seen = now;
        }
        false
    }
}

impl Upload<'_> {
    pub(super) fn progress(&self) -> Arc<AtomicU64> {
        self.running.progress.clone()
    }
    /// Ends the upload when cancelled.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.running.stop
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            lock(&self.all.0).remove(token);
        }
        self.running.ended.cancel();
    }
}
