//! Files and folders between this machine and another.

use std::path::{PathBuf, is_separator};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::api::node::IdentityGet;
use crate::api::transfer::{self, TransferList};
use crate::base::text::printable;
use crate::base::units::size;
use crate::base::workers::blocking;
use crate::base::{Error, Result};
use crate::client::files::{Files, Progress};
use crate::home::paths::{Paths, Rules};
use crate::home::settings::Settings;
use crate::mcp::answer::count;
use crate::mcp::call::Call;
use crate::mcp::roots;
use crate::mcp::tool::Action;
use crate::platform::{files, host};

/// Shortest time between two reports of progress.
const PACE: Duration = Duration::from_millis(100);
/// Most names of a folder that are shown.
const LISTED: usize = 500;

/// Which way.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the other machine.
    Push,
    /// From the other machine.
    Pull,
}

/// `loopsy_transfer_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// push sends to peer, pull fetches from it.
    direction: Direction,
    /// What is copied. Relative paths start at your working folder here, at the home folder there.
    source_path: String,
    /// Where it goes: a file, or a folder with / at its end; with recursive the copy itself.
    dest_path: String,
    /// Copy a folder with all that is in it; only what differs travels.
    recursive: Option<bool>,
}

/// What was copied.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Copied {
    /// Where it is now.
    path: String,
    /// Bytes that it has, of a folder those that travelled.
    size: u64,
    /// SHA-256 of a file, compared on both machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    /// Files of a folder that travelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    /// Entries of a folder that were the same already.
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<u64>,
}

impl Action for Transfer {
    type Answer = Copied;

    async fn act(self, call: &Call) -> Result<Copied> {
        let line = call.line()?;
        let identity = line.call(&IdentityGet {}).await?;
        let (reached, seen) = watch::channel(None);
        let watch = Arc::new(move |progress: Progress| _ = reached.send_replace(Some(progress)));
        let given = match self.direction {
            Direction::Push => &self.source_path,
            Direction::Pull => &self.dest_path,
        };
        let (local, rules) = place(call, given).await?;
        let files = Files::new(line, &identity.capabilities, watch).within(rules);
        let work = self.copy(&files, local);
        tokio::select! {
            copied = work => copied,
            never = report(call, seen) => match never {},
        }
    }
    fn tell(copied: &Copied, call: &Call) -> String {
        match (copied.files, copied.same) {
            (Some(files), Some(same)) => format!(
                "Copied {} ({}) between this machine and {}: they are in {}. {} the same already.",
                count(files as usize, "file", "files"),
                size(copied.size),
                call.place(),
                copied.path,
                count(same as usize, "entry was", "entries were"),
            ),
            _ => format!("Copied {} between this machine and {}, checked: {}", size(copied.size), call.place(), copied.path),
        }
    }
}

impl Transfer {
    async fn copy(&self, files: &Files, local: PathBuf) -> Result<Copied> {
        let folder = |path: String, synced: crate::client::files::Synced| Copied {
            path,
            size: synced.size,
            checksum: None,
            files: Some(synced.files),
            same: Some(synced.same),
        };
        match (self.direction, self.recursive.unwrap_or(false)) {
            (Direction::Push, false) => {
                let received = files.push(&local, &self.dest_path).await?;
                Ok(Copied { path: received.path, size: received.size, checksum: Some(received.checksum), ..Copied::default() })
            }
            (Direction::Pull, false) => {
                let (path, arrived) = files.pull(&self.source_path, &local).await?;
                let path = path.display().to_string();
                Ok(Copied { path, size: arrived.size, checksum: Some(arrived.checksum), ..Copied::default() })
            }
            (Direction::Push, true) => Ok(folder(self.dest_path.clone(), files.push_tree(&local, &self.dest_path).await?)),
            (Direction::Pull, true) => {
                let path = local.display().to_string();
                Ok(folder(path, files.pull_tree(&self.source_path, &local).await?))
            }
        }
    }
}

/// A path of this machine, absolute, and the rules that hold for it: those that hold for peers.
async fn place(call: &Call, given: &str) -> Result<(PathBuf, Rules)> {
    if given.is_empty() {
        return Err(Error::invalid("the path on this machine is empty"));
    }
    let starts_at_home = given.strip_prefix('~').is_some_and(|rest| rest.is_empty() || rest.starts_with(is_separator));
    let is_relative = !starts_at_home && files::local(given).is_relative();
    let folder = if is_relative { roots::folder(call).await? } else { PathBuf::new() };
    let config = call.own.config().await?;
    let (home, given) = (call.own.home().clone(), given.to_owned());
    blocking(move || {
        let paths = Paths::new(Settings::new(config), host::home_dir(), home.data_directories());
        let local = if starts_at_home { paths.absolute(&given) } else { folder.join(files::local(&given)) };
        Ok((local, paths.rules()))
    })
    .await?
}

/// Tells the client how far it is, as often as is of use.
async fn report(call: &Call, mut seen: watch::Receiver<Option<Progress>>) -> std::convert::Infallible {
    let mut most = None;
    while call.is_watched() && seen.changed().await.is_ok() {
        let Some(Progress { done, total }) = *seen.borrow_and_update() else { continue };
        // A transfer that goes on after a break may fall behind what it had reached.
        if most.is_some_and(|most| done <= most) {
            continue;
        }
        most = Some(done);
        let words = total.map_or_else(|| size(done), |total| format!("{} of {}", size(done), size(total)));
        call.tell(done as f64, total.map(|total| total as f64), Some(words)).await;
        tokio::time::sleep(PACE).await;
    }
    std::future::pending().await
}

/// `loopsy_list_remote_files`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ListFiles {
    /// The folder; relative paths start at the home folder there.
    path: String,
}

/// What is in a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Folder {
    /// By name.
    files: Vec<transfer::FileEntry>,
    /// How many there are.
    total: usize,
}

impl Action for ListFiles {
    type Answer = Folder;

    async fn act(self, call: &Call) -> Result<Folder> {
        let mut files = call.line()?.call(&TransferList { path: self.path }).await?.files;
        let total = files.len();
        files.truncate(LISTED);
        Ok(Folder { files, total })
    }
    fn tell(folder: &Folder, call: &Call) -> String {
        let mut text = format!("{} on {}", count(folder.total, "name", "names"), call.place());
        for file in &folder.files {
            let mark = if matches!(file.kind, transfer::FileType::Directory) { "/".to_owned() } else { format!("  {}", size(file.size)) };
            text.push_str(&format!("\n{}{mark}", printable(&file.name)));
        }
        if folder.files.len() < folder.total {
            let rest = folder.total - folder.files.len();
            text.push_str(&format!("\n… and {rest} more: see them with loopsy_execute, command ls."));
        }
        text
    }
}
