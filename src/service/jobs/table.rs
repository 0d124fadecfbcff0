//! The jobs that run now.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Ended;
use crate::api::Caller;
use crate::api::caller::Role;
use crate::api::events::{Notice, NoticeType};
use crate::api::execute::{Command, Job};
use crate::api::node::JobCounts;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result, clock, id};
use crate::service::journal::Journal;

/// All jobs whose program has not ended.
pub(super) struct Table {
    state: Mutex<State>,
    journal: Journal,
}

#[derive(Default)]
struct State {
    /// Oldest first; `execution.maxConcurrent` keeps it short.
    entries: Vec<Entry>,
    total: u64,
}

struct Entry {
    job: Job,
    starter: Role,
    cancel: CancellationToken,
}

/// A job's place in the table, given back when dropped.
pub(super) struct Slot {
    table: Arc<Table>,
    id: String,
    peer: Option<String>,
}

impl Table {
    pub(super) fn new(journal: Journal) -> Self {
        Self { state: Mutex::default(), journal }
    }
    /// Takes a place for a job that is about to start.
    ///
    /// # Errors
    /// `EXEC_MAX_CONCURRENT` when there are `most` already.
    pub(super) fn reserve(self: &Arc<Self>, caller: &Caller, command: &Command, cancel: CancellationToken, most: u32) -> Result<Slot> {
        let mut state = lock(&self.state);
        if state.entries.len() >= most as usize {
            return Err(Error::new(Code::ExecMaxConcurrent, format!("{} commands run already", state.entries.len()))
                .hint("Wait for one to end, or raise execution.maxConcurrent on that machine."));
        }
        let id = id::job();
        let job = Job {
            job_id: id.clone(),
            command: command.command.clone(),
            args: command.args.clone().unwrap_or_default(),
            started_at: clock::now(),
            from_node_id: caller.node_id.clone(),
            pid: None,
        };
        state.entries.push(Entry { job, starter: caller.role.clone(), cancel });
        Ok(Slot { table: self.clone(), id, peer: caller.peer().map(str::to_owned) })
    }

    pub(super) fn list(&self, caller: &Caller) -> Vec<Job> {
        lock(&self.state).entries.iter().filter(|entry| caller.owns(&entry.starter)).map(|entry| entry.job.clone()).collect()
    }

    pub(super) fn cancel(&self, caller: &Caller, id: &str) -> Result<()> {
        let state = lock(&self.state);
        match state.entries.iter().find(|entry| entry.job.job_id == id && caller.owns(&entry.starter)) {
            Some(entry) => {
                entry.cancel.cancel();
                Ok(())
            }
            None => Err(Error::new(Code::ExecJobNotFound, format!("no job {id} is running"))),
        }
    }

    pub(super) fn counts(&self) -> JobCounts {
        let state = lock(&self.state);
        JobCounts { active: state.entries.len() as u32, total: state.total }
    }
}

impl Slot {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
    /// The program runs.
    pub(super) fn started(&mut self, pid: u32) {
        let mut state = lock(&self.table.state);
        state.total += 1;
        if let Some(entry) = state.entries.iter_mut().find(|entry| entry.job.job_id == self.id) {
            entry.job.pid = Some(pid);
        }
        self.table.journal.push(self.notice("started").detail("pid", pid));
    }
    /// The program has ended; the place is given back before anybody is told.
    pub(super) fn ended(self, ended: &Ended) {
        let facts = [("exitCode", ended.exit_code.map(Value::from)), ("signal", ended.signal.clone().map(Value::from))];
        let notice = facts.into_iter().fold(self.notice("ended"), |notice, (name, fact)| match fact {
            Some(fact) => notice.detail(name, fact),
            None => notice,
        });
        let journal = self.table.journal.clone();
        drop(self);
        journal.push(notice.detail("duration", ended.duration.as_millis() as u64));
    }
    fn notice(&self, action: &str) -> Notice {
        Notice::new(NoticeType::Job, action, &self.id).peer(self.peer.as_deref())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.table.state).entries.retain(|entry| entry.job.job_id != self.id);
    }
}
