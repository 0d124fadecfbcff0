//! Pseudo-terminals of Unix.

use std::io;
use std::os::fd::AsFd;

use bytes::BytesMut;
use pty_process::{OwnedReadPty, OwnedWritePty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Size, Started};
use crate::platform::process::{Guard, Launch, SpawnError};

/// Where a program in a terminal is told something.
pub struct Input(OwnedWritePty);

/// Where a program in a terminal shows something.
pub struct Output(OwnedReadPty);

/// Starts a program below the guard, in a terminal of this size.
///
/// # Errors
/// As [`Guard::spawn`].
pub async fn start(guard: &Guard, launch: &Launch, size: Size) -> Result<Started, SpawnError> {
    let (pty, terminal) = pty_process::open().map_err(words)?;
    pty.resize(pty_size(size)).map_err(words)?;
    let terminal = terminal.as_fd().try_clone_to_owned()?;
    let (pid, control) = guard.spawn_on_terminal(launch, terminal).await?;
    let (output, input) = pty.into_split();
    Ok(Started { pid, input: Input(input), output: Output(output), control })
}

impl Input {
    /// Takes some of these bytes in, as if they were typed; answers how many. Can be dropped and called again without loss.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }

    /// Gives the terminal another size, which the program is told.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.0.resize(pty_size(size)).map_err(words)
    }
}

impl Output {
    /// Reads some bytes; none once nobody has the terminal open any more. Can be dropped and called again without loss.
    ///
    /// # Errors
    /// When the terminal is gone in another way.
    pub async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self.0.read_buf(buffer).await {
            // So the system says that the last program has closed it.
            Err(cause) if cause.raw_os_error() == Some(libc::EIO) => Ok(0),
            read => read,
        }
    }
}

fn pty_size(size: Size) -> pty_process::Size {
    pty_process::Size::new(size.rows, size.cols)
}

fn words(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(cause) => cause,
        pty_process::Error::Rustix(cause) => cause.into(),
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::platform::process::Exit;

    fn shell(script: &str) -> Launch {
        let args = ["-c", script].map(Into::into).to_vec();
        Launch { program: "/bin/sh".into(), args, cwd: "/".into(), env: Vec::new(), unset: Vec::new(), open_stdin: false }
    }

    async fn run(script: &str, typed: &str) -> (String, Exit) {
        let guard = Guard::start().unwrap();
        let mut started = start(&guard, &shell(script), Size { cols: 91, rows: 17 }).await.unwrap();
        let mut shown = BytesMut::new();
        let mut left = typed.as_bytes();
        while !left.is_empty() {
            left = &left[started.input.write(left).await.unwrap()..];
        }
        let reading = async { while started.output.read(&mut shown).await.unwrap() > 0 {} };
        timeout(Duration::from_secs(10), reading).await.unwrap();
        let (exit, _) = started.control.wait().await.unwrap();
        (String::from_utf8_lossy(&shown).into_owned(), exit)
    }

    #[tokio::test]
    async fn a_program_has_a_terminal_of_its_own_of_the_size_that_was_asked_for() {
        let (shown, exit) = run("tty; stty size; echo on </dev/tty >/dev/tty; exit 3", "").await;
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("/dev/pts/"), "{shown:?}");
        assert_eq!((lines[1], lines[2], exit), ("17 91", "on", Exit::Code(3)));
    }
    #[tokio::test]
    async fn what_is_typed_arrives_and_an_interrupt_reaches_the_program() {
        let (shown, _) = run("read line; echo got $line", "hello\n").await;
        assert!(shown.ends_with("got hello\r\n"), "{shown:?}");
        let (_, exit) = run("while :; do read line; done", "\u{3}").await;
        assert_eq!(exit, Exit::Signal(libc::SIGINT));
    }
    #[tokio::test]
    async fn who_takes_no_notice_of_a_termination_as_shells_do_is_hung_up_on() {
        let guard = Guard::start().unwrap();
        let launch = shell("trap '' TERM; echo ready; exec sleep 60");
        let mut started = start(&guard, &launch, Size { cols: 80, rows: 24 }).await.unwrap();
        let mut shown = BytesMut::new();
        while !shown.starts_with(b"ready") {
            started.output.read(&mut shown).await.unwrap();
        }
        started.control.terminate();
        let ended = timeout(Duration::from_secs(10), started.control.wait()).await;
        assert_eq!(ended.unwrap().unwrap().0, Exit::Signal(libc::SIGHUP));
    }
}
