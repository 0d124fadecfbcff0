//! The daemon's side of the guard: starting it, and starting jobs through it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::frame::{self, Report};
use super::sys::{self, Fork};
use super::{Control, Launch, Running, SpawnError, guardian};

/// A process beside the daemon from which all jobs descend. When the daemon is gone, however it went, the guard ends
/// what the jobs left within five seconds and leaves.
pub struct Guard {
    socket: StdUnixStream,
    /// The same socket, known to the runtime since the first use inside of it.
    attached: OnceLock<UnixStream>,
    pid: i32,
}

impl Guard {
    /// Starts the guard. To be called before the runtime and any thread start: the guard is a fork of this process, and
    /// stays as small as it is now.
    ///
    /// # Errors
    /// When the system has no process or no descriptor left.
    pub fn start() -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        match sys::fork()? {
            Fork::Parent(pid) => Ok(Self { socket: ours, attached: OnceLock::new(), pid }),
            Fork::Child => {
                // Nothing of the daemon's code may go on in this copy of it, whatever happens.
                let outcome = catch_unwind(AssertUnwindSafe(|| guardian::run(sys::keep_only(OwnedFd::from(theirs)))));
                sys::exit_now(i32::from(outcome.is_err()));
            }
        }
    }

    /// The guard's process id.
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Waits until the guard is gone, which is only ever a fault: nothing can be started any more.
    pub async fn gone(&self) {
        let Ok(socket) = self.attached() else { return };
        // The guard never sends anything, so whatever can be read is its end.
        let end = || rustix::net::recv(socket, &mut [0_u8; 1], RecvFlags::empty()).map_err(io::Error::from);
        let _ = socket.async_io(Interest::READABLE, end).await;
    }

    /// Starts a program. Dropping the future, or later the answer's [`Control`], ends the program and all it started.
    ///
    /// # Errors
    /// Each way in which a program can fail to start is a [`SpawnError`] of its own.
    pub async fn spawn(&self, launch: &Launch) -> Result<Running, SpawnError> {
        let Pipes { stdin, stdout, stderr, far } = Pipes::open(launch.open_stdin)?;
        let (pid, control) = self.begin(launch, far).await?;
        Ok(Running { pid, stdin, stdout, stderr, control })
    }

    /// Starts a program whose three streams are a terminal, which becomes its own; answers its process id and its fate.
    ///
    /// # Errors
    /// As [`Guard::spawn`].
    pub(in crate::platform) async fn spawn_on_terminal(&self, launch: &Launch, terminal: OwnedFd) -> Result<(u32, Control), SpawnError> {
        self.begin(launch, vec![terminal]).await
    }

    /// Has a supervisor start a program with these streams: output, errors and perhaps input, or a terminal alone.
    async fn begin(&self, launch: &Launch, streams: Vec<OwnedFd>) -> Result<(u32, Control), SpawnError> {
        let request = frame::encode(launch)?;
        let (control, far_control) = StdUnixStream::pair()?;
        control.set_nonblocking(true)?;
        let mut control = UnixStream::from_std(control)?;
        let far: Vec<OwnedFd> = std::iter::once(far_control.into()).chain(streams).collect();
        // Most requests fit into the socket's buffer: then the supervisor finds it there when it comes to life.
        let sent = control.try_write(&request).unwrap_or(0);
        self.hand_over(&far).await?;
        drop(far);
        control.write_all(&request[sent..]).await.map_err(|_| SpawnError::GuardGone)?;
        let mut control = Control::new(control);
        match control.report().await.map_err(|_| SpawnError::GuardGone)? {
            Report::Started(pid) => Ok((pid.unsigned_abs(), control)),
            Report::Failed(error) => Err(error),
            Report::Exited { .. } | Report::Signaled { .. } => Err(SpawnError::GuardGone),
        }
    }

    async fn hand_over(&self, far: &[OwnedFd]) -> Result<(), SpawnError> {
        let descriptors: Vec<BorrowedFd<'_>> = far.iter().map(AsFd::as_fd).collect();
        let socket = self.attached()?;
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            Ok(sendmsg(socket, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::empty())?)
        };
        socket.async_io(Interest::WRITABLE, send).await.map(drop).map_err(|_| SpawnError::GuardGone)
    }

    fn attached(&self) -> io::Result<&UnixStream> {
        if let Some(socket) = self.attached.get() {
            return Ok(socket);
        }
        let socket = UnixStream::from_std(self.socket.try_clone()?)?;
        Ok(self.attached.get_or_init(|| socket))
    }
}

/// The daemon's ends of a new job's pipes, and the far ends in the order in which they are sent.
struct Pipes {
    stdin: Option<pipe::Sender>,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    far: Vec<OwnedFd>,
}

impl Pipes {
    fn open(open_stdin: bool) -> io::Result<Self> {
        let (stdout, far_stdout) = io::pipe()?;
        let (stderr, far_stderr) = io::pipe()?;
        let mut far: Vec<OwnedFd> = vec![far_stdout.into(), far_stderr.into()];
        let mut stdin = None;
        if open_stdin {
            let (far_stdin, near) = io::pipe()?;
            far.push(far_stdin.into());
            stdin = Some(pipe::Sender::from_owned_fd(near.into())?);
        }
        Ok(Self {
            stdin,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
            far,
        })
    }
}
