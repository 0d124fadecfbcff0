//! One run of an agent's program: what it says becomes steps, and what the task says reaches it.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::codec::{AnyDelimiterCodec, FramedRead};
use tokio_util::sync::CancellationToken;

use super::agent::{Decision, Dialogue, LONGEST_LINE, Step, Turn};
use super::approvals::Approvals;
use super::cut;
use super::live::{Live, Order};
use crate::api::tasks::{Approval, ApprovalKind, PROMPT_BYTES, Resolved, TaskEventType};
use crate::base::{Code, Error, Result};
use crate::platform::process::{Control, Exit, Input, KILL_AFTER, Output, Running};

/// How long an agent that was interrupted has to leave by itself.
const INTERRUPTED: Duration = Duration::from_secs(1);
/// How long an agent has to leave once its input has ended and nothing more is to come; some never do.
const LEAVING: Duration = Duration::from_secs(5);
/// How long text is gathered before readers see it.
const GATHERING: Duration = Duration::from_millis(50);
/// How long output may be silent after the program's end while something that it left behind holds it open.
const SILENCE: Duration = Duration::from_millis(250);
/// How long output is taken after the program's end.
const AFTERMATH: Duration = Duration::from_secs(5);
/// Most output of one run, bytes: beyond it is no work but a flood.
const MOST_OUTPUT: u64 = 512 * 1024 * 1024;
/// Most that waits to be read by the agent, bytes.
const MOST_INPUT: usize = 64 * 1024 * 1024;
/// Longest name of a model and of a session, bytes.
const LONGEST_NAME: usize = 512;
/// How much of what it says of its usage is kept, bytes.
const MOST_USAGE: usize = 16 * 1024;
/// How much of its complaints is kept: the end of them, bytes.
const COMPLAINTS: usize = 8 * 1024;

/// Why a run is being ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Why {
    /// Somebody cancelled the task.
    Cancelled,
    /// The daemon stops.
    Stopping,
    /// It ran out of time.
    TimedOut,
    /// It can't be gone on with.
    Broken(String),
}

/// How a run ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Why it was ended, unless the agent left by itself.
    pub why: Option<Why>,
    /// How the program ended, where that is known.
    pub exit: Option<Exit>,
    /// The last turn that came to its end.
    pub turn: Option<Turn>,
    /// Whether somebody had it interrupted before a turn came to its end.
    pub interrupted: bool,
    /// The end of what it complained about.
    pub complaints: String,
    /// What it is to be told next.
    pub next: Vec<String>,
}

/// A run.
pub(super) struct Session<'a> {
    pub(super) live: &'a Live,
    pub(super) dialogue: Box<dyn Dialogue>,
    pub(super) orders: &'a mut mpsc::UnboundedReceiver<Order>,
    pub(super) approvals: Approvals,
    /// How long it may still work.
    pub(super) left: Option<Duration>,
    /// When it runs out of time, while nothing waits for an answer.
    deadline: Option<Instant>,
    control: Control,
    input: Option<Input>,
    unwritten: BytesMut,
    output: Option<FramedRead<Output, AnyDelimiterCodec>>,
    taken: u64,
    errors: Option<Output>,
    complaints: BytesMut,
    /// Its input ends as soon as all is written.
    is_closing: bool,
    /// Whether it was made to leave.
    is_stopped: bool,
    flush_at: Option<Instant>,
    /// When it is made to leave.
    terminate_at: Option<Instant>,
    end: End,
}

