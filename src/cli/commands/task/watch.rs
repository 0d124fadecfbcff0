//! A task that is followed at a terminal or by a script: what it does is told, what it asks is asked, and its end is the
//! command's.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use super::answer;
use super::follow::Following;
use super::place::{Place, short};
use super::question::{Asked, Step};
use super::typist::{Typist, edit};
use super::words::{Line, Telling, Thoughts, outcome, wants};
use crate::api::tasks::{Approval, Resolved, Task, TaskApprove, TaskDelete, TaskDone, TaskEvent, TaskEventType, TaskGet, TaskStatus};
use crate::base::text::printable;
use crate::base::{Code, Result};
use crate::cli::ask;
use crate::cli::console::Console;

/// Exit status after Ctrl-C, as of every shell.
const INTERRUPTED: u8 = 130;
/// How long a cancelled task gets until it is left to itself: the daemon ends it within five seconds.
const FAREWELL: Duration = Duration::from_secs(10);

/// Follows a task to its end. Ctrl-C cancels it; the exit status is 0 only where it was completed.
///
/// # Errors
/// What the stream fails with.
pub async fn to_the_end(place: Place<'_>, task: &Task, since: u64) -> Result<ExitCode> {
    let mut following = Following::begin(place, &task.task_id, Some(since)).await?;
    let mut desk = Desk::new(place, task);
    loop {
        let happened = tokio::select! {
            event = following.next() => Happened::Event(event?.map(Box::new)),
            line = desk.line() => Happened::Line(line?),
            _ = tokio::signal::ctrl_c() => return desk.cancel().await,
        };
        match happened {
            Happened::Event(None) => return desk.end().await,
            Happened::Event(Some(event)) => desk.take(&event).inspect_err(|_| desk.leave())?,
            Happened::Line(None) => desk.unattended(),
            Happened::Line(Some(line)) => {
                if desk.typed(&line).await? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
}

/// Tells what a task does until it ends, or Ctrl-C.
///
/// # Errors
/// What the stream fails with.
pub async fn from_aside(place: Place<'_>, task_id: &str, since: Option<u64>) -> Result<()> {
    let mut following = Following::begin(place, task_id, since).await?;
    let mut telling = Teller::new(&place.session.console, place.session.is_verbose);
    loop {
        let event = tokio::select! {
            event = following.next() => event?,
            _ = tokio::signal::ctrl_c() => None,
        };
        match event {
            Some(event) => telling.tell(&event)?,
            None => return telling.finish(),
        }
    }
}

/// Cancels a task that has not ended.
///
/// # Errors
/// `AI_TASK_ALREADY_COMPLETED` for one that has.
pub async fn cancel(place: Place<'_>, task_id: &str) -> Result<TaskDone> {
    let cancel = TaskDelete { task_id: task_id.to_owned(), ended: Some(false) };
    place.link()?.call(&cancel).await.map_err(|error| match error.code {
        Code::AiTaskAlreadyCompleted => error.hint(format!("Forget it with: {}", place.command(&["delete", short(task_id)]))),
        _ => error,
    })
}

/// Tells events, in words or as JSON.
pub struct Teller<'a> {
    console: &'a Console,
    telling: Telling,
}

impl<'a> Teller<'a> {
    /// Thoughts are told in full where `all` is wanted.
    pub fn new(console: &'a Console, all: bool) -> Self {
        let thoughts = match (all, console.errors_are_seen()) {
            (true, _) => Thoughts::Whole,
            (false, true) => Thoughts::Noted,
            (false, false) => Thoughts::Untold,
        };
        Self { console, telling: Telling::new(thoughts) }
    }
    /// Tells one.
    pub fn tell(&mut self, event: &TaskEvent) -> Result<()> {
        if self.console.wants_json() {
            return self.console.json_line(event);
        }
        let lines = self.telling.tell(event);
        self.print(lines)
    }
    /// Ends the last line.
    pub fn finish(&mut self) -> Result<()> {
        let lines = self.telling.end_line();
        self.print(lines)
    }
    fn print(&self, lines: Vec<Line>) -> Result<()> {
        for line in lines {
            match line {
                Line::Words(text) => self.console.bytes(text.as_bytes())?,
                Line::Note(text) => self.console.note(text),
                Line::Faint(text) => self.console.faint_note(text),
                Line::Warning(text) => self.console.warn(text),
            }
        }
        Ok(())
    }
}

enum Happened {
    Event(Option<Box<TaskEvent>>),
    Line(Option<String>),
}

/// Where a task's questions are put to whoever is there.
struct Desk<'a> {
    place: Place<'a>,
    teller: Teller<'a>,
    task_id: &'a str,
    who: String,
    attended: bool,
    open: VecDeque<Asked>,
    typist: Typist,
    status: Option<TaskStatus>,
}

impl<'a> Desk<'a> {
    fn new(place: Place<'a>, task: &'a Task) -> Self {
        let console = &place.session.console;
        let is_seen = ask::is_attended() && console.errors_are_seen() && !console.wants_json() && !console.is_quiet();
        Self {
            place,
            teller: Teller::new(console, place.session.is_verbose),
            task_id: &task.task_id,
            who: format!("{}{}", printable(&task.agent), place.suffix()),
            attended: is_seen && answer::permitted(place.session).is_ok(),
            open: VecDeque::new(),
            typist: Typist::default(),
            status: None,
        }
    }
    fn console(&self) -> &'a Console {
        &self.place.session.console
    }
    fn is_asking(&self) -> bool {
        self.attended && !self.open.is_empty()
    }
    /// The next line that is typed as an answer.
    async fn line(&mut self) -> Result<Option<String>> {
        if !self.is_asking() {
            std::future::pending::<()>().await;
        }
        self.typist.line().await
    }
    fn take(&mut self, event: &TaskEvent) -> Result<()> {
        let shown = self.open.front().filter(|_| self.attended).map(|asked| asked.request_id().to_owned());
        match event.kind {
            TaskEventType::PermissionRequest | TaskEventType::Question => return self.ask(event),
            TaskEventType::PermissionResolved => {
                let resolved: Resolved = serde_json::from_value(event.data.clone()).unwrap_or_default();
                self.open.retain(|asked| asked.request_id() != resolved.request_id);
            }
            TaskEventType::Exit => {
                self.open.clear();
                self.status = outcome(&event.data);
            }
            _ => {}
        }
        let Some(shown) = shown else { return self.teller.tell(event) };
        let lines = self.teller.telling.tell(event);
        if lines.is_empty() {
            return Ok(());
        }
        // The cursor is behind the question.
        self.console().note("");
        self.teller.print(lines)?;
        match self.open.front() {
            Some(asked) if asked.request_id() == shown => self.prompt(),
            _ => self.show(),
        }
        Ok(())
    }
    fn ask(&mut self, event: &TaskEvent) -> Result<()> {
        let approval: Approval = serde_json::from_value(event.data.clone()).unwrap_or_default();
        if !self.attended {
            self.teller.tell(event)?;
            // Who wants no notes still has to know why nothing happens.
            if self.console().is_quiet() && !self.console().wants_json() {
                self.console().warn(format!("{} asks: {}", self.who, wants(&approval)));
            }
            if !self.console().wants_json() {
                self.say_how(&approval.request_id);
            }
            return Ok(());
        }
        self.teller.finish()?;
        // What holds for ever is for the machine's owner to say.
        self.open.push_back(Asked::new(approval, self.place.peer.is_none()));
        if self.open.len() == 1 {
            self.show();
        }
        Ok(())
    }
    fn say_how(&self, request_id: &str) {
        let answer = |verb| self.place.command(&[verb, short(self.task_id), short(request_id)]);
        if self.console().is_quiet() {
            self.console().warn(format!("answer it with: {}", answer("approve")));
        } else {
            self.console().note(format!("  Answer it with: {}\n              or: {}", answer("approve"), answer("deny")));
        }
    }
    /// Shows the oldest open question. What was typed before it was seen is no answer to it.
    fn show(&mut self) {
        let Some(asked) = self.open.front() else { return };
        asked.lines(&self.who).into_iter().for_each(|line| self.console().note(line));
        self.typist.forget();
        self.prompt();
    }
    fn prompt(&self) {
        if let Some(asked) = self.open.front() {
            self.console().prompt(&asked.prompt());
        }
    }
    /// Says that the task goes on though nobody follows it here.
    fn leave(&self) {
        let follow = self.place.command(&["logs", "-f", short(self.task_id)]);
        self.console().note(format!("The task goes on. Follow it with: {follow}"));
    }
    /// Nobody types any more: the questions are for others to answer.
    fn unattended(&mut self) {
        self.console().note("");
        self.attended = false;
        self.open.iter().for_each(|asked| self.say_how(asked.request_id()));
        self.open.clear();
    }
    /// Takes a line that was typed; whether the task is to be left to itself.
    async fn typed(&mut self, line: &str) -> Result<bool> {
        let Some(asked) = self.open.front_mut() else { return Ok(false) };
        match asked.take(line) {
            Step::Leave => {
                self.say_how(self.open.front().map(Asked::request_id).unwrap_or_default());
                self.leave();
                return Ok(true);
            }
            Step::Again(why) => self.console().note(why),
            Step::Next => self.open.front().into_iter().flat_map(Asked::parts).for_each(|line| self.console().note(line)),
            Step::Edit => match edit(&self.place.session.home, asked.input()).await {
                Ok(input) => match asked.edited(input) {
                    Step::Send(answer) => return self.send(*answer).await,
                    Step::Again(why) => self.console().note(why),
                    Step::Next | Step::Edit | Step::Leave => {}
                },
                Err(error) => self.console().failure(&error),
            },
            Step::Send(answer) => return self.send(*answer).await,
        }
        self.prompt();
        Ok(false)
    }
    async fn send(&mut self, answer: TaskApprove) -> Result<bool> {
        let answer = TaskApprove { task_id: self.task_id.to_owned(), ..answer };
        let over = [Code::AiTaskNoPendingApproval, Code::AiTaskAlreadyCompleted, Code::AiTaskNotFound];
        match self.place.link()?.call(&answer).await {
            Err(error) if !over.contains(&error.code) => {
                self.console().failure(&error);
                self.prompt();
                return Ok(false);
            }
            Err(error) => self.console().note(printable(&error.message)),
            Ok(_) => {}
        }
        self.open.pop_front();
        self.show();
        Ok(false)
    }
    async fn cancel(&mut self) -> Result<ExitCode> {
        self.teller.finish()?;
        self.console().note("Cancelling the task; Ctrl-C again leaves it to itself");
        let cancelled = tokio::select! {
            cancelled = tokio::time::timeout(FAREWELL, cancel(self.place, self.task_id)) => cancelled.is_ok_and(|result| result.is_ok()),
            _ = tokio::signal::ctrl_c() => false,
        };
        if !cancelled {
            self.console().warn(format!("the task may go on; see it with: {}", self.place.command(&["show", short(self.task_id)])));
        }
        Ok(ExitCode::from(INTERRUPTED))
    }
    async fn end(&mut self) -> Result<ExitCode> {
        self.teller.finish()?;
        let status = match self.status {
            Some(status) => status,
            // A Node daemon does not say it with the last event.
            None => self.place.link()?.call(&TaskGet { task_id: self.task_id.to_owned() }).await?.status,
        };
        Ok(if status == TaskStatus::Completed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
