//! Agents at work: dispatched, watched, asked for, answered and stopped.
//!
//! ```text
//! Tasks ── Worker (one a task) ── Session (one a run of the program) ── Dialogue (what is said, and what it means)
//!             └ Live: the task, its log of events and the way to its worker, shared with all who ask
//! ```

mod acp;
pub mod agent;
mod agents;
mod approvals;
mod attend;
mod claude;
mod cut;
mod live;
mod log;
mod record;
mod rules;
mod session;
mod steer;
mod table;
mod work;

#[cfg(fuzzing)]
pub use self::agents::dialogue;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::node::TaskCounts;
use crate::api::tasks::{
    Task, TaskCreate, TaskDelete, TaskDone, TaskEvent, TaskEventType, TaskHistory, TaskStatus, TaskStream, Tasks as Listing, USUAL_AGENT,
};
use crate::api::{Caller, Events, Permission};
use crate::base::secret::Secret;
use crate::base::workers::{Workers, blocking};
use crate::base::{Code, Error, Result, clock, id};
use crate::home::Home;
use crate::home::config::Auth;
use crate::home::settings::Settings;
use crate::home::trust::Trust;
use crate::platform::process::{Guard, KILL_AFTER, which};
use crate::service::journal::Journal;

use agent::Start;
use live::{Live, Order};
use log::Log;
use record::{Record, Shelf};
use table::Table;
use work::{Fate, Tools, Worker, with_rules};

/// Why a task has failed that a daemon's end has cut off.
const RESTARTED: &str = "daemon restarted";

/// The service that puts agents to work. Clones are the same.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    table: Table,
    shelf: Shelf,
    tools: Tools,
    journal: Journal,
    trust: Trust,
    workers: Workers,
    /// Held by who reads what a task did from its files.
    reading: tokio::sync::Mutex<()>,
    /// Counts tasks whose agent is not wholly gone yet.
    alive: TaskTracker,
}

impl Tasks {
    /// Takes up the tasks of a home: what had not begun waits again, and what was cut off has failed.
    pub fn start(home: &Home, guard: Arc<Guard>, settings: Settings, trust: Trust, journal: Journal, workers: &Workers) -> Self {
        let tools = Tools { guard, settings: settings.clone(), root: home.root().to_owned(), stopping: CancellationToken::new() };
        let shelf = Shelf::of(home);
        let (reading, alive) = (tokio::sync::Mutex::default(), TaskTracker::new());
        let inner = Inner { table: Table::default(), shelf, tools, journal, trust, workers: workers.clone(), reading, alive };
        let tasks = Self { inner: Arc::new(inner) };
        tasks.take_up();
        workers.spawn_until_stop("dispatchers of tasks", tasks.clone().watch_dispatchers(settings));
        tasks
    }

    fn take_up(&self) {
        let Inner { shelf, table, journal, .. } = &*self.inner;
        let mut records = shelf.all();
        records.sort_by_key(|record| record.task.started_at);
        for mut record in records {
            if record.task.status == TaskStatus::Pending && !record.begun {
                self.admit_again(record);
                continue;
            }
            if !record.task.status.has_ended() {
                let log = self.log(&record.task.task_id, true);
                let fate = Fate::failed(RESTARTED);
                finish(&mut record.task, &fate);
                log.close(told(&fate));
                record.task.last_event = log.last();
                if let Err(error) = shelf.write(&record) {
                    tracing::warn!("a task can't be kept: {error}");
                }
                live::tell(journal, record.task.status.name(), &record.task);
            }
            table.insert_ended(&record);
        }
        self.start_what_may();
        let tasks = self.clone();
        self.inner.workers.spawn("old tasks", async move { tasks.forget_what_is_old().await });
    }

    /// A task that waited when the daemon ended.
    fn admit_again(&self, record: Record) {
        let log = self.log(&record.task.task_id, true);
        let (live, orders) = self.live(record, log);
        self.inner.table.wait(live, orders);
    }

    /// A task that lives from now on, and where its worker hears what it is told.
    fn live(&self, record: Record, log: Log) -> (Arc<Live>, mpsc::UnboundedReceiver<Order>) {
        let (sender, orders) = mpsc::unbounded_channel();
        let live = Live::new(record, Arc::new(log), sender, self.inner.shelf.clone(), self.inner.journal.clone());
        (Arc::new(live), orders)
    }

    fn log(&self, task_id: &str, is_written: bool) -> Log {
        Log::open(&self.inner.shelf.folder(task_id), task_id, &self.inner.tools.settings.get().ai_tasks, is_written)
    }

