//! Coding agents at work on this machine.

use super::Daemon;
use crate::api::tasks::{
    Task, TaskApprove, TaskCreate, TaskDelete, TaskDone, TaskEvent, TaskEvents, TaskGet, TaskHistory, TaskHook, TaskHooked, TaskInterrupt,
    TaskList, TaskPrompt, TaskPrompted, TaskStream, Tasks,
};
use crate::api::{Caller, Events};
use crate::base::Result;
use crate::http::Serve;

impl Serve<TaskCreate> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskCreate) -> Result<Task> {
        self.tasks.create(caller, op).await
    }
}

impl Serve<TaskList> for Daemon {
    async fn serve(&self, caller: &Caller, _: TaskList) -> Result<Tasks> {
        Ok(self.tasks.list(caller))
    }
}

impl Serve<TaskGet> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskGet) -> Result<Task> {
        self.tasks.get(caller, &op.task_id).await
    }
}

impl Serve<TaskDelete> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskDelete) -> Result<TaskDone> {
        self.tasks.delete(caller, op).await
    }
}

impl Serve<TaskStream> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskStream) -> Result<Events<TaskEvent>> {
        self.tasks.stream(caller, &op, self.watched.clone()).await
    }
}

impl Serve<TaskEvents> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskEvents) -> Result<TaskHistory> {
        self.tasks.events(caller, &op.task_id, op.since).await
    }
}

impl Serve<TaskApprove> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskApprove) -> Result<TaskDone> {
        self.tasks.approve(caller, op).await
    }
}

impl Serve<TaskPrompt> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskPrompt) -> Result<TaskPrompted> {
        self.tasks.prompt(caller, op).await
    }
}

impl Serve<TaskInterrupt> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskInterrupt) -> Result<TaskDone> {
        self.tasks.interrupt(caller, &op.task_id).await
    }
}

impl Serve<TaskHook> for Daemon {
    async fn serve(&self, caller: &Caller, op: TaskHook) -> Result<TaskHooked> {
        self.tasks.attend(caller, op).await
    }
}
