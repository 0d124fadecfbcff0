//! The process above each job: everything the job starts, and whatever becomes of it, stays below this one.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, wait};

use super::frame::{self, Order, Report};
use super::{Found, KILL_AFTER, Launch, SpawnError, find_program, sys, tree};

/// Descriptors that come with a job.
pub(super) struct Descriptors {
    /// The control socket.
    pub(super) control: OwnedFd,
    /// The job's own.
    pub(super) streams: Streams,
}

/// What a job reads and writes.
pub(super) enum Streams {
    /// A pipe for each.
    Pipes {
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
        /// Standard input; the null device where there is none.
        stdin: Option<OwnedFd>,
    },
    /// One terminal for all three, which becomes the job's own.
    Terminal(OwnedFd),
}

/// Starts the job that the control socket asks for and stays until nothing of it is left.
///
/// It stays in the guard's session: the tree is told by parentage alone, and on Linux a session for each job would cost a
/// scheduling group each, which is a tenth of the time that a short command takes.
pub(super) fn run(descriptors: Descriptors) {
    sys::adopt_orphans();
    let Descriptors { control, streams } = descriptors;
    let mut control = File::from(control);
    let Ok(launch) = read_request(&mut control) else { return };
    let hangs_up = matches!(streams, Streams::Terminal(_));
    match start(&launch, streams) {
        Ok(root) => {
            let _ = control.write_all(&Report::Started(root.as_raw_pid()).to_bytes());
            Watch { control: Some(control), root, running: true, ending: None, hangs_up }.run();
        }
        Err(error) => {
            let _ = control.write_all(&Report::Failed(error).to_bytes());
        }
    }
}

fn read_request(control: &mut File) -> io::Result<Launch> {
    let mut length = [0; 4];
    control.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > frame::REQUEST_LIMIT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    control.read_exact(&mut bytes)?;
    frame::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The streams' ends of this process are closed on return.
fn start(launch: &Launch, streams: Streams) -> Result<Pid, SpawnError> {
    check_folder(&launch.cwd)?;
    let program = match find_program(&launch.program, &launch.search_path(), &launch.cwd) {
        Found::Program(program) => program,
        Found::NotExecutable => return Err(SpawnError::NotExecutable),
        Found::Nothing => return Err(SpawnError::NoProgram),
    };
    let mut command = Command::new(program);
    command.arg0(&launch.program).args(&launch.args).current_dir(&launch.cwd);
    for name in &launch.unset {
        command.env_remove(name);
    }
    command.envs(launch.env.iter().cloned());
    match streams {
        Streams::Pipes { stdout, stderr, stdin } => {
            command.process_group(0).stdin(stdin.map_or_else(Stdio::null, Stdio::from)).stdout(stdout).stderr(stderr);
        }
        Streams::Terminal(terminal) => {
            command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
            sys::take_terminal(&mut command);
        }
    }
    let child = command.spawn().map_err(|cause| match cause.kind() {
        // The program is there, so it is the interpreter in its first line that is missing.
        ErrorKind::NotFound | ErrorKind::PermissionDenied => SpawnError::NotExecutable,
        ErrorKind::ArgumentListTooLong => SpawnError::TooLarge,
        _ if cause.raw_os_error() == Some(libc::ENOEXEC) => SpawnError::NotExecutable,
        _ => cause.into(),
    })?;
    Pid::from_raw(child.id() as i32).ok_or(SpawnError::System(libc::ESRCH))
}

/// The system does not say which of the two it could not reach, folder or program.
fn check_folder(folder: &Path) -> Result<(), SpawnError> {
    match std::fs::metadata(folder) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err(SpawnError::NoFolder),
        Ok(found) if found.is_dir() && access(folder, Access::EXEC_OK).is_ok() => Ok(()),
        _ => Err(SpawnError::NotAFolder),
    }
}

struct Watch {
    /// Nothing once the daemon is gone.
    control: Option<File>,
    root: Pid,
    /// Whether the root was not reaped yet.
    running: bool,
    /// When the tree is to be killed, once it is to end.
    ending: Option<Instant>,
    /// Whether the tree is told that its terminal is gone, too: interactive shells ignore everything milder.
    hangs_up: bool,
}

impl Watch {
    fn run(&mut self) {
        while self.reap() {
            let limit = self.force();
            if sys::wait_event(self.control.as_ref().map(|control| control.as_fd()), limit) {
                self.listen();
            }
        }
    }

    /// Takes in what has ended; false when nothing is left.
    fn reap(&mut self) -> bool {
        let mut ended = None;
        let left = loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.root && self.running => {
                    self.running = false;
                    ended = Some(status);
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if let (Some(status), Some(control)) = (ended, &mut self.control) {
            let _ = control.write_all(&report(status, left).to_bytes());
        }
        left
    }

    /// Kills what is left once its time is over; answers how long to wait before looking again.
    fn force(&mut self) -> Option<Duration> {
        let rest = self.ending?.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            return Some(rest);
        }
        self.signal_all(Signal::KILL);
        // What was born during the look is met by the next one.
        Some(Duration::from_millis(10))
    }

    fn listen(&mut self) {
        let Some(control) = &mut self.control else { return };
        let mut bytes = [0; 2];
        match control.read_exact(&mut bytes) {
            Ok(()) => match Order::from_bytes(bytes) {
                Some(Order::Terminate) => self.terminate(),
                Some(Order::Kill) => self.ending = Some(Instant::now()),
                Some(Order::Signal(number)) => self.signal(number),
                None => {}
            },
            Err(_) => {
                self.control = None;
                self.terminate();
            }
        }
    }

    fn terminate(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Instant::now() + KILL_AFTER);
            if self.hangs_up {
                self.signal_all(Signal::HUP);
            }
            self.signal_all(Signal::TERM);
            // A stopped process does not see the request before it goes on.
            self.signal_all(Signal::CONT);
        }
    }

    fn signal_all(&self, signal: Signal) {
        tree::signal_below(getpid(), signal);
        // Where orphans leave the tree, the group still has those that did not leave it on purpose.
        if !cfg!(target_os = "linux") && self.running {
            let _ = kill_process_group(self.root, signal);
        }
    }

    fn signal(&self, number: u8) {
        // Once the root is reaped its number may belong to somebody else.
        if let Some(signal) = Signal::from_named_raw(number.into()).filter(|_| self.running) {
            let _ = kill_process_group(self.root, signal);
        }
    }
}

fn report(status: WaitStatus, left: bool) -> Report {
    match status.terminating_signal() {
        Some(signal) => Report::Signaled { signal, left },
        None => Report::Exited { code: status.exit_status().unwrap_or(-1), left },
    }
}
