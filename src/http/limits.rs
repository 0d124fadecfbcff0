//! Budgets of callers, and patience with strangers who guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::api::{Caller, Quota};
use crate::base::bucket::Bucket;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};
use crate::home::config::RateLimits;

/// Wrong keys a minute from one address that are answered at once.
const FREE_FAILURES: u32 = 10;
/// How long each further one waits.
const PENALTY: Duration = Duration::from_secs(1);
/// Addresses remembered; a flood from more is answered like one address.
const ADDRESSES: usize = 4096;

/// What each caller has left.
#[derive(Default)]
pub struct Limits {
    budgets: Mutex<HashMap<(String, Quota), Bucket>>,
    failures: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Limits {
    /// Draws one request on a caller's budget.
    ///
    /// # Errors
    /// `RATE_LIMITED`, with the seconds to wait.
    pub fn draw(&self, caller: &Caller, quota: Quota, limits: &RateLimits) -> Result<()> {
        let (per_minute, name) = match quota {
            Quota::Free => return Ok(()),
            Quota::Execute => (limits.execute, "execute"),
            Quota::Transfer => (limits.transfer, "transfer"),
            Quota::Context => (limits.context, "context"),
            Quota::Messages => (limits.messages, "messages"),
        };
        let Some(peer) = caller.peer() else { return Ok(()) };
        let now = Instant::now();
        let mut budgets = lock(&self.budgets);
        let bucket = budgets.entry((peer.to_owned(), quota)).or_insert_with(|| Bucket::full(per_minute, now));
        bucket.take(per_minute, now).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            Error::new(Code::RateLimited, format!("{peer} made more than {per_minute} {name} requests in a minute"))
                .details(json!({ "retryAfter": seconds }))
                .hint(format!("Try again in {seconds} s, or have rateLimits.{name} raised on the machine that was asked."))
        })
    }

    /// How long the answer to a wrong key from this address has to wait.
    pub fn penalty(&self, address: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        let mut failures = lock(&self.failures);
        if failures.len() >= ADDRESSES && !failures.contains_key(&address) {
            failures.clear();
        }
        let bucket = failures.entry(address).or_insert_with(|| Bucket::full(FREE_FAILURES, now));
        bucket.take(FREE_FAILURES, now).err().map(|_| PENALTY)
    }
}
