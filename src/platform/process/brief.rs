//! Running another program to its end, within a limit of time.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::system::{Tree, set_apart};
use crate::base::sync::lock;

/// How much of each output is kept: the end of it, bytes.
const KEPT: usize = 64 * 1024;
/// How long outputs may stay open after the program's end: something that it left behind may hold them.
const CLOSING: Duration = Duration::from_millis(500);

/// What came of a program that ran to its end.
#[derive(Debug)]
pub struct Ended {
    /// Whether it says that it succeeded.
    pub success: bool,
    /// The end of its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program without input; nothing where it took longer than `limit` and was killed, with what it had started (on
/// Unix, the group of processes that it began).
///
/// # Errors
/// When it can't be started.
pub fn run_within(command: &mut Command, limit: Duration) -> io::Result<Option<Ended>> {
    set_apart(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take().map(Tail::of), child.stderr.take().map(Tail::of));
    let in_time = Tree::of(&child)?.ends_within(limit);
    let success = child.wait()?.success();
    let read = |tail: Option<Tail>| tail.map(Tail::read).unwrap_or_default();
    Ok(in_time.then(|| Ended { success, stdout: read(stdout), stderr: read(stderr) }))
}

/// Starts a program that goes on by itself: without input and output, and without the signals of this one's terminal.
///
/// # Errors
/// When it can't be started.
pub fn start_apart(command: &mut Command) -> io::Result<()> {
    set_apart(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    command.spawn().map(drop)
}

/// The end of an output, read while it comes.
struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    closed: mpsc::Receiver<()>,
}

impl Tail {
    fn of(mut source: impl Read + Send + 'static) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (sender, closed) = mpsc::channel();
        let filled = kept.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                let mut kept = lock(&filled);
                kept.extend_from_slice(&piece[..count]);
                let surplus = kept.len().saturating_sub(KEPT);
                kept.drain(..surplus);
            }
            sender.send(())
        });
        Self { kept, closed }
    }
    fn read(self) -> Vec<u8> {
        let _ = self.closed.recv_timeout(CLOSING);
        std::mem::take(&mut lock(&self.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str, limit: Duration) -> Option<Ended> {
        run_within(Command::new("sh").args(["-c", line]), limit).unwrap()
    }

    #[test]
    fn what_a_program_says_and_how_it_ends_is_known() {
        let ended = shell("echo out; echo err >&2; read line || exit 3", Duration::from_secs(20)).unwrap();
        assert_eq!((ended.success, &ended.stdout[..], &ended.stderr[..]), (false, &b"out\n"[..], &b"err\n"[..]));
        let flood = shell("yes | head -c 300000; echo end", Duration::from_secs(20)).unwrap();
        assert!(flood.success && flood.stdout.len() <= KEPT && flood.stdout.ends_with(b"end\n"));
        assert!(run_within(&mut Command::new("/nowhere"), Duration::from_secs(1)).is_err());
    }
    #[test]
    fn what_hangs_is_killed_with_its_children() {
        assert!(shell("sleep 600 & wait", Duration::from_millis(100)).is_none());
    }
    #[test]
    fn what_is_left_behind_is_not_waited_for() {
        let ended = shell("sleep 3 & echo said", Duration::from_secs(20)).unwrap();
        assert!(ended.success && ended.stdout == b"said\n");
    }
}
