//! The events of a task as they come, over connections that break.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::place::Place;
use crate::api::Events;
use crate::api::tasks::{SINCE_IS_A_TIME, TaskEvent, TaskEventType, TaskGet, TaskStream};
use crate::base::{Code, Error, Result};

/// How long a machine that was reached is called again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two calls, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A task that is followed.
pub struct Following<'a> {
    place: Place<'a>,
    task_id: String,
    since: Option<u64>,
    events: Option<Events<TaskEvent>>,
    ended: bool,
    pause: Duration,
    out_of_reach: Option<Instant>,
}

impl<'a> Following<'a> {
    /// From the event after `since`, or the first that is kept.
    ///
    /// # Errors
    /// What the first call fails with.
    pub async fn begin(place: Place<'a>, task_id: &str, since: Option<u64>) -> Result<Self> {
        let mut new = Self { place, task_id: task_id.to_owned(), since, events: None, ended: false, pause: PAUSES.0, out_of_reach: None };
        new.events = Some(new.call().await?);
        Ok(new)
    }
    /// The next event, each once; nothing after the end of the task. Can be dropped and called again at any time.
    ///
    /// # Errors
    /// What the stream fails with, or that the machine could not be reached again.
    pub async fn next(&mut self) -> Result<Option<TaskEvent>> {
        loop {
            let Some(events) = &mut self.events else {
                self.reconnect().await?;
                continue;
            };
            match events.next().await {
                Some(Ok(event)) => {
                    if let Some(event) = self.take(event) {
                        return Ok(Some(event));
                    }
                }
                Some(Err(error)) if is_break(&error) => self.events = None,
                Some(Err(error)) => return Err(error),
                None if self.ended => return Ok(None),
                None => self.events = None,
            }
        }
    }
    /// An event that was not seen yet.
    fn take(&mut self, event: TaskEvent) -> Option<TaskEvent> {
        // A Node daemon does not number its events; nor does it end a stream after the last.
        let is_numbered = event.seq > 0;
        if is_numbered && self.since.is_some_and(|since| event.seq <= since && since < SINCE_IS_A_TIME) {
            return None;
        }
        self.pause = PAUSES.0;
        self.ended = event.kind == TaskEventType::Exit;
        if is_numbered {
            self.since = Some(event.seq);
        } else if self.ended {
            self.events = Some(Box::pin(futures_util::stream::empty()));
        }
        Some(event)
    }
    async fn call(&self) -> Result<Events<TaskEvent>> {
        self.place.link()?.call(&TaskStream { task_id: self.task_id.clone(), since: self.since }).await
    }
    async fn reconnect(&mut self) -> Result<()> {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        let console = &self.place.session.console;
        let error = match self.again().await {
            Ok(()) => {
                if self.out_of_reach.take().is_some() {
                    console.note("connected again");
                }
                return Ok(());
            }
            Err(error) if is_break(&error) => error,
            Err(error) => return Err(error),
        };
        let since = *self.out_of_reach.get_or_insert_with(|| {
            console.warn(format!("the connection broke ({error}); calling again for {} seconds", PATIENCE.as_secs()));
            Instant::now()
        });
        if since.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(error.hint(format!("The task may go on. Follow it with: {}", self.place.command(&["logs", "-f", &self.task_id]))))
    }
    async fn again(&mut self) -> Result<()> {
        // Where nothing more comes, a stream ends at once.
        let task = self.place.link()?.call(&TaskGet { task_id: self.task_id.clone() }).await?;
        let all_seen = task.status.has_ended() && self.since.unwrap_or(0) >= task.last_event;
        self.ended |= all_seen;
        self.events = Some(if all_seen { Box::pin(futures_util::stream::empty()) } else { self.call().await? });
        Ok(())
    }
}

/// Whether the way to the task failed, not the task.
fn is_break(error: &Error) -> bool {
    matches!(error.code, Code::PeerUnreachable | Code::PeerOffline | Code::NotRunning | Code::ShuttingDown)
}
