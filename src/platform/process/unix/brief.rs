//! A program of its own process group, which is killed with it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// To be called before the program is started.
pub(in crate::platform::process) fn set_apart(command: &mut Command) {
    command.process_group(0);
}

/// A program and its process group.
pub(in crate::platform::process) struct Tree(Pid);

impl Tree {
    /// Of a program that was set apart.
    pub(in crate::platform::process) fn of(child: &Child) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.map(Self).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Waits for the program's end; where it takes longer than `limit`, all are killed, and this is false.
    pub(in crate::platform::process) fn ends_within(&self, limit: Duration) -> bool {
        let pid = self.0;
        let (sender, ended) = mpsc::channel();
        // It is not collected there, so that its number is certainly its own when it has to be killed.
        std::thread::spawn(move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            sender.send(())
        });
        let in_time = ended.recv_timeout(limit).is_ok();
        if !in_time {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        in_time
    }
}
