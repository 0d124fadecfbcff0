//! Nothing of an agent is left, however it ends, and what it did is known afterwards.

use std::path::Path;
use std::time::Duration;

use loopsy::api::tasks::{TaskCreate, TaskEventType, TaskStatus};
use loopsy::base::Code;
use serde_json::{Value, json};

use super::{PATIENCE, Watched, bash, node, playing, yes};
use crate::support::disk::Disk;
use crate::support::node::Node;
use crate::support::process::{Process, skipped, until};

/// How long anything of an agent may outlive its end.
const LIMIT: Duration = Duration::from_secs(10);
const MEMBERS: [&str; 3] = ["ignoring", "apart", "tool"];

/// An agent with a child that ignores SIGTERM, one in a session of its own, and a tool that does both.
fn family() -> Value {
    json!([
        { "spawn": "trap '' TERM INT HUP; echo $$ > ignoring; exec sleep 600" },
        { "spawn": "exec setsid sh -c 'echo $$ > apart; exec sleep 600'" },
        { "text": "working" },
        { "tool": "Bash", "free": true, "input": { "command": "trap '' TERM; echo $$ > tool; sleep 600; sleep 600" } },
    ])
}

async fn members(folder: &Path) -> Vec<Process> {
    let mut found = Vec::new();
    until("the agent's processes run", PATIENCE, || {
        found = MEMBERS.iter().filter_map(|name| Process::noted_in(&folder.join(name))).collect();
        found.len() == MEMBERS.len()
    })
    .await;
    found
}

async fn are_gone(members: &[Process], how: &str) {
    until(&format!("all of the agent is gone ({how})"), LIMIT, || !members.iter().any(|member| member.runs())).await;
}

struct Working {
    node: Node,
    folder: tempfile::TempDir,
}

impl Working {
    async fn start(steps: Value) -> (Self, String, u32) {
        let (node, folder) = (node(json!({})), tempfile::tempdir().unwrap());
        let op = TaskCreate { cwd: Some(folder.path().display().to_string()), ..playing(steps) };
        let link = node.link();
        let mut task = Watched::dispatch(&link, op).await;
        task.until(TaskEventType::Text).await;
        let (id, pid) = (task.id.clone(), task.task().await.pid.unwrap());
        drop(task);
        (Self { node, folder }, id, pid)
    }
    async fn members(&self, pid: u32) -> Vec<Process> {
        let mut members = members(self.folder.path()).await;
        members.extend(Process::of(pid));
        members
    }
}

