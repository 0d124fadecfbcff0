//! One file from a daemon.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{Files, Tries, local, unusable, unwritable};
use crate::api::transfer::{FileType, TransferManifest, TransferPull};
use crate::api::{Download, Piece};
use crate::base::hash::Sha256;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};
use crate::disk::arrive::{self, Arrival, Arrived};
use crate::platform::files::{Dir, is_part_name};

/// Where a file goes on this machine.
struct Place {
    folder: PathBuf,
    name: OsString,
}

impl Files {
    /// Fetches a file to a local path; a folder, or a path that ends with `/`, means "into it".
    ///
    /// Goes on after a break, also of an earlier call. The old file is in its place until the new one is whole, checked
    /// and on disk. Answers where it is now, with what is known of it.
    pub async fn pull(&self, source: &str, target: &Path) -> Result<(PathBuf, Arrived)> {
        let reached = Arc::new(AtomicU64::new(0));
        let mut tries = Tries::default();
        loop {
            match self.try_pull(source, target, &reached).await {
                Err(error) => tries.after(error, reached.load(Ordering::Relaxed)).await?,
                done => return done,
            }
        }
    }

    async fn try_pull(&self, source: &str, target: &Path, reached: &Arc<AtomicU64>) -> Result<(PathBuf, Arrived)> {
        let (place, dir, unfinished) = self.place(source, target).await?;
        let mut begun = None;
        if unfinished && self.resumes && self.can("transfer-v2") {
            begun = self.continued(source, &dir).await?;
        }
        let download = match begun {
            Some(download) => download,
            None => self.link.call(&TransferPull { source_path: source.into(), range: None, if_range: None }).await?,
        };
        let path = place.folder.join(&place.name);
        let arrival = Arrival {
            dir,
            name: place.name,
            shown: path.display().to_string(),
            token: download.size.zip(download.modified).map(|(size, modified)| self.token(source, size, modified)),
            size: download.size,
            checksum: None,
            // A daemon of ours always tells one; without it something on the way has cut it off.
            must_match: download.etag.is_some(),
            mode: download.mode,
            modified: download.modified,
            offset: download.offset,
            limit: u64::MAX,
            progress: Arc::default(),
        };
        let body = self.watched(download.body, download.offset, download.size, reached.clone());
        let arrived = arrive::receive(arrival, body, &CancellationToken::new()).await?;
        Ok((path, arrived))
    }

    /// The rest of a file of which some is here, if it is still the same there.
    async fn continued(&self, source: &str, dir: &Dir) -> Result<Option<Download>> {
        let manifest = self.link.call(&TransferManifest { path: source.into(), checksums: false }).await?;
        let [file] = &manifest.entries[..] else { return Ok(None) };
        if manifest.root != Some(FileType::File) || file.size == 0 {
            return Ok(None);
        }
        let have = arrive::present(dir, &self.token(source, file.size, file.modified)).min(file.size - 1);
        if have == 0 {
            return Ok(None);
        }
        let pull = TransferPull { source_path: source.into(), range: Some(format!("bytes={have}-")), if_range: None };
        match self.link.call(&pull).await {
            Ok(download) if download.size == Some(file.size) && download.modified == Some(file.modified) => Ok(Some(download)),
            Ok(_) => Ok(None),
            Err(error) if error.code == Code::RangeNotSatisfiable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a file into something that is written to; answers its size and checksum, which was compared.
    pub async fn pull_stream(&self, source: &str, mut output: impl AsyncWrite + Unpin) -> Result<Arrived> {
        let download = self.link.call(&TransferPull { source_path: source.into(), range: None, if_range: None }).await?;
        let must_match = download.etag.is_some();
        let mut body = self.watched(download.body, 0, download.size, Arc::default());
        let (mut hash, mut size, mut told) = (Sha256::default(), 0, None);
        while let Some(piece) = body.next().await {
            match piece? {
                Piece::Data(bytes) => {
                    hash.update(&bytes);
                    size += bytes.len() as u64;
                    output.write_all(&bytes).await.map_err(|error| unwritable(&error))?;
                }
                Piece::Checksum(sum) => told = Some(sum),
            }
        }
        output.flush().await.map_err(|error| unwritable(&error))?;
        let checksum = hash.finish();
        if told.map_or(must_match, |told| told != checksum) || download.size.is_some_and(|whole| whole != size) {
            return Err(Error::new(Code::TransferChecksumMismatch, format!("{source}: what arrived is not what was sent")));
        }
        Ok(Arrived { size, checksum })
    }

    /// Under what the unfinished file is kept here.
    fn token(&self, source: &str, size: u64, modified: i64) -> String {
        let mut known = Sha256::default();
        known.update(format!("pull {:?} {source:?} {size} {modified}", self.link.whose()).as_bytes());
        let mut token = known.finish();
        token.truncate(32);
        token
    }

    /// Opens the folder that a file goes into, and tells whether there are unfinished files in it.
    async fn place(&self, source: &str, target: &Path) -> Result<(Place, Dir, bool)> {
        let (source, target, rules) = (source.to_owned(), target.to_owned(), self.rules.clone());
        blocking(move || {
            let rules = rules.as_deref();
            let into = target.as_os_str().as_encoded_bytes().last().is_some_and(|end| is_separator((*end).into()));
            let mut real = local(&target, rules)?;
            if into || real.is_dir() {
                let name = source.rsplit(['/', '\\']).next().filter(|name| !matches!(*name, "" | "." | ".." | "~"));
                let name = name.ok_or_else(|| Error::invalid(format!("{source}: it is a directory")).hint("Use -r for folders."))?;
                real = local(&real.join(name), rules)?;
            }
            let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
                return Err(unusable(&target, &io::ErrorKind::IsADirectory.into()));
            };
            let dir = Dir::open(folder, true).map_err(|error| unusable(&target, &error))?;
            let names = dir.names().unwrap_or_default();
            let unfinished = names.iter().any(|name| name.to_str().is_some_and(is_part_name));
            Ok((Place { folder: folder.to_owned(), name: name.to_owned() }, dir, unfinished))
        })
        .await?
    }
}
