//! A job object: a tree of processes that ends together.
#![expect(unsafe_code, reason = "job objects have no safe wrappers")]

use std::io;
use std::mem::zeroed;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{from_mut, from_ref, null, null_mut};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_BASIC_ACCOUNTING_INFORMATION,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation, JobObjectExtendedLimitInformation,
    QueryInformationJobObject, SetInformationJobObject, TerminateJobObject,
};

/// The exit code of what a job has ended; no program leaves with it by itself.
pub(super) const ENDED: u32 = 0xC000_013A;

/// A tree of processes.
pub(super) struct Job(OwnedHandle);

impl Job {
    /// A tree without any process yet, which lives on when this is dropped.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: nothing is passed; the handle is owned at once.
        let handle = unsafe { CreateJobObjectW(null(), null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was just made, and nobody else has it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    /// A tree without any process yet, which ends when this is dropped, or the process that has it ends.
    pub(super) fn fragile() -> io::Result<Self> {
        let job = Self::new()?;
        // SAFETY: all zeros are a value of this structure of numbers, and the size is its own.
        let set = unsafe {
            let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = zeroed();
            limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
            let size = size_of_val(&limits) as u32;
            SetInformationJobObject(job.handle(), JobObjectExtendedLimitInformation, from_ref(&limits).cast(), size)
        };
        if set == 0 { Err(io::Error::last_os_error()) } else { Ok(job) }
    }

    /// Its handle, for as long as this is borrowed.
    pub(super) fn handle(&self) -> HANDLE {
        self.0.as_raw_handle()
    }

    /// Takes a process in that is running already.
    pub(super) fn adopt(&self, process: &impl AsRawHandle) -> io::Result<()> {
        // SAFETY: both handles are open as long as they are borrowed.
        if unsafe { AssignProcessToJobObject(self.handle(), process.as_raw_handle()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Ends every process of it, at once.
    pub(super) fn end(&self) {
        // SAFETY: the handle is open. A failure means that nothing is left.
        unsafe { TerminateJobObject(self.handle(), ENDED) };
    }

    /// How many processes of it run now.
    pub(super) fn running(&self) -> u32 {
        // SAFETY: all zeros are a value of this structure of numbers, and the size is its own.
        unsafe {
            let mut facts: JOBOBJECT_BASIC_ACCOUNTING_INFORMATION = zeroed();
            let size = size_of_val(&facts) as u32;
            let asked = QueryInformationJobObject(
                self.handle(),
                JobObjectBasicAccountingInformation,
                from_mut(&mut facts).cast(),
                size,
                null_mut(),
            );
            if asked == 0 { 0 } else { facts.ActiveProcesses }
        }
    }
}
