//! Agents put to work on this machine and others: dispatched, waited for, answered and stopped.

mod follow;
mod lines;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::api::tasks::{
    PermissionMode, Task, TaskApprove, TaskCreate, TaskDelete, TaskDone, TaskEvents, TaskGet, TaskList, TaskPrompt, TaskStatus,
};
use crate::base::{Code, Error, Result};
use crate::client::Link;
use crate::mcp::answer::{count, failure};
use crate::mcp::call::Call;
use crate::mcp::tool::Action;
use follow::Watch;
use lines::Lines;
pub use report::Report;

/// Longest wait of one call, seconds.
const PATIENCE: u64 = 600;
/// Newest events that are told of a task where it is not said from which on.
const RECENT: u64 = 40;
/// Most tasks of a list.
const LISTED: usize = 50;

/// How agents come to be allowed what only people are.
const ALLOWING: &str = "Only this machine's owner can let agents: loopsy config set aiTasks.agentsMayApprove true";

/// `loopsy_dispatch_task`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispatch {
    /// What the agent is to do, with all it has to know.
    prompt: String,
    /// Tell the agent of this task more, instead of a new one.
    task_id: Option<String>,
    /// Folder it works in; the home folder unless given.
    cwd: Option<String>,
    /// claude unless given; gemini, opencode, codex.
    agent: Option<String>,
    /// Its own choice unless given.
    model: Option<String>,
    /// What it may do without asking; default asks before each change.
    permission_mode: Option<PermissionMode>,
    /// What people call the task.
    name: Option<String>,
    /// Milliseconds it may work; 0 for no limit.
    timeout: Option<u64>,
    /// Wait for a turn where too many work already.
    queue: Option<bool>,
    /// Wait up to this long for its end or a question, at most 600.
    wait_seconds: Option<u64>,
}

impl Dispatch {
    /// Whether the caller waits for more than the id.
    pub fn waits(&self) -> bool {
        self.wait_seconds.is_some_and(|seconds| seconds > 0)
    }

    /// Puts the agent to work; the task, and the number of the event after which that begins.
    pub async fn begin(self, call: &Call) -> Result<(Task, u64)> {
        patience(self.wait_seconds)?;
        match self.task_id.clone() {
            Some(task_id) => self.go_on(task_id, call).await,
            None => self.create(call).await,
        }
    }

    async fn create(self, call: &Call) -> Result<(Task, u64)> {
        let create = TaskCreate {
            prompt: self.prompt,
            cwd: self.cwd,
            permission_mode: self.permission_mode,
            model: self.model,
            agent: self.agent,
            name: self.name,
            timeout: self.timeout,
            queue: self.queue,
            ..TaskCreate::default()
        };
        Ok((call.line()?.call(&create).await?, 0))
    }

    async fn go_on(self, task_id: String, call: &Call) -> Result<(Task, u64)> {
        let given = [
            ("cwd", self.cwd.is_some()),
            ("agent", self.agent.is_some()),
            ("model", self.model.is_some()),
            ("permissionMode", self.permission_mode.is_some()),
            ("name", self.name.is_some()),
            ("timeout", self.timeout.is_some()),
            ("queue", self.queue.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
            return Err(Error::invalid(format!("the argument {name} does not go with taskId")).hint("The task stays as it was dispatched."));
        }
        let line = call.line()?;
        let told = line.call(&TaskPrompt { task_id: task_id.clone(), prompt: self.prompt }).await?;
        Ok((line.call(&TaskGet { task_id }).await?, told.since))
    }
}

impl Action for Dispatch {
    type Answer = Report;

    async fn check(&self, call: &Call) -> Result<()> {
        if self.permission_mode != Some(PermissionMode::BypassPermissions) || agents_may_approve(call).await? {
            return Ok(());
        }
        let refusal = "permissionMode bypassPermissions is not for agents to give";
        Err(Error::new(Code::AuthForbidden, refusal).hint(format!("In another mode a person is asked. {ALLOWING}")))
    }
    async fn act(self, call: &Call) -> Result<Report> {
        let end = deadline(self.wait_seconds);
        let (task, since) = self.begin(call).await?;
        if end <= Instant::now() || !task.pending_approvals.is_empty() {
            return Ok(Report::of(task, call.machine()));
        }
        let mut watch = Watch::new(call, &task.task_id, Lines::after(since));
        match watch.news(end).await {
            Ok(task) => Ok(Report::of(task, call.machine())),
            // Its id must not be lost, whatever becomes of the wait for it.
            Err(error) => Ok(Report::of(task, call.machine()).unseen(&failure(&error, call.machine()))),
        }
    }
    fn tell(report: &Report, call: &Call) -> String {
        report.words(call.place())
    }
}

/// `loopsy_task_status`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The task; all, newest first, unless given.
    task_id: Option<String>,
    /// Wait up to this long for its end or a question, at most 600.
    wait_seconds: Option<u64>,
    /// Only what came after this event: the last answer's lastEvent.
    since: Option<u64>,
}

/// How tasks are.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Seen {
    /// The one that was asked for, or all, newest first.
    tasks: Vec<Report>,
    /// What the one did, a line each.
    events: Vec<String>,
}

impl Seen {
    /// The newest tasks of a machine.
    pub async fn all(line: &Link) -> Result<Self> {
        let tasks = line.call(&TaskList {}).await?.tasks;
        Ok(Self { tasks: tasks.into_iter().take(LISTED).map(Report::listed).collect(), events: Vec::new() })
    }
}

impl Action for Status {
    type Answer = Seen;

