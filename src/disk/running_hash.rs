//! The checksum of a file whose tail moves while its head is still being hashed.

use std::fs::File;
use std::io;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Weak};

use crate::base::hash::Sha256;
use crate::platform::files::{read_at, second_reader};

const CHUNK: usize = 512 * 1024;

/// A SHA-256 of a whole file, fed with chunks from some offset on.
///
/// What lies before that offset is hashed by another thread. Until that is done, chunks are only counted; then they are
/// read again (they are in memory still), so that the stream never waits for the head.
pub(super) struct RunningHash {
    done: Sha256,
    head: Option<Receiver<io::Result<Sha256>>>,
    start: u64,
    /// Tells the other thread that somebody waits.
    _wanted: Arc<()>,
}

/// The work for the other thread.
pub(super) struct Head {
    file: File,
    end: u64,
    to: mpsc::SyncSender<io::Result<Sha256>>,
    wanted: Weak<()>,
}

impl RunningHash {
    /// For chunks from the first byte on.
    pub(super) fn whole() -> Self {
        Self { done: Sha256::default(), head: None, start: 0, _wanted: Arc::default() }
    }

    /// For chunks from `offset` on, with the work for another thread.
    pub(super) fn after_head(file: &File, offset: u64) -> io::Result<(Self, Head)> {
        let (to, from) = mpsc::sync_channel(1);
        let wanted = Arc::default();
        let head = Head { file: second_reader(file)?, end: offset, to, wanted: Arc::downgrade(&wanted) };
        Ok((Self { done: Sha256::default(), head: Some(from), start: offset, _wanted: wanted }, head))
    }

    /// Takes note of a chunk that is in the file now and ends at `end`.
    pub(super) fn took(&mut self, file: &File, chunk: &[u8], end: u64) -> io::Result<()> {
        if let Some(head) = &self.head {
            match head.try_recv() {
                Err(TryRecvError::Empty) => return Ok(()),
                Ok(done) => return self.catch_up(done?, file, end),
                Err(TryRecvError::Disconnected) => return Err(io::Error::other("the start of the file was not read")),
            }
        }
        self.done.update(chunk);
        Ok(())
    }

    /// The checksum of the file up to `end`.
    pub(super) fn finish(mut self, file: &File, end: u64) -> io::Result<String> {
        if let Some(head) = self.head.take() {
            let done = head.recv().map_err(|_| io::Error::other("the start of the file was not read"))??;
            self.catch_up(done, file, end)?;
        }
        Ok(self.done.finish())
    }

    fn catch_up(&mut self, done: Sha256, file: &File, end: u64) -> io::Result<()> {
        self.done = done;
        self.head = None;
        hash_range(&mut self.done, file, self.start, end, || true)
    }
}

impl Head {
    /// Hashes the head, unless the transfer has failed meanwhile: the next try must not have to wait for it.
    pub(super) fn run(self) {
        let mut done = Sha256::default();
        let result = hash_range(&mut done, &self.file, 0, self.end, || self.wanted.strong_count() > 0);
        let _ = self.to.send(result.map(|()| done));
    }
}

/// Hashes a part of a file, as long as `go_on` says so.
///
/// # Errors
/// `UnexpectedEof` if the file is shorter; `Interrupted` if told not to go on.
pub(super) fn hash_range(hash: &mut Sha256, file: &File, start: u64, end: u64, go_on: impl Fn() -> bool) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(end.saturating_sub(start) as usize)];
    let mut position = start;
    while position < end {
        if !go_on() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let wanted = (end - position).min(CHUNK as u64) as usize;
        let chunk = &mut buffer[..wanted];
        if read_at(file, chunk, position)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(chunk);
        position += wanted as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_file_is_not_read_to_its_end_for_nobody() {
        let file = tempfile::tempfile().unwrap();
        // Minutes of work.
        file.set_len(1 << 40).unwrap();
        let (behind, head) = RunningHash::after_head(&file, 1 << 40).unwrap();
        drop(behind);
        let began = std::time::Instant::now();
        head.run();
        assert!(began.elapsed().as_secs() < 20);
    }
}
