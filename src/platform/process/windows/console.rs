//! A console that nobody sees, for a program that wants a terminal.
#![expect(unsafe_code, reason = "pseudo-consoles have no safe wrappers")]

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;

use windows_sys::Win32::System::Console::{COORD, ClosePseudoConsole, CreatePseudoConsole, HPCON, ResizePseudoConsole};

/// A pseudo-console; what runs in it is told that it is gone when this is dropped.
pub struct PseudoConsole(HPCON);

impl PseudoConsole {
    /// One of this size, columns and rows, that reads and writes these pipes.
    pub(super) fn new((cols, rows): (u16, u16), input: &File, output: &File) -> io::Result<Self> {
        let mut console = 0;
        // SAFETY: both handles are open; the console has copies of its own.
        let result = unsafe { CreatePseudoConsole(coord(cols, rows), input.as_raw_handle(), output.as_raw_handle(), 0, &mut console) };
        if result < 0 { Err(words(result)) } else { Ok(Self(console)) }
    }

    /// What a program is started with, for as long as this is borrowed.
    pub(super) fn handle(&self) -> HPCON {
        self.0
    }

    /// Gives it another size, columns and rows.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resize(&self, (cols, rows): (u16, u16)) -> io::Result<()> {
        // SAFETY: it is open.
        let result = unsafe { ResizePseudoConsole(self.0, coord(cols, rows)) };
        if result < 0 { Err(words(result)) } else { Ok(()) }
    }
}

impl Drop for PseudoConsole {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { ClosePseudoConsole(self.0) };
    }
}

fn coord(cols: u16, rows: u16) -> COORD {
    let short = |count: u16| i16::try_from(count).unwrap_or(i16::MAX);
    COORD { X: short(cols), Y: short(rows) }
}

/// The system's number is in the lower half of such a result.
fn words(result: i32) -> io::Error {
    io::Error::from_raw_os_error(result & 0xffff)
}
