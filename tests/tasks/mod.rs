//! Agents at work, played by an agent that plays scripts: real daemons, real processes, two paired machines.

mod approvals;
mod course;
mod endings;
mod hostile;
mod rules;
mod watchers;

use std::time::Duration;

use futures_util::StreamExt;
use loopsy::api::tasks::{
    Approval, Task, TaskApprove, TaskCreate, TaskDelete, TaskEvent, TaskEventType, TaskGet, TaskPrompt, TaskStatus, TaskStream,
};
use loopsy::base::Result;
use loopsy::client::Link;
use serde_json::{Value, json};

use crate::support::node::{Node, Pair};

/// How long a test waits for what has to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon with the agent that plays scripts. `more` is laid over its configuration.
pub fn node(more: Value) -> Node {
    let node = Node::start("kai", more);
    node.program.install("claude", None);
    node
}

/// The same on kai of two machines that know each other.
pub fn pair(more: Value) -> Pair {
    let pair = Pair::with(more);
    pair.kai.program.install("claude", None);
    pair
}

/// What an agent is to play.
pub fn script(steps: Value) -> String {
    format!("<fake>{steps}</fake>")
}

/// A task that plays these steps in a node's home folder.
pub fn playing(steps: Value) -> TaskCreate {
    TaskCreate { prompt: script(steps), ..TaskCreate::default() }
}

/// A shell line that is asked for.
pub fn bash(line: &str) -> Value {
    json!({ "tool": "Bash", "input": { "command": line, "description": "d" } })
}

/// A task, and what it does.
pub struct Watched<'a> {
    pub link: &'a Link,
    pub id: String,
    pub events: Vec<TaskEvent>,
    stream: loopsy::api::Events<TaskEvent>,
}

impl<'a> Watched<'a> {
    /// Dispatches a task and follows it.
    pub async fn dispatch(link: &'a Link, op: TaskCreate) -> Self {
        let id = link.call(&op).await.unwrap().task_id;
        Self::follow(link, id, 0).await
    }
    pub async fn follow(link: &'a Link, id: String, since: u64) -> Self {
        let stream = link.call(&TaskStream { task_id: id.clone(), since: Some(since) }).await.unwrap();
        Self { link, id, events: Vec::new(), stream }
    }
    /// The next event; nothing at the end.
    pub async fn next(&mut self) -> Option<TaskEvent> {
        let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
        let event = next.unwrap_or_else(|_| panic!("nothing more came after {:?}", self.events)).map(Result::unwrap);
        self.events.extend(event.clone());
        event
    }
    /// The next event of a type.
    pub async fn until(&mut self, kind: TaskEventType) -> TaskEvent {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("no {kind:?} in {:?}", self.events));
            if event.kind == kind {
                return event;
            }
        }
    }
    /// The next thing that is asked.
    pub async fn asked(&mut self) -> Approval {
        serde_json::from_value(self.until(TaskEventType::PermissionRequest).await.data).unwrap()
    }
    /// Follows it to its end.
    pub async fn end(&mut self) -> Task {
        while self.next().await.is_some() {}
        assert_eq!(self.events.last().map(|event| event.kind), Some(TaskEventType::Exit), "{:?}", self.events);
        self.task().await
    }
    pub async fn task(&self) -> Task {
        self.link.call(&TaskGet { task_id: self.id.clone() }).await.unwrap()
    }
    pub async fn answer(&self, answer: TaskApprove) -> Result<()> {
        self.link.call(&TaskApprove { task_id: self.id.clone(), ..answer }).await.map(drop)
    }
    pub async fn prompt(&self, prompt: &str) -> u64 {
        self.link.call(&TaskPrompt { task_id: self.id.clone(), prompt: prompt.into() }).await.unwrap().since
    }
    pub async fn cancel(&self) {
        self.link.call(&TaskDelete { task_id: self.id.clone(), ended: None }).await.unwrap();
    }
    /// The data of all events of a type.
    pub fn told(&self, kind: TaskEventType) -> Vec<&Value> {
        self.events.iter().filter(|event| event.kind == kind).map(|event| &event.data).collect()
    }
    /// All that the agent said.
    pub fn text(&self) -> String {
        self.told(TaskEventType::Text).into_iter().map(|piece| piece.as_str().unwrap()).collect()
    }
    /// The contents of all results of tools.
    pub fn results(&self) -> Vec<&str> {
        self.told(TaskEventType::ToolResult).into_iter().map(|data| data["content"].as_str().unwrap()).collect()
    }
}

/// Yes, to one question.
pub fn yes(request_id: &str) -> TaskApprove {
    TaskApprove { request_id: request_id.into(), approved: true, ..TaskApprove::default() }
}

/// A task that plays these steps, once it has ended.
pub async fn played(link: &Link, steps: Value) -> Task {
    Watched::dispatch(link, playing(steps)).await.end().await
}

pub fn assert_failed(task: &Task, why: &str) {
    let error = task.error.as_deref().unwrap_or_default();
    assert!(task.status == TaskStatus::Failed && error.contains(why), "{why}: {task:?}");
}
