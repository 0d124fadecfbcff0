//! A process, and the news of its end.
#![expect(unsafe_code, reason = "waiting for a process without a thread has no safe wrapper")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::Arc;

use tokio::sync::Notify;
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD, WT_EXECUTEONLYONCE,
    WaitForSingleObject,
};

/// A process whose end is told.
pub(super) struct Process {
    process: OwnedHandle,
    /// The system's wait, as a number: a handle of this kind is only ever given back.
    wait: usize,
    ended: Arc<Notify>,
}

unsafe extern "system" fn tell(ended: *mut c_void, _timed_out: bool) {
    // SAFETY: it is what `watch` has passed, which outlives the wait.
    unsafe { &*ended.cast::<Notify>() }.notify_one();
}

impl Process {
    /// Begins to wait for its end.
    pub(super) fn watch(process: OwnedHandle) -> io::Result<Self> {
        let ended = Arc::new(Notify::new());
        let mut wait = null_mut();
        let flags = WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD;
        let context = Arc::as_ptr(&ended).cast();
        // SAFETY: process and context live as long as `Self`, which ends the wait before it lets go of them.
        if unsafe { RegisterWaitForSingleObject(&mut wait, process.as_raw_handle(), Some(tell), context, INFINITE, flags) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { process, wait: wait as usize, ended })
    }

    /// Waits for its end, and answers its exit code. Can be dropped and called again without loss.
    pub(super) async fn exit_code(&self) -> io::Result<u32> {
        loop {
            if let Some(code) = self.code_if_ended()? {
                return Ok(code);
            }
            self.ended.notified().await;
        }
    }

    fn code_if_ended(&self) -> io::Result<Option<u32>> {
        let mut code = 0;
        // SAFETY: the handle is open.
        unsafe {
            if WaitForSingleObject(self.process.as_raw_handle(), 0) != WAIT_OBJECT_0 {
                return Ok(None);
            }
            if GetExitCodeProcess(self.process.as_raw_handle(), &mut code) == 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Some(code))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: the wait was registered and is ended once. This returns when nothing of it runs any more.
        unsafe { UnregisterWaitEx(self.wait as *mut c_void, INVALID_HANDLE_VALUE) };
    }
}
