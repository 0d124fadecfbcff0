//! Looking at a daemon from outside: whether it is there, how fast, and what its clock says.

use http::header;
use http_body_util::{BodyExt, Empty};
use tokio::time::Instant;

use super::link::Link;
use super::receive::Receive;
use crate::api::Operation;
use crate::api::node::{Health, HealthGet};
use crate::api::operation::One;
use crate::api::wire::{self, Encoded};
use crate::base::{Result, clock};

/// What a daemon told about itself without a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its health.
    pub health: Health,
    /// Round trip, milliseconds.
    pub latency_ms: f64,
    /// How far its clock is ahead of ours, milliseconds, good to a second; none where it does not tell the time.
    pub skew_ms: Option<i64>,
}

impl Link {
    /// Asks a daemon for its health, and compares clocks by the `Date` of the answer.
    pub async fn probe(&self) -> Result<Seen> {
        let Encoded { target, headers, .. } = wire::encode(&HealthGet {})?;
        let request =
            self.request(HealthGet::SPEC.method, &target, &headers, Empty::new().map_err(|never| match never {}).boxed_unsync())?;
        let (asked, asked_at) = (Instant::now(), clock::now());
        let response = self.send(request).await?;
        let (latency, answered_at) = (asked.elapsed(), clock::now());
        let date = response.headers().get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let skew_ms = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok()).map(|theirs| {
            // The header counts whole seconds: half of one is right on average.
            let theirs = i64::try_from(theirs.as_millis()).unwrap_or(i64::MAX).saturating_add(500);
            theirs - i64::try_from(asked_at.midpoint(answered_at)).unwrap_or(i64::MAX)
        });
        let health = <One<Health> as Receive>::receive(response, self.answer_limit()).await?;
        Ok(Seen { health, latency_ms: latency.as_secs_f64() * 1000.0, skew_ms })
    }
}
