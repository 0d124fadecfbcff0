//! A real instance of systemd for a user of the test's own, on a machine whose first process may be anything.
//!
//! systemd asks for a folder that only a machine booted with it has, so the instance gets a view of the file system in which
//! there is one. Its services are in a control group of its own, and its socket is in a folder of the test's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Time};

use crate::support::process::{skipped, until};
use crate::support::program::{Program, Ran};

/// Where distributions have it.
const PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
/// The hierarchies in which it wants a control group, as they are mounted on machines old and new.
const HIERARCHIES: [&str; 3] = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// Moves itself into the groups that are named, and becomes the instance.
const BECOME: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/systemd/system || exit 9
for group in "$@"; do echo $$ > "$group/cgroup.procs" || exit 9; done
exec "$SYSTEMD" --user --unit=basic.target --log-target=console --log-level=warning
"#;

pub struct Instance {
    manager: Child,
    groups: Vec<PathBuf>,
    runtime: tempfile::TempDir,
}

impl Instance {
    /// One for a program's home; where there can be none, says why a test is skipped.
    pub async fn of(program: &Program) -> Option<Self> {
        let systemd = PROGRAMS.iter().find(|path| Path::new(path).exists());
        let has_all = systemd.is_some() && Command::new("systemctl").arg("--version").output().is_ok_and(|ran| ran.status.success());
        let (Some(systemd), true) = (systemd, has_all) else {
            skipped("systemd is not installed");
            return None;
        };
        let runtime = tempfile::tempdir().unwrap();
        let groups = groups(&runtime.path().file_name().unwrap().to_string_lossy());
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", BECOME, "sh"]).args(&groups).env("SYSTEMD", systemd).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(fs::File::create(runtime.path().join("log")).unwrap());
        let manager = surroundings(&mut command, program, runtime.path()).spawn().unwrap();
        let mut instance = Self { manager, groups, runtime };
        let socket = instance.runtime.path().join("systemd/private");
        let limit = Duration::from_secs(20);
        until("the instance is there, or is not", limit, || socket.exists() || instance.manager.try_wait().unwrap().is_some()).await;
        if instance.manager.try_wait().unwrap().is_some() {
            skipped("systemd has no instance for a user here");
            return None;
        }
        let up = || instance.systemctl(program, &["is-active", "basic.target"]).code == 0;
        until("the instance is up", limit, up).await;
        Some(instance)
    }
    /// Runs Loopsy where the instance is that of the user.
    pub fn loopsy(&self, program: &Program, args: &[&str]) -> Ran {
        Ran::of(surroundings(&mut program.command(args), program, self.runtime.path()).output().unwrap())
    }
    /// Runs what must succeed; answers all that it said.
    pub fn ok(&self, program: &Program, args: &[&str]) -> String {
        let ran = self.loopsy(program, args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}\n{}", fs::read_to_string(self.runtime.path().join("log")).unwrap());
        ran.out + &ran.err
    }
    pub fn systemctl(&self, program: &Program, args: &[&str]) -> Ran {
        let mut command = Command::new("systemctl");
        command.arg("--user").args(args);
        Ran::of(surroundings(&mut command, program, self.runtime.path()).output().unwrap())
    }
}

/// The variables of a session that the instance serves.
fn surroundings<'a>(command: &'a mut Command, program: &Program, runtime: &Path) -> &'a mut Command {
    command.env("HOME", program.folder()).env("XDG_RUNTIME_DIR", runtime);
    ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CONFIG_DIRS", "DBUS_SESSION_BUS_ADDRESS", "LOOPSY_DATA_DIR"].iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command
}

/// Groups of this name in every hierarchy that can be written.
fn groups(name: &str) -> Vec<PathBuf> {
    let groups = HIERARCHIES.iter().filter(|folder| Path::new(folder).join("cgroup.procs").exists());
    let groups = groups.map(|folder| Path::new(folder).join(format!("loopsy-test{name}")));
    groups.filter(|group| fs::create_dir(group).is_ok()).collect()
}

impl Drop for Instance {
    fn drop(&mut self) {
        // What is in its groups is its own, and nothing of it is to outlive the test.
        let _ = self.manager.kill();
        let _ = self.manager.wait();
        self.groups.iter().for_each(|group| kill(group));
        // A group can be removed when the last process in it is gone for good.
        let limit = Time::now() + Duration::from_secs(2);
        while self.groups.iter().any(|group| !is_removed(group)) && Time::now() < limit {
            std::thread::yield_now();
        }
    }
}

/// Kills whatever is in a group and those in it.
fn kill(group: &Path) {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter(|pid| *pid != "0") {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
    folders(group).for_each(|inner| kill(&inner));
}

/// Removes a group with those in it; says whether it is gone.
fn is_removed(group: &Path) -> bool {
    folders(group).for_each(|inner| {
        is_removed(&inner);
    });
    fs::remove_dir(group).is_ok() || !group.exists()
}

fn folders(group: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}
