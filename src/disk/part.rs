//! The unfinished file beside its target.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use crate::base::{Code, Error, Result, clock, id};
use crate::platform::files::{self, Dir, is_part_name, part_name};

/// Milliseconds after which an unfinished file that nobody continued is removed.
const STALE: i64 = 7 * 24 * 3600 * 1000;

/// An unfinished file, held by a lock; removed when dropped, unless it is to be kept for a later try.
pub(super) struct Part<'a> {
    pub(super) file: File,
    pub(super) keep: bool,
    dir: &'a Dir,
    name: OsString,
}

/// How much is there of the unfinished file with this token.
pub(super) fn present(dir: &Dir, token: &str) -> u64 {
    dir.reopen(OsStr::new(&part_name(token))).map_or(0, |(_, stat)| stat.size)
}

impl<'a> Part<'a> {
    /// A new unfinished file that can't be continued later. `mode` is narrowed by the umask.
    pub(super) fn new(dir: &'a Dir, mode: u32) -> io::Result<Self> {
        Self::create(dir, part_name(&id::request()).into(), mode)
    }

    fn create(dir: &'a Dir, name: OsString, mode: u32) -> io::Result<Self> {
        // Ours to write whatever its final mode; that is set at the end.
        let file = dir.create(&name, mode | 0o600)?;
        Ok(Self { file, keep: false, dir, name })
    }

    /// The unfinished file of this token from `offset` on; what it has beyond that is cut off.
    ///
    /// While somebody else writes it, a transfer from the start gets a file of its own.
    ///
    /// # Errors
    /// `RANGE_NOT_SATISFIABLE` if it has less than `offset`.
    pub(super) fn resumable(dir: &'a Dir, token: &str, offset: u64, mode: u32) -> Result<Self> {
        let name: OsString = part_name(token).into();
        let failed = |error: io::Error| super::failed("the unfinished file", &error);
        match Self::take(dir, &name) {
            Ok(Some((part, size))) if size >= offset => {
                part.file.set_len(offset).map_err(failed)?;
                (&part.file).seek(SeekFrom::Start(offset)).map_err(failed)?;
                return Ok(part);
            }
            Ok(None) if offset == 0 => {
                if let Ok(part) = Self::create(dir, name, mode)
                    && files::try_lock(&part.file).is_ok()
                {
                    return Ok(part);
                }
            }
            _ => {}
        }
        if offset == 0 {
            return Self::new(dir, mode).map_err(failed);
        }
        Err(Error::new(Code::RangeNotSatisfiable, format!("there is nothing to continue at byte {offset}"))
            .hint("Ask with HEAD how much is there, or send all of it."))
    }

    /// Opens and locks what is there of a name.
    fn take(dir: &'a Dir, name: &OsStr) -> io::Result<Option<(Self, u64)>> {
        let (file, stat) = match dir.reopen(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        files::try_lock(&file)?;
        // Whoever held the lock before may have finished the file: it is then under its final name.
        if dir.stat(name)?.inode != stat.inode {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let size = files::stat(&file)?.size;
        Ok(Some((Self { file, keep: true, dir, name: name.to_owned() }, size)))
    }

    /// Gives it its final name.
    pub(super) fn finish(mut self, name: &OsStr) -> io::Result<()> {
        self.dir.rename(&self.name, name)?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.dir.remove(&self.name);
        }
    }
}

/// Removes unfinished files of a folder that nobody continued for a week before `now`.
pub(super) fn sweep(dir: &Dir, now: clock::Millis) {
    let oldest = now as i64 - STALE;
    for name in dir.names().unwrap_or_default() {
        if !name.to_str().is_some_and(is_part_name) {
            continue;
        }
        if let Ok((file, stat)) = dir.reopen(&name)
            && stat.touched < oldest
            && files::try_lock(&file).is_ok()
        {
            let _ = dir.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(mut part: Part<'_>) {
        part.keep = true;
    }

    #[test]
    fn what_nobody_continues_for_a_week_is_removed_and_what_is_written_is_not() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(&root.path().canonicalize().unwrap(), false).unwrap();
        let old = Part::resumable(&dir, &"a".repeat(32), 0, 0o600).unwrap();
        let busy = Part::resumable(&dir, &"b".repeat(32), 0, 0o600).unwrap();
        drop(dir.create(OsStr::new(".loopsy-notes.part"), 0o600).unwrap());
        keep(old);
        sweep(&dir, clock::now());
        assert_eq!(dir.names().unwrap().len(), 3);
        sweep(&dir, clock::now() + STALE as u64 + 1);
        assert_eq!(dir.names().unwrap(), [busy.name.as_os_str(), OsStr::new(".loopsy-notes.part")]);
    }
    #[test]
    fn a_part_that_was_finished_while_its_lock_was_awaited_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::open(&root.path().canonicalize().unwrap(), false).unwrap();
        let token = "c".repeat(32);
        let first = Part::resumable(&dir, &token, 0, 0o600).unwrap();
        let second = Part::resumable(&dir, &token, 0, 0o600).unwrap();
        assert_ne!(first.name, second.name);
        first.finish(OsStr::new("done")).unwrap();
        assert!(Part::take(&dir, OsStr::new(&part_name(&token))).unwrap().is_none());
    }
}
