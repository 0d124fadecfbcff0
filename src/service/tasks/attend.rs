//! Questions of sessions that were not started here: their agent's hook asks, and people answer as they answer a task's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::approvals::Approvals;
use super::live::{Live, Order};
use super::log::Log;
use super::record::Record;
use super::session::nothing_waits;
use super::{Tasks, claude};
use crate::api::Caller;
use crate::api::tasks::{Resolved, Task, TaskCreate, TaskEventType, TaskHook, TaskHooked, TaskStatus};
use crate::base::agents::CLAUDE;
use crate::base::{Code, Error, Result, clock, id};

impl Tasks {
    /// Asks the people of this machine for an agent that was not started here. There is a task for as long as it asks; without
    /// an answer in time there is no opinion, and the agent asks in its own terminal.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for what is no question of a hook, `AI_TASK_MAX_CONCURRENT`, `SHUTTING_DOWN`.
    pub async fn attend(&self, caller: &Caller, op: TaskHook) -> Result<TaskHooked> {
        self.refuse_at_the_end()?;
        let input = Value::Object(op.input);
        let (session_id, cwd, approval) = claude::hook_approval(&input)?;
        let config = self.inner.tools.settings.get();
        let most = Duration::from_millis(config.ai_tasks.approval_timeout);
        let limit = op.wait.map_or(most, |seconds| Duration::from_secs(seconds).min(most));
        let now = clock::now();
        let task = Task {
            task_id: id::job(),
            status: TaskStatus::WaitingApproval,
            started_at: now,
            updated_at: now,
            from_node_id: caller.node_id.clone(),
            session_id: Some(session_id),
            agent: CLAUDE.name.into(),
            name: Some("a session that was not started here".into()),
            cwd,
            watched: true,
            ..Task::default()
        };
        let log = Log::fleeting(&task.task_id, &config.ai_tasks);
        let record = Record { task, request: TaskCreate::default(), legacy: false, rules: Vec::new(), begun: true };
        let (live, orders) = self.live(record, log);
        self.inner.table.attend(&live)?;
        let mut approvals = Approvals::new(limit);
        if let Ok(Some(asked)) = approvals.open(approval) {
            live.log.push(TaskEventType::PermissionRequest, json!(asked));
            live.waits(approvals.list());
            live.tell("asked");
        }
        let (answer, answered) = oneshot::channel();
        let left = CancellationToken::new();
        // Whoever asked and leaves does not ask any more.
        let _is_there = left.clone().drop_guard();
        let attending = Attending { live: live.clone(), approvals, input, orders, left, stopping: self.inner.tools.stopping.clone() };
        let tasks = self.clone();
        self.inner.workers.spawn("question of a hook", async move {
            let output = attending.run().await;
            tasks.inner.table.end(&live, || live.log.close(json!({ "status": TaskStatus::Completed })));
            live.is_gone();
            tasks.inner.table.forget(live.id());
            let _ = answer.send(output);
        });
        Ok(TaskHooked { output: answered.await.unwrap_or_else(|_| json!({})) })
    }
}

/// A question that waits.
struct Attending {
    live: Arc<Live>,
    approvals: Approvals,
    input: Value,
    orders: mpsc::UnboundedReceiver<Order>,
    left: CancellationToken,
    stopping: CancellationToken,
}

impl Attending {
    /// Waits for the answer; answers what the hook says.
    async fn run(mut self) -> Value {
        let end = self.approvals.next_end().unwrap_or_else(Instant::now);
        let by = loop {
            tokio::select! {
                biased;
                () = self.left.cancelled() => break "withdrawn",
                () = self.stopping.cancelled() => break "ended",
                () = self.live.cancel.cancelled() => break "ended",
                () = tokio::time::sleep_until(end) => break "timeout",
                Some(order) = self.orders.recv() => if let Some(output) = self.obey(order) {
                    return output;
                }
            }
        };
        for approval in self.approvals.take_all() {
            self.resolved(Resolved { request_id: approval.request_id, by: by.into(), ..Resolved::default() });
        }
        json!({})
    }

    fn obey(&mut self, order: Order) -> Option<Value> {
        let not_ours = || Error::new(Code::InvalidRequest, "this session was not started here; only its questions are seen");
        match order {
            Order::Prompt { reply, .. } | Order::Interrupt { reply } => {
                let _ = reply.send(Err(not_ours()));
                None
            }
            Order::Answer { request_id, reply, .. } if self.approvals.asked_as(&request_id).is_none() => {
                let _ = reply.send(Err(nothing_waits()));
                None
            }
            Order::Answer { request_id, decision, by, reply } => {
                let decision = decision.with_a_reason(&by);
                match claude::hook_output(&self.input, &decision) {
                    Ok(output) => {
                        self.approvals.take(&request_id);
                        self.resolved(decision.resolved(request_id, by));
                        let _ = reply.send(Ok(None));
                        Some(output)
                    }
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
        }
    }

    fn resolved(&self, resolved: Resolved) {
        self.live.log.push(TaskEventType::PermissionResolved, json!(resolved));
        self.live.waits(Vec::new());
        self.live.tell("answered");
    }
}
