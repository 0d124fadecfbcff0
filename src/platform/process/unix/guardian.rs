//! The guard process itself: it has a supervisor ready for each job, and outlives the daemon just long enough to see that
//! nothing is left.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recv, recvmsg};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, setsid, wait};

use super::frame::Report;
use super::supervisor::{self, Descriptors, Streams};
use super::sys::{self, Fork};
use super::{KILL_AFTER, tree};

/// How long supervisors have for their own work once the daemon is gone.
const PATIENCE: Duration = Duration::from_secs(KILL_AFTER.as_secs() + 1);
/// How soon strays are looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Runs in the forked child until the daemon closes its end and nothing is left below.
pub(super) fn run(socket: OwnedFd) {
    let _ = setsid();
    sys::adopt_orphans();
    sys::watch_children();
    let _ = release_surroundings();
    let mut guardian = Guardian { supervisors: HashSet::new(), ready: None, sees_strays: false };
    // Whether a job waits for which there was no process.
    let mut is_asked = false;
    loop {
        guardian.reap();
        let limit = guardian.sees_strays.then_some(LOOK_AGAIN);
        if let Some(line) = &guardian.ready {
            if sys::wait_event(Some(line.as_fd()), limit) && !guardian.is_taken() && is_over(&socket) {
                break;
            }
            continue;
        }
        match guardian.prepare() {
            Ok(Role::Guard) => is_asked = false,
            Ok(Role::Supervisor(line)) => {
                drop(guardian);
                return supervise(socket, line);
            }
            Err(_) if !is_asked => is_asked = sys::wait_event(Some(socket.as_fd()), limit),
            Err(cause) => {
                is_asked = false;
                match receive(&socket) {
                    Ok(Some(job)) => drop(File::from(job.control).write_all(&Report::Failed(cause.into()).to_bytes())),
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        }
    }
    drop(socket);
    guardian.finish();
}

/// A supervisor: waits for its job, which it takes from the daemon itself, and does it.
///
/// It was forked ahead of time, since that takes as long as everything else that the start of a short command needs. The guard
/// hears over the line that it has to have another one ready; an end of the line is the guard's.
fn supervise(socket: OwnedFd, mut line: UnixStream) {
    let job = loop {
        let mut waiting = [PollFd::new(&socket, PollFlags::IN), PollFd::new(&line, PollFlags::IN)];
        match poll(&mut waiting, None) {
            Err(Errno::INTR) => continue,
            Ok(_) if waiting[1].revents().is_empty() => {}
            _ => return,
        }
        match receive(&socket) {
            Ok(Some(job)) => break job,
            Ok(None) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    };
    drop(socket);
    let _ = line.write_all(&[1]);
    drop(line);
    supervisor::run(job);
}

/// Whether the daemon is gone, rather than only the supervisor that listened to it.
fn is_over(socket: &OwnedFd) -> bool {
    match recv(socket, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((read, _)) => read == 0,
        Err(cause) => !matches!(cause, Errno::AGAIN | Errno::INTR),
    }
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
    /// With its end of the line to the guard.
    Supervisor(UnixStream),
}

struct Guardian {
    /// The one that is ready among them.
    supervisors: HashSet<Pid>,
    /// The line to the supervisor that waits for a job.
    ready: Option<UnixStream>,
    /// Whether a supervisor came to a violent end and left orphans to this process.
    sees_strays: bool,
}

impl Guardian {
    /// Has a supervisor ready for the next job.
    fn prepare(&mut self) -> io::Result<Role> {
        let (ours, theirs) = UnixStream::pair()?;
        match sys::fork()? {
            Fork::Child => Ok(Role::Supervisor(theirs)),
            Fork::Parent(pid) => {
                self.supervisors.extend(Pid::from_raw(pid));
                self.ready = Some(ours);
                Ok(Role::Guard)
            }
        }
    }

    /// After the supervisor was heard: whether it has taken a job. Else it has ended.
    fn is_taken(&mut self) -> bool {
        self.ready.take().is_some_and(|mut line| line.read(&mut [0]).is_ok_and(|read| read > 0))
    }

    /// Takes in what has ended, and ends orphans. False when nothing is left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.sees_strays |= self.supervisors.remove(&pid) && status.exit_status() != Some(0),
                Ok(None) => break,
                Err(Errno::INTR) => {}
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
        self.ready = None;
        let deadline = Instant::now() + PATIENCE;
        while self.reap() {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                tree::signal_below(getpid(), Signal::KILL);
            }
            sys::wait_event(None, Some(if rest.is_zero() || self.sees_strays { LOOK_AGAIN } else { rest }));
        }
    }
}