    /// Puts an agent to work.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field, `AUTH_FORBIDDEN` for what only the owner may ask for, `AI_TASK_CLAUDE_NOT_FOUND`,
    /// `AI_TASK_MAX_CONCURRENT`, `SHUTTING_DOWN`.
    pub async fn create(&self, caller: &Caller, op: TaskCreate) -> Result<Task> {
        let config = self.inner.tools.settings.get();
        let start = rules::start(&op, caller, &config.ai_tasks)?;
        let agent = op.agent.clone().unwrap_or_else(|| USUAL_AGENT.into());
        self.check_installed(&agent, &start)?;
        if let Some(session) = &start.resume {
            self.check_session(caller, session)?;
        }
        let now = clock::now();
        let task = Task {
            task_id: id::job(),
            prompt: op.prompt.clone(),
            started_at: now,
            updated_at: now,
            from_node_id: caller.node_id.clone(),
            model: op.model.clone(),
            session_id: op.resume_session_id.clone(),
            agent,
            name: op.name.clone(),
            peer: caller.peer().map(str::to_owned),
            cwd: start.cwd.to_string_lossy().into_owned(),
            permission_mode: start.mode,
            untrusted: start.untrusted,
            ..Task::default()
        };
        let may_wait = op.queue.unwrap_or_default();
        let record = Record { task, request: op, legacy: record::is_legacy(caller), rules: Vec::new(), begun: false };
        // A caller that leaves meanwhile leaves nothing half done.
        let (tasks, (tell, told)) = (self.clone(), oneshot::channel());
        self.inner.workers.spawn("task", async move {
            let _ = tell.send(tasks.admit(record, start, may_wait).await);
        });
        let task = told.await.map_err(|cause| Error::internal("the task was not taken in", cause))??;
        let _ = caller.job.set(task.task_id.clone());
        Ok(task)
    }

    /// Finds a place for a task, or lets it wait.
    async fn admit(&self, record: Record, start: Start, may_wait: bool) -> Result<Task> {
        self.refuse_at_the_end()?;
        let Inner { table, shelf, tools, .. } = &*self.inner;
        let limits = &tools.settings.get().ai_tasks;
        let task_id = record.task.task_id.clone();
        table.reserve(&task_id, limits, may_wait)?;
        let saved = shelf.save(record.clone()).await;
        let opened = match saved {
            Ok(()) => self.opened(&task_id, true).await,
            Err(error) => Err(error),
        };
        let log = opened.inspect_err(|_| table.give_back(&task_id))?;
        let (live, orders) = self.live(record, log);
        live.tell("created");
        if table.seat(&live, limits) {
            self.launch(live.clone(), orders, start);
        } else {
            live.log.push(TaskEventType::Status, json!({ "status": TaskStatus::Pending }));
            table.wait(live.clone(), orders);
            // Somebody may have ended meanwhile.
            self.start_what_may();
        }
        Ok(live.task())
    }

    async fn opened(&self, task_id: &str, is_written: bool) -> Result<Log> {
        let (tasks, task_id) = (self.clone(), task_id.to_owned());
        blocking(move || tasks.log(&task_id, is_written)).await
    }

    fn launch(&self, live: Arc<Live>, orders: mpsc::UnboundedReceiver<Order>, start: Start) {
        let (tasks, tools) = (self.clone(), self.inner.tools.clone());
        let work = async move {
            let worker = Worker { live: live.clone(), orders, tools, start };
            let fate = worker.run().await;
            tasks.ended(&live, &fate).await;
        };
        self.inner.workers.spawn("task", self.inner.alive.track_future(work));
    }

    async fn ended(&self, live: &Arc<Live>, fate: &Fate) {
        live.change(|task| finish(task, fate));
        live.save_ended(&self.inner.tools.stopping).await;
        // Whoever hears of the end and asks then finds it ended.
        self.inner.table.end(live, || live.log.close(told(fate)));
        live.is_gone();
        live.tell(fate.status.name());
        self.start_what_may();
        self.forget_what_is_old().await;
    }

    /// Starts what waits, as far as there is room.
    fn start_what_may(&self) {
        let config = self.inner.tools.settings.get();
        while let Some((live, orders)) = self.inner.table.next(&config.ai_tasks).filter(|_| !self.inner.tools.stopping.is_cancelled()) {
            let record = live.record();
            match self.start_again(&record) {
                Ok(start) => self.launch(live, orders, start),
                Err(error) => {
                    let tasks = self.clone();
                    let fate = Fate::failed(error.in_one_line());
                    self.inner.workers.spawn("task", async move { tasks.ended(&live, &fate).await });
                }
            }
        }
    }