/// known fault 52: what was cancelled is no success, and has no exit code.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_agent_is_gone_with_all_it_started() {
    let (working, id, pid) = Working::start(family()).await;
    let members = working.members(pid).await;
    let link = working.node.link();
    let mut task = Watched::follow(&link, id, 0).await;
    task.cancel().await;
    are_gone(&members, "cancel").await;
    let ended = task.end().await;
    assert_eq!((ended.status, ended.exit_code, ended.error.as_deref()), (TaskStatus::Cancelled, None, Some("cancelled by owner")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_left_running_ends_with_its_task() {
    let mut steps = family();
    steps.as_array_mut().unwrap().pop();
    let (node, folder) = (node(json!({})), tempfile::tempdir().unwrap());
    let link = node.link();
    let wait = "while [ ! -s ignoring ] || [ ! -s apart ]; do sleep 0.02; done";
    steps.as_array_mut().unwrap().push(json!({ "tool": "Bash", "free": true, "input": { "command": wait } }));
    let op = TaskCreate { cwd: Some(folder.path().display().to_string()), ..playing(steps) };
    let mut task = Watched::dispatch(&link, op).await;
    assert_eq!(task.end().await.status, TaskStatus::Completed);
    let left: Vec<_> =
        MEMBERS.iter().filter_map(|name| Process::noted_in(&folder.path().join(name))).filter(|member| member.runs()).collect();
    assert_eq!(left, []);
}

/// known fault 50: a daemon stops in time, whatever an agent does and whoever watches.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemons_stop_ends_its_agents_and_what_they_did_is_kept() {
    let (mut working, id, pid) = Working::start(family()).await;
    let members = working.members(pid).await;
    let link = working.node.link();
    let mut watched = Watched::follow(&link, id.clone(), 0).await;
    working.node.process().signal("TERM");
    let told = watched.until(TaskEventType::Exit).await;
    assert_eq!(told.data["status"], "failed");
    until("the daemon is gone", Duration::from_secs(6), || working.node.ended().is_some()).await;
    are_gone(&members, "stop").await;
    working.node.again();
    let link = working.node.link();
    let again = Watched::follow(&link, id.clone(), 0).await.end().await;
    assert!(again.status == TaskStatus::Failed && again.error.as_deref().unwrap().contains("the daemon was stopped"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemons_agents_are_gone_and_their_task_can_be_gone_on_with() {
    let (mut working, id, pid) = Working::start(family()).await;
    let members = working.members(pid).await;
    let link = working.node.link();
    let done = super::played(&link, json!([{ "text": "kept" }])).await;
    working.node.kill();
    are_gone(&members, "kill -9").await;
    working.node.again();
    let link = working.node.link();
    let mut task = Watched::follow(&link, id, 0).await;
    let ended = task.end().await;
    assert_eq!((ended.status, ended.error.as_deref()), (TaskStatus::Failed, Some("daemon restarted")));
    assert!(ended.session_id.is_some() && task.text() == "working");
    let since = task.prompt("go on").await;
    let again = Watched::follow(&link, task.id.clone(), since).await.end().await;
    assert_eq!((again.status, again.result.as_deref()), (TaskStatus::Completed, Some("echo: go on")));
    let mut kept = Watched::follow(&link, done.task_id.clone(), 0).await;
    assert_eq!(kept.end().await, done);
    assert_eq!(kept.text(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_its_turn_begins_after_a_restart() {
    let mut node = node(json!({ "aiTasks": { "maxConcurrent": 1 } }));
    let link = node.link();
    let mut hanging = Watched::dispatch(&link, playing(json!([{ "text": "I hang" }, { "hang": true }]))).await;
    hanging.until(TaskEventType::Text).await;
    let hanging = hanging.id.clone();
    let waiting = TaskCreate { queue: Some(true), ..playing(json!([bash("echo its turn"), { "text": "{{last}}" }])) };
    let waiting = link.call(&waiting).await.unwrap();
    node.kill();
    node.again();
    let link = node.link();
    let mut task = Watched::follow(&link, waiting.task_id, 0).await;
    let asked = task.asked().await;
    task.answer(yes(&asked.request_id)).await.unwrap();
    assert_eq!(task.end().await.result.as_deref(), Some("its turn"));
    assert_eq!(Watched::follow(&link, hanging, 0).await.end().await.status, TaskStatus::Failed);
}

/// A task is refused in words, and its end is kept as soon as there is room for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_no_end_of_a_task() {
    let node = node(json!({}));
    let shelf = node.program.home().tasks();
    let _ = std::fs::remove_dir(&shelf);
    let Some(disk) = Disk::mount(&shelf, "size=256k,mode=0700") else {
        return skipped("a small disk can't be mounted by this user");
    };
    let link = node.link();
    let mut task = Watched::dispatch(&link, playing(json!([{ "text": "begun" }, bash("true"), { "text": "done" }]))).await;
    let asked = task.asked().await;
    disk.fill();
    let refused = link.call(&playing(json!([]))).await.unwrap_err();
    assert_eq!((refused.code, refused.message.as_str()), (Code::TransferDiskFull, "the disk is full"));
    task.answer(yes(&asked.request_id)).await.unwrap();
    task.until(TaskEventType::Result).await;
    while task.task().await.status != TaskStatus::Completed {}
    disk.free();
    assert_eq!(task.end().await.status, TaskStatus::Completed);
    let again = Watched::follow(&link, task.id.clone(), 0).await.end().await;
    assert!(again.status == TaskStatus::Completed && again.completed_at.is_some(), "{again:?}");
}
