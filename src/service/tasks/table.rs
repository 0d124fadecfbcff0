//! The tasks that there are, and who of them works, waits for its turn, or has ended.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::mpsc;

use super::live::{Live, Order};
use super::log::Log;
use super::record::{Record, listed, starter};
use crate::api::Caller;
use crate::api::node::TaskCounts;
use crate::api::tasks::Task;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result, clock, kin};
use crate::home::config::AiTasks;

/// Most questions of sessions that were not started here.
const MOST_ATTENDED: usize = 100;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// All tasks.
#[derive(Default)]
pub(super) struct Table {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: HashMap<String, Entry>,
    /// Those that work, or are about to.
    seats: HashSet<String>,
    /// Those that are about to be there.
    reserved: HashSet<String>,
    waiting: VecDeque<Waiting>,
}

type Waiting = (Arc<Live>, mpsc::UnboundedReceiver<Order>);

enum Entry {
    Live(Arc<Live>),
    /// With what it did, while somebody reads that.
    Ended {
        task: Box<Task>,
        legacy: bool,
        log: Weak<Log>,
    },
}

impl Entry {
    fn task(&self) -> Task {
        match self {
            Entry::Live(live) => listed(&live.task()),
            Entry::Ended { task, .. } => Task::clone(task),
        }
    }
    fn is_seen_by(&self, caller: &Caller) -> bool {
        match self {
            Entry::Live(live) => caller.owns(&live.look(Record::starter)),
            Entry::Ended { task, legacy, .. } => caller.owns(&starter(task, *legacy)),
        }
    }
}

