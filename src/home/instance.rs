//! One daemon per home: lock, pid file, where it listens.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Home;
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::platform::{files, modes, pid};

/// A running daemon, as `daemon.pid` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Process id.
    pub pid: u32,
    /// When the process was started, in the system's unit; tells it from a stranger with the same number.
    pub started: Option<u64>,
    /// Where its own machine reaches it: a loopback address and its port.
    pub address: SocketAddr,
}

impl Running {
    /// Asks the process to end, if it is still the same one; says whether it was.
    pub fn terminate(&self) -> Result<bool> {
        let Some(started) = self.started else { return Ok(false) };
        pid::terminate(self.pid, started)
            .map_err(|error| Error::new(Code::Internal, format!("the daemon (process {}) can't be ended: {}", self.pid, io_words(&error))))
    }
}

/// The line that a daemon prints when it listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Always `ready`.
    pub event: String,
    /// Process id.
    pub pid: u32,
    /// Port.
    pub port: u16,
    /// Node id.
    pub node_id: String,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// The right to be this home's daemon, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Instance {
    home: Home,
    /// Held, never read: the system lets go of it whatever way the process ends.
    _lock: File,
}

impl Instance {
    /// Becomes this home's daemon. Fails at once with [`Code::Config`] when another process is.
    pub fn acquire(home: &Home) -> Result<Self> {
        let lock = open(home)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { home: home.clone(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let who = Self::running(home).map_or_else(String::new, |running| format!(" (process {})", running.pid));
                Err(Error::new(Code::Config, format!("a daemon for {} is running already{who}", home.root().display()))
                    .hint(format!("End it with: {}", home.command("stop"))))
            }
            Err(TryLockError::Error(error)) => Err(unlockable(home, &error)),
        }
    }
    /// This process, as a daemon that listens there.
    pub fn this(address: SocketAddr) -> Running {
        let pid = std::process::id();
        Running { pid, started: pid::process_start_time(pid), address }
    }
    /// Tells others where this daemon listens, once it does.
    pub fn announce(&self, running: &Running) -> Result<()> {
        let text = serde_json::to_vec(running).map_err(|error| Error::internal("the pid file can't be written", error))?;
        files::write_private(&self.home.pid_file(), &text)
            .map_err(|error| Error::internal(&format!("the pid file can't be written: {}", io_words(&error)), error))
    }
    /// Tells others that this daemon listens no longer.
    pub fn retract(&self) {
        // A file that can't be removed is recognised as stale.
        let _ = std::fs::remove_file(self.home.pid_file());
    }
    /// The daemon that listens for this home now, if there is one.
    ///
    /// The pid file alone is never believed: the process must be the one that was started then, and hold the lock. A pid
    /// file of the Node version (a bare number) tells of no daemon of ours.
    pub fn running(home: &Home) -> Option<Running> {
        let running: Running = serde_json::from_slice(&std::fs::read(home.pid_file()).ok()?).ok()?;
        if running.started.is_some() && pid::process_start_time(running.pid) != running.started {
            return None;
        }
        // Asked last, and only when all else agrees, so that looking hardly ever stands in the way of a daemon that starts.
        match modes::open_lock(&home.daemon_lock()).ok()?.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(running),
            _ => None,
        }
    }
    /// Whether a daemon that is gone has left its pid file. While one starts, the file is still its predecessor's.
    pub fn has_left_traces(home: &Home) -> bool {
        home.pid_file().exists() && Self::running(home).is_none()
    }
    /// Removes what a daemon that is gone has left.
    ///
    /// # Errors
    /// As [`Instance::acquire`], where a daemon runs after all.
    pub fn clear(home: &Home) -> Result<()> {
        Self::acquire(home).map(drop)
    }
    /// Waits until no process is this home's daemon. Blocks.
    pub fn wait_until_gone(home: &Home) -> Result<()> {
        open(home)?.lock_shared().map_err(|error| unlockable(home, &error))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.retract();
    }
}

fn open(home: &Home) -> Result<File> {
    modes::open_lock(&home.daemon_lock()).map_err(|error| unlockable(home, &error))
}

fn unlockable(home: &Home, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("{} can't be locked: {}", home.daemon_lock().display(), io_words(error)))
        .hint("Create the data directory with: loopsy init")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        (dir, home)
    }
    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    #[test]
    fn a_home_has_one_daemon_at_a_time() {
        let (_dir, home) = home();
        assert_eq!(Instance::running(&home), None);
        let first = Instance::acquire(&home).unwrap();
        assert!(Instance::acquire(&home).unwrap_err().message.contains("already"));
        assert_eq!(Instance::running(&home), None, "it does not listen yet");
        first.announce(&Instance::this(address())).unwrap();
        assert_eq!(Instance::running(&home).unwrap().pid, std::process::id());
        drop(first);
        assert_eq!(Instance::running(&home), None);
        assert!(!home.pid_file().exists());
        Instance::wait_until_gone(&home).unwrap();
        Instance::acquire(&home).unwrap();
    }
    /// known fault 59
    #[test]
    fn a_stale_pid_file_is_recognised_and_no_stranger_is_ended() {
        let (_dir, home) = home();
        let mut stranger = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = pid::process_start_time(stranger.id());
        let file = |started: Option<u64>| serde_json::to_vec(&Running { pid: stranger.id(), started, address: address() }).unwrap();
        let wrong = started.map(|time| time + 1);
        for stale in [file(started), file(wrong), file(None), stranger.id().to_string().into_bytes(), b"garbage".to_vec(), Vec::new()] {
            files::write_private(&home.pid_file(), &stale).unwrap();
            assert_eq!(Instance::running(&home), None);
            assert!(Instance::has_left_traces(&home));
            Instance::clear(&home).unwrap();
            assert!(!Instance::has_left_traces(&home));
            let instance = Instance::acquire(&home).unwrap();
            instance.announce(&Instance::this(address())).unwrap();
            assert!(Instance::running(&home).is_some());
        }
        assert!(!Running { pid: stranger.id(), started: wrong, address: address() }.terminate().unwrap());
        assert!(!Running { pid: stranger.id(), started: None, address: address() }.terminate().unwrap());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
