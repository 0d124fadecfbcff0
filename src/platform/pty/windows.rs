//! Pseudo-terminals of Windows: consoles that nobody sees.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Size, Started};
use crate::platform::process::{self, Guard, Launch, PseudoConsole, SpawnError};

/// Where a program in a terminal is told something.
pub struct Input {
    pipe: process::Input,
    console: Arc<PseudoConsole>,
}

/// Where a program in a terminal shows something.
pub struct Output {
    pipe: process::Output,
    /// Ends with the last of the two.
    _console: Arc<PseudoConsole>,
}

/// Starts a program in a job of its own, in a terminal of this size.
///
/// # Errors
/// As [`Guard::spawn`].
pub async fn start(guard: &Guard, launch: &Launch, size: Size) -> Result<Started, SpawnError> {
    let started = guard.spawn_on_console(launch, (size.cols, size.rows)).await?;
    let input = Input { pipe: started.input, console: started.console.clone() };
    let output = Output { pipe: started.output, _console: started.console };
    Ok(Started { pid: started.pid, input, output, control: started.control })
}

impl Input {
    /// Takes some of these bytes in, as if they were typed; answers how many. Can be dropped and called again without loss.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes).await
    }

    /// Gives the terminal another size, which the program is told.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.console.resize((size.cols, size.rows))
    }
}

impl Output {
    /// Reads some bytes; none once the console is gone. Can be dropped and called again without loss.
    ///
    /// # Errors
    /// When the terminal is gone in another way.
    pub async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self.pipe.read_buf(buffer).await {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            read => read,
        }
    }
}
