//! Pipes to and from a program: ends that the daemon waits on without a thread, and plain ones for the program.
#![expect(unsafe_code, reason = "asking a pipe how much is in it, and what a child inherits, have no safe wrappers")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;

use crate::base::id;

/// The daemon's end of a program's standard input.
pub type Input = NamedPipeServer;
/// The daemon's end of one of a program's output streams.
pub type Output = NamedPipeServer;

/// What the daemon's end may hold of what it has read ahead, bytes.
const AHEAD: u64 = 4 * 1024;

/// Bytes that may be in the pipe and were not read yet; never fewer than there are.
pub fn unread(pipe: &Output) -> u64 {
    let mut there = 0;
    // SAFETY: the handle is open as long as it is borrowed, and only a number is asked for.
    let asked = unsafe { PeekNamedPipe(pipe.as_raw_handle(), null_mut(), 0, null_mut(), &mut there, null_mut()) };
    if asked == 0 { AHEAD } else { AHEAD + u64::from(there) }
}

/// A pipe that the program writes.
pub(super) async fn output() -> io::Result<(Output, File)> {
    let name = name();
    let ours = ServerOptions::new().access_outbound(false).first_pipe_instance(true).max_instances(1).create(&name)?;
    let theirs = OpenOptions::new().write(true).open(&name)?;
    ours.connect().await?;
    Ok((ours, theirs))
}

/// A pipe that the program reads.
pub(super) async fn input() -> io::Result<(Input, File)> {
    let name = name();
    let ours = ServerOptions::new().access_inbound(false).first_pipe_instance(true).max_instances(1).create(&name)?;
    let theirs = OpenOptions::new().read(true).open(&name)?;
    ours.connect().await?;
    Ok((ours, theirs))
}

/// What is always at its end.
pub(super) fn nothing() -> io::Result<File> {
    OpenOptions::new().read(true).open("NUL")
}

/// Nobody can guess it, and there is one instance alone: whoever else opened it first would make our own opening fail.
fn name() -> String {
    format!(r"\\.\pipe\loopsy-{}", id::request())
}

/// Lets a child inherit a handle, or no child any more.
pub(super) fn set_inheritable(handle: &impl AsRawHandle, inheritable: bool) -> io::Result<()> {
    let flag = if inheritable { HANDLE_FLAG_INHERIT } else { 0 };
    // SAFETY: the handle is open as long as it is borrowed.
    if unsafe { SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, flag) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
