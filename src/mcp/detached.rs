//! The protocol's own tasks (extension `io.modelcontextprotocol/tasks`): to a client that knows them, an agent that is put to work and
//! waited for is such a task, and the client asks how it is whenever it likes.
//!
//! Nothing of it is kept here: the name of a task says where it is, and the daemon there has the rest.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::RoleServer;
use rmcp::model::{CallToolResponse, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, Task, TaskPayload};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::actions::tasks::Report;
use super::answer::{self, Done};
use super::own::Own;
use super::schema::Object;
use super::tool::{self, Tool};
use super::tools;
use crate::api::tasks::{self, TaskDelete, TaskGet, TaskStatus};
use crate::base::{Code, Error, Result};
use crate::client::Link;

/// How often a client may ask, milliseconds.
const POLL: u64 = 2000;
/// The argument whose presence says that the caller wants the end.
const WAIT: &str = "waitSeconds";

/// Whether a call becomes a task: the tool is the one that begins tasks, the caller waits for the end of it, and the client knows
/// what a task is.
pub fn wants(tool: &Tool, arguments: &Object, context: &RequestContext<RoleServer>) -> bool {
    tool.name == tools::DISPATCH
        && arguments.get(WAIT).and_then(Value::as_u64).is_some_and(|seconds| seconds > 0)
        && context.client_capabilities().is_some_and(|able| able.supports_tasks())
}

/// Begins the task of a call; a call that fails is answered as ever.
pub async fn begin(tool: &Tool, own: &Arc<Own>, context: &RequestContext<RoleServer>, mut arguments: Object) -> CallToolResponse {
    let machine = super::arguments::machine(&mut arguments.clone()).ok().flatten();
    // The client waits, not this call.
    arguments.remove(WAIT);
    let result = tool.call(own, context, arguments).await;
    match result.structured_content.as_ref().and_then(|report| report["taskId"].as_str()) {
        Some(task_id) if result.is_error != Some(true) => match find(own, machine.as_deref(), task_id).await {
            Ok(task) => CallToolResponse::Task(CreateTaskResult::new(Handle::new(machine, task_id).describe(&task))),
            // It has begun, and its id is what the caller needs then.
            Err(_) => result.into(),
        },
        _ => result.into(),
    }
}

/// How a task is; its result once it has ended.
pub async fn get(own: &Own, name: &str) -> Result<GetTaskResult, ErrorData> {
    let handle = Handle::of(name)?;
    let task = handle.find(own).await?;
    let seed = handle.describe(&task);
    let payload = match task.status {
        TaskStatus::Pending | TaskStatus::Running | TaskStatus::WaitingApproval => TaskPayload::Working,
        TaskStatus::Cancelled => TaskPayload::Cancelled,
        TaskStatus::Completed | TaskStatus::Failed => TaskPayload::Completed { result: handle.result(task)? },
    };
    Ok(GetTaskResult::new(DetailedTask::new(seed, payload)))
}

/// Stops a task that has not ended.
pub async fn cancel(own: &Own, name: &str) -> Result<(), ErrorData> {
    let handle = Handle::of(name)?;
    let stop = TaskDelete { task_id: handle.task_id.clone(), ended: Some(false) };
    match async { line(own, handle.machine.as_deref())?.call(&stop).await }.await {
        Err(error) if error.code != Code::AiTaskAlreadyCompleted => Err(handle.failed(&error)),
        _ => Ok(()),
    }
}

/// What a task's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Handle {
    machine: Option<String>,
    task_id: String,
}

impl Handle {
    fn new(machine: Option<String>, task_id: &str) -> Self {
        Self { machine, task_id: task_id.to_owned() }
    }
    fn of(name: &str) -> Result<Self, ErrorData> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        let parts = name.split_once('/').and_then(|(machine, task_id)| Some((decoded(machine)?, task_id)));
        match parts {
            Some((machine, task_id)) if !task_id.is_empty() => Ok(Self::new(Some(machine).filter(|name| !name.is_empty()), task_id)),
            _ => Err(unknown(name)),
        }
    }
    fn name(&self) -> String {
        format!("{}/{}", utf8_percent_encode(self.machine.as_deref().unwrap_or_default(), NON_ALPHANUMERIC), self.task_id)
    }

    async fn find(&self, own: &Own) -> Result<tasks::Task, ErrorData> {
        find(own, self.machine.as_deref(), &self.task_id).await.map_err(|error| self.failed(&error))
    }
    fn failed(&self, error: &Error) -> ErrorData {
        let words = answer::failure(error, self.machine.as_deref());
        match error.code {
            Code::AiTaskNotFound | Code::PeerNotFound => ErrorData::invalid_params(words, None),
            _ => ErrorData::internal_error(words, None),
        }
    }

    fn describe(&self, task: &tasks::Task) -> Task {
        let report = Report::listed(task.clone());
        Task::new(self.name(), rmcp::model::TaskStatus::Working, iso(task.started_at), iso(task.updated_at))
            .with_status_message(report.state(self.machine.as_deref()))
            .with_poll_interval_ms(POLL)
    }
    /// What the call would have answered, had it waited.
    fn result(&self, task: tasks::Task) -> Result<Object, ErrorData> {
        let report = Report::of(task, self.machine.as_deref());
        let text = report.words(self.machine.as_deref().unwrap_or("this machine"));
        let done = Done::of(&report, text).map_err(|error| self.failed(&error))?;
        match json!(tool::succeeded(done)) {
            Value::Object(result) => Ok(result),
            _ => Ok(Object::new()),
        }
    }
}

async fn find(own: &Own, machine: Option<&str>, task_id: &str) -> Result<tasks::Task> {
    line(own, machine)?.call(&TaskGet { task_id: task_id.to_owned() }).await
}

fn line(own: &Own, machine: Option<&str>) -> Result<Link> {
    let link = own.link()?;
    Ok(machine.map_or_else(|| link.clone(), |machine| link.via(machine)))
}

fn unknown(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no task {name:?}"), None)
}

/// A time, milliseconds since the epoch, as ISO 8601 writes it. Days are counted from March on, so that leap days come last.
fn iso(time: u64) -> String {
    let (days, rest) = (time / 86_400_000, time % 86_400_000);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_a_task_is() {
        for handle in [Handle::new(None, "t-1"), Handle::new(Some("my/kai %".into()), "t-1"), Handle::new(Some("fe80::1".into()), "a/b")] {
            assert_eq!(Handle::of(&handle.name()).unwrap(), handle);
        }
        for strange in ["", "t-1", "kai/", "%ff/t-1"] {
            assert!(Handle::of(strange).is_err(), "{strange}");
        }
    }
    #[test]
    fn times_are_written_as_iso_8601_has_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_795_398_901_234), "2026-11-23T01:55:01.234Z");
        assert!(iso(u64::MAX).ends_with('Z'));
    }
}
