//! Other machines: whether they are there, agree with this one, and can call it.

use std::net::IpAddr;
use std::time::Duration;

use super::{Finding, Health, Scene};
use crate::api::peers::{Peer, PeerFindings};
use crate::base::text::printable;
use crate::base::{Code, Error, clock, units};
use crate::net::Address;

/// Clocks may differ by this much, milliseconds.
const MINUTE: u64 = 60_000;
/// From here on nothing that has a time works as it should.
const HOUR: u64 = 60 * MINUTE;
/// What a header of whole seconds may be off, milliseconds.
const ROUGH: u64 = 2_000;

/// Each peer: the first thing that is wrong with it, or that it is well; and its clock.
pub fn each(scene: &Scene) -> Vec<Finding> {
    scene.peers.iter().flat_map(|(peer, findings)| of(scene, peer, findings)).collect()
}

fn of(scene: &Scene, peer: &Peer, findings: &PeerFindings) -> Vec<Finding> {
    let name = printable(peer.label());
    let mut found: Vec<Finding> = clock_of(&name, findings.skew_ms).into_iter().collect();
    match &findings.error {
        Some(error) => found.insert(0, failed(&name, peer, error)),
        None => {
            let back = calls_back(scene, peer, &name);
            if back.health != Health::Ok || found.is_empty() {
                let there = there(&name, findings);
                found.push(Finding { message: format!("{there}; {}", back.message), ..back });
            }
        }
    }
    found
}

fn failed(name: &str, peer: &Peer, error: &Error) -> Finding {
    let address = Address { host: peer.address.clone(), port: peer.port };
    match error.code {
        Code::AuthInvalidKey | Code::AuthMissingKey | Code::AuthExpiredKey => Finding::fail(
            format!("{name} refuses this machine's key"),
            format!("Pair the two again: loopsy pair {address}; for a Node peer: loopsy connect {address} --name {name}"),
        ),
        Code::PeerUnreachable => Finding::fail(
            printable(&format!("{name} can't be reached: {error}")),
            "There: loopsy status, and its firewall. If its address has changed, add it again: loopsy peers add",
        ),
        _ => {
            let message = if error.message.contains(name) { error.message.clone() } else { format!("{name}: {error}") };
            Finding::fail(printable(&message), printable(error.hint.as_deref().unwrap_or("There: loopsy doctor")))
        }
    }
}

fn clock_of(name: &str, skew_ms: Option<i64>) -> Option<Finding> {
    let skew = skew_ms?;
    let off = skew.unsigned_abs();
    let side = if skew > 0 { "ahead of" } else { "behind" };
    let message = format!("the clock of {name} is {} {side} this machine's", units::duration(Duration::from_millis(off)));
    let fix = "Set the clock of whichever is wrong; with systemd: timedatectl set-ntp true";
    match off {
        off if off + ROUGH >= HOUR => Some(Finding::fail(message, fix)),
        off if off > MINUTE => Some(Finding::warn(message, fix)),
        _ => None,
    }
}

fn there(name: &str, findings: &PeerFindings) -> String {
    let latency = findings.latency_ms.unwrap_or_default();
    match findings.key_accepted {
        Some(true) => format!("{name} answers in {latency:.1} ms and accepts the key"),
        _ => format!("{name} answers in {latency:.1} ms"),
    }
}

/// Whether the peer can call this machine. Nobody can make it try, so this is what the audit log has seen: its last call,
/// or a key from its address that was refused since.
fn calls_back(scene: &Scene, peer: &Peer, name: &str) -> Finding {
    let Some(config) = scene.config() else { return Finding::ok("its calls were not looked at") };
    let key_name = peer.label();
    if !config.auth.allowed_keys.contains_key(key_name) {
        let fix = format!("loopsy pair {}, or remove it: loopsy peers remove {name}", peer.address);
        return Finding::warn("there is no key for it, so neither can use the other", fix);
    }
    let last = scene.evidence.of(key_name);
    let refused = peer.address.parse::<IpAddr>().ok().and_then(|ip| scene.evidence.refused(ip));
    let ago = |at: u64| units::duration(Duration::from_millis(clock::now().saturating_sub(at)));
    match (last, refused) {
        (last, Some(at)) if last.is_none_or(|call| call.at < at) => Finding::warn(
            format!("a key that is not its own came from its address {} ago and was refused", ago(at)),
            format!("If that was {name}: pair the two again: loopsy pair {}", peer.address),
        ),
        (Some(call), _) if call.failure == Some(Code::AuthTlsRequired) => Finding::warn(
            format!("its last call, {} ago, was refused, since it came in plaintext", ago(call.at)),
            format!("Pair the two: loopsy pair {}; a Node peer: loopsy connect {}", peer.address, peer.address),
        ),
        (Some(call), _) => Finding::ok(format!("it called here {} ago", ago(call.at))),
        (None, _) if scene.running.is_none() => Finding::ok("keys were not tried, since the daemon is not running"),
        (None, _) => Finding::ok("it has not called here yet"),
    }
}

/// Nobody is both pinned to a certificate and let off it.
pub fn plaintext(scene: &Scene) -> Vec<Finding> {
    let Some(config) = scene.config() else { return Vec::new() };
    let both = config.tls.allow_plaintext.iter().filter(|name| config.tls.pinned_certs.contains_key(*name));
    both.map(|name| {
        Finding::warn(
            format!("{name} has a pinned certificate and is in tls.allowPlaintext, too"),
            "Take it out of tls.allowPlaintext: it is called over TLS in any case",
        )
    })
    .collect()
}

/// No peer uses the owner's key.
pub fn legacy(scene: &Scene) -> Vec<Finding> {
    let Some(call) = scene.evidence.of("legacy") else { return Vec::new() };
    let ago = units::duration(Duration::from_millis(clock::now().saturating_sub(call.at)));
    vec![Finding::warn(
        format!("{} uses this machine's own key (auth.apiKey), {ago} ago last", call.from),
        format!("Give it one of its own: loopsy connect {}; then renew this machine's: loopsy key generate", call.from),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_judged_by_the_minute_and_the_hour() {
        for (skew, expected) in [
            (None, None),
            (Some(0), None),
            (Some(-59_000), None),
            (Some(61_000), Some(Health::Warn)),
            (Some(-3_599_500), Some(Health::Fail)),
            (Some(i64::MIN), Some(Health::Fail)),
        ] {
            assert_eq!(clock_of("kai", skew).map(|finding| finding.health), expected, "{skew:?}");
        }
    }
}
