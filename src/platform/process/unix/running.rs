//! The fate of a started program, as the daemon holds it.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::Exit;
use super::frame::{Order, REPORT, Report};

/// What has a program's fate in its hands. Dropping it ends the program and everything it started.
pub struct Control {
    socket: UnixStream,
    /// A report of which only a part was read yet.
    partial: Vec<u8>,
}

impl Control {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, partial: Vec::with_capacity(REPORT) }
    }

    /// Waits until the program itself has ended; also tells whether anything that it started still runs. Can be dropped
    /// and called again without loss.
    ///
    /// # Errors
    /// `UnexpectedEof` when the process above the program was killed; the program then is being killed, too.
    pub async fn wait(&mut self) -> io::Result<(Exit, bool)> {
        match self.report().await? {
            Report::Exited { code, left } => Ok((Exit::Code(code), left)),
            Report::Signaled { signal, left } => Ok((Exit::Signal(signal), left)),
            Report::Started(_) | Report::Failed(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// After [`Control::wait`]: waits until nothing that the program started is left.
    pub async fn all_gone(&mut self) {
        while self.report().await.is_ok() {}
    }

    /// Ends the program and everything it started: asked to at once, forced to after three seconds.
    pub fn terminate(&self) {
        self.order(Order::Terminate);
    }

    /// Ends the program and everything it started by force.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    /// Sends a signal to the program's process group.
    pub fn signal(&self, number: u8) {
        self.order(Order::Signal(number));
    }

    fn order(&self, order: Order) {
        // The buffer holds hundreds of orders, and a supervisor that is gone needs none.
        let _ = self.socket.try_write(&order.to_bytes());
    }

    pub(super) async fn report(&mut self) -> io::Result<Report> {
        while self.partial.len() < REPORT {
            let missing = (REPORT - self.partial.len()) as u64;
            if (&mut self.socket).take(missing).read_buf(&mut self.partial).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut bytes = [0; REPORT];
        bytes.copy_from_slice(&self.partial);
        self.partial.clear();
        Report::from_bytes(bytes)
    }
}

/// Bytes that are in the pipe and were not read yet.
pub fn unread(pipe: &pipe::Receiver) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap_or(0)
}
