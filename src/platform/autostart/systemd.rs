//! systemd: a unit of the user's own instance.

use std::path::{Path, PathBuf};

use super::record::sealed;
use super::{Plan, Step, Subject, Told, words};
use crate::base::{Error, Result};

/// The name of a service's unit.
pub(super) fn unit(name: &str) -> String {
    format!("{name}.service")
}

/// A unit's text.
///
/// What is set, and what is not:
/// - `Restart=on-failure`: whoever stops the daemon ends it with status 0, and means it. One that can't start, since its port
///   is taken or its address is not there yet, is tried for some minutes.
/// - `KillMode=process`: the daemon ends its commands itself, within five seconds, and its guard does where the daemon was
///   killed. Its sessions are daemons of their own, and go on.
/// - `OOMPolicy=continue`: a command that takes too much memory costs its own life, not the daemon's.
/// - No sandbox. The daemon runs whatever its owner wants run, with `sudo` in it, and in the user's own files. Every option
///   that filters system calls (`LockPersonality`, `RestrictRealtime`, `RestrictSUIDSGID`) implies `NoNewPrivileges` in a
///   user's instance, which takes `sudo` away; those that change what is seen of the file system (`ProtectSystem`,
///   `PrivateTmp`) would show commands another machine than the one their caller knows.
pub(super) fn text(subject: &Subject) -> Result<String> {
    let Subject { name, program, data_dir, search_path } = subject;
    if program.contains(['"', '\'', '\\']) {
        return Err(Error::invalid(format!("systemd starts no program with a quote or a backslash in its path: {program}"))
            .hint("Move it to another folder, and enable it again."));
    }
    let first = "# Written by `loopsy enable`, which replaces it. For changes of your own: systemctl --user edit";
    let program = quoted(program);
    let data_dir = quoted(&data_dir.replace('$', "$$"));
    let path = quoted(&format!("PATH={search_path}"));
    let rest = format!(
        "\
[Unit]
Description=Loopsy daemon ({name})
StartLimitIntervalSec=600
StartLimitBurst=100

[Service]
Type=exec
ExecStart={program} daemon --data-dir {data_dir}
Environment={path}
Restart=on-failure
RestartSec=3
KillMode=process
TimeoutStopSec=10
OOMPolicy=continue

[Install]
WantedBy=default.target
"
    );
    Ok(sealed(first, ("# ", ""), subject, true, &rest))
}

/// A word as systemd reads it in a value: nothing in it is a specifier, an escape or the end of the word.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

fn systemctl(rest: &[&str]) -> Vec<String> {
    words(&[&["systemctl", "--user"], rest].concat())
}

pub(super) fn register(name: &str) -> Plan {
    vec![Step::Run(systemctl(&["daemon-reload"])), Step::Run(systemctl(&["enable", "--quiet", &unit(name)]))]
}

pub(super) fn start(name: &str) -> Plan {
    // One that failed too often is started again only when that is forgotten.
    vec![Step::Try(systemctl(&["reset-failed", &unit(name)])), Step::Run(systemctl(&["start", &unit(name)]))]
}

/// The link is removed too: where the instance does not answer, it is what would start the service again.
pub(super) fn unregister(name: &str, folder: &Path, file: PathBuf) -> Plan {
    let link = folder.join("default.target.wants").join(unit(name));
    vec![
        Step::Try(systemctl(&["disable", "--now", "--quiet", &unit(name)])),
        Step::Remove(link),
        Step::Remove(file),
        Step::Try(systemctl(&["daemon-reload"])),
        Step::Try(systemctl(&["reset-failed", &unit(name)])),
    ]
}

pub(super) fn query(name: &str) -> Vec<String> {
    systemctl(&["show", "--property=UnitFileState,ActiveState,SubState,MainPID", &unit(name)])
}

pub(super) fn heard(printed: &str) -> Told {
    let value = |key: &str| printed.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
    Told {
        is_enabled: value("UnitFileState") == "enabled",
        pid: value("MainPID").parse().ok().filter(|pid| *pid != 0),
        has_failed: value("ActiveState") == "failed" || value("SubState") == "auto-restart",
    }
}
