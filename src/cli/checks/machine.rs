//! What the machine gives: logs that can be written, room on the disk, a way through the firewall.

use std::path::Path;
use std::time::Duration;

use super::{Finding, Scene};
use crate::base::error::io_words;
use crate::base::units::{MIB, size};
use crate::base::{clock, units};
use crate::platform::disk::{self, Space};
use crate::platform::{firewall, modes};

/// Less than this is a failure, bytes.
const TOO_LITTLE: u64 = 50 * MIB;
/// Less than this is a warning, or on a small disk less than a twentieth of it, bytes.
const LITTLE: u64 = 1024 * MIB;

/// The folder of the logs can be written.
pub fn logs(scene: &Scene) -> Vec<Finding> {
    if !scene.home.root().is_dir() || !scene.home.is_ours() {
        return Vec::new();
    }
    let folder = scene.home.logs();
    let shown = folder.display();
    if !folder.exists() {
        let made = folder.clone();
        return vec![Finding::warn(format!("{shown} is missing"), "loopsy start makes it").repair(move || super::config::make(&made))];
    }
    let finding = match modes::check_writable(&folder) {
        _ if !folder.is_dir() => Finding::fail(format!("{shown} is not a directory"), "Move that file away; loopsy start makes the folder"),
        Ok(()) => match unwritable_log(&scene.home.audit_log()) {
            None => Finding::ok(shown.to_string()),
            Some(why) => Finding::fail(format!("{} can't be written: {why}", scene.home.audit_log().display()), "Move it away"),
        },
        Err(error) => Finding::fail(
            format!("{shown} can't be written: {}", io_words(&error)),
            "Make it writable for the user that runs Loopsy; without an audit log no daemon starts",
        ),
    };
    vec![finding]
}

fn unwritable_log(log: &Path) -> Option<String> {
    let opened = std::fs::OpenOptions::new().append(true).open(log);
    opened.err().filter(|error| error.kind() != std::io::ErrorKind::NotFound).map(|error| io_words(&error))
}

/// There is room for what peers send.
pub fn space(scene: &Scene) -> Vec<Finding> {
    let root = scene.home.root();
    let Some(Ok(space)) = root.ancestors().find(|folder| folder.exists()).map(disk::space) else { return Vec::new() };
    vec![judge(space, root)]
}

fn judge(Space { free, total }: Space, root: &Path) -> Finding {
    let message = format!("{} free of {} where {} lies", size(free), size(total), root.display());
    let fix = "Free some space there, or move the data directory with --data-dir";
    if free < TOO_LITTLE {
        Finding::fail(message, fix)
    } else if free < LITTLE.min(total / 20) {
        Finding::warn(message, fix)
    } else {
        Finding::ok(message)
    }
}

/// Others can get through to the daemon. That is known only from those who did.
pub fn firewall(scene: &Scene) -> Vec<Finding> {
    if scene.config().is_none() {
        return Vec::new();
    }
    if scene.is_secluded() {
        return vec![Finding::ok("other machines are shut out by server.host")];
    }
    let port = scene.listens_on();
    let finding = match (scene.evidence.from_elsewhere, firewall::active(port)) {
        (Some(call), _) => {
            let ago = Duration::from_millis(clock::now().saturating_sub(call.at));
            Finding::ok(format!("other machines get through: {} did {} ago", call.from, units::duration(ago)))
        }
        (None, Some(firewall)) => {
            Finding::warn(format!("{} is on, and no other machine has reached this one so far", firewall.name), firewall.open)
        }
        (None, None) => Finding::ok(format!("none is known; others need TCP port {port}, and UDP port 5353 to find this machine")),
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_none_a_failure() {
        let gib = 1024 * MIB;
        for (free, total, expected) in [
            (0, 100 * gib, Health::Fail),
            (49 * MIB, gib, Health::Fail),
            (50 * MIB, gib, Health::Warn),
            (52 * MIB, gib, Health::Ok),
            (gib - 1, 100 * gib, Health::Warn),
            (gib, 100 * gib, Health::Ok),
            (u64::MAX, u64::MAX, Health::Ok),
        ] {
            assert_eq!(judge(Space { free, total }, Path::new("/x")).health, expected, "{free} of {total}");
        }
    }
}
