//! Logs that rotate: `audit.jsonl` and `daemon.log`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::base::sync::lock;
use crate::base::{Error, Result};
use crate::platform::modes;

/// How long lines wait for company before they are written together: what a crash can cost.
const GATHER: Duration = Duration::from_millis(10);
/// Most bytes that wait; when the disk can't follow, further lines are dropped and counted.
const MAX_PENDING: usize = 4 << 20;

/// A log file with a thread of its own that writes what was appended. Clones are the same file; the last one that is
/// dropped waits until all is written.
#[derive(Clone)]
pub struct LogFile {
    writer: Arc<Writer>,
}

struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or the writer should hurry.
    wake: Condvar,
    /// A batch was written.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    lost: u64,
    /// Write without waiting for more.
    hurry: bool,
    closed: bool,
    /// Batches that were taken and not written yet: 0 or 1.
    busy: bool,
}

impl LogFile {
    /// Opens a log as [`Rotating::open`] does, and starts its thread.
    pub fn open(path: &Path, max_size: u64, max_files: u32) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::internal(&format!("{} can't be written: {}", path.display(), crate::base::error::io_words(&error)), error)
        };
        let mut rotating = Rotating::open(path, max_size, max_files).map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&theirs, &mut rotating)).map_err(failed)?;
        Ok(Self { writer: Arc::new(Writer { shared, thread: Mutex::new(Some(thread)) }) })
    }
    /// Appends one line; the line break is added. Costs a copy, never a wait for the disk.
    pub fn append(&self, line: &[u8]) {
        let mut queue = lock(&self.writer.shared.queue);
        if queue.pending.len() + line.len() > MAX_PENDING {
            queue.lost += 1;
            return;
        }
        let was_empty = queue.pending.is_empty();
        queue.pending.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            queue.pending.push(b'\n');
        }
        drop(queue);
        if was_empty {
            self.writer.shared.wake.notify_one();
        }
    }
    /// Waits until everything appended so far is in the file. Blocks.
    pub fn flush(&self) {
        let shared = &self.writer.shared;
        let mut queue = lock(&shared.queue);
        while queue.busy || !queue.pending.is_empty() {
            queue.hurry = true;
            shared.wake.notify_one();
            queue = shared.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

/// The thread: gathers, takes the batch, writes it outside of the lock.
fn write_all(shared: &Shared, file: &mut Rotating) {
    let mut batch = Vec::new();
    loop {
        let mut queue = lock(&shared.queue);
        queue.busy = false;
        shared.written.notify_all();
        let awaited = |queue: &mut Queue| queue.pending.is_empty() && !queue.closed;
        queue = shared.wake.wait_while(queue, awaited).unwrap_or_else(PoisonError::into_inner);
        let gathering = |queue: &mut Queue| !queue.hurry && !queue.closed && queue.pending.len() < MAX_PENDING / 2;
        queue = shared.wake.wait_timeout_while(queue, GATHER, gathering).unwrap_or_else(PoisonError::into_inner).0;
        if queue.pending.is_empty() {
            return;
        }
        batch.clear();
        std::mem::swap(&mut batch, &mut queue.pending);
        queue.busy = true;
        queue.hurry = false;
        let lost = std::mem::take(&mut queue.lost);
        drop(queue);
        if lost > 0 {
            batch.extend_from_slice(format!("{{\"lost\":{lost}}}\n").as_bytes());
        }
        // A disk that is full or gone must not end the daemon; there is nowhere left to say so.
        let _ = file.append(&batch);
        batch.shrink_to(64 << 10);
    }
}

/// The file itself, and its older copies: for a caller that gathers lines by itself.
pub struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    /// Whether the file ends with a part of a line, which a full disk or a kill left.
    is_torn: bool,
    max_size: u64,
    max_files: u32,
}

impl Rotating {
    /// Opens a log for appending, 0600. At `max_size` bytes it becomes `<path>.1`, and so on up to `max_files` old ones.
    pub fn open(path: &Path, max_size: u64, max_files: u32) -> io::Result<Self> {
        let file = modes::open_append(path)?;
        modes::tighten(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, is_torn: is_torn(path, size)?, max_size, max_files })
    }
    /// Appends whole lines with as few writes as the rotation allows. What fails leaves no part of a line that the next one
    /// would go on with.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let room = usize::try_from(self.max_size.saturating_sub(self.size)).unwrap_or(usize::MAX);
            let fits = if rest.len() <= room { rest.len() } else { whole_lines(&rest[..room]) };
            if fits == 0 && self.size > 0 {
                self.rotate()?;
                continue;
            }
            // A single line that is larger than a whole file still goes into one.
            let take = if fits > 0 { fits } else { rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1) };
            self.write(&rest[..take])?;
            rest = &rest[take..];
        }
        Ok(())
    }
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = if self.is_torn { self.file.write_all(&[b"\n", lines].concat()) } else { self.file.write_all(lines) };
        if written.is_ok() {
            self.size += lines.len() as u64 + u64::from(std::mem::take(&mut self.is_torn));
        } else if self.file.set_len(self.size).is_err() {
            self.is_torn = true;
        }
        written
    }
    fn rotate(&mut self) -> io::Result<()> {
        if self.max_files == 0 {
            std::fs::remove_file(&self.path)?;
        }
        for number in (0..self.max_files).rev() {
            let from = if number == 0 { self.path.clone() } else { rotated(&self.path, number) };
            match std::fs::rename(from, rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = modes::open_append(&self.path)?;
        self.size = self.file.metadata()?.len();
        self.is_torn = false;
        Ok(())
    }
}

fn is_torn(path: &Path, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last != *b"\n")
}

