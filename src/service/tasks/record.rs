//! A task as it is kept: a folder with what was asked and what came of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cut;
use crate::api::Caller;
use crate::api::caller::Role;
use crate::api::tasks::{Approval, Task, TaskCreate};
use crate::base::workers::blocking;
use crate::base::{Error, Result, id};
use crate::home::Home;
use crate::home::json_file;

/// The file in a task's folder.
const FILE: &str = "task.json";
/// Version of the file.
const VERSION: u32 = 1;
/// Longest prompt or result in a listing, bytes.
const LISTED: usize = 2 * 1024;

/// A task, whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// What there is to tell of it.
    pub task: Task,
    /// What was asked, for a session that is gone on with.
    pub request: TaskCreate,
    /// Whether the peer that dispatched it is a `legacy` one.
    #[serde(default)]
    pub legacy: bool,
    /// Tools that the agent was allowed for the session.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Whether its agent was ever started: a task that still waits begins after a restart.
    #[serde(default)]
    pub begun: bool,
}

impl Record {
    /// Who dispatched it.
    pub(super) fn starter(&self) -> Role {
        starter(&self.task, self.legacy)
    }
}

/// Who dispatched a task.
pub(super) fn starter(task: &Task, legacy: bool) -> Role {
    match &task.peer {
        Some(name) => Role::Peer { name: name.clone(), permissions: Vec::new(), legacy },
        None => Role::Owner,
    }
}

/// Whether a caller is a `legacy` peer.
pub(super) fn is_legacy(caller: &Caller) -> bool {
    matches!(caller.role, Role::Peer { legacy: true, .. })
}

/// A task as listings tell it.
pub(super) fn listed(task: &Task) -> Task {
    let cut = |long: &String| cut::text(long, LISTED);
    let asked = |approval: &Approval| Approval { tool_input: cut::within(approval.tool_input.clone(), LISTED), ..approval.clone() };
    Task {
        prompt: cut(&task.prompt),
        result: task.result.as_ref().map(cut),
        pending_approval: task.pending_approval.as_ref().map(asked),
        pending_approvals: task.pending_approvals.iter().map(asked).collect(),
        ..task.clone()
    }
}

/// Where tasks are kept.
#[derive(Clone)]
pub(super) struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// The tasks of a home.
    pub(super) fn of(home: &Home) -> Self {
        Self { root: home.tasks() }
    }
    /// A task's folder.
    pub(super) fn folder(&self, task_id: &str) -> PathBuf {
        self.root.join(task_id)
    }
    /// Keeps a task as it is now.
    pub(super) async fn save(&self, record: Record) -> Result<()> {
        let shelf = self.clone();
        blocking(move || shelf.write(&record)).await?
    }
    /// Keeps it where nobody waits to hear that it failed.
    pub(super) async fn keep(&self, record: Record) {
        if let Err(error) = self.save(record).await {
            tracing::warn!("a task can't be kept: {error}");
        }
    }
    /// Keeps it at once.
    pub(super) fn write(&self, record: &Record) -> Result<()> {
        json_file::write(&self.folder(&record.task.task_id).join(FILE), VERSION, record)
    }
    /// A task as it was kept, if it can be read.
    pub(super) async fn load(&self, task_id: &str) -> Result<Option<Record>> {
        let shelf = self.clone();
        let task_id = task_id.to_owned();
        blocking(move || shelf.read(&task_id)).await?
    }
    fn read(&self, task_id: &str) -> Result<Option<Record>> {
        Ok(json_file::read::<Record>(&self.folder(task_id).join(FILE), VERSION)?.content)
    }
    /// Forgets a task.
    pub(super) async fn remove(&self, task_id: &str) -> Result<()> {
        let folder = self.folder(task_id);
        blocking(move || match std::fs::remove_dir_all(&folder) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::internal("the task can't be deleted", cause)),
            _ => Ok(()),
        })
        .await?
    }
    /// All tasks that can be read. One that can't be is left where it is, with a warning; what is left of one that was never
    /// whole, or is half deleted, is removed.
    pub(super) fn all(&self) -> Vec<Record> {
        let Ok(folders) = std::fs::read_dir(&self.root) else { return Vec::new() };
        let names = folders.flatten().filter_map(|folder| folder.file_name().into_string().ok()).filter(|name| id::is_token(name));
        let read = |name: String| match self.read(&name) {
            Ok(None) if self.is_a_remnant(&name) => {
                let _ = std::fs::remove_dir_all(self.folder(&name));
                None
            }
            Ok(record) => record.filter(|record| record.task.task_id == name),
            Err(error) => {
                tracing::warn!("the task {name} can't be read: {error}");
                None
            }
        };
        names.filter_map(read).collect()
    }
    /// Whether a task's folder holds nothing but events, and what was not yet renamed.
    fn is_a_remnant(&self, task_id: &str) -> bool {
        let files = std::fs::read_dir(self.folder(task_id)).into_iter().flatten().flatten();
        !files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with(FILE))
    }
}
