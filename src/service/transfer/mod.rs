//! Files and folders: received whole or not at all, sent with their checksum.

mod news;
pub mod running;
mod tree;
mod uploads;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;
use std::time::Instant;

use self::running::Running;
use self::uploads::Uploads;
use crate::api::transfer::{Direction, Files, Received, UploadState};
use crate::api::{Caller, Download, Pieces};
use crate::base::hash::{Sha256, is_sha256};
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};
use crate::disk::{self, arrive, leave, manifest};
use crate::home::paths::Paths;
use crate::home::settings::Settings;
use crate::platform::files::Dir;
use crate::service::journal::Journal;

/// What comes with a file that is to be received.
#[derive(Debug, Clone, Default)]
pub struct Put {
    /// Where it goes; a folder means "into it".
    pub path: String,
    /// Its name, for a folder as target.
    pub name: Option<String>,
    /// Bytes of the whole; lets a break be resumed.
    pub size: Option<u64>,
    /// SHA-256 of the whole; may come with the content instead.
    pub checksum: Option<String>,
    /// Permission bits; those of the file that is replaced unless given.
    pub mode: Option<u32>,
    /// Time of the source's last change, milliseconds since the epoch.
    pub modified: Option<i64>,
    /// Where the content begins in the file.
    pub offset: u64,
}

/// Which part of a file is wanted.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// First byte.
    pub offset: u64,
    /// Only if the file still has this `ETag`; otherwise the whole is sent.
    pub etag: Option<String>,
}

/// Moves files and folders in and out, within the rules for paths. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Transfer {
    paths: Paths,
    settings: Settings,
    uploads: Arc<Uploads>,
    running: Running,
    journal: Journal,
}

impl Transfer {
    /// `paths` decides what may be touched; `transfer.maxFileSize` of the settings how large a file may be.
    pub fn new(paths: Paths, settings: Settings, journal: Journal) -> Self {
        Self { paths, settings, uploads: Arc::default(), running: Running::default(), journal }
    }

    /// The transfers that are under way.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Receives a file. It is on disk, whole and checked, when this answers; until then the old one is in its place.
    ///
    /// What breaks off is kept for [`Transfer::upload_state`] and another try, if `size` is known.
    pub async fn receive(&self, caller: &Caller, put: Put, body: Pieces) -> Result<Received> {
        let asked = put.path.clone();
        let passage = self.running.begin(Direction::In, &asked, caller.peer(), put.offset, put.size);
        let result = self.take_in(caller, put, passage.count(body)).await;
        self.tell_arrival(caller, &asked, &result, |received| (&received.path, received.size));
        result
    }

    async fn take_in(&self, caller: &Caller, put: Put, body: Pieces) -> Result<Received> {
        let began = Instant::now();
        if put.checksum.as_deref().is_some_and(|sum| !is_sha256(sum)) {
            return Err(Error::invalid("the checksum is not a SHA-256 in hexadecimal digits"));
        }
        let this = self.clone();
        let (path, name) = (put.path.clone(), put.name.clone());
        let (target, dir) = blocking(move || {
            let target = this.target(&path, name.as_deref())?;
            let dir = Dir::open(&target.folder, true).map_err(|error| disk::failed(&target.shown, &error))?;
            Ok::<_, Error>((target, dir))
        })
        .await??;
        let token = put.size.map(|size| token(caller, &target.path, size, put.modified));
        let upload = self.uploads.enter(token.clone());
        let arrival = arrive::Arrival {
            dir,
            name: target.name,
            shown: target.shown,
            token,
            size: put.size,
            checksum: put.checksum,
            must_match: false,
            mode: put.mode,
            modified: put.modified,
            offset: put.offset,
            limit: self.settings.get().transfer.max_file_size,
            progress: upload.progress(),
        };
        let arrived = arrive::receive(arrival, body, upload.stop()).await?;
        let duration = began.elapsed().as_millis() as u64;
        Ok(Received { path: target.path.display().to_string(), size: arrived.size, checksum: arrived.checksum, duration })
    }

    /// Keeps content of which it is not known yet where it goes; `folder` is a private one.
    pub async fn spool(&self, folder: &Path, body: Pieces) -> Result<Pieces> {
        disk::spool(folder, self.settings.get().transfer.max_file_size, body).await
    }

