//! A file that arrives: written beside its target, checked, brought to disk, and only then given its name.

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::flow::{Inflow, pour};
use super::part::{self, Part};
use super::running_hash::{Head, RunningHash};
use crate::api::Pieces;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result, clock, units};
use crate::platform::files::{self, Dir};

/// Bytes that are written before the disk is told to begin with them.
const STRETCH: u64 = 8 * 1024 * 1024;

/// What is known of a file before it arrives.
pub struct Arrival {
    /// The folder it goes into.
    pub dir: Dir,
    /// Its name there.
    pub name: OsString,
    /// How messages call it.
    pub shown: String,
    /// 32 hexadecimal digits under which the part is kept if the stream breaks off; without them it is removed.
    pub token: Option<String>,
    /// Bytes of the whole, where known.
    pub size: Option<u64>,
    /// SHA-256 of the whole, where known up front.
    pub checksum: Option<String>,
    /// Whether content without any checksum is refused.
    pub must_match: bool,
    /// Permission bits; those of the file that is replaced unless given.
    pub mode: Option<u32>,
    /// Time of the last change, milliseconds since the epoch.
    pub modified: Option<i64>,
    /// Where the stream begins in the file.
    pub offset: u64,
    /// Most bytes of the whole.
    pub limit: u64,
    /// Bytes that are in the part so far, for whoever watches.
    pub progress: Arc<AtomicU64>,
}

/// A file that is on disk, under its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole.
    pub checksum: String,
}

/// How much is there of an unfinished file.
pub fn present(dir: &Dir, token: &str) -> u64 {
    part::present(dir, token)
}

/// Receives a file. When this fails, or is dropped, or the machine loses power, the old file is still whole.
///
/// # Errors
/// `TRANSFER_TOO_LARGE`, `TRANSFER_CHECKSUM_MISMATCH`, `TRANSFER_DISK_FULL`: nothing is left. What broke off is kept
/// if there is a token.
pub async fn receive(arrival: Arrival, body: Pieces, stop: &CancellationToken) -> Result<Arrived> {
    if let Some(size) = arrival.size {
        arrival.check_size(size)?;
    }
    // The head of a resumed file is hashed on a thread of its own, once the part is open.
    let (head_to, head_from) = tokio::sync::oneshot::channel::<Head>();
    let head = async {
        match head_from.await {
            Ok(head) => blocking(|| head.run()).await,
            Err(_) => Ok(()),
        }
    };
    let (arrived, _) = tokio::join!(pour(body, stop, move |inflow| arrival.take(inflow, head_to)), head);
    arrived
}

impl Arrival {
    fn take(self, mut inflow: Inflow, head_to: tokio::sync::oneshot::Sender<Head>) -> Result<Arrived> {
        let failed = |error: io::Error| super::failed(&self.shown, &error);
        let old = match self.dir.stat(&self.name) {
            Ok(stat) => Some(stat.file().map_err(failed)?.mode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        part::sweep(&self.dir, clock::now());
        let mode = self.mode.or(old);
        let mut part = match &self.token {
            Some(token) => Part::resumable(&self.dir, token, self.offset, mode.unwrap_or(0o666))?,
            None if self.offset > 0 => return Err(Error::invalid("an upload can be continued only where its size is given")),
            None => Part::new(&self.dir, mode.unwrap_or(0o666)).map_err(failed)?,
        };
        part.keep = false;
        let mut hash = RunningHash::whole();
        if self.offset > 0 {
            let (behind, head) = RunningHash::after_head(&part.file, self.offset).map_err(failed)?;
            hash = behind;
            let _ = head_to.send(head);
        } else {
            drop(head_to);
        }
        let size = self.fill(&mut inflow, &mut part, &mut hash)?;
        let checksum = hash.finish(&part.file, size).map_err(failed)?;
        for expected in self.checksum.as_deref().into_iter().chain(inflow.checksum()) {
            if !expected.eq_ignore_ascii_case(&checksum) {
                return Err(mismatch(&self.shown));
            }
        }
        if self.must_match && self.checksum.is_none() && inflow.checksum().is_none() {
            return Err(mismatch(&self.shown));
        }
        if let Some(mode) = mode {
            files::set_mode(&part.file, mode).map_err(failed)?;
        }
        if let Some(modified) = self.modified {
            files::set_modified(&part.file, i128::from(modified) * 1_000_000).map_err(failed)?;
        }
        part.file.sync_all().map_err(failed)?;
        part.finish(&self.name).map_err(failed)?;
        self.dir.sync().map_err(failed)?;
        Ok(Arrived { size, checksum })
    }

    /// Writes the stream into the part; answers the size of the whole.
    fn fill(&self, inflow: &mut Inflow, part: &mut Part<'_>, hash: &mut RunningHash) -> Result<u64> {
        let failed = |error: io::Error| super::failed(&self.shown, &error);
        let mut end = self.offset;
        let mut begun = end;
        loop {
            let chunk = match inflow.next_chunk() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    part.keep = self.token.is_some() && end > 0;
                    return Err(failed(error));
                }
            };
            end += chunk.len() as u64;
            self.check_size(end)?;
            if self.size.is_some_and(|size| end > size) {
                return Err(Error::invalid(format!("{}: more arrived than was announced", self.shown)));
            }
            part.file.write_all(&chunk).and_then(|()| hash.took(&part.file, &chunk, end)).map_err(failed)?;
            self.progress.store(end, Ordering::Relaxed);
            if end - begun >= STRETCH {
                files::begin_sync(&part.file, begun, end - begun);
                begun = end;
            }
        }
        match self.size {
            Some(size) if end < size => {
                part.keep = self.token.is_some() && end > 0;
                Err(Error::invalid(format!("{}: {end} of {size} bytes arrived", self.shown)).hint("Send the rest."))
            }
            _ => Ok(end),
        }
    }

    fn check_size(&self, size: u64) -> Result<()> {
        if size <= self.limit {
            return Ok(());
        }
        Err(too_large(&self.shown, self.limit))
    }
}

pub(super) fn too_large(shown: &str, limit: u64) -> Error {
    Error::new(Code::TransferTooLarge, format!("{shown} is larger than the {} that may be transferred", units::size(limit)))
        .hint("The owner of the receiving machine can raise transfer.maxFileSize.")
}

pub(super) fn mismatch(shown: &str) -> Error {
    Error::new(Code::TransferChecksumMismatch, format!("{shown}: what arrived is not what was sent")).hint("Send it again.")
}