    /// What a task that was judged when it was dispatched is started for: its folder may be gone since, and its dispatcher.
    fn start_again(&self, record: &Record) -> Result<Start> {
        if !self.is_permitted(record) {
            return Err(Error::new(Code::AuthForbidden, "its dispatcher may not put agents to work here any more"));
        }
        let caller = rules::dispatcher(record);
        let start = rules::start(&record.request, &caller, &self.inner.tools.settings.get().ai_tasks)?;
        Ok(with_rules(Start { untrusted: record.task.untrusted || start.untrusted, ..start }, &record.rules))
    }

    fn is_permitted(&self, record: &Record) -> bool {
        let trust = &self.inner.trust;
        match &record.task.peer {
            None => true,
            Some(peer) if record.legacy => trust.permissions_of(peer).contains(&Permission::AiTasks),
            Some(peer) => trust.permits(peer, Permission::AiTasks),
        }
    }

    async fn watch_dispatchers(self, settings: Settings) {
        let (mut known, mut changes) = (settings.get(), settings.changes());
        while changes.changed().await.is_ok() {
            let now = settings.get();
            for (old, new) in renamed(&known.auth, &now.auth) {
                self.rename_dispatcher(&old, &new).await;
            }
            known = now;
            self.cancel_what_is_no_longer_permitted();
        }
    }

    /// A peer has another name: its tasks are still its own. Those that have ended are told as its own once that is kept.
    async fn rename_dispatcher(&self, old: &str, new: &str) {
        for (task_id, peer) in self.inner.table.rename(old, new) {
            let kept = self.inner.shelf.load(&task_id).await;
            if let Ok(Some(mut record)) = kept {
                record.task.peer = Some(peer.clone());
                self.inner.shelf.keep(record).await;
            }
            self.inner.table.give(&task_id, peer);
        }
    }

    fn cancel_what_is_no_longer_permitted(&self) {
        for live in self.inner.table.live() {
            if !live.look(|record| self.is_permitted(record)) {
                self.cancel(&live, "the owner, who no longer permits its dispatcher to put agents to work");
            }
        }
        self.start_what_may();
    }

    fn cancel(&self, live: &Arc<Live>, by: &str) {
        live.end(by);
        if self.inner.table.stops_waiting(live) {
            let (tasks, live) = (self.clone(), live.clone());
            let fate = Fate::cancelled_by(by);
            self.inner.workers.spawn("task", async move { tasks.ended(&live, &fate).await });
        }
    }

    fn check_installed(&self, agent: &str, start: &Start) -> Result<()> {
        let dialogue = agents::dialogue(&self.inner.tools.settings.get().ai_tasks, agent, start.clone())?;
        let program = dialogue.invocation().program;
        if program.contains(std::path::is_separator) || which(&program).is_some() {
            return Ok(());
        }
        Err(Error::new(Code::AiTaskAgentNotFound, format!("{agent} is not installed: there is no {program} on the PATH of the daemon"))
            .hint(agents::how_to_install(agent)))
    }

    /// A peer goes on with sessions of its own: others hold what others said.
    fn check_session(&self, caller: &Caller, session: &str) -> Result<()> {
        let is_own = |task: &Task| task.session_id.as_deref() == Some(session);
        if caller.is_owner()
            || rules::is_trusted(caller, &self.inner.tools.settings.get().ai_tasks)
            || self.inner.table.seen_by(caller).iter().any(is_own)
        {
            return Ok(());
        }
        Err(Error::new(Code::AuthForbidden, format!("{} dispatched no task with that session", caller.name()))
            .hint("A peer can go on with the sessions of its own tasks."))
    }

    fn refuse_at_the_end(&self) -> Result<()> {
        if self.inner.tools.stopping.is_cancelled() {
            return Err(Error::new(Code::ShuttingDown, "the daemon is shutting down"));
        }
        Ok(())
    }

    /// The tasks that are this caller's to see, newest first.
    pub fn list(&self, caller: &Caller) -> Listing {
        Listing { tasks: self.inner.table.seen_by(caller) }
    }

    /// A task, whole.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`, also for one that is somebody else's.
    pub async fn get(&self, caller: &Caller, task_id: &str) -> Result<Task> {
        match self.inner.table.find(caller, task_id)? {
            Some(live) => Ok(live.task()),
            None => Ok(self.record(task_id).await?.task),
        }
    }

    async fn record(&self, task_id: &str) -> Result<Record> {
        self.inner.shelf.load(task_id).await?.ok_or_else(|| table::unknown(task_id))
    }

