//! A task that has not ended, as all who have to do with it share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::agent::Decision;
use super::log::Log;
use super::record::{Record, Shelf};
use crate::api::events::{Notice, NoticeType};
use crate::api::tasks::{Approval, Task, TaskEventType, TaskStatus};
use crate::base::sync::lock;
use crate::base::{Code, Result, clock};
use crate::service::journal::Journal;

/// How long a full disk is left alone before it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long anything else that keeps a task's end from being kept may hold up what comes after it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a task's worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Tell the agent more.
    Prompt {
        /// What it is told.
        text: String,
        /// Whether it will be.
        reply: oneshot::Sender<Result<()>>,
    },
    /// Answer one of its questions.
    Answer {
        /// Which.
        request_id: String,
        /// The answer.
        decision: Decision,
        /// Who gives it.
        by: String,
        /// What is remembered with it, in words, where it holds.
        reply: oneshot::Sender<Result<Option<String>>>,
    },
    /// Have the agent stop what it does.
    Interrupt {
        /// Whether it was told.
        reply: oneshot::Sender<Result<()>>,
    },
}

/// A task that waits, or works.
pub(super) struct Live {
    /// What it does.
    pub(super) log: Arc<Log>,
    /// The way to its worker.
    pub(super) orders: mpsc::UnboundedSender<Order>,
    /// Ends it.
    pub(super) cancel: CancellationToken,
    /// Who had it ended, in words.
    pub(super) cancelled_by: OnceLock<String>,
    /// Is cancelled once it has ended.
    has_ended: CancellationToken,
    record: Mutex<Record>,
    has_changed: AtomicBool,
    shelf: Shelf,
    journal: Journal,
}

impl Live {
    pub(super) fn new(record: Record, log: Arc<Log>, orders: mpsc::UnboundedSender<Order>, shelf: Shelf, journal: Journal) -> Self {
        let has_changed = AtomicBool::new(false);
        Self {
            log,
            orders,
            cancel: CancellationToken::new(),
            cancelled_by: OnceLock::new(),
            has_ended: CancellationToken::new(),
            record: Mutex::new(record),
            has_changed,
            shelf,
            journal,
        }
    }
    /// Its id.
    pub(super) fn id(&self) -> &str {
        self.log.task_id()
    }
    /// The task as it is now.
    pub(super) fn task(&self) -> Task {
        Task { last_event: self.log.last(), ..lock(&self.record).task.clone() }
    }
    /// The task as it is kept now.
    pub(super) fn record(&self) -> Record {
        let mut record = lock(&self.record).clone();
        record.task.last_event = self.log.last();
        record
    }
    /// Looks at what is known of it, without a copy of the whole.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&lock(&self.record))
    }
    /// How far it is.
    pub(super) fn status(&self) -> TaskStatus {
        self.look(|record| record.task.status)
    }
    /// Changes what there is to tell of it.
    pub(super) fn change(&self, change: impl FnOnce(&mut Task)) {
        let mut record = lock(&self.record);
        change(&mut record.task);
        record.task.updated_at = clock::now();
    }
    /// The same with what must be known after a restart.
    pub(super) fn change_and_save(&self, change: impl FnOnce(&mut Task)) {
        self.change(change);
        self.has_changed.store(true, Ordering::SeqCst);
    }
    /// The agent may use these tools for the rest of the session.
    pub(super) fn remember(&self, rules: Vec<String>) {
        lock(&self.record).rules.extend(rules);
    }
    /// Puts the task at another stage, and tells.
    pub(super) fn enter(&self, status: TaskStatus) {
        self.change(|task| task.status = status);
        self.log.push(TaskEventType::Status, json!({ "status": status }));
    }
    /// The agent is told more: its last word is none any more.
    pub(super) fn told(&self, prompt: &str) {
        self.change(|task| task.result = None);
        self.log.push(TaskEventType::Status, json!({ "status": self.status(), "prompt": prompt }));
    }
    /// The agent has begun.
    pub(super) fn begun(&self, pid: u32) {
        lock(&self.record).begun = true;
        self.change_and_save(|task| task.pid = Some(pid));
    }
    /// What it waits to be told.
    pub(super) fn waits(&self, open: Vec<Approval>) {
        let status = if open.is_empty() { TaskStatus::Running } else { TaskStatus::WaitingApproval };
        let is_new = self.status() != status;
        self.change(|task| {
            task.pending_approval = open.first().cloned();
            task.pending_approvals = open;
        });
        if is_new {
            self.enter(status);
        }
    }
    /// Ends it, by somebody.
    pub(super) fn end(&self, by: &str) {
        let _ = self.cancelled_by.set(by.to_owned());
        self.cancel.cancel();
    }
    /// It has ended in the eyes of all.
    pub(super) fn is_gone(&self) {
        self.has_ended.cancel();
    }
    /// Waits until it has ended.
    pub(super) async fn gone(&self) {
        self.has_ended.cancelled().await;
    }
    /// Tells whoever listens to what happens here.
    pub(super) fn tell(&self, action: &str) {
        self.look(|record| tell(&self.journal, action, &record.task));
    }
    /// Writes down what must be known after a restart.
    pub(super) async fn save_if_changed(&self) {
        if self.has_changed.swap(false, Ordering::SeqCst) {
            self.shelf.keep(self.record()).await;
        }
    }
    /// Writes it down as it is once its end is told, which is the last event. Waits for a disk that is full, and for a while
    /// for whatever else, since nothing else knows the end afterwards; a daemon that stops does not.
    pub(super) async fn save_ended(&self, stopping: &CancellationToken) {
        let mut record = self.record();
        record.task.last_event += 1;
        let begun = Instant::now();
        while let Err(error) = self.shelf.save(record.clone()).await {
            if error.code != Code::TransferDiskFull && begun.elapsed() >= PATIENCE {
                tracing::error!("the end of task {} is not kept: {error}", self.id());
                return;
            }
            tracing::warn!("the end of task {} can't be kept yet: {error}", self.id());
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}

/// Tells of a task.
pub(super) fn tell(journal: &Journal, action: &str, task: &Task) {
    let notice = Notice::new(NoticeType::Task, action, &task.task_id).peer(task.peer.as_deref());
    journal.push(notice.detail("status", task.status.name()).detail("agent", task.agent.as_str()));
}