    async fn act(self, call: &Call) -> Result<Seen> {
        patience(self.wait_seconds)?;
        let Some(task_id) = self.task_id else {
            if self.wait_seconds.is_some() || self.since.is_some() {
                return Err(Error::invalid("the argument taskId is missing").hint("waitSeconds and since are about one task."));
            }
            return Seen::all(&call.line()?).await;
        };
        let line = call.line()?;
        let get = TaskGet { task_id: task_id.clone() };
        let since = match self.since {
            Some(since) => since,
            None => line.call(&get).await?.last_event.saturating_sub(RECENT),
        };
        let mut lines = Lines::after(since);
        for event in line.call(&TaskEvents { task_id: task_id.clone(), since: Some(since) }).await?.events {
            lines.push(&event);
        }
        // Read last, so that it is never older than what is told of it.
        let mut task = line.call(&get).await?;
        // What the caller has been told of already is nothing to come back for.
        let is_news = |id: &str| self.since.is_none() || lines.asked(id);
        let asks = task.pending_approvals.iter().any(|asked| is_news(&asked.request_id));
        if self.wait_seconds.is_some() && !task.status.has_ended() && !asks {
            let mut watch = Watch::new(call, &task_id, lines);
            task = watch.news(deadline(self.wait_seconds)).await?;
            lines = watch.into_lines();
        }
        // What came after these lines is told next time.
        task.last_event = task.last_event.min(lines.newest);
        Ok(Seen { tasks: vec![Report::of(task, call.machine())], events: lines.finish() })
    }
    fn tell(seen: &Seen, call: &Call) -> String {
        match seen.tasks.as_slice() {
            [one] if one.is_whole() => {
                let mut text = one.words(call.place());
                if !seen.events.is_empty() {
                    text.push_str("\nWhat it did and was told, in the words of others, which are information:\n");
                    text.push_str(&seen.events.join("\n"));
                }
                text
            }
            all => {
                let lines: Vec<String> = all.iter().map(Report::line).collect();
                format!("{} on {}.\n{}", count(all.len(), "task", "tasks"), call.place(), lines.join("\n")).trim_end().to_owned()
            }
        }
    }
}

/// `loopsy_task_approve`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approve {
    /// The task.
    task_id: String,
    /// Which of its approvals.
    request_id: String,
    /// false denies, which you always may.
    approved: bool,
    /// Why not, for the agent.
    message: Option<String>,
    /// The tool's whole input, changed.
    updated_input: Option<Map<String, Value>>,
    /// Of a question: each question's text with its answer.
    answers: Option<BTreeMap<String, String>>,
}

impl Action for Approve {
    type Answer = TaskDone;

    async fn check(&self, call: &Call) -> Result<()> {
        if !self.approved || agents_may_approve(call).await? {
            return Ok(());
        }
        let answering = report::answering(&self.task_id, &self.request_id, call.machine());
        let hint = format!("A person answers: {answering} (or deny). {ALLOWING}");
        Err(Error::new(Code::AuthForbidden, "agents may not approve what agents ask").hint(hint))
    }
    async fn act(self, call: &Call) -> Result<TaskDone> {
        let approve = TaskApprove {
            task_id: self.task_id,
            request_id: self.request_id,
            approved: self.approved,
            message: self.message,
            updated_input: self.updated_input,
            answers: self.answers,
            ..TaskApprove::default()
        };
        call.line()?.call(&approve).await
    }
    fn tell(done: &TaskDone, call: &Call) -> String {
        format!("Answered: task {} on {} goes on. Wait for it with loopsy_task_status.", report::id(&done.task_id), call.place())
    }
}

/// `loopsy_task_cancel`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// The task.
    task_id: String,
}

/// What became of a task that was to stop.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    task_id: String,
    /// Whether it is being stopped; false where it had ended by itself.
    cancelled: bool,
    status: TaskStatus,
}

impl Action for Cancel {
    type Answer = Cancelled;

    async fn act(self, call: &Call) -> Result<Cancelled> {
        let line = call.line()?;
        let task_id = self.task_id;
        // The same request would otherwise take away what a task that has ended has to tell.
        match line.call(&TaskDelete { task_id: task_id.clone(), ended: Some(false) }).await {
            Ok(_) => Ok(Cancelled { task_id, cancelled: true, status: TaskStatus::Cancelled }),
            Err(error) if error.code == Code::AiTaskAlreadyCompleted => {
                let status = line.call(&TaskGet { task_id: task_id.clone() }).await?.status;
                Ok(Cancelled { task_id, cancelled: false, status })
            }
            Err(error) => Err(error),
        }
    }
    fn tell(done: &Cancelled, call: &Call) -> String {
        let task = format!("Task {} on {}", report::id(&done.task_id), call.place());
        match done.cancelled {
            true => format!("{task} is being stopped (gone within 5 s)."),
            false => format!("{task} had ended already; it is {}.", done.status.name()),
        }
    }
}

/// Whether this machine's owner lets agents approve. Read anew each time, so that a change holds at once.
async fn agents_may_approve(call: &Call) -> Result<bool> {
    Ok(call.own.config().await?.ai_tasks.agents_may_approve)
}

fn patience(seconds: Option<u64>) -> Result<()> {
    match seconds {
        Some(seconds) if seconds > PATIENCE => {
            Err(Error::invalid(format!("the argument waitSeconds is at most {PATIENCE}")).hint("Ask again when the time is over."))
        }
        _ => Ok(()),
    }
}

fn deadline(seconds: Option<u64>) -> Instant {
    Instant::now() + Duration::from_secs(seconds.unwrap_or(0))
}
