//! What an agent waits to be told.

use std::time::Duration;

use tokio::time::Instant;

use super::cut::fitting;
use crate::api::tasks::Approval;
use crate::base::clock;

/// Most questions at once: an agent with more is not asking people.
const MOST: usize = 100;

/// The open questions of one run of an agent, oldest first.
pub(super) struct Approvals {
    open: Vec<(Approval, Instant)>,
    limit: Duration,
}

impl Approvals {
    /// None yet; each waits as long as this.
    pub(super) fn new(limit: Duration) -> Self {
        Self { open: Vec::new(), limit }
    }
    /// Takes a question in and answers it as people see it; nothing for one that is open already.
    ///
    /// # Errors
    /// Its id, where there are too many.
    pub(super) fn open(&mut self, approval: Approval) -> Result<Option<Approval>, String> {
        if self.has(&approval.request_id) {
            return Ok(None);
        }
        if self.open.len() >= MOST {
            return Err(approval.request_id);
        }
        let timestamp = clock::now();
        let expires_at = Some(timestamp.saturating_add(self.limit.as_millis() as u64));
        let asked = Approval { timestamp, expires_at, tool_input: fitting(approval.tool_input), ..approval };
        self.open.push((asked.clone(), Instant::now() + self.limit));
        Ok(Some(asked))
    }
    pub(super) fn has(&self, id: &str) -> bool {
        self.open.iter().any(|(approval, _)| approval.request_id == id)
    }
    pub(super) fn take(&mut self, id: &str) -> Option<Approval> {
        let at = self.open.iter().position(|(approval, _)| approval.request_id == id)?;
        Some(self.open.remove(at).0)
    }
    pub(super) fn take_all(&mut self) -> Vec<Approval> {
        self.open.drain(..).map(|(approval, _)| approval).collect()
    }
    pub(super) fn list(&self) -> Vec<Approval> {
        self.open.iter().map(|(approval, _)| approval.clone()).collect()
    }
    /// When the time of the next one ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.open.iter().map(|(_, end)| *end).min()
    }
    /// Those whose time has ended.
    pub(super) fn ended(&self, now: Instant) -> Vec<String> {
        self.open.iter().filter(|(_, end)| *end <= now).map(|(approval, _)| approval.request_id.clone()).collect()
    }
    pub(super) fn limit_in_words(&self) -> String {
        match self.limit.as_secs() {
            0 => format!("{} ms", self.limit.as_millis()),
            seconds @ 1..120 => format!("{seconds} s"),
            seconds => format!("{} minutes", seconds / 60),
        }
    }
}
