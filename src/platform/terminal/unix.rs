//! Terminals of Unix.

use std::io;
use std::process::Command;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Prepares a program that will [`leave`] the terminal by itself: nothing to do on this system.
pub fn set_apart(_command: &mut Command) {}

/// Leaves the terminal: closing it, or Ctrl-C in it, does not reach this process any more.
pub fn leave() {
    // Fails for the leader of a process group, which a process that was just started is not.
    let _ = rustix::process::setsid();
}

/// Forgets what was typed at the terminal and not read yet, a line that is not whole included.
pub fn forget_typed() {
    // Fails where standard input is no terminal, which then has nothing to forget.
    let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Whether whoever read this process's standard output has gone away.
pub fn reader_is_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = std::io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&at_once)).is_ok() && watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

/// The size of the terminal that standard output is, columns and rows; nothing where it is none.
pub fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// The terminal that standard input is, giving and taking bytes as they are; as it was before when this is dropped.
pub struct Raw(Termios);

impl Raw {
    /// Begins.
    ///
    /// # Errors
    /// Where standard input is no terminal.
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Tells when the terminal gets another size.
pub struct Resizes(Signal);

impl Resizes {
    /// Begins to look.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::window_change()).map(Self)
    }
    /// Waits for the next size, columns and rows.
    pub async fn next(&mut self) -> (u16, u16) {
        loop {
            self.0.recv().await;
            if let Some(size) = size() {
                return size;
            }
        }
    }
}
