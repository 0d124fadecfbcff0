//! Consoles of Windows.
#![expect(unsafe_code, reason = "the console's functions have no safe wrappers")]

use std::io;
use std::mem::zeroed;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use windows_sys::Win32::System::Console::{
    CONSOLE_MODE, CONSOLE_SCREEN_BUFFER_INFO, DISABLE_NEWLINE_AUTO_RETURN, ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT,
    ENABLE_PROCESSED_OUTPUT, ENABLE_VIRTUAL_TERMINAL_INPUT, ENABLE_VIRTUAL_TERMINAL_PROCESSING, FlushConsoleInputBuffer, FreeConsole,
    GetConsoleMode, GetConsoleScreenBufferInfo, SetConsoleMode,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS};

/// Prepares a program that is to have nothing to do with this console: closing it, or Ctrl-C in it, does not reach it.
pub fn set_apart(command: &mut Command) {
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// Leaves the console: closing it, or Ctrl-C in it, does not reach this process any more.
pub fn leave() {
    // SAFETY: it has no preconditions. Fails where there is no console to leave.
    unsafe { FreeConsole() };
}

/// Forgets what was typed at the console and not read yet.
pub fn forget_typed() {
    // SAFETY: the handle is the process's own. Fails where standard input is no console, which then has nothing to forget.
    unsafe { FlushConsoleInputBuffer(io::stdin().as_raw_handle()) };
}

/// Whether whoever read this process's standard output has gone away; not told here before the next write.
pub fn reader_is_gone() -> bool {
    false
}

/// The size of the console that standard output is, columns and rows; nothing where it is none.
pub fn size() -> Option<(u16, u16)> {
    // SAFETY: all zeros are a value of this structure of numbers, and the handle is the process's own.
    let window = unsafe {
        let mut info: CONSOLE_SCREEN_BUFFER_INFO = zeroed();
        (GetConsoleScreenBufferInfo(io::stdout().as_raw_handle(), &mut info) != 0).then_some(info.srWindow)?
    };
    let span = |first: i16, last: i16| u16::try_from(last - first + 1).ok().filter(|span| *span > 0);
    Some((span(window.Left, window.Right)?, span(window.Top, window.Bottom)?))
}

/// The console of standard input and output, giving and taking bytes as they are; as it was before when this is dropped.
pub struct Raw {
    input: CONSOLE_MODE,
    output: CONSOLE_MODE,
}

impl Raw {
    /// Begins.
    ///
    /// # Errors
    /// Where standard input is no console.
    pub fn begin() -> io::Result<Self> {
        let before = Self { input: mode(&io::stdin())?, output: mode(&io::stdout()).unwrap_or_default() };
        let cooked = ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT | ENABLE_PROCESSED_INPUT;
        set_mode(&io::stdin(), (before.input & !cooked) | ENABLE_VIRTUAL_TERMINAL_INPUT)?;
        // Fails where output is no console, which then needs nothing.
        let painted = ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING | DISABLE_NEWLINE_AUTO_RETURN;
        let _ = set_mode(&io::stdout(), before.output | painted);
        Ok(before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = set_mode(&io::stdin(), self.input);
        let _ = set_mode(&io::stdout(), self.output);
    }
}

fn mode(console: &impl AsRawHandle) -> io::Result<CONSOLE_MODE> {
    let mut mode = 0;
    // SAFETY: the handle is open as long as it is borrowed.
    if unsafe { GetConsoleMode(console.as_raw_handle(), &mut mode) } == 0 { Err(io::Error::last_os_error()) } else { Ok(mode) }
}

fn set_mode(console: &impl AsRawHandle, mode: CONSOLE_MODE) -> io::Result<()> {
    // SAFETY: the handle is open as long as it is borrowed.
    if unsafe { SetConsoleMode(console.as_raw_handle(), mode) } == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Tells when the console gets another size. The system tells only who reads its events, so it is looked at instead.
pub struct Resizes(Option<(u16, u16)>);

impl Resizes {
    /// How often it is looked at.
    const LOOK: Duration = Duration::from_millis(250);

    /// Begins to look.
    ///
    /// # Errors
    /// None on this system.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(size()))
    }
    /// Waits for the next size, columns and rows.
    pub async fn next(&mut self) -> (u16, u16) {
        loop {
            tokio::time::sleep(Self::LOOK).await;
            let now = size();
            if let Some(size) = now.filter(|_| now != self.0) {
                self.0 = now;
                return size;
            }
        }
    }
}