    async fn read(&self, caller: &Caller, task_id: &str) -> Result<Arc<Log>> {
        self.inner.table.find(caller, task_id)?;
        // One after the other: of many who come at once the first reads the file.
        let _turn = self.inner.reading.lock().await;
        if let Some(log) = self.inner.table.log(task_id) {
            return Ok(log);
        }
        let log = self.opened(task_id, false).await?;
        let Task { status, error, exit_code, .. } = self.record(task_id).await?.task;
        log.close_unless_closed(|| told(&Fate { status, error, exit_code }));
        Ok(self.inner.table.share(task_id, log))
    }

    /// Follows a task from an event on.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`.
    pub async fn stream(&self, caller: &Caller, op: &TaskStream, stopping: CancellationToken) -> Result<Events<TaskEvent>> {
        Ok(self.read(caller, &op.task_id).await?.follow(op.since, stopping))
    }

    /// What is kept of what a task did.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`.
    pub async fn events(&self, caller: &Caller, task_id: &str, since: Option<u64>) -> Result<TaskHistory> {
        let events = self.read(caller, task_id).await?.kept(since);
        Ok(TaskHistory { count: events.len() as u64, events })
    }

    /// Cancels a task that has not ended; forgets one that has.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`; `AI_TASK_ALREADY_COMPLETED` or `INVALID_REQUEST` where only the other was meant.
    pub async fn delete(&self, caller: &Caller, op: TaskDelete) -> Result<TaskDone> {
        let TaskDelete { task_id, ended } = op;
        let found = self.inner.table.find(caller, &task_id)?;
        if let Some(live) = found.as_ref().filter(|live| live.status().has_ended()) {
            // Its end is being written down.
            live.gone().await;
        } else if let Some(live) = found {
            if ended == Some(true) {
                return Err(Error::invalid("the task has not ended").hint("Cancel it first: loopsy task cancel"));
            }
            self.cancel(&live, caller.name());
            return Ok(done(task_id));
        }
        if ended == Some(false) {
            return Err(Error::new(Code::AiTaskAlreadyCompleted, "the task has ended"));
        }
        if let Some(task) = self.inner.table.forget(&task_id) {
            self.inner.shelf.remove(&task_id).await?;
            live::tell(&self.inner.journal, "deleted", &task);
        }
        Ok(TaskDone { deleted: true, ..done(task_id) })
    }

    /// How many work, wait and are kept.
    pub fn counts(&self) -> TaskCounts {
        self.inner.table.counts()
    }

    async fn forget_what_is_old(&self) {
        let config = self.inner.tools.settings.get();
        let old: HashSet<String> = self.inner.table.forget_old(&config.ai_tasks);
        for task_id in old {
            if let Err(error) = self.inner.shelf.remove(&task_id).await {
                tracing::warn!("an old task can't be deleted: {error}");
            }
        }
    }

    /// Ends all agents and all they started, waits until nothing is left, and starts no others. Gives up after four seconds;
    /// the guard still ends what is left then.
    pub async fn stop(&self) {
        self.inner.tools.stopping.cancel();
        self.inner.alive.close();
        let _ = tokio::time::timeout(KILL_AFTER + Duration::from_secs(1), self.inner.alive.wait()).await;
    }
}

/// The peers that have another name now: the key of one that is gone is there under a new one.
pub(in crate::service) fn renamed(before: &Auth, now: &Auth) -> Vec<(String, String)> {
    let gone = before.allowed_keys.iter().filter(|(name, _)| !now.allowed_keys.contains_key(*name));
    let new = |key: &Secret| {
        let mut new = now.allowed_keys.iter().filter(|(name, _)| !before.allowed_keys.contains_key(*name));
        new.find(|(_, other)| other.digest() == key.digest()).map(|(name, _)| name.clone())
    };
    gone.filter_map(|(old, key)| Some((old.clone(), new(key)?))).collect()
}

fn done(task_id: String) -> TaskDone {
    TaskDone { success: true, task_id, ..TaskDone::default() }
}

fn finish(task: &mut Task, fate: &Fate) {
    let now = clock::now();
    (task.status, task.error, task.exit_code) = (fate.status, fate.error.clone(), fate.exit_code);
    (task.updated_at, task.completed_at, task.pid) = (now, Some(now), None);
    (task.pending_approval, task.pending_approvals) = (None, Vec::new());
}

fn told(fate: &Fate) -> serde_json::Value {
    json!({ "status": fate.status, "exitCode": fate.exit_code, "error": fate.error })
}
