//! Consoles of Windows.
#![expect(unsafe_code, reason = "the console's functions have no safe wrappers")]

use std::io;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::System::Console::{FlushConsoleInputBuffer, FreeConsole};
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
