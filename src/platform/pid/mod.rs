//! Telling a process from a stranger that has got its number since.

#[cfg(unix)]
use std::io;
use std::time::Duration;

#[cfg(windows)]
mod windows;

/// When a process was started, in a unit of the system's own: only equality means something. `None` when there is no
/// such process, or when the system does not tell.
#[cfg(target_os = "linux")]
pub fn process_start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields follow its last closing one. The start time is field 22.
    stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// When a process was started, in a unit of the system's own: only equality means something. `None` when there is no
/// such process, or when the system does not tell.
#[cfg(target_os = "macos")]
pub fn process_start_time(pid: u32) -> Option<u64> {
    let mut info = std::mem::MaybeUninit::<libc::proc_bsdinfo>::zeroed();
    let size = size_of::<libc::proc_bsdinfo>() as libc::c_int;
    let pid = libc::c_int::try_from(pid).ok()?;
    #[expect(unsafe_code, reason = "proc_pidinfo has no safe wrapper; it writes at most `size` bytes into `info`")]
    let info = unsafe {
        if libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size) != size {
            return None;
        }
        info.assume_init()
    };
    Some(info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec)
}

#[cfg(windows)]
pub use windows::{process_start_time, terminate};

/// Asks a process to end, if it is still the one that was started then; says whether it was. A stranger is never
/// touched: where the system can, the process is held by a descriptor while its start time is looked at.
#[cfg(target_os = "linux")]
pub fn terminate(pid: u32, started: u64) -> io::Result<bool> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let held = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(held) => held,
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if process_start_time(pid) != Some(started) {
        return Ok(false);
    }
    pidfd_send_signal(&held, Signal::TERM)?;
    Ok(true)
}

/// Asks a process to end, if it is still the one that was started then; says whether it was.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn terminate(pid: u32, started: u64) -> io::Result<bool> {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    if process_start_time(pid) != Some(started) {
        return Ok(false);
    }
    kill_process(number, Signal::TERM)?;
    Ok(true)
}

/// Waits until a process has ended, if it is still the one that was started then; at most so long. Blocks.
#[cfg(target_os = "linux")]
pub fn wait_for_end(pid: u32, started: u64, limit: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(held) = pidfd_open(number, PidfdFlags::empty()) else { return };
    let Ok(limit) = Timespec::try_from(limit) else { return };
    if process_start_time(pid) == Some(started) {
        // A wait that fails is a wait that is over.
        let _ = poll(&mut [PollFd::new(&held, PollFlags::IN)], Some(&limit));
    }
}

/// Would wait until a process has ended; this system offers nothing for that, and its lock was let go of before.
#[cfg(not(target_os = "linux"))]
pub fn wait_for_end(_pid: u32, _started: u64, _limit: Duration) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_and_a_stranger_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = process_start_time(child.id()).unwrap();
        assert!(!terminate(child.id(), started + 1).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        assert!(terminate(child.id(), started).unwrap());
        assert!(!child.wait().unwrap().success());
        assert_eq!(process_start_time(child.id()), None);
        assert!(!terminate(child.id(), started).unwrap());
        assert!(!terminate(u32::MAX, 0).unwrap() && !terminate(0, 0).unwrap());
    }

    #[test]
    fn the_end_of_a_process_is_waited_for_and_a_strangers_is_not() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let started = process_start_time(child.id()).unwrap();
        let long = Duration::from_secs(60);
        for (pid, started) in [(child.id(), started + 1), (u32::MAX, 0), (0, 0)] {
            wait_for_end(pid, started, long);
        }
        wait_for_end(child.id(), started, Duration::ZERO);
        assert!(child.try_wait().unwrap().is_none());
        assert!(terminate(child.id(), started).unwrap());
        wait_for_end(child.id(), started, long);
        assert!(child.try_wait().unwrap().is_some());
    }
}
