//! The worker of one task: runs of its agent, one after the other, until nothing more is wanted.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::agent::{Invocation, Start};
use super::agents;
use super::approvals::Approvals;
use super::live::{Live, Order};
use super::rules;
use super::session::{End, Session, Why, is_ending, nothing_waits};
use crate::api::execute::Command;
use crate::api::tasks::TaskStatus;
use crate::base::agents::TASK_VARIABLE;
use crate::base::{Result, text};
use crate::home::settings::Settings;
use crate::platform::process::{Exit, Guard, Launch, Running, signal_name};
use crate::service::jobs;

/// A time limit beyond this one is none.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Longest reason for a failure, characters.
const REASON: usize = 500;

/// What a task ends as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fate {
    /// Completed, failed or cancelled.
    pub status: TaskStatus,
    /// Why, unless it is completed.
    pub error: Option<String>,
    /// The agent's exit code, where it left by itself.
    pub exit_code: Option<i32>,
}

impl Fate {
    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self { status: TaskStatus::Failed, error: Some(error.into()), exit_code: None }
    }
    /// Somebody had it ended.
    pub(super) fn cancelled_by(by: &str) -> Self {
        Self::cancelled(format!("cancelled by {by}"))
    }
    fn cancelled(error: impl Into<String>) -> Self {
        Self { status: TaskStatus::Cancelled, error: Some(error.into()), exit_code: None }
    }
}

/// What a worker needs of its daemon.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) guard: Arc<Guard>,
    pub(super) settings: Settings,
    /// The data directory.
    pub(super) root: PathBuf,
    /// The daemon is stopping.
    pub(super) stopping: CancellationToken,
}

/// A worker.
pub(super) struct Worker {
    pub(super) live: Arc<Live>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) tools: Tools,
    pub(super) start: Start,
}

impl Worker {
    /// Works until nothing more is wanted of the agent.
    pub(super) async fn run(mut self) -> Fate {
        let (agent, mut left) = (self.live.look(|record| record.task.agent.clone()), self.time_limit());
        loop {
            self.live.enter(TaskStatus::Running);
            self.live.tell("running");
            let run = self.run_once(&agent, &mut left).await;
            let mut end = match run {
                Ok(end) => end,
                Err(error) => return Fate::failed(error.in_one_line()),
            };
            self.live.change(|task| task.pid = None);
            self.take_what_is_left(&mut end);
            let Some(next) = self.next_start(&end) else { return self.fate(&agent, end) };
            self.start = next;
        }
    }

    fn time_limit(&self) -> Option<Duration> {
        let limit = self.live.look(|record| record.request.timeout).unwrap_or(self.tools.settings.get().ai_tasks.timeout);
        (limit > 0).then(|| Duration::from_millis(limit).min(FOR_EVER))
    }

    async fn run_once(&mut self, agent: &str, left: &mut Option<Duration>) -> Result<End> {
        let config = self.tools.settings.get();
        let dialogue = agents::dialogue(&config.ai_tasks, agent, self.start.clone())?;
        let running = self.spawn(dialogue.invocation()).await?;
        self.live.begun(running.pid);
        let approvals = Approvals::new(Duration::from_millis(config.ai_tasks.approval_timeout));
        let stopping = self.tools.stopping.clone();
        let session = Session::new(&self.live, &mut self.orders, dialogue, running, approvals, *left);
        let (end, time_left) = session.run(&stopping).await;
        *left = time_left;
        Ok(end)
    }

    async fn spawn(&self, invocation: Invocation) -> Result<Running> {
        let Invocation { program, args, env } = invocation;
        let own = [(TASK_VARIABLE.into(), self.live.id().into()), ("LOOPSY_DATA_DIR".into(), self.tools.root.clone().into())];
        let launch = Launch {
            program: program.clone().into(),
            args: args.into_iter().map(OsString::from).collect(),
            cwd: self.start.cwd.clone(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).chain(own).collect(),
            unset: rules::kept_back(&self.tools.settings.get().ai_tasks),
            open_stdin: true,
        };
        let command = Command { command: program, ..Command::default() };
        self.tools.guard.spawn(&launch).await.map_err(|error| jobs::failure(error, &command, &launch))
    }

    /// What came too late for the run: prompts have another where the session can be gone on with, all else has none.
    fn take_what_is_left(&mut self, end: &mut End) {
        let can_go_on = end.why.is_none() && self.live.look(|record| record.task.session_id.is_some());
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Prompt { text, reply } if can_go_on => {
                    self.live.told(&text);
                    end.next.push(text);
                    let _ = reply.send(Ok(()));
                }
                Order::Prompt { reply, .. } => drop(reply.send(Err(is_ending()))),
                Order::Answer { reply, .. } => drop(reply.send(Err(nothing_waits()))),
                Order::Interrupt { reply } => drop(reply.send(Ok(()))),
            }
        }
    }

    /// How the session is gone on with, if the agent was told more than it had taken in.
    fn next_start(&self, end: &End) -> Option<Start> {
        let (session, rules) = self.live.look(|record| (record.task.session_id.clone(), record.rules.clone()));
        let session = session.filter(|_| end.why.is_none() && !end.next.is_empty())?;
        let start = Start { prompt: end.next.join("\n\n"), resume: Some(session), ..self.start.clone() };
        Some(with_rules(start, &rules))
    }

    fn fate(&self, agent: &str, end: End) -> Fate {
        match end.why {
            Some(Why::Cancelled) => return Fate::cancelled_by(self.live.cancelled_by.get().map_or("somebody", String::as_str)),
            Some(Why::Stopping) => return Fate::failed("the daemon was stopped while the agent worked"),
            Some(Why::TimedOut) => return Fate::failed("it ran out of time"),
            Some(Why::Broken(why)) => return Fate::failed(why),
            None => {}
        }
        let exit_code = match end.exit {
            Some(Exit::Code(code)) => Some(code),
            _ => None,
        };
        if end.turn.as_ref().map_or(end.interrupted, |turn| turn.interrupted) {
            return Fate::cancelled("interrupted");
        }
        let Some(turn) = end.turn else { return Fate { exit_code, ..Fate::failed(without_a_result(agent, end.exit, &end.complaints)) } };
        match turn.error {
            Some(error) => Fate { exit_code, ..Fate::failed(text::one_line(&error, REASON)) },
            None => Fate { status: TaskStatus::Completed, error: None, exit_code },
        }
    }
}

/// A start with what the agent was allowed for the session.
pub(super) fn with_rules(mut start: Start, rules: &[String]) -> Start {
    for rule in rules {
        if !start.allowed_tools.contains(rule) {
            start.allowed_tools.push(rule.clone());
        }
    }
    start
}

fn without_a_result(agent: &str, exit: Option<Exit>, complaints: &str) -> String {
    let how = match exit {
        Some(Exit::Code(code)) => format!("exit code {code}"),
        Some(Exit::Signal(number)) => signal_name(number),
        None => "killed".into(),
    };
    let ended = format!("{agent} ended ({how}) without a result");
    match complaints.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(last) => format!("{ended}: {}", text::one_line(last, REASON)),
        None => ended,
    }
}
