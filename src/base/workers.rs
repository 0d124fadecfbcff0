//! The one place that spawns: everything that runs on its own is named, counted and stopped.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::sync::lock;

/// A group of running tasks that ends together. Clones are the same group.
#[derive(Clone, Default)]
pub struct Workers {
    tracker: TaskTracker,
    stop: CancellationToken,
    names: Arc<Mutex<HashMap<u64, &'static str>>>,
    next: Arc<std::sync::atomic::AtomicU64>,
}

impl Workers {
    /// Runs a task that watches [`Workers::stopping`] itself, or ends by itself.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        lock(&self.names).insert(id, name);
        let leave = Leave { id, names: self.names.clone() };
        #[expect(clippy::disallowed_methods, reason = "this is the place that the ban sends everybody to")]
        tokio::spawn(self.tracker.track_future(async move {
            let _leave = leave;
            work.await;
        }));
    }
    /// Runs a task that is dropped at its next await when the group stops.
    pub fn spawn_until_stop(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.spawn(name, async move {
            tokio::select! { () = stop.cancelled() => {}, () = work => {} }
        });
    }
    /// Runs a task that blocks again and again on a thread of its own, if the runtime has others: the runtime's threads need not
    /// stand in for one another each time.
    pub fn spawn_on_thread(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return self.spawn(name, work);
        }
        self.spawn(name, async move {
            if let Err(error) = blocking(move || runtime.block_on(work)).await {
                tracing::error!(%error, name, "a worker ended");
            }
        });
    }
    /// Is cancelled when the group begins to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }
    /// Tells all tasks to end and waits up to `grace`; answers the names of those that did not.
    pub async fn stop(&self, grace: Duration) -> Vec<&'static str> {
        self.stop.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout(grace, self.tracker.wait()).await;
        self.running()
    }
    /// Names of the tasks that run now.
    pub fn running(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = lock(&self.names).values().copied().collect();
        names.sort_unstable();
        names
    }
}

struct Leave {
    id: u64,
    names: Arc<Mutex<HashMap<u64, &'static str>>>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        lock(&self.names).remove(&self.id);
    }
}

/// Runs what waits, on this thread, outside of any runtime. Work that is still under way on other threads afterwards is left
/// to the process's end.
pub fn wait<T>(work: impl Future<Output = super::Result<T>>) -> super::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| super::Error::internal("the runtime can't be started", error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Runs blocking work on the runtime's blocking threads. A panic inside becomes an internal error.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> super::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the ban sends everybody to")]
    tokio::task::spawn_blocking(work).await.map_err(|cause| super::Error::internal("a background step failed", cause))
}

/// Runs blocking work on the thread that asks, if the runtime has others that go on meanwhile, else as [`blocking`] does; for
/// tasks of [`Workers::spawn_on_thread`].
///
/// It spares a hand-over between threads, which counts where the work itself takes a fraction of a millisecond.
pub async fn blocking_here<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> super::Result<T> {
    if Handle::current().runtime_flavor() != RuntimeFlavor::MultiThread {
        return blocking(work).await;
    }
    let guarded = std::panic::AssertUnwindSafe(work);
    tokio::task::block_in_place(|| std::panic::catch_unwind(guarded))
        .map_err(|_| super::Error::internal("a background step failed", "it panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_and_names_the_stubborn() {
        let workers = Workers::default();
        workers.spawn_until_stop("polite", std::future::pending());
        workers.spawn("stubborn", std::future::pending());
        assert_eq!(workers.running(), ["polite", "stubborn"]);
        assert_eq!(workers.stop(Duration::from_secs(5)).await, ["stubborn"]);
    }
    #[test]
    fn a_panic_in_blocking_work_is_an_error_on_every_runtime() {
        for mut runtime in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
            runtime.build().unwrap().block_on(async {
                assert_eq!(blocking_here(|| 7).await.unwrap(), 7);
                assert!(blocking_here(|| panic!("on purpose")).await.is_err());
            });
        }
    }
}
