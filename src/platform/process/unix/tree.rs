//! Everything below a process: its children, their children, and so on.

use rustix::process::{Pid, Signal, kill_process};

/// Most processes of one tree that one look takes in; what is beyond is met by the next look.
const MOST: usize = 65_536;

/// Sends a signal to everything below `root` (not to `root` itself) and answers to how many.
pub(super) fn signal_below(root: Pid, signal: Signal) -> usize {
    let below = descendants(root.as_raw_pid());
    for pid in below.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // One that is gone by now needs no signal.
        let _ = kill_process(pid, signal);
    }
    below.len()
}

/// Children of a process.
pub(super) fn children(parent: Pid) -> Vec<Pid> {
    Lister::new().children(parent.as_raw_pid()).into_iter().filter_map(Pid::from_raw).collect()
}

/// Process ids below `root`, parents before their children.
pub(super) fn descendants(root: i32) -> Vec<i32> {
    let lister = Lister::new();
    let mut found = lister.children(root);
    let mut next = 0;
    while next < found.len() && found.len() < MOST {
        let children = lister.children(found[next]);
        // A number that was used anew during the walk must not make it go round.
        found.extend(children.into_iter().filter(|pid| *pid != root).collect::<Vec<_>>());
        next += 1;
    }
    found
}

#[cfg(target_os = "linux")]
use linux::Lister;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    /// How children are found: by the kernel's list, or where it was built without, by everybody's parent.
    pub(super) enum Lister {
        Kernel,
        Parents(Vec<(i32, i32)>),
    }

    impl Lister {
        pub(super) fn new() -> Self {
            if fs::exists("/proc/thread-self/children").unwrap_or(false) { Self::Kernel } else { Self::Parents(parents()) }
        }
        pub(super) fn children(&self, pid: i32) -> Vec<i32> {
            match self {
                Self::Kernel => kernel_list(pid),
                Self::Parents(pairs) => pairs.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child).collect(),
            }
        }
    }

    fn kernel_list(pid: i32) -> Vec<i32> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
    }

    /// (process, its parent) of all processes.
    pub(super) fn parents() -> Vec<(i32, i32)> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                // The program's name is in parentheses and may hold anything, parentheses and spaces included.
                let after_name = &stat[stat.rfind(')')? + 1..];
                Some((pid, after_name.split_whitespace().nth(1)?.parse().ok()?))
            })
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
struct Lister;

#[cfg(not(target_os = "linux"))]
impl Lister {
    fn new() -> Self {
        Self
    }
    #[cfg(target_vendor = "apple")]
    fn children(&self, pid: i32) -> Vec<i32> {
        super::sys::children_of(pid)
    }
    #[cfg(not(target_vendor = "apple"))]
    fn children(&self, _pid: i32) -> Vec<i32> {
        Vec::new()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_find_children_agree() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (me, pid) = (std::process::id() as i32, child.id() as i32);
        assert!(descendants(me).contains(&pid));
        assert!(linux::parents().contains(&(pid, me)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
