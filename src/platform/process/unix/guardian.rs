//! The guard process itself: it makes a supervisor for each job, and outlives the daemon just long enough to see that
//! nothing is left.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, setsid, wait};

use super::frame::Report;
use super::supervisor::{self, Descriptors, Streams};
use super::sys::{self, Fork};
use super::{KILL_AFTER, tree};

/// How long supervisors have for their own work once the daemon is gone.
const PATIENCE: Duration = Duration::from_secs(KILL_AFTER.as_secs() + 1);

/// Runs in the forked child until the daemon closes its end and nothing is left below.
pub(super) fn run(socket: OwnedFd) {
    let _ = setsid();
    sys::adopt_orphans();
    sys::watch_children();
    let _ = release_surroundings();
    let mut guardian = Guardian { supervisors: HashSet::new(), sees_strays: false };
    loop {
        guardian.reap();
        let limit = guardian.sees_strays.then_some(Duration::from_millis(10));
        if !sys::wait_event(Some(socket.as_fd()), limit) {
            continue;
        }
        match receive(&socket) {
            Ok(Some(job)) => match guardian.supervise(job) {
                Role::Guard => {}
                Role::Supervisor(job) => {
                    drop(socket);
                    return supervisor::run(job);
                }
            },
            Ok(None) => {}
            Err(_) => break,
        }
    }
    drop(socket);
    guardian.finish();
}

/// A guard that lives on must keep no terminal, no pipe and no folder of the daemon busy.
fn release_surroundings() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    std::env::set_current_dir("/")
}

/// The next job; nothing when a message was incomplete, an error when the daemon is gone.
fn receive(socket: &OwnedFd) -> io::Result<Option<Descriptors>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    if recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::empty())?.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut received = Vec::with_capacity(4);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            received.extend(descriptors);
        }
    }
    for descriptor in &received {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    let mut received = received.into_iter();
    let (Some(control), Some(first)) = (received.next(), received.next()) else { return Ok(None) };
    let streams = match received.next() {
        Some(stderr) => Streams::Pipes { stdout: first, stderr, stdin: received.next() },
        None => Streams::Terminal(first),
    };
    Ok(Some(Descriptors { control, streams }))
}

enum Role {
    Guard,
    Supervisor(Descriptors),
}

struct Guardian {
    supervisors: HashSet<Pid>,
    /// Whether a supervisor came to a violent end and left orphans to this process.
    sees_strays: bool,
}

impl Guardian {
    fn supervise(&mut self, job: Descriptors) -> Role {
        match sys::fork() {
            Ok(Fork::Child) => return Role::Supervisor(job),
            Ok(Fork::Parent(pid)) => self.supervisors.extend(Pid::from_raw(pid)),
            Err(cause) => {
                let report = Report::Failed(cause.into());
                let _ = File::from(job.control).write_all(&report.to_bytes());
            }
        }
        Role::Guard
    }

    /// Takes in what has ended, and ends orphans. False when nothing is left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.sees_strays |= self.supervisors.remove(&pid) && status.exit_status() != Some(0),
                Ok(None) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    self.sees_strays = false;
                    return false;
                }
            }
        }
        if self.sees_strays {
            self.kill_strays();
        }
        true
    }

    fn kill_strays(&mut self) {
        let strays: Vec<_> = tree::children(getpid()).into_iter().filter(|pid| !self.supervisors.contains(pid)).collect();
        self.sees_strays = !strays.is_empty();
        for stray in strays {
            tree::signal_below(stray, Signal::KILL);
            let _ = kill_process(stray, Signal::KILL);
        }
    }

    /// After the daemon's end: supervisors first do their work, then what is left is killed.
    fn finish(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.reap() {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                tree::signal_below(getpid(), Signal::KILL);
            }
            let look_again = Duration::from_millis(10);
            sys::wait_event(None, Some(if rest.is_zero() || self.sees_strays { look_again } else { rest }));
        }
    }
}