    /// How much is there of an upload that broke off. One that stands still on a dead connection is ended first.
    pub async fn upload_state(
        &self,
        caller: &Caller,
        path: &str,
        name: Option<&str>,
        size: u64,
        modified: Option<i64>,
    ) -> Result<UploadState> {
        let this = self.clone();
        let (path, name) = (path.to_owned(), name.map(str::to_owned));
        let target = blocking(move || this.target(&path, name.as_deref())).await??;
        let token = token(caller, &target.path, size, modified);
        if !self.uploads.settle(&token).await {
            return Ok(UploadState::default());
        }
        let offset = blocking(move || match Dir::open(&target.folder, false) {
            Ok(dir) => arrive::present(&dir, &token).min(size),
            Err(_) => 0,
        })
        .await?;
        Ok(UploadState { offset })
    }

    /// Opens a file to be sent. Its content is read, and hashed, while the answer's body is.
    ///
    /// # Errors
    /// `TRANSFER_FILE_NOT_FOUND`; `RANGE_NOT_SATISFIABLE` for a part that begins behind the end; `INVALID_REQUEST` for
    /// anything that is not a file.
    pub async fn send(&self, caller: &Caller, path: &str, part: Part) -> Result<Download> {
        let (this, shown, caller) = (self.clone(), path.to_owned(), caller.clone());
        blocking(move || {
            let real = this.paths.resolve(&shown)?;
            let (folder, name) = split(&real).ok_or_else(|| Error::invalid(format!("{shown}: it is a directory")))?;
            let failed = |error| disk::failed(&shown, &error);
            let (file, stat) = Dir::open(folder, false).and_then(|dir| dir.file(&name)).map_err(failed)?;
            let wanted = part.etag.is_none_or(|etag| etag == leave::etag(&stat));
            let offset = if wanted { part.offset } else { 0 };
            if offset > 0 && offset >= stat.size {
                return Err(Error::new(Code::RangeNotSatisfiable, format!("{shown} has {} bytes", stat.size))
                    .details(serde_json::json!({ "size": stat.size })));
            }
            let download = leave::send(file, stat, name.to_string_lossy().into_owned(), offset);
            Ok(this.tell_departure(&caller, &real, download))
        })
        .await?
    }

    /// What is in a directory. Names that may not be touched are left out.
    pub async fn list(&self, path: &str) -> Result<Files> {
        let (this, shown) = (self.clone(), path.to_owned());
        blocking(move || {
            let rules = this.paths.rules();
            let real = this.paths.resolve_with(&rules, &shown)?;
            let dir = Dir::open(&real, false).map_err(|error| disk::failed(&shown, &error))?;
            let near = rules.within(&real);
            Ok(Files { files: manifest::list(&dir, &real, &|path| near.permit(path))? })
        })
        .await?
    }

    /// Where a file that arrives goes.
    fn target(&self, given: &str, name: Option<&str>) -> Result<Target> {
        let rules = self.paths.rules();
        let mut shown = given.to_owned();
        let mut path = self.paths.resolve_with(&rules, given)?;
        if given.ends_with(is_separator) || path.is_dir() {
            let name = name.ok_or_else(|| Error::invalid(format!("{given}: it is a directory")).hint("Name the file in it."))?;
            if matches!(name, "" | "." | "..") || name.contains(|c| c == '\0' || is_separator(c)) {
                return Err(Error::invalid(format!("{name:?} is not the name of a file")));
            }
            shown = format!("{}/{name}", given.trim_end_matches(is_separator));
            path = self.paths.resolve_with(&rules, &shown)?;
        }
        let (folder, name) = split(&path).ok_or_else(|| Error::invalid(format!("{shown}: it is a directory")))?;
        Ok(Target { folder: folder.to_owned(), name, shown, path })
    }
}

/// Where a file that arrives goes; no links in it.
struct Target {
    folder: PathBuf,
    name: OsString,
    path: PathBuf,
    /// As the caller calls it.
    shown: String,
}

fn split(path: &Path) -> Option<(&Path, OsString)> {
    Some((path.parent()?, path.file_name()?.to_owned()))
}

/// Under what the unfinished file of an upload is kept: the same upload of the same caller finds it again, no other does.
fn token(caller: &Caller, path: &Path, size: u64, modified: Option<i64>) -> String {
    let mut known = Sha256::default();
    known.update(format!("{:?} {size} {modified:?} ", caller.peer()).as_bytes());
    known.update(path.as_os_str().as_encoded_bytes());
    let mut token = known.finish();
    token.truncate(32);
    token
}
