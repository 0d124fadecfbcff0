//! Folders to a daemon and from it: only what differs travels, as one tar stream.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Files, local, unusable};
use crate::api::transfer::{FileType, Manifest, ManifestEntry, TransferManifest, TreePull, TreePut};
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};
use crate::disk::{manifest, tree_in, tree_out};
use crate::home::paths::Rules;
use crate::platform::files::Dir;

/// About the bytes that an entry takes in a tar stream beside its content.
const OVERHEAD: u64 = 1536 + 256;

/// What came of a folder's transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced {
    /// Files, folders and links in all.
    pub entries: u64,
    /// Those that were the same already.
    pub same: u64,
    /// Files that were sent.
    pub files: u64,
    /// Links that were sent.
    pub links: u64,
    /// Bytes of content that were sent.
    pub size: u64,
    /// Files and links that were gone when their turn came.
    pub vanished: u64,
}

impl Files {
    /// Makes what is in a local folder be in a far one too, which is made if it is missing. Nothing is removed there.
    pub async fn push_tree(&self, source: &Path, target: &str) -> Result<Synced> {
        self.check_trees()?;
        let (here, there) = tokio::join!(self.survey(source), self.far(target));
        let (here, there) = (here?, there?);
        let Some((here, local)) = here else { return Err(missing(&source.display().to_string())) };
        if there.root == Some(FileType::File) {
            return Err(Error::invalid(format!("{target}: it is a file")).hint("Name a folder, or send one file without -r."));
        }
        let plan = Plan::of(here, there);
        if plan.wanted.is_empty() && plan.there {
            return Ok(plan.synced);
        }
        let only = (plan.synced.same > 0).then(|| plan.wanted.iter().cloned().collect());
        let body = self.watched(tree_out::send(local.dir, only, local.bounds.keep()), 0, Some(plan.weight), Arc::default());
        let received = self.link.upload(&TreePut { path: target.into(), checksum: None }, body).await?;
        Ok(plan.done(received.files, received.links, received.size))
    }

    /// Makes what is in a far folder be in a local one too, which is made if it is missing. Nothing is removed here.
    pub async fn pull_tree(&self, source: &str, target: &Path) -> Result<Synced> {
        self.check_trees()?;
        let (here, there) = tokio::join!(self.survey(target), self.far(source));
        let (here, there) = (here?, there?);
        match there.root {
            Some(FileType::Directory) => {}
            Some(_) => return Err(Error::invalid(format!("{source}: it is a file")).hint("Pull it without -r.")),
            None => return Err(missing(source)),
        }
        let (here, local) = match here {
            Some(found) => found,
            None => (Manifest::default(), self.open_tree(target, true).await?),
        };
        let plan = Plan::of(there, here);
        if plan.wanted.is_empty() {
            return Ok(plan.synced);
        }
        let only = (plan.synced.same > 0).then(|| plan.wanted.clone());
        let download = self.link.call(&TreePull { path: source.into(), only }).await?;
        let body = self.watched(download.body, 0, Some(plan.weight), Arc::default());
        let received = tree_in::receive(local.dir, None, u64::MAX, local.bounds, body, &CancellationToken::new()).await?;
        Ok(plan.done(received.files, received.links, received.size))
    }

    async fn far(&self, path: &str) -> Result<Manifest> {
        self.link.call(&TransferManifest { path: path.into(), checksums: false }).await
    }

    async fn open_tree(&self, path: &Path, make: bool) -> Result<Local> {
        let (path, rules) = (path.to_owned(), self.rules.clone());
        blocking(move || {
            let real = local(&path, rules.as_deref())?;
            let dir = Dir::open(&real, make).map_err(|error| unusable(&path, &error))?;
            Ok(Local { dir, bounds: Bounds { rules, folder: real } })
        })
        .await?
    }

    /// What is in a local folder, and the folder itself, if it is there.
    async fn survey(&self, path: &Path) -> Result<Option<(Manifest, Local)>> {
        let local = match self.open_tree(path, false).await {
            Err(error) if error.code == Code::TransferFileNotFound => return Ok(None),
            local => local?,
        };
        blocking(move || Ok(Some((manifest::tree(&local.dir, false, &local.bounds.keep(), &|| true)?, local)))).await?
    }

    fn check_trees(&self) -> Result<()> {
        if self.can("transfer-tree") {
            return Ok(());
        }
        Err(Error::invalid("that machine runs a version that can't transfer folders").hint("Send an archive: tar c … | loopsy send."))
    }
}

fn missing(path: &str) -> Error {
    Error::new(Code::TransferFileNotFound, format!("{path}: no such file or directory"))
}

/// A local folder, open, and what may be touched in it.
struct Local {
    dir: Dir,
    bounds: Bounds,
}

/// What has to travel.
struct Plan {
    /// Paths that differ, or are missing at the target.
    wanted: Vec<String>,
    /// Files and links among them.
    wanted_files: u64,
    /// About the bytes of the stream.
    weight: u64,
    /// Whether the target folder is there.
    there: bool,
    synced: Synced,
}

impl Plan {
    fn of(from: Manifest, to: Manifest) -> Self {
        let there = to.root.is_some();
        let known: HashMap<_, _> = to.entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
        let mut plan = Plan { wanted: Vec::new(), wanted_files: 0, weight: 0, there, synced: Synced::default() };
        plan.synced.entries = from.entries.len() as u64;
        for entry in from.entries {
            if known.get(entry.path.as_str()).is_some_and(|known| same(&entry, known)) {
                plan.synced.same += 1;
                continue;
            }
            plan.wanted_files += u64::from(entry.kind != FileType::Directory);
            plan.weight = plan.weight.saturating_add(entry.size).saturating_add(OVERHEAD);
            plan.wanted.push(entry.path);
        }
        plan
    }

    fn done(self, files: u64, links: u64, size: u64) -> Synced {
        let vanished = self.wanted_files.saturating_sub(files + links);
        Synced { files, links, size, vanished, ..self.synced }
    }
}

fn same(from: &ManifestEntry, to: &ManifestEntry) -> bool {
    from.kind == to.kind
        && match from.kind {
            FileType::File => (from.size, from.modified, from.mode) == (to.size, to.modified, to.mode),
            FileType::Directory => from.mode == to.mode,
            FileType::Symlink => from.target == to.target,
        }
}

/// What may be touched below a local folder: all that does not lead out of it, unless there are rules.
struct Bounds {
    rules: Option<Arc<Rules>>,
    folder: PathBuf,
}

impl Bounds {
    /// Which relative paths may be seen.
    fn keep(&self) -> impl Fn(&Path) -> bool + Send + 'static {
        let near = self.rules.as_ref().map(|rules| rules.within(&self.folder));
        let folder = self.folder.clone();
        move |path| near.as_ref().is_none_or(|near| near.permit(&folder.join(path)))
    }
}

impl tree_in::Gate for Bounds {
    fn may_write(&self, path: &Path) -> Result<()> {
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check(&self.folder.join(path), &path.display().to_string()))
    }
    fn may_link(&self, path: &Path, target: &Path) -> Result<()> {
        self.rules.as_ref().map_or(Ok(()), |rules| rules.check_link(&self.folder, path, target, false))
    }
}
