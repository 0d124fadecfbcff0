//! `loopsy logs`: the newest lines of a log, and those that come.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::log_lines::{Filter, show};
use crate::base::error::io_words;
use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::app::Logs;
use crate::home::log_file::rotated;
use crate::home::{Home, config_file};
use crate::platform::modes::{file_id, path_id};
use crate::platform::terminal;

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Most that is read at once.
const CHUNK: u64 = 1 << 20;

/// Prints the log, and with `--follow` goes on until it is interrupted or its reader goes away.
pub fn run(session: &Session, args: &Logs) -> Result<ExitCode> {
    let path = path(&session.home, args);
    let filter = Filter::new(args)?;
    let print = |line: &str| if filter.wants(line) { session.console.line(show(&session.console, args.daemon, line)) } else { Ok(()) };
    let failed = |error: io::Error| Error::internal(&format!("{}: {}", path.display(), io_words(&error)), error);
    let mut tail = Tail::new(&path);
    if !path.exists() && !args.follow {
        session.console.note(format!("Nothing has been logged yet in {}", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    for line in newest(&mut tail, args.lines, |line| filter.wants(line)).map_err(failed)? {
        print(&line)?;
    }
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    session.wait(async {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if terminal::reader_is_gone() {
                return Ok(ExitCode::SUCCESS);
            }
            tail.read_lines().map_err(failed)?.iter().try_for_each(|line| print(line))?;
        }
    })
}

fn path(home: &Home, args: &Logs) -> PathBuf {
    if !args.daemon {
        return home.audit_log();
    }
    // With a wrong configuration the log is wanted most: it is then looked for where it usually is.
    let configured = config_file::load(home).ok().and_then(|loaded| loaded.config.logging.file);
    home.daemon_log(configured.as_deref())
}

/// The newest lines that are wanted, of the log and its older copies; `tail` stands behind them afterwards.
fn newest(tail: &mut Tail, count: usize, wants: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let wanted = |lines: Vec<String>| lines.into_iter().filter(|line| wants(line)).collect::<Vec<_>>();
    let mut found = wanted(tail.read_lines()?);
    for number in 1.. {
        let older = rotated(&tail.path, number);
        if (count > 0 && found.len() >= count) || !older.exists() {
            break;
        }
        let mut lines = wanted(Tail::new(&older).read_lines()?);
        lines.append(&mut found);
        found = lines;
    }
    if count > 0 {
        found.drain(..found.len().saturating_sub(count));
    }
    Ok(found)
}

/// A log that is read to its end again and again, and followed to the file that takes its name.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Tail {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, partial: Vec::new() }
    }
    /// The whole lines since the last look.
    fn read_lines(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        self.read_on(&mut lines)?;
        // The old file was read to its end before its follower is opened, so that no line is missed.
        if self.was_replaced()? {
            self.file = None;
            self.partial.clear();
            self.read_on(&mut lines)?;
        }
        Ok(lines)
    }
    fn was_replaced(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let Ok(current) = std::fs::metadata(&self.path) else { return Ok(false) };
        let is_other = path_id(&self.path).is_ok_and(|id| file_id(file).is_ok_and(|own| own != id));
        if is_other {
            // What was written between the last read and the rename.
            let mut rest = Vec::new();
            file.read_to_end(&mut rest)?;
            file.seek(SeekFrom::End(-(rest.len() as i64)))?;
            return Ok(rest.is_empty());
        }
        Ok(current.len() < file.stream_position()?)
    }
    fn read_on(&mut self, lines: &mut Vec<String>) -> io::Result<()> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        while file.take(CHUNK).read_to_end(&mut self.partial)? > 0 {
            let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = self.partial.split_off(end + 1);
            lines.extend(String::from_utf8_lossy(&self.partial).lines().map(String::from));
            self.partial = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::log_file::Rotating;

    /// known fault 64
    #[test]
    fn following_goes_through_rotation_without_missing_or_repeating_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut tail = Tail::new(&path);
        assert!(tail.read_lines().unwrap().is_empty());
        let mut log = Rotating::open(&path, 40, 5).unwrap();
        let mut seen = Vec::new();
        for number in 0..30 {
            log.append(format!("line {number}\n").as_bytes()).unwrap();
            if number % 3 != 0 {
                seen.append(&mut tail.read_lines().unwrap());
            }
        }
        seen.append(&mut tail.read_lines().unwrap());
        assert_eq!(seen, (0..30).map(|n| format!("line {n}")).collect::<Vec<_>>());
    }
    #[test]
    fn a_line_is_shown_when_it_is_whole_and_a_truncated_file_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(&path);
        let mut log = Rotating::open(&path, 1000, 0).unwrap();
        log.append(b"one\ntw").unwrap();
        assert_eq!(tail.read_lines().unwrap(), ["one"]);
        log.append(b"o\n").unwrap();
        assert_eq!(tail.read_lines().unwrap(), ["two"]);
        File::options().write(true).truncate(true).open(&path).unwrap();
        log.append(b"new\n").unwrap();
        assert_eq!(tail.read_lines().unwrap(), ["new"]);
    }
    /// known fault 64
    #[test]
    fn the_newest_lines_are_shown_older_files_included() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Rotating::open(&path, 40, 9).unwrap();
        (0..30).for_each(|number| log.append(format!("line {number}\n").as_bytes()).unwrap());
        let lines = |count| newest(&mut Tail::new(&path), count, |line| !line.ends_with('7')).unwrap();
        assert_eq!(lines(3), ["line 26", "line 28", "line 29"]);
        assert_eq!(lines(10).len(), 10);
        assert_eq!(lines(0).len(), 27);
    }
}
