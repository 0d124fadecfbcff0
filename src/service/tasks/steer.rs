//! What an agent at work is told: answers, more to do, to stop; and how a task that has ended is gone on with.

use serde_json::Value;
use tokio::sync::oneshot;

use super::agent::{Decision, Start};
use super::live::{Live, Order};
use super::{Tasks, done, rules, session};
use crate::api::Caller;
use crate::api::tasks::{TaskApprove, TaskDone, TaskPrompt, TaskPrompted, TaskStatus};
use crate::base::{Code, Error, Result, clock};

impl Tasks {
    /// Answers what an agent asks.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`, `AI_TASK_NO_PENDING_APPROVAL`, `INVALID_REQUEST`, `AUTH_FORBIDDEN`.
    pub async fn approve(&self, caller: &Caller, op: TaskApprove) -> Result<TaskDone> {
        rules::answer(&op, caller, &self.inner.tools.settings.get().ai_tasks)?;
        let Some(live) = self.inner.table.find(caller, &op.task_id)? else { return Err(session::nothing_waits()) };
        let TaskApprove { task_id, request_id, approved, message, updated_input, remember, suggestion, answers } = op;
        let remember = remember.unwrap_or_default();
        let decision = Decision { approved, message, input: updated_input.map(Value::Object), remember, suggestion, answers };
        let by = caller.name().to_owned();
        let answered = order(&live, |reply| Order::Answer { request_id, decision, by, reply }).await;
        let remembered = answered.unwrap_or_else(|| Err(session::nothing_waits()))?;
        Ok(TaskDone { remembered, ..done(task_id) })
    }

    /// Tells the agent of a task more.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`, `INVALID_REQUEST`, `AI_TASK_ALREADY_COMPLETED` where there is no session to go on with,
    /// `AI_TASK_MAX_CONCURRENT`.
    pub async fn prompt(&self, caller: &Caller, op: TaskPrompt) -> Result<TaskPrompted> {
        rules::prompt(&op.prompt)?;
        self.refuse_at_the_end()?;
        if let Some(live) = self.inner.table.find(caller, &op.task_id)? {
            if live.status() == TaskStatus::Pending {
                return Err(Error::new(Code::AiTaskMaxConcurrent, "the task still waits for its turn").hint("Tell it more when it runs."));
            }
            let (since, text) = (live.log.last(), op.prompt.clone());
            match order(&live, |reply| Order::Prompt { text, reply }).await {
                Some(told) => return told.map(|()| TaskPrompted { success: true, task_id: op.task_id, since, resumed: false }),
                // It was about to end, and has ended now.
                None => live.gone().await,
            }
        }
        self.go_on(caller, op).await
    }

    /// Goes on with a task that has ended.
    async fn go_on(&self, caller: &Caller, op: TaskPrompt) -> Result<TaskPrompted> {
        let TaskPrompt { task_id, prompt } = op;
        let mut record = self.record(&task_id).await?;
        let Some(session) = record.task.session_id.clone().filter(|_| !record.task.watched) else {
            return Err(Error::new(Code::AiTaskAlreadyCompleted, "the task has ended before its agent had a session to go on with")
                .hint("Dispatch another: loopsy task run"));
        };
        let start = Start { prompt: prompt.clone(), resume: Some(session), ..self.start_again(&record)? };
        self.check_installed(&record.task.agent, &start)?;
        let log = self.opened(&task_id, true).await?;
        let since = log.last();
        let task = &mut record.task;
        (task.status, task.completed_at, task.error, task.exit_code) = (TaskStatus::Running, None, None, None);
        task.updated_at = clock::now();
        let (live, orders) = self.live(record, log);
        self.inner.table.revive(caller, &live, &self.inner.tools.settings.get().ai_tasks)?;
        live.told(&prompt);
        self.launch(live, orders, start);
        Ok(TaskPrompted { success: true, task_id, since, resumed: true })
    }

    /// Has the agent of a task stop what it does.
    ///
    /// # Errors
    /// `AI_TASK_NOT_FOUND`, `AI_TASK_ALREADY_COMPLETED`.
    pub async fn interrupt(&self, caller: &Caller, task_id: &str) -> Result<TaskDone> {
        let over = || Error::new(Code::AiTaskAlreadyCompleted, "the task has ended");
        let live = self.inner.table.find(caller, task_id)?.ok_or_else(over)?;
        if live.status() == TaskStatus::Pending {
            self.cancel(&live, caller.name());
            return Ok(done(task_id.to_owned()));
        }
        order(&live, |reply| Order::Interrupt { reply }).await.unwrap_or_else(|| Err(over())).map(|()| done(task_id.to_owned()))
    }
}

/// Tells a worker; nothing where it has ended.
async fn order<T>(live: &Live, make: impl FnOnce(oneshot::Sender<Result<T>>) -> Order) -> Option<Result<T>> {
    let (reply, answer) = oneshot::channel();
    live.orders.send(make(reply)).ok()?;
    answer.await.ok()
}
