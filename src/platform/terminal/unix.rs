//! Terminals of Unix.

use std::process::Command;

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
