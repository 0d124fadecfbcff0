//! A program that is killed with what it has started.
#![expect(unsafe_code, reason = "waiting for a process within a limit has no safe wrapper")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, INFINITE, WaitForSingleObject};

use super::job::Job;

/// To be called before the program is started.
pub(in crate::platform::process) fn set_apart(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// A program and its job. What it starts within the first moments of its life, before it is in the job, is not found.
pub(in crate::platform::process) struct Tree {
    process: OwnedHandle,
    job: Job,
}

impl Tree {
    /// Of a program that was set apart.
    pub(in crate::platform::process) fn of(child: &Child) -> io::Result<Self> {
        let job = Job::new()?;
        // Fails for one that has ended already.
        let _ = job.adopt(child);
        Ok(Self { process: child.as_handle().try_clone_to_owned()?, job })
    }

    /// Waits for the program's end; where it takes longer than `limit`, all are killed, and this is false.
    pub(in crate::platform::process) fn ends_within(&self, limit: Duration) -> bool {
        let limit = u32::try_from(limit.as_millis()).unwrap_or(INFINITE);
        // SAFETY: the handle is open.
        let in_time = unsafe { WaitForSingleObject(self.process.as_raw_handle(), limit) } == WAIT_OBJECT_0;
        if !in_time {
            self.job.end();
        }
        in_time
    }
}
