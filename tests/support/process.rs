//! Processes of the system, and waiting for what they do.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loopsy::platform::pid::process_start_time;

/// Waits until something holds, looking often; fails when it does not within `limit`.
pub async fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let looking = async {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !holds() {
            tick.tick().await;
        }
    };
    assert!(tokio::time::timeout(limit, looking).await.is_ok(), "not within {limit:?}: {what}");
}

/// Whether the tests that move gigabytes and kill by the dozen are wanted.
pub fn heavy() -> bool {
    let wanted = std::env::var_os("LOOPSY_HEAVY").is_some_and(|set| set == "1");
    if !wanted {
        skipped("LOOPSY_HEAVY is not set");
    }
    wanted
}

/// Says that a test can't do its work here, in the form that `tests/run` looks for.
#[expect(clippy::print_stdout, reason = "what a test prints is kept in its record")]
pub fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// A process, told from any later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    started: u64,
}

impl Process {
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: process_start_time(pid)? })
    }
    /// The process that wrote its number into a file, once it has.
    pub fn noted_in(file: &Path) -> Option<Self> {
        Self::of(std::fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok()?)
    }
    /// Whether it runs; one that only waits to be collected does not.
    pub fn runs(self) -> bool {
        let zombie = || self.status("State").is_none_or(|state| state.starts_with('Z'));
        process_start_time(self.pid) == Some(self.started) && !zombie()
    }
    /// Whether a signal has stopped it, with all of its threads.
    pub fn is_stopped(self) -> bool {
        self.status("State").is_some_and(|state| state.starts_with('T'))
    }
    /// The most memory it ever held, bytes; nothing once it is gone.
    pub fn peak_memory(self) -> Option<u64> {
        self.bytes("VmHWM")
    }
    /// The memory that it holds now, bytes; nothing once it is gone.
    pub fn memory(self) -> Option<u64> {
        self.bytes("VmRSS")
    }
    fn bytes(self, field: &str) -> Option<u64> {
        self.status(field)?.strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
    }
    /// How many descriptors it may have.
    pub fn descriptors(self) -> usize {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.pid)).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
    pub fn signal(self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status().unwrap().success());
    }
    fn status(self, field: &str) -> Option<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
    }
}
