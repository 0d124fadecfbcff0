//! Finding other machines, and being found.

use std::io::ErrorKind;

use super::{Finding, Scene};
use crate::base::error::io_words;

/// How the daemon's own words about it begin.
const SUBJECT: &str = "discovery: ";
const FIX: &str = "Let UDP port 5353 and multicast through, or do without: loopsy config set discovery.enabled false";

/// Whether the daemon says this of discovery, which is told here and not among its other warnings.
pub fn is_about(warning: &str) -> bool {
    warning.starts_with(SUBJECT)
}

/// Multicast works, and the daemon hears its own announcement.
pub fn discovery(scene: &Scene) -> Vec<Finding> {
    let Some(config) = scene.config() else { return Vec::new() };
    if !config.discovery.enabled {
        return vec![Finding::ok("off")];
    }
    if scene.is_secluded() {
        return vec![Finding::ok("off: server.host lets only this machine in")];
    }
    let said = scene.status.iter().flat_map(|status| &status.warnings).find_map(|warning| warning.strip_prefix(SUBJECT));
    let finding = match (&scene.multicast, said) {
        (Err(error), None) if error.kind() == ErrorKind::NotConnected && scene.status.is_ok() => {
            Finding::ok("on no IPv4 network; the daemon hears itself over IPv6")
        }
        (Err(error), _) if error.kind() == ErrorKind::NotConnected => {
            Finding::warn("this machine is on no network, so it finds nobody", "Connect it to a network")
        }
        (Err(error), _) if error.kind() == ErrorKind::TimedOut => {
            Finding::warn("what is sent by multicast does not come back, so machines can't find each other", FIX)
        }
        (Err(error), _) => Finding::warn(format!("multicast does not work: {}", io_words(error)), FIX),
        (Ok(()), Some(warning)) => Finding::warn(warning, FIX),
        (Ok(()), None) => Finding::ok("multicast works"),
    };
    vec![finding]
}
