//! Folders, in and out.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{Transfer, split};
use crate::api::transfer::{Direction, FileType, Manifest, TreeReceived};
use crate::api::{Access, Caller, Download, Permission, Pieces};
use crate::base::hash::is_sha256;
use crate::base::workers::blocking;
use crate::base::{Error, Result};
use crate::disk::{self, manifest, tree_in, tree_out};
use crate::home::paths::Rules;
use crate::platform::files::{Dir, Kind};

impl Transfer {
    /// What is in a folder and below it, or the one entry of a file; empty if there is nothing. What may not be touched
    /// is left out. Dropping the future ends the work.
    pub async fn manifest(&self, path: &str, checksums: bool) -> Result<Manifest> {
        let (this, shown) = (self.clone(), path.to_owned());
        let stop = CancellationToken::new();
        let _ended = stop.clone().drop_guard();
        blocking(move || {
            let go_on = || !stop.is_cancelled();
            let rules = this.paths.rules();
            let real = this.paths.resolve_with(&rules, &shown)?;
            let failed = |error| disk::failed(&shown, &error);
            let near = rules.within(&real);
            match Dir::open(&real, false) {
                Ok(root) => return manifest::tree(&root, checksums, &|path| near.permit(&real.join(path)), &go_on),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Manifest::default()),
                Err(error) if error.kind() == ErrorKind::NotADirectory => {}
                Err(error) => return Err(failed(error)),
            }
            let Some((folder, name)) = split(&real) else { return Ok(Manifest::default()) };
            let dir = Dir::open(folder, false).map_err(failed)?;
            let stat = dir.stat(&name).map_err(failed)?;
            if stat.kind != Kind::File {
                return Err(Error::invalid(format!("{shown}: it is {}", stat.kind.words())));
            }
            let entry = manifest::entry(&dir, Path::new(&name), &stat, checksums, &go_on)?;
            Ok(Manifest { root: Some(FileType::File), entries: entry.into_iter().collect() })
        })
        .await?
    }

    /// Opens a folder to be sent as a tar stream: all below it, or `only` those paths of its manifest that are still
    /// there. What may not be touched is left out.
    pub async fn send_tree(&self, caller: &Caller, path: &str, only: Option<Vec<String>>) -> Result<Download> {
        let (this, shown, caller) = (self.clone(), path.to_owned(), caller.clone());
        blocking(move || {
            let rules = this.paths.rules();
            let real = this.paths.resolve_with(&rules, &shown)?;
            let root = Dir::open(&real, false).map_err(|error| disk::failed(&shown, &error))?;
            let near = rules.within(&real);
            let name = real.file_name().unwrap_or_default().to_string_lossy();
            let place = real.clone();
            let download = Download {
                name: format!("{name}.tar"),
                size: None,
                offset: 0,
                etag: None,
                mode: None,
                modified: None,
                body: tree_out::send(root, only.map(HashSet::from_iter), move |path| near.permit(&real.join(path))),
            };
            Ok(this.tell_departure(&caller, &place, download))
        })
        .await?
    }

    /// Receives a folder as a tar stream, into one that is there or is made. Each file is renamed whole into its place;
    /// all is on disk when this answers.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an entry that would land outside, `TRANSFER_PATH_DENIED` for one that may not be touched.
    /// What arrived before it stays.
    pub async fn receive_tree(&self, caller: &Caller, path: &str, checksum: Option<String>, body: Pieces) -> Result<TreeReceived> {
        let passage = self.running.begin(Direction::In, path, caller.peer(), 0, None);
        let result = self.take_in_tree(caller, path, checksum, passage.count(body)).await;
        self.tell_arrival(caller, path, &result, |received| (&received.path, received.size));
        result
    }

    async fn take_in_tree(&self, caller: &Caller, path: &str, checksum: Option<String>, body: Pieces) -> Result<TreeReceived> {
        let began = Instant::now();
        if checksum.as_deref().is_some_and(|sum| !is_sha256(sum)) {
            return Err(Error::invalid("the checksum is not a SHA-256 in hexadecimal digits"));
        }
        let (this, shown) = (self.clone(), path.to_owned());
        let may_execute = caller.may(Access::Permitted(Permission::Execute), false).is_ok();
        let (root, gate) = blocking(move || {
            let rules = this.paths.rules();
            let real = this.paths.resolve_with(&rules, &shown)?;
            let root = Dir::open(&real, true).map_err(|error| disk::failed(&shown, &error))?;
            Ok::<_, Error>((root, Gate { near: rules.within(&real), rules, root: real, may_execute }))
        })
        .await??;
        let place = gate.root.display().to_string();
        let limit = self.settings.get().transfer.max_file_size;
        let received = tree_in::receive(root, checksum, limit, gate, body, &CancellationToken::new()).await?;
        Ok(TreeReceived { path: place, duration: began.elapsed().as_millis() as u64, ..received })
    }
}

/// The rules for what is put below a folder.
struct Gate {
    root: PathBuf,
    rules: Rules,
    near: Rules,
    may_execute: bool,
}

impl tree_in::Gate for Gate {
    fn may_write(&self, path: &Path) -> Result<()> {
        self.near.check(&self.root.join(path), &path.display().to_string())
    }

    fn may_link(&self, path: &Path, target: &Path) -> Result<()> {
        self.rules.check_link(&self.root, path, target, self.may_execute)
    }
}
