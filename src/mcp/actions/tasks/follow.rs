//! Watching a task until there is news of it, with its progress told on the way.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::lines::Lines;
use crate::api::tasks::{Task, TaskEventType, TaskGet, TaskStream};
use crate::base::{Code, Result};
use crate::client::Link;
use crate::mcp::answer::cut;
use crate::mcp::call::Call;

/// Shortest time between two progress messages.
const PACE: Duration = Duration::from_millis(100);
/// How long to wait before a line that broke is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes of one progress message, and of all of one call.
const PROGRESS_SHOWN: usize = 4 * 1024;
const ALL_SHOWN: usize = 128 * 1024;

/// A task that is watched for a caller.
pub struct Watch<'a> {
    call: &'a Call,
    task_id: &'a str,
    lines: Lines,
    told: Instant,
    shown: usize,
    messages: u32,
}

/// Why a look at a task's events ended.
#[derive(PartialEq)]
enum Look {
    News,
    Broken,
}

impl<'a> Watch<'a> {
    /// Watches from the newest event in the lines on.
    pub fn new(call: &'a Call, task_id: &'a str, lines: Lines) -> Self {
        let lines = if call.is_watched() { lines.watched() } else { lines };
        Self { call, task_id, lines, told: Instant::now() - PACE, shown: 0, messages: 0 }
    }
    /// What was seen.
    pub fn into_lines(self) -> Lines {
        self.lines
    }

    /// Waits until the task has ended or asks something new, or the time is over; the task as it is then. A line that breaks is
    /// tried again.
    ///
    /// # Errors
    /// What keeps breaking when the time is over, or can't get better.
    pub async fn news(&mut self, end: Instant) -> Result<Task> {
        let line = self.call.line()?;
        loop {
            let look = tokio::time::timeout_at(end, self.look(&line)).await;
            self.tell().await;
            let asked = line.call(&TaskGet { task_id: self.task_id.to_owned() }).await;
            let is_over = look.is_err() || end <= Instant::now() + PAUSE;
            match (look, asked) {
                (Ok(Ok(Look::News)) | Err(_), asked) => return asked,
                (_, Ok(task)) if task.status.has_ended() || is_over => return Ok(task),
                (_, Err(error)) if is_over || !may_pass(error.code) => return Err(error),
                (Ok(Err(error)), _) if !may_pass(error.code) => return Err(error),
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Follows the task's events until there is news, or they end.
    async fn look(&mut self, line: &Link) -> Result<Look> {
        let task_id = self.task_id.to_owned();
        let mut events = line.call(&TaskStream { task_id, since: Some(self.lines.newest) }).await?;
        loop {
            let due = self.told + PACE;
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep_until(due), if self.lines.has_fresh() => {
                    self.tell().await;
                    continue;
                }
            };
            let Some(event) = event.transpose()? else { return Ok(Look::Broken) };
            self.lines.push(&event);
            if matches!(event.kind, TaskEventType::PermissionRequest | TaskEventType::Question) && self.is_open(line, &event.data).await? {
                return Ok(Look::News);
            }
        }
    }

    /// Whether a question still waits for its answer: those that are replayed may have been settled long ago.
    async fn is_open(&self, line: &Link, asked: &serde_json::Value) -> Result<bool> {
        let task = line.call(&TaskGet { task_id: self.task_id.to_owned() }).await?;
        Ok(task.pending_approvals.iter().any(|open| asked["requestId"] == open.request_id.as_str()))
    }

    /// Tells what has come since the last time.
    async fn tell(&mut self) {
        let fresh = self.lines.take();
        if fresh.is_empty() {
            return;
        }
        let text = cut(&fresh.join("\n"), PROGRESS_SHOWN, "").into_owned();
        self.shown += text.len();
        let text = if self.shown <= ALL_SHOWN { text } else { format!("[{} lines more]", fresh.len()) };
        self.messages += 1;
        self.call.tell(f64::from(self.messages), None, Some(text)).await;
        self.told = Instant::now();
    }
}

/// Whether it may be otherwise in a moment: a daemon that starts again, a peer that is away.
const fn may_pass(code: Code) -> bool {
    matches!(code, Code::NotRunning | Code::PeerUnreachable | Code::PeerOffline)
}
