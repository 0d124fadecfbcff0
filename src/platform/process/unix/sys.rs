//! The few system calls of the guard that have no safe wrapper.
#![expect(unsafe_code, reason = "fork, signal masks and wholesale closing of descriptors exist only as C functions")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use libc::c_int;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process; it must end with [`exit_now`].
    Child,
    /// The old one, and the child's process id.
    Parent(i32),
}

/// Splits the process in two. The child has this thread alone.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the child runs only code that takes no lock another thread of the parent may hold: system calls, and the
    // allocator, which the C library makes usable again after a fork.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends this process at once, without what the parent registered to run at its own exit.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor above the standard three but this one, which it moves to number 3.
///
/// Values that own the closed descriptors must never be dropped afterwards: only for a forked child that never returns.
pub(super) fn keep_only(kept: OwnedFd) -> OwnedFd {
    const PLACE: c_int = 3;
    let raw = kept.into_raw_fd();
    // SAFETY: the caller promises that nobody uses the descriptors that are replaced and closed here.
    unsafe {
        if raw != PLACE {
            libc::dup2(raw, PLACE);
        }
        libc::fcntl(PLACE, libc::F_SETFD, libc::FD_CLOEXEC);
        close_from(PLACE + 1);
        OwnedFd::from_raw_fd(PLACE)
    }
}

unsafe fn close_from(first: c_int) {
    #[cfg(target_os = "linux")]
    // SAFETY: as the caller's.
    if unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) } == 0 {
        return;
    }
    // SAFETY: as the caller's.
    unsafe {
        for fd in first..libc::getdtablesize().min(65_536) {
            libc::close(fd);
        }
    }
}

/// Prepares [`wait_event`]: children's ends are noticed only there, and the signals that would end the daemon are
/// taken without effect. Programs started from here have the system's defaults again.
pub(super) fn watch_children() {
    extern "C" fn nothing(_: c_int) {}
    let handler = nothing as extern "C" fn(c_int) as libc::sighandler_t;
    // SAFETY: the handler does nothing, which is safe at any moment; the set is initialised before it is used.
    unsafe {
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        for signal in [libc::SIGCHLD, libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            libc::signal(signal, handler);
        }
    }
}

/// Waits until `fd` can be read (true), or a signal such as the end of a child came or the time is over (false).
pub(super) fn wait_event(fd: Option<BorrowedFd<'_>>, limit: Option<Duration>) -> bool {
    let raw = fd.map_or(-1, |fd| fd.as_raw_fd());
    debug_assert!(raw < libc::FD_SETSIZE as c_int, "the guard holds a handful of descriptors");
    let limit = limit.map(|limit| libc::timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos() as _ });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both sets are initialised before they are used, `raw` is below FD_SETSIZE, and the timeout outlives the call.
    unsafe {
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        let mut readable = MaybeUninit::uninit();
        libc::FD_ZERO(readable.as_mut_ptr());
        if raw >= 0 {
            libc::FD_SET(raw, readable.as_mut_ptr());
        }
        libc::pselect(raw + 1, readable.as_mut_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), limit, none.as_ptr()) > 0
    }
}

/// Has a program lead a session whose terminal is its standard input.
pub(super) fn take_terminal(command: &mut Command) {
    let take = || {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and nothing else.
    unsafe { command.pre_exec(take) };
}

/// Makes orphans of the processes below this one its own children. Elsewhere than on Linux they go to process 1.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Children of a process, by the system's own list.
#[cfg(target_vendor = "apple")]
pub(super) fn children_of(pid: i32) -> Vec<i32> {
    let mut pids = vec![0_i32; 4096];
    let bytes = (pids.len() * size_of::<i32>()) as c_int;
    // SAFETY: the buffer is as long as said.
    let count = unsafe { libc::proc_listchildpids(pid, pids.as_mut_ptr().cast(), bytes) };
    pids.truncate(usize::try_from(count).unwrap_or(0));
    pids
}
