//! `loopsy doctor` and what can be wrong between machines.

use loopsy::home::certificate;
use loopsy::platform::files::write_private;

use super::doctor::{Line, all_well, doctor, odd, only, well};
use crate::support::node::Pair;
use crate::support::program::Program;
use crate::support::stand_in::{StandIn, Traits};

const KEY: &str = "pair-key-0123456789abcdef";

/// A home whose daemon knows a peer `kai` that is like this.
fn knowing(traits: Traits) -> (Program, StandIn) {
    let (program, kai) = (well(), StandIn::start(traits));
    program.ok(&["peers", "add", &kai.address(), "--name", "kai", "--key", KEY]);
    (program, kai)
}
/// Two daemons of which leo has pinned kai's certificate, and that certificate.
fn pinned() -> (Pair, String) {
    let pair = Pair::start();
    let right = certificate::load(&pair.kai.program.home()).unwrap().unwrap().fingerprint().to_string();
    pair.leo.program.ok(&["config", "set", "tls.pinnedCerts.kai", &right]);
    (pair, right)
}
fn like(change: impl FnOnce(&mut Traits)) -> Traits {
    let mut traits = Traits { key: Some(KEY.into()), ..Traits::default() };
    change(&mut traits);
    traits
}
fn peer(lines: &[Line]) -> &Line {
    lines.iter().find(|line| line.check == "peer").unwrap()
}

#[test]
fn a_peer_that_is_well_is_told_with_what_it_did_here() {
    let (program, _kai) = knowing(like(|_| {}));
    let report = doctor(&program);
    all_well(&report);
    let message = &peer(&report).message;
    assert!(message.contains("kai answers in ") && message.contains("accepts the key; it has not called here yet"), "{message}");
}
#[test]
fn a_peer_that_is_down_is_told_with_and_without_a_daemon() {
    let program = well();
    program.ok(&["peers", "add", "127.0.0.1:1", "--name", "kai", "--key", KEY]);
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message.starts_with("kai can't be reached: 127.0.0.1:1") && line.fix.contains("firewall"), "{line:?}");
    program.ok(&["stop"]);
    assert!(odd(&doctor(&program), "peer").message.starts_with("kai can't be reached"));
}
#[test]
fn a_peer_with_another_certificate_is_told_with_both_fingerprints() {
    let (pair, right) = pinned();
    let leo = &pair.leo.program;
    let report = doctor(leo);
    all_well(&report);
    assert!(peer(&report).message.contains("accepts the key"), "{report:?}");

    let wrong = "ab".repeat(32);
    leo.ok(&["config", "set", "tls.pinnedCerts.kai", &wrong]);
    let told = |report: &[Line]| {
        let line = odd(report, "peer");
        assert!(line.status == "fail" && line.message.contains(&wrong) && line.message.contains(&right), "{line:?}");
        assert!(line.message.contains("kai") && line.fix.contains("loopsy pair"), "{line:?}");
    };
    told(&doctor(leo));
    let mut leo_daemon = pair.leo;
    leo_daemon.kill();
    told(&doctor(&leo_daemon.program));

    let (program, _plain) = knowing(like(|_| {}));
    program.ok(&["config", "set", "tls.pinnedCerts.kai", &right]);
    let report = doctor(&program);
    assert!(only(&report).message.contains("does not answer over TLS"), "{report:?}");
}
#[test]
fn a_daemon_that_shows_another_certificate_than_is_on_disk_is_told() {
    let program = well();
    let home = program.home();
    std::fs::remove_dir_all(home.tls()).unwrap();
    assert!(only(&doctor(&program)).message.contains("gone from the disk"));
    let other = certificate::load_or_create(&home, "kai", loopsy::base::clock::now()).unwrap().fingerprint().to_string();
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message.contains(&other) && line.fix == "loopsy restart", "{line:?}");
    program.ok(&["restart"]);
    all_well(&doctor(&program));
}
#[test]
fn a_peer_that_refuses_the_key_is_told() {
    let (program, _kai) = knowing(like(|kai| kai.key = Some("another-key-0123456789".into())));
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message == "kai refuses this machine's key" && line.fix.contains("loopsy connect"), "{line:?}");
}
#[test]
fn a_peer_whose_key_is_refused_here_is_told() {
    let (program, _kai) = knowing(like(|_| {}));
    let line =
        format!("{{\"timestamp\":{},\"fromIp\":\"127.0.0.1\",\"caller\":\"stranger\",\"error\":1002}}\n", loopsy::base::clock::now());
    write_private(&program.home().keyless_log(), line.as_bytes()).unwrap();
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message.contains("was refused") && line.message.contains("accepts the key"), "{line:?}");
}
#[test]
fn a_peer_whose_clock_is_wrong_is_told() {
    for (ahead, status, words) in [(3600, "fail", "ahead of"), (-7230, "fail", "2 h 0 m behind"), (90, "warn", "1 m 30 s ahead of")] {
        let (program, _kai) = knowing(like(|kai| kai.ahead = ahead));
        let report = doctor(&program);
        let line = only(&report);
        assert!(line.status == status && line.message.starts_with("the clock of kai is ") && line.fix.contains("timedatectl"), "{line:?}");
        // The header has whole seconds, so the last one is not certain.
        assert!(line.message.contains(words) || ahead == 90, "{line:?}");
    }
}
#[test]
fn a_peer_of_another_version_is_told_with_and_without_a_daemon() {
    let (program, _kai) = knowing(like(|kai| kai.version = "2.0.0"));
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message.contains("kai speaks version 2.0.0") && line.fix.contains("same version"), "{line:?}");
    program.ok(&["stop"]);
    assert!(odd(&doctor(&program), "peer").message.contains("version 2.0.0"));
}
#[test]
fn a_peer_that_has_the_owner_s_key_or_two_ways_in_is_told() {
    let program = well();
    let line = format!("{{\"timestamp\":{},\"fromIp\":\"10.0.0.7\",\"caller\":\"legacy\"}}\n", loopsy::base::clock::now());
    write_private(&program.home().audit_log(), line.as_bytes()).unwrap();
    let report = doctor(&program);
    let line = only(&report);
    assert!(line.message.starts_with("10.0.0.7 uses this machine's own key") && line.fix.contains("loopsy connect 10.0.0.7"), "{line:?}");
    write_private(&program.home().audit_log(), b"").unwrap();
    program.ok(&["config", "set", "tls.pinnedCerts.kai", &"ab".repeat(32)]);
    program.ok(&["config", "set", "tls.allowPlaintext", "[kai]"]);
    let report = doctor(&program);
    assert!(only(&report).message.contains("has a pinned certificate"), "{report:?}");
}