impl<'a> Session<'a> {
    /// A program that has just been started, and what is spoken with it.
    pub(super) fn new(
        live: &'a Live,
        orders: &'a mut mpsc::UnboundedReceiver<Order>,
        dialogue: Box<dyn Dialogue>,
        running: Running,
        approvals: Approvals,
        left: Option<Duration>,
    ) -> Self {
        let Running { stdin, stdout, stderr, control, .. } = running;
        let lines = AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), b"\n".to_vec(), LONGEST_LINE);
        Self {
            live,
            dialogue,
            orders,
            approvals,
            left,
            deadline: left.map(|left| Instant::now() + left),
            control,
            input: stdin,
            unwritten: BytesMut::new(),
            output: Some(FramedRead::new(stdout, lines)),
            taken: 0,
            errors: Some(stderr),
            complaints: BytesMut::new(),
            is_closing: false,
            is_stopped: false,
            flush_at: None,
            terminate_at: None,
            end: End::default(),
        }
    }

    /// Goes on until the program has ended, with everything that it started; also answers how long it could have worked on.
    pub(super) async fn run(mut self, stopping: &CancellationToken) -> (End, Option<Duration>) {
        let steps = self.dialogue.begin();
        self.take(steps);
        let exit = loop {
            self.live.save_if_changed().await;
            let timer = self.timer();
            tokio::select! {
                biased;
                exit = self.control.wait() => break exit,
                () = stopping.cancelled(), if !self.is_stopped => self.stop(Why::Stopping),
                () = self.live.cancel.cancelled(), if self.end.why.is_none() => self.ask_to_stop(Why::Cancelled),
                // Before what it writes: it may never stop writing.
                () = sleep_until(timer), if timer.is_some() => self.tick(),
                Some(order) = self.orders.recv() => self.obey(order),
                written = write(&mut self.input, &mut self.unwritten), if self.input.is_some() && !self.unwritten.is_empty() => {
                    self.written(written);
                }
                line = next_line(&mut self.output), if self.output.is_some() => self.read(line),
                count = complain(&mut self.errors, &mut self.complaints), if self.errors.is_some() => self.complained(count),
            }
            self.close_input();
        };
        if let Ok((exit, _)) = &exit {
            self.end.exit = Some(*exit);
        }
        let has_left_something = matches!(exit, Ok((_, true)));
        if has_left_something {
            self.control.terminate();
        }
        self.read_the_rest().await;
        if has_left_something {
            let _ = tokio::time::timeout(KILL_AFTER + SILENCE * 4, self.control.all_gone()).await;
        }
        for approval in self.approvals.take_all() {
            self.resolved(Resolved { request_id: approval.request_id, by: "ended".into(), ..Resolved::default() });
        }
        self.live.log.flush();
        self.end.complaints = String::from_utf8_lossy(&self.complaints).into_owned();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())).or(self.left);
        (self.end, left)
    }

    fn read(&mut self, line: Option<Result<bytes::Bytes, String>>) {
        match line {
            Some(Ok(line)) => {
                self.taken += line.len() as u64 + 1;
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                if !line.is_empty() && !matches!(self.end.why, Some(Why::Broken(_))) {
                    let steps = if cut::is_simple(line) { self.dialogue.line(line) } else { vec![cut::unread(line)] };
                    self.take(steps);
                }
                if self.taken > MOST_OUTPUT {
                    self.stop(Why::Broken(format!("the agent wrote more than {} MiB", MOST_OUTPUT / 1024 / 1024)));
                }
            }
            Some(Err(why)) => {
                self.output = None;
                self.stop(Why::Broken(why));
            }
            None => self.output = None,
        }
    }

    fn take(&mut self, steps: Vec<Step>) {
        steps.into_iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: Step) {
        let log = &self.live.log;
        match step {
            Step::Write(line) => {
                self.unwritten.extend_from_slice(line.as_bytes());
                self.unwritten.extend_from_slice(b"\n");
                if self.unwritten.len() > MOST_INPUT {
                    self.stop(Why::Broken("the agent does not read what it is told".into()));
                }
            }
            Step::Text { text, thinking } => {
                log.text(&text, thinking);
                self.flush_at = self.flush_at.or_else(|| log.has_text().then(|| Instant::now() + GATHERING));
            }
            Step::Paragraph => log.paragraph(),
            Step::Tell(kind, data) => log.push(kind, data),
            Step::Ask(approval) => self.ask(approval),
            Step::Withdraw(asked_as) => {
                if let Some(id) = self.approvals.known_as(&asked_as) {
                    self.approvals.take(&id);
                    self.resolved(Resolved { request_id: id, by: "withdrawn".into(), ..Resolved::default() });
                }
            }
            Step::Session(id) if id.len() > LONGEST_NAME => self.ask_to_stop(Why::Broken("its session has no id that could be one".into())),
            Step::Session(id) => self.live.change_and_save(|task| task.session_id = Some(id)),
            Step::Model(model) => self.live.change(|task| task.model = Some(cut::text(&model, LONGEST_NAME))),
            Step::Turn(turn) => self.turned(turn),
            Step::Settled => {
                self.is_closing = true;
                self.terminate_at = self.terminate_at.or_else(|| Some(Instant::now() + LEAVING));
            }
            Step::Busy => {
                if self.end.why.is_none() {
                    self.terminate_at = None;
                }
            }
            Step::Fail(why) => self.ask_to_stop(Why::Broken(why)),
        }
    }

    fn turned(&mut self, turn: Turn) {
        let told = json!({
            "result": turn.text, "isError": turn.error.is_some(), "error": turn.error, "cost": turn.cost, "usage": turn.usage,
            "turns": turn.turns, "durationMs": turn.duration_ms, "sessionId": self.live.look(|record| record.task.session_id.clone()),
        });
        self.live.log.push(TaskEventType::Result, told);
        let Turn { text, cost, usage, turns, .. } = turn.clone();
        self.live.change(|task| {
            task.result = text.map(|text| cut::text(&text, PROMPT_BYTES)).or(task.result.take());
            task.cost = cost.or(task.cost);
            task.usage = usage.map(|usage| cut::within(usage, MOST_USAGE)).or(task.usage.take());
            task.turns = turns.or(task.turns);
        });
        self.end.interrupted = false;
        self.end.turn = Some(turn);
    }

    fn ask(&mut self, approval: Approval) {
        let is_question = approval.kind == ApprovalKind::Question;
        match self.approvals.open(approval) {
            Ok(Some(asked)) => {
                let kind = if is_question { TaskEventType::Question } else { TaskEventType::PermissionRequest };
                self.live.log.push(kind, json!(asked));
                self.waiting_changed();
                self.live.tell("asked");
            }
            Ok(None) => {}
            Err(asked_as) => self.deny(&asked_as, "There are too many questions at once."),
        }
    }

    /// Tells the agent no, where nobody does.
    fn deny(&mut self, asked_as: &str, message: &str) {
        let decision = Decision { message: Some(message.into()), ..Decision::default() };
        match self.dialogue.decide(asked_as, decision) {
            Ok(decided) => self.take(decided.steps),
            Err(error) => tracing::warn!("a question of an agent could not be denied: {error}"),
        }
    }

    fn answer(&mut self, id: &str, decision: Decision, by: String) -> Result<Option<String>> {
        let is_heard = self.input.is_some() && self.end.why.is_none();
        let asked_as = self.approvals.asked_as(id).filter(|_| is_heard).ok_or_else(nothing_waits)?;
        let decision = decision.with_a_reason(&by);
        let mut resolved = decision.resolved(id.into(), by);
        let decided = self.dialogue.decide(&asked_as, decision)?;
        self.approvals.take(id);
        resolved.remembered = decided.remembered.clone();
        self.live.remember(decided.rules);
        self.take(decided.steps);
        self.resolved(resolved);
        Ok(decided.remembered)
    }

    fn resolved(&mut self, resolved: Resolved) {
        self.live.log.push(TaskEventType::PermissionResolved, json!(resolved));
        self.waiting_changed();
        self.live.tell("answered");
    }

    /// Time stands still for a task that waits for people.
    fn waiting_changed(&mut self) {
        let open = self.approvals.list();
        if open.is_empty() {
            self.deadline = self.deadline.or_else(|| self.left.map(|left| Instant::now() + left));
        } else if let Some(deadline) = self.deadline.take() {
            self.left = Some(deadline.saturating_duration_since(Instant::now()));
        }
        self.live.waits(open);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Prompt { text, reply } => {
                let can_go_on = !self.is_closing || self.live.look(|record| record.task.session_id.is_some());
                if self.end.why.is_some() || !can_go_on {
                    let _ = reply.send(Err(is_ending()));
                    return;
                }
                self.live.told(&text);
                if self.is_closing {
                    self.end.next.push(text);
                } else {
                    let steps = self.dialogue.prompt(&text);
                    self.take(steps);
                }
                let _ = reply.send(Ok(()));
            }
            Order::Answer { request_id, decision, by, reply } => {
                let _ = reply.send(self.answer(&request_id, decision, by));
            }
            Order::Interrupt { reply } => {
                self.end.interrupted = self.end.turn.is_none();
                let steps = self.dialogue.interrupt();
                self.take(steps);
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Has the agent stop, and makes it after a while.
    fn ask_to_stop(&mut self, why: Why) {
        if self.end.why.is_none() {
            self.end.why = Some(why);
            let steps = self.dialogue.interrupt();
            self.take(steps);
            self.is_closing = true;
            self.terminate_at = Some(Instant::now() + INTERRUPTED);
        }
    }

    /// Makes the agent leave at once.
    fn stop(&mut self, why: Why) {
        self.is_stopped = true;
        self.end.why.get_or_insert(why);
        self.terminate_at = None;
        self.control.terminate();
    }

    fn written(&mut self, written: std::io::Result<()>) {
        if written.is_err() {
            // It does not read any more; its end comes as such.
            self.input = None;
            self.unwritten.clear();
        }
    }

    fn close_input(&mut self) {
        if self.is_closing && self.unwritten.is_empty() {
            self.input = None;
        }
    }

    fn complained(&mut self, count: std::io::Result<usize>) {
        if count.is_ok_and(|count| count > 0) {
            let excess = self.complaints.len().saturating_sub(COMPLAINTS);
            self.complaints.advance(excess);
        } else {
            self.errors = None;
        }
    }

    fn timer(&self) -> Option<Instant> {
        [self.flush_at, self.terminate_at, self.deadline, self.approvals.next_end()].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_over(self.flush_at) {
            self.flush_at = None;
            self.live.log.flush();
        }
        if is_over(self.terminate_at) {
            self.terminate_at = None;
            self.control.terminate();
        }
        if is_over(self.deadline) {
            self.deadline = None;
            self.left = Some(Duration::ZERO);
            self.ask_to_stop(Why::TimedOut);
        }
        for id in self.approvals.ended(now) {
            let message = format!("Nobody answered within {}.", self.approvals.limit_in_words());
            if let Some(asked_as) = self.approvals.asked_as(&id) {
                self.deny(&asked_as, &message);
            }
            self.approvals.take(&id);
            self.resolved(Resolved { request_id: id, by: "timeout".into(), message: Some(message), ..Resolved::default() });
        }
    }

    async fn read_the_rest(&mut self) {
        let end = Instant::now() + AFTERMATH;
        while self.output.is_some() && Instant::now() < end {
            match tokio::time::timeout(SILENCE, next_line(&mut self.output)).await {
                Ok(line) => self.read(line),
                Err(_) => break,
            }
        }
        while self.errors.is_some() && Instant::now() < end {
            match tokio::time::timeout(SILENCE, complain(&mut self.errors, &mut self.complaints)).await {
                Ok(count) => self.complained(count),
                Err(_) => break,
            }
        }
    }
}

/// The agent can't be told more.
pub(super) fn is_ending() -> Error {
    Error::new(Code::AiTaskAlreadyCompleted, "the task is being ended").hint("Tell it again in a moment, when it has ended.")
}

/// Nothing waits for this answer, or not any more.
pub(super) fn nothing_waits() -> Error {
    Error::new(Code::AiTaskNoPendingApproval, "the task asks nothing of that id, or it was answered already")
        .hint("See what it asks with: loopsy task show")
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

async fn write(input: &mut Option<Input>, unwritten: &mut BytesMut) -> std::io::Result<()> {
    match input {
        Some(input) => input.write_buf(unwritten).await.map(drop),
        None => Ok(()),
    }
}

async fn next_line(output: &mut Option<FramedRead<Output, AnyDelimiterCodec>>) -> Option<Result<bytes::Bytes, String>> {
    let line = output.as_mut()?.next().await?;
    Some(line.map_err(|_| format!("the agent wrote a line of more than {} MiB", LONGEST_LINE / 1024 / 1024)))
}

async fn complain(errors: &mut Option<Output>, complaints: &mut BytesMut) -> std::io::Result<usize> {
    match errors {
        Some(errors) => errors.read_buf(complaints).await,
        None => Ok(0),
    }
}
