//! Processes of Windows.
#![expect(unsafe_code, reason = "looking at a process by its number has no safe wrapper")]

use std::io;
use std::mem::zeroed;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess,
    WaitForSingleObject,
};

/// When a process was started, in a unit of the system's own: only equality means something. `None` when there is no
/// such process, or when the system does not tell.
pub fn process_start_time(pid: u32) -> Option<u64> {
    start_time(&open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE).ok()?)
}

/// Ends a process, if it is still the one that was started then; says whether it was. It is held by a handle while its
/// start time is looked at, so that a stranger is never touched. It is not asked: what it was doing stays undone.
pub fn terminate(pid: u32, started: u64) -> io::Result<bool> {
    let process = match open(pid, PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE) {
        Err(error) if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32) => return Ok(false),
        opened => opened?,
    };
    if start_time(&process) != Some(started) {
        return Ok(false);
    }
    // SAFETY: the handle is open.
    if unsafe { TerminateProcess(process.as_raw_handle(), 1) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(true)
}

fn open(pid: u32, rights: u32) -> io::Result<OwnedHandle> {
    // SAFETY: nothing but numbers is passed; the handle is owned at once.
    let handle = unsafe { OpenProcess(rights, 0, pid) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Of a process that has not ended: one that somebody still holds has its times for ever.
fn start_time(process: &OwnedHandle) -> Option<u64> {
    // SAFETY: all zeros are values of these structures of numbers, which outlive the call; the handle is open.
    unsafe {
        let mut times: [FILETIME; 4] = zeroed();
        let [created, exited, kernel, user] = &mut times;
        if WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0 {
            return None;
        }
        if GetProcessTimes(process.as_raw_handle(), created, exited, kernel, user) == 0 {
            return None;
        }
        Some((u64::from(created.dwHighDateTime) << 32) | u64::from(created.dwLowDateTime))
    }
}