/// The name of an older copy; 1 is the newest.
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Length of the whole lines at the start.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Takes one event of the daemon's log and appends it when it is complete.
pub struct Line<'a> {
    log: &'a LogFile,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.log.append(&self.text);
        }
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;
    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
    }

    /// known fault 61
    #[test]
    fn the_log_rotates_by_size_and_count_and_loses_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let log = LogFile::open(&path, 100, 3).unwrap();
        for number in 0..35 {
            log.append(format!("line {number:04}").as_bytes());
        }
        drop(log);
        // Ten bytes a line: ten lines a file.
        assert_eq!(lines(&path), (30..35).map(|n| format!("line {n:04}")).collect::<Vec<_>>());
        assert_eq!(lines(&rotated(&path, 1)).len(), 10);
        assert_eq!(lines(&rotated(&path, 3))[0], "line 0000");

        let log = LogFile::open(&path, 100, 3).unwrap();
        (0..20).for_each(|_| log.append(b"more line"));
        log.flush();
        assert_eq!(lines(&rotated(&path, 2)).len(), 10);
        assert!(!rotated(&path, 4).exists());
    }
    /// What a full disk took half of is taken back; what a kill left half of is ended before the next line.
    #[test]
    fn no_line_is_glued_to_half_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        crate::platform::files::write_private(&path, b"whole\nhal").unwrap();
        let mut log = Rotating::open(&path, 1 << 20, 1).unwrap();
        log.append(b"next\n").unwrap();
        assert_eq!(lines(&path), ["whole", "hal", "next"]);
        // A file that can't be written stands for the disk that takes no more.
        let size = log.size;
        let writable = std::mem::replace(&mut log.file, File::open(&path).unwrap());
        assert!(log.append(b"lost\n").is_err() && log.is_torn);
        log.file = writable;
        log.append(b"after\n").unwrap();
        assert_eq!(lines(&path), ["whole", "hal", "next", "", "after"]);
        assert_eq!(log.size, size + 7);
        assert_eq!(log.size, std::fs::metadata(&path).unwrap().len());
    }
    #[test]
    fn odd_sizes_and_counts_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        for (max_size, max_files) in [(0, 0), (0, 1), (1, 2), (u64::MAX, u32::MAX)] {
            let path = dir.path().join(format!("{max_size}-{max_files}"));
            let log = LogFile::open(&path, max_size, max_files.min(9)).unwrap();
            log.append(b"a long first line");
            log.append(b"");
            log.append(b"second");
            log.flush();
            assert_eq!(lines(&path).last().unwrap(), "second");
        }
    }
    #[test]
    fn appends_from_many_threads_are_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = LogFile::open(&path, 1 << 20, 1).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = log.clone();
                scope.spawn(move || (0..500).for_each(|n| log.append(format!("{thread} {n} {}", "x".repeat(50)).as_bytes())));
            }
        });
        log.flush();
        let lines = lines(&path);
        assert_eq!(lines.len(), 2000);
        assert!(lines.iter().all(|line| line.ends_with(&"x".repeat(50)) && line.len() < 60));
    }
    #[test]
    fn a_tracing_event_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        let log = LogFile::open(&path, 1 << 20, 1).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || tracing::info!(port = 7, "listening"));
        log.flush();
        let lines = lines(&path);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("listening") && lines[0].contains("port=7"), "{lines:?}");
    }
}
