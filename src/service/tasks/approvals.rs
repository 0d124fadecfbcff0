//! What an agent waits to be told.

use std::time::Duration;

use tokio::time::Instant;

use super::cut::{text, within};
use crate::api::tasks::{Approval, Suggestion};
use crate::base::{clock, id};

/// Most questions at once: an agent with more is not asking people.
const MOST: usize = 100;
/// Most of a tool's input that is shown, bytes.
const SHOWN: usize = 128 * 1024;
/// Most of the other texts of a question, bytes each.
const WORDS: usize = 4 * 1024;
/// Most suggestions of a question.
const SUGGESTIONS: usize = 20;

/// The open questions of one run of an agent, oldest first.
pub(super) struct Approvals {
    open: Vec<Open>,
    limit: Duration,
}

struct Open {
    approval: Approval,
    /// The agent's own id of it. People answer by another one, which is never used again.
    asked_as: String,
    end: Instant,
}

impl Approvals {
    /// None yet; each waits as long as this.
    pub(super) fn new(limit: Duration) -> Self {
        Self { open: Vec::new(), limit }
    }
    /// Takes a question in and answers it as people see it; nothing for one that is open already.
    ///
    /// # Errors
    /// The agent's id of it, where there are too many.
    pub(super) fn open(&mut self, approval: Approval) -> Result<Option<Approval>, String> {
        let asked_as = approval.request_id.clone();
        if self.known_as(&asked_as).is_some() {
            return Ok(None);
        }
        if self.open.len() >= MOST {
            return Err(asked_as);
        }
        let timestamp = clock::now();
        let words = |words: Option<String>| words.map(|words| text(&words, WORDS));
        let suggestions = approval.suggestions.into_iter().take(SUGGESTIONS);
        let asked = Approval {
            request_id: id::request(),
            tool_name: text(&approval.tool_name, WORDS),
            tool_input: within(approval.tool_input, SHOWN),
            description: words(approval.description),
            reason: words(approval.reason),
            suggestions: suggestions.map(|one| Suggestion { label: text(&one.label, WORDS), ..one }).collect(),
            timestamp,
            expires_at: Some(timestamp.saturating_add(self.limit.as_millis() as u64)),
            kind: approval.kind,
        };
        self.open.push(Open { approval: asked.clone(), asked_as, end: Instant::now() + self.limit });
        Ok(Some(asked))
    }
    /// The agent's own id of an open question.
    pub(super) fn asked_as(&self, id: &str) -> Option<String> {
        self.open.iter().find(|open| open.approval.request_id == id).map(|open| open.asked_as.clone())
    }
    /// The id of an open question that the agent knows under this one.
    pub(super) fn known_as(&self, asked_as: &str) -> Option<String> {
        self.open.iter().find(|open| open.asked_as == asked_as).map(|open| open.approval.request_id.clone())
    }
    pub(super) fn take(&mut self, id: &str) {
        self.open.retain(|open| open.approval.request_id != id);
    }
    pub(super) fn take_all(&mut self) -> Vec<Approval> {
        self.open.drain(..).map(|open| open.approval).collect()
    }
    pub(super) fn list(&self) -> Vec<Approval> {
        self.open.iter().map(|open| open.approval.clone()).collect()
    }
    /// When the time of the next one ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.end).min()
    }
    /// Those whose time has ended.
    pub(super) fn ended(&self, now: Instant) -> Vec<String> {
        self.open.iter().filter(|open| open.end <= now).map(|open| open.approval.request_id.clone()).collect()
    }
    pub(super) fn limit_in_words(&self) -> String {
        match self.limit.as_secs() {
            0 => format!("{} ms", self.limit.as_millis()),
            seconds @ 1..120 => format!("{seconds} s"),
            seconds => format!("{} minutes", seconds / 60),
        }
    }
}