impl Table {
    /// Takes in a task that has ended.
    pub(super) fn insert_ended(&self, record: &Record) {
        let entry = Entry::Ended { task: Box::new(listed(&record.task)), legacy: record.legacy, log: Weak::new() };
        lock(&self.state).tasks.insert(record.task.task_id.clone(), entry);
    }
    /// Keeps a place for a task that is about to be there.
    ///
    /// # Errors
    /// `AI_TASK_MAX_CONCURRENT`.
    pub(super) fn reserve(&self, task_id: &str, limits: &AiTasks, may_wait: bool) -> Result<()> {
        let mut state = lock(&self.state);
        let most = limits.max_concurrent as usize + if may_wait { limits.max_queued as usize } else { 0 };
        let busy = state.seats.len() + state.waiting.len() + state.reserved.len();
        if busy >= most {
            return Err(full(&state, limits, may_wait));
        }
        state.reserved.insert(task_id.to_owned());
        Ok(())
    }
    /// Gives a reserved place back.
    pub(super) fn give_back(&self, task_id: &str) {
        lock(&self.state).reserved.remove(task_id);
    }
    /// Puts a task on its reserved place; whether it can begin at once.
    pub(super) fn seat(&self, live: &Arc<Live>, limits: &AiTasks) -> bool {
        let task_id = live.id().to_owned();
        let mut state = lock(&self.state);
        state.reserved.remove(&task_id);
        state.tasks.insert(task_id.clone(), Entry::Live(live.clone()));
        let has_room = state.waiting.is_empty() && state.seats.len() < limits.max_concurrent as usize;
        if has_room {
            state.seats.insert(task_id);
        }
        has_room
    }
    /// Takes in a question of a session that was not started here; it takes no place.
    ///
    /// # Errors
    /// `AI_TASK_MAX_CONCURRENT` where there are a hundred already.
    pub(super) fn attend(&self, live: &Arc<Live>) -> Result<()> {
        let mut state = lock(&self.state);
        let attended =
            state.tasks.values().filter(|entry| matches!(entry, Entry::Live(live) if live.look(|record| record.task.watched))).count();
        if attended >= MOST_ATTENDED {
            return Err(Error::new(Code::AiTaskMaxConcurrent, format!("{attended} questions of other sessions wait already")));
        }
        state.tasks.insert(live.id().to_owned(), Entry::Live(live.clone()));
        Ok(())
    }
    /// Lets a task wait for its turn.
    pub(super) fn wait(&self, live: Arc<Live>, orders: mpsc::UnboundedReceiver<Order>) {
        let mut state = lock(&self.state);
        state.tasks.insert(live.id().to_owned(), Entry::Live(live.clone()));
        state.waiting.push_back((live, orders));
    }
    /// Whose turn it is, if there is room.
    pub(super) fn next(&self, limits: &AiTasks) -> Option<Waiting> {
        let mut state = lock(&self.state);
        if state.seats.len() >= limits.max_concurrent as usize {
            return None;
        }
        let next = state.waiting.pop_front()?;
        state.seats.insert(next.0.id().to_owned());
        Some(next)
    }
    /// Takes a task out of those that wait; whether it was one.
    pub(super) fn stops_waiting(&self, live: &Arc<Live>) -> bool {
        let mut state = lock(&self.state);
        let before = state.waiting.len();
        state.waiting.retain(|(waiting, _)| !Arc::ptr_eq(waiting, live));
        state.waiting.len() < before
    }
    /// Has a task that has ended work again.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`, `AI_TASK_MAX_CONCURRENT`, `AI_TASK_ALREADY_COMPLETED` where somebody else was faster.
    pub(super) fn revive(&self, caller: &Caller, live: &Arc<Live>, limits: &AiTasks) -> Result<()> {
        let task_id = live.id().to_owned();
        let mut state = lock(&self.state);
        match state.tasks.get(&task_id).filter(|entry| entry.is_seen_by(caller)) {
            None => return Err(unknown(&task_id)),
            Some(Entry::Live(_)) => {
                return Err(Error::new(Code::AiTaskAlreadyCompleted, "the task is being gone on with already").hint("Try again."));
            }
            Some(Entry::Ended { .. }) => {}
        }
        if state.seats.len() + state.reserved.len() >= limits.max_concurrent as usize {
            let (n, most) = (state.seats.len() + state.reserved.len(), limits.max_concurrent);
            return Err(Error::new(Code::AiTaskMaxConcurrent, format!("{n} tasks run already; aiTasks.maxConcurrent is {most}"))
                .hint("Tell it again when one has ended, or raise aiTasks.maxConcurrent on that machine."));
        }
        state.seats.insert(task_id.clone());
        state.tasks.insert(task_id, Entry::Live(live.clone()));
        Ok(())
    }
    /// A task has ended; `close` tells its readers, none of whom then finds it at work.
    pub(super) fn end(&self, live: &Arc<Live>, close: impl FnOnce()) {
        let mut state = lock(&self.state);
        close();
        let record = live.record();
        let entry = Entry::Ended { task: Box::new(listed(&record.task)), legacy: record.legacy, log: Arc::downgrade(&live.log) };
        state.seats.remove(&record.task.task_id);
        state.tasks.insert(record.task.task_id, entry);
    }
    /// A task that is this caller's to see: as it lives, or nothing where it has ended.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`.
    pub(super) fn find(&self, caller: &Caller, task_id: &str) -> Result<Option<Arc<Live>>> {
        match lock(&self.state).tasks.get(task_id).filter(|entry| entry.is_seen_by(caller)) {
            Some(Entry::Live(live)) => Ok(Some(live.clone())),
            Some(Entry::Ended { .. }) => Ok(None),
            None => Err(unknown(task_id)),
        }
    }
    /// What a task did, if somebody reads it now.
    pub(super) fn log(&self, task_id: &str) -> Option<Arc<Log>> {
        match lock(&self.state).tasks.get(task_id)? {
            Entry::Live(live) => Some(live.log.clone()),
            Entry::Ended { log, .. } => log.upgrade(),
        }
    }
    /// What a task did, for all who read it from now on. Somebody who was faster, or who has it go on, has the one that holds.
    pub(super) fn share(&self, task_id: &str, read: Log) -> Arc<Log> {
        match lock(&self.state).tasks.get_mut(task_id) {
            Some(Entry::Live(live)) => live.log.clone(),
            Some(Entry::Ended { log, .. }) => log.upgrade().unwrap_or_else(|| {
                let read = Arc::new(read);
                *log = Arc::downgrade(&read);
                read
            }),
            None => Arc::new(read),
        }
    }
    /// All that are this caller's to see, newest first, long texts cut.
    pub(super) fn seen_by(&self, caller: &Caller) -> Vec<Task> {
        let state = lock(&self.state);
        let mut tasks: Vec<Task> = state.tasks.values().filter(|entry| entry.is_seen_by(caller)).map(Entry::task).collect();
        drop(state);
        tasks.sort_by(|a, b| (b.started_at, &b.task_id).cmp(&(a.started_at, &a.task_id)));
        tasks
    }
    /// A machine has another name: what it has at work is its own under that one. Answers which of its tasks have ended, and
    /// whose they are to be.
    pub(super) fn rename(&self, old: &str, new: &str) -> Vec<(String, String)> {
        let renamed = |task: &Task| task.peer.as_ref().and_then(|peer| kin::renamed(peer, old, new));
        let mut ended = Vec::new();
        for (id, entry) in &lock(&self.state).tasks {
            match entry {
                Entry::Live(live) => {
                    if let Some(peer) = live.look(|record| renamed(&record.task)) {
                        live.change_and_save(|task| task.peer = Some(peer));
                    }
                }
                Entry::Ended { task, legacy: false, .. } => ended.extend(renamed(task).map(|peer| (id.clone(), peer))),
                Entry::Ended { .. } => {}
            }
        }
        ended
    }
    /// A task that has ended is somebody else's.
    pub(super) fn give(&self, task_id: &str, peer: String) {
        if let Some(Entry::Ended { task, .. }) = lock(&self.state).tasks.get_mut(task_id) {
            task.peer = Some(peer);
        }
    }
    /// All that have not ended.
    pub(super) fn live(&self) -> Vec<Arc<Live>> {
        let state = lock(&self.state);
        state.tasks.values().filter_map(|entry| if let Entry::Live(live) = entry { Some(live.clone()) } else { None }).collect()
    }
    /// Forgets a task that has ended.
    pub(super) fn forget(&self, task_id: &str) -> Option<Task> {
        let mut state = lock(&self.state);
        match state.tasks.get(task_id) {
            Some(Entry::Ended { .. }) => state.tasks.remove(task_id).map(|entry| entry.task()),
            _ => None,
        }
    }
    /// Forgets the ended ones that are too many or too old.
    pub(super) fn forget_old(&self, limits: &AiTasks) -> HashSet<String> {
        let mut state = lock(&self.state);
        let ended = state.tasks.iter().filter_map(|(id, entry)| match entry {
            Entry::Ended { task, .. } => Some((task.completed_at.unwrap_or(task.started_at), id.clone())),
            Entry::Live(_) => None,
        });
        let mut ended: Vec<(u64, String)> = ended.collect();
        ended.sort_by(|a, b| b.cmp(a));
        let too_old = clock::now().saturating_sub(u64::from(limits.keep_days) * DAY);
        let kept = limits.max_tasks as usize;
        let old = ended.into_iter().enumerate().filter(|(n, (at, _))| *n >= kept || *at < too_old).map(|(_, (_, id))| id);
        let old: HashSet<String> = old.collect();
        state.tasks.retain(|id, _| !old.contains(id));
        old
    }
    pub(super) fn counts(&self) -> TaskCounts {
        let state = lock(&self.state);
        TaskCounts { active: state.seats.len() as u32, pending: state.waiting.len() as u32, total: state.tasks.len() as u32 }
    }
}

/// There is no such task, for this caller.
pub(super) fn unknown(task_id: &str) -> Error {
    Error::new(Code::AiTaskNotFound, format!("there is no task {task_id}")).hint("List them with: loopsy task list")
}

fn full(state: &State, limits: &AiTasks, may_wait: bool) -> Error {
    let working = state.seats.len() + state.reserved.len();
    if may_wait {
        return Error::new(Code::AiTaskMaxConcurrent, format!("{working} tasks run and {} wait already", state.waiting.len()))
            .hint("Wait for some to end, or raise aiTasks.maxQueued on that machine.");
    }
    let (n, most) = (working + state.waiting.len(), limits.max_concurrent);
    Error::new(Code::AiTaskMaxConcurrent, format!("{n} tasks run or wait already; aiTasks.maxConcurrent is {most}"))
        .hint("Let it wait its turn with --queue (\"queue\": true), or raise aiTasks.maxConcurrent on that machine.")
}
