//! The audit log, told to its owner.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

use super::Daemon;
use crate::api::audit::{AuditRecord, AuditWatch, MOST_OLDER};
use crate::api::{Caller, Events};
use crate::base::error::io_words;
use crate::base::workers::blocking;
use crate::base::{Error, Result};
use crate::home::newest::newest;
use crate::http::Serve;

/// Older records that come first, unless another number is asked for.
const OLDER: u32 = 200;

impl Serve<AuditWatch> for Daemon {
    async fn serve(&self, _: &Caller, op: AuditWatch) -> Result<Events<AuditRecord>> {
        // Before the log is read, so that nothing falls between the two.
        let live = self.audit.follow();
        let (path, count) = (self.home.audit_log(), op.last.unwrap_or(OLDER).min(MOST_OLDER));
        let lines = blocking(move || newest(&path, count as usize)).await?;
        let lines = lines.map_err(|cause| Error::internal(&format!("the audit log can't be read: {}", io_words(&cause)), cause))?;
        let older: Vec<AuditRecord> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let told = older.iter().map(key).collect();
        Ok(Box::pin(stream::iter(older).chain(later(live, told, self.watched.clone())).map(Ok)))
    }
}

/// What tells a record from others: the same request can have several, one for each thing asked over its socket.
fn key(record: &AuditRecord) -> (String, u64, Option<String>) {
    (record.request_id.clone(), record.timestamp, record.job_id.clone())
}

/// The records from now on that have not been told. The stream ends where its reader has missed some: he begins anew then.
fn later(
    live: Receiver<AuditRecord>,
    told: HashSet<(String, u64, Option<String>)>,
    stopping: CancellationToken,
) -> impl futures_util::Stream<Item = AuditRecord> {
    stream::unfold((live, told, stopping), |(mut live, mut told, stopping)| async move {
        loop {
            let record = tokio::select! {
                biased;
                () = stopping.cancelled() => return None,
                record = live.recv() => record.ok()?,
            };
            // What was written while the log was read comes first of all.
            if !told.remove(&key(&record)) {
                told = HashSet::new();
                return Some((record, (live, told, stopping)));
            }
        }
    })
}
