//! Time: wall clock for what people and peers read, the runtime's clock for waiting.
//!
//! Simulations pause the runtime's clock; [`now`] then moves with it, so that a value's time to live and the timers
//! that reclaim it agree.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// The wall clock, in milliseconds since the Unix epoch; virtual on a thread that called [`follow_runtime`].
///
/// Blocking threads always see the real clock, so work that is sent there takes the time as an argument.
pub fn now() -> Millis {
    BASE.get().map_or_else(wall, |(wall_then, then)| wall_then + then.elapsed().as_millis() as Millis)
}

/// Ties this thread's [`now`] to its runtime's clock, for simulations with paused time.
pub fn follow_runtime() {
    BASE.set(Some((wall(), tokio::time::Instant::now())));
}

thread_local! {
    static BASE: Cell<Option<(Millis, tokio::time::Instant)>> = const { Cell::new(None) };
}

#[expect(clippy::disallowed_methods, reason = "this is the place that the ban sends everybody to")]
fn wall() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as Millis
}

/// Longest wait of [`nap`], so that a wall clock that was set forward is noticed.
pub const NAP: Duration = Duration::from_secs(60);

/// Waits until a time of the wall clock, at most for [`NAP`]; for ever where there is none.
pub async fn nap(until: Option<Millis>) {
    match until {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(now())).min(NAP)).await,
        None => std::future::pending().await,
    }
}

/// When this process first asked for the time; `uptime` counts from here.
pub fn started() -> Millis {
    static STARTED: OnceLock<Millis> = OnceLock::new();
    *STARTED.get_or_init(wall)
}
