//! The write-ahead log: batches that the database has committed to memory alone, each on the disk with one sync of data.
//!
//! The file is as long from the beginning as it ever gets, so that a sync is one of data alone. A record is its length, the
//! checksum of what follows, the generation of the log, the revision before the batch, then the batch's steps; numbers are
//! little-endian. A durable commit of the database begins a new generation, which the database knows, at the start of the
//! file. Records of another generation are of no use any more, or of another database; the last one is followed by something
//! that is no record of this one. So is damage taken for the end: what the database has itself is never at stake.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Crc;
use uuid::Uuid;

use super::record::Record;
use crate::platform::files::write_private;

/// Length of the file: what a start may have to take in again, and what a durable commit of the database is spared.
pub(super) const SIZE: usize = 1024 * 1024;
/// How long a store whose disk has no room for a log goes on without one.
const AGAIN: Duration = Duration::from_secs(60);
/// Length and checksum.
const FRAME: usize = 4 + 4;
/// Those, generation and revision.
const HEAD: usize = FRAME + 8 + 8;

/// What a batch does to the entries, in order, as it is logged. Each step takes one revision.
pub(super) struct Steps(Option<Vec<u8>>);

impl Steps {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Some(Vec::new()))
    }
    /// The batch does something else too, so that it can't be logged.
    pub(super) fn spoil(&mut self) {
        self.0 = None;
    }
    /// An entry is written: its record as it is stored; or it is removed: an empty one.
    pub(super) fn push(&mut self, key: &str, record: &[u8]) {
        let Some(steps) = &mut self.0 else { return };
        if HEAD + steps.len() + 8 + key.len() + record.len() > SIZE {
            return self.spoil();
        }
        steps.extend_from_slice(&(key.len() as u32).to_le_bytes());
        steps.extend_from_slice(&(record.len() as u32).to_le_bytes());
        steps.extend_from_slice(key.as_bytes());
        steps.extend_from_slice(record);
    }
}

/// A log, and where in it the next record goes.
pub(super) struct Wal {
    path: PathBuf,
    /// None before the first durable commit, which makes a new file.
    file: Option<File>,
    /// When there could not be one.
    refused: Option<Instant>,
    generation: u64,
    end: usize,
}

impl Wal {
    /// A log that takes nothing before [`Wal::restart`]: who knows what follows the records that were read.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, refused: None, generation: 0, end: 0 }
    }
    /// Adds a batch on top of a revision, and answers once it is on the disk; or that the log does not take it.
    pub(super) fn append(&mut self, revision: u64, steps: &Steps) -> io::Result<bool> {
        let (Some(file), Some(steps)) = (&mut self.file, &steps.0) else { return Ok(false) };
        if self.end + HEAD + steps.len() > SIZE {
            return Ok(false);
        }
        let mut record = Vec::with_capacity(HEAD + steps.len());
        record.extend_from_slice(&((HEAD - FRAME + steps.len()) as u32).to_le_bytes());
        record.extend_from_slice(&[0; 4]);
        record.extend_from_slice(&self.generation.to_le_bytes());
        record.extend_from_slice(&revision.to_le_bytes());
        record.extend_from_slice(steps);
        let sum = checksum(&record[FRAME..]);
        record[4..FRAME].copy_from_slice(&sum.to_le_bytes());
        file.seek(SeekFrom::Start(self.end as u64))?;
        file.write_all(&record)?;
        file.sync_data()?;
        self.end += record.len();
        Ok(true)
    }
    /// The next record can't be written.
    #[cfg(test)]
    pub(super) fn fails(&mut self) {
        self.file = self.file.take().and_then(|_| File::open(&self.path).ok());
    }
    /// Begins anew, with the generation that the database has just been told.
    ///
    /// Where there can't be a file, the store works as well, each batch with a durable commit of its own; a minute later it is
    /// tried again.
    pub(super) fn restart(&mut self, generation: u64) {
        (self.generation, self.end) = (generation, 0);
        if self.file.is_some() || self.refused.is_some_and(|at| at.elapsed() < AGAIN) {
            return;
        }
        match write_private(&self.path, &vec![0; SIZE]).and_then(|()| writable(&self.path)) {
            Ok(file) => (self.file, self.refused) = (Some(file), None),
            Err(error) => {
                tracing::warn!(%error, "the context store goes on without its log");
                self.refused = Some(Instant::now());
            }
        }
    }
}

/// A new generation, that no log had before.
pub(super) fn generation() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}

/// The content of a log; nothing where there is none.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut log = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(SIZE as u64).read_to_end(&mut log).map(|_| log),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(log),
        Err(error) => Err(error),
    }
}

/// Brings to the disk what a killed program may have left in the system's memory alone.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    writable(path)?.sync_data()
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// A record of a log.
pub(super) struct Logged<'a> {
    /// Revision on top of which it was made.
    pub revision: u64,
    /// Keys, and the entries that were written under them; none where they were removed.
    pub steps: Vec<(&'a str, Option<Record<'a>>)>,
    /// Where the next one begins.
    pub end: usize,
}

/// The whole record of this generation that begins at a place, if one does.
pub(super) fn logged(log: &[u8], at: usize, generation: u64) -> Option<Logged<'_>> {
    let mut rest = log.get(at..)?;
    let length = number(&mut rest)?;
    let sum = number(&mut rest)?;
    let mut body = rest.get(..length)?;
    if checksum(body) as usize != sum || take(&mut body, 8)? != generation.to_le_bytes() {
        return None;
    }
    let revision = u64::from_le_bytes(take(&mut body, 8)?.try_into().ok()?);
    let mut steps = Vec::new();
    while !body.is_empty() {
        let (key, record) = (number(&mut body)?, number(&mut body)?);
        let key = std::str::from_utf8(take(&mut body, key)?).ok()?;
        let record = take(&mut body, record)?;
        steps.push((key, if record.is_empty() { None } else { Some(Record::decode(record)?) }));
    }
    Some(Logged { revision, steps, end: at + FRAME + length })
}

/// Whether there is a whole record of this generation at a place or behind it.
pub(super) fn goes_on(log: &[u8], from: usize, generation: u64) -> bool {
    let (mark, rest) = (generation.to_le_bytes(), log.get(from..).unwrap_or_default());
    let marked = rest.windows(mark.len()).enumerate().filter(|(_, bytes)| *bytes == mark);
    marked.filter_map(|(at, _)| at.checked_sub(FRAME)).any(|at| logged(rest, at, generation).is_some())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?) as usize)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}
