//! A token bucket: a minute's worth of requests, refilled evenly.

use std::time::Duration;

use tokio::time::Instant;

/// How much of a budget one caller has left. The budget `per_minute` is given with each call, so that a change of the
/// configuration holds at once.
#[derive(Debug, Clone)]
pub struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn full(per_minute: u32, now: Instant) -> Self {
        Self { tokens: f64::from(per_minute), filled: now }
    }
    /// Takes one token, or says how long until there is one.
    pub fn take(&mut self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let capacity = f64::from(per_minute);
        let rate = capacity / 60.0;
        let gone = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + gone * rate).min(capacity);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        if rate <= 0.0 {
            return Err(Duration::from_secs(60));
        }
        Err(Duration::from_secs_f64(((1.0 - self.tokens) / rate).min(60.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minutes_worth_then_one_at_a_time() {
        let mut bucket = Bucket::full(30, Instant::now());
        for _ in 0..30 {
            assert!(bucket.take(30, Instant::now()).is_ok());
        }
        let wait = bucket.take(30, Instant::now()).unwrap_err();
        assert_eq!(wait, Duration::from_secs(2));
        tokio::time::advance(wait).await;
        assert!(bucket.take(30, Instant::now()).is_ok());
        assert!(bucket.take(30, Instant::now()).is_err());
    }
}
