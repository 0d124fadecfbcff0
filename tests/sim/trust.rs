//! Pins and what they are worth: plaintext, silence, renewed certificates, machines that move and others that take their place.

use std::time::Duration;

use futures_util::StreamExt;
use loopsy::api::context::{ContextSet, ContextWatch};
use loopsy::api::node::StatusGet;
use loopsy::api::pairing::PairPhase;
use loopsy::api::peers::{Peer, PeerFind, PeerPing, PeerState};
use loopsy::base::{Code, Fingerprint, clock};
use loopsy::home::{certificate, config_file};
use loopsy::net::Address;
use loopsy::platform::files::write_private;
use tokio::time::{Instant, timeout};

use crate::support::line::Line;
use crate::support::pairing::{pair, yes};
use crate::support::sim::{Machine, OWNER, Sim, pair_key};

const DAY: u64 = 24 * 60 * 60 * 1000;
/// How long ago a certificate was made that is to be renewed now.
const OLD: u64 = (5 * 365 - 30) * DAY;
/// How long a test waits, in time that is moved.
const PATIENCE: Duration = Duration::from_secs(400);

/// Two machines that were paired: a called, b waited.
async fn paired(sim: &Sim) -> (Machine, Machine) {
    let (a, b) = (sim.machine("a", &[], "").await, sim.machine("b", &[], "").await);
    let ends = pair(&b.link(), &a.link(), &Address::new("b", 19532).unwrap(), [yes(), yes()]).await;
    assert!(ends.iter().all(|end| end.state == Some(PairPhase::Completed)), "{ends:?}");
    (a, b)
}

async fn peer(machine: &Machine, name: &str) -> Peer {
    machine.link().call(&PeerFind { node_id: name.into() }).await.unwrap()
}
async fn until(machine: &Machine, name: &str, what: &str, wanted: impl Fn(&Peer) -> bool) {
    let looking = async {
        while !wanted(&peer(machine, name).await) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    assert!(timeout(PATIENCE, looking).await.is_ok(), "{what}: {:?}", peer(machine, name).await);
}
/// Waits until a machine has introduced itself at another.
async fn introduced(from: &Machine, at: &Machine) {
    let ip = format!("\"fromIp\":\"{}\"", from.host.ip());
    let looking = async {
        while !asked(at).lines().any(|line| line.contains("/peers/handshake") && line.contains(&ip)) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap();
}
async fn works(from: &Machine, to: &str) {
    from.link().via(to).call(&StatusGet {}).await.unwrap();
}
fn fingerprint(machine: &Machine) -> Fingerprint {
    certificate::load(&machine.home()).unwrap().unwrap().fingerprint()
}
fn key_of(machine: &Machine, name: &str) -> String {
    config_file::load(&machine.home()).unwrap().config.auth.allowed_keys[name].expose().to_owned()
}
fn pin_of(machine: &Machine, name: &str) -> String {
    config_file::load(&machine.home()).unwrap().config.tls.pinned_certs[name].clone()
}
/// Changes the configuration of a machine whose daemon does not run.
fn edit(machine: &Machine, path: &[&str], value: &str) {
    config_file::edit(&machine.home(), |document| document.set(path, value)).unwrap();
}
/// Every request that reached a daemon.
fn asked(machine: &Machine) -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    read(machine.home().audit_log()) + &read(machine.home().keyless_log())
}

/// known faults 5, 32: the key of a peer that speaks TLS is refused in plaintext from elsewhere, whatever `tls.enabled` says.
#[tokio::test]
async fn a_pinned_peer_s_key_is_refused_in_plaintext() {
    let sim = Sim::default();
    let (a, mut b) = paired(&sim).await;
    let key = key_of(&a, "b");
    for enabled in [true, false] {
        b.stop().await;
        config_file::edit(&b.home(), |document| document.set(&["tls", "enabled"], enabled)).unwrap();
        b.start().await;
        let answer = a.raw_to("b").get("/api/v1/status", Some(&key)).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (426, 1004), "tls.enabled: {enabled}");
        assert!(answer.header("upgrade").is_some_and(|upgrade| upgrade.contains("TLS")), "{answer:?}");
        assert_eq!(a.raw_to("b").get("/api/v1/health", None).await.status, 200);
        works(&a, "b").await;
        works(&b, "a").await;
    }
}

/// A connection that says nothing, or begins to and does not go on, is closed after ten seconds.
#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for beginning in [&b""[..], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]] {
        let mut line = Line::to(&a).await;
        line.write(beginning).await;
        let began = Instant::now();
        assert_eq!(timeout(PATIENCE, line.read(1)).await.unwrap(), b"");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(11), "{beginning:?}: {took:?}");
    }
}

/// known fault 5: a certificate that took over from the pinned one is followed, and pinned.
#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_is_followed() {
    let sim = Sim::default();
    let (a, mut b) = paired(&sim).await;
    b.stop().await;
    std::fs::remove_dir_all(b.home().tls()).unwrap();
    let old = certificate::load_or_create(&b.home(), "b", clock::now() - OLD).unwrap();
    a.link().via("b").call(&StatusGet {}).await.unwrap_err();
    config_file::edit(&a.home(), |document| document.set(&["tls", "pinnedCerts", "b"], old.fingerprint())).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    b.start().await;
    let new = fingerprint(&b);
    assert_ne!(new, old.fingerprint());
    works(&a, "b").await;
    until(&a, "b", "a pins the new certificate", |peer| peer.fingerprint.as_deref() == Some(&new.to_string())).await;
    assert_eq!(pin_of(&a, "b"), new.to_string());
    works(&a, "b").await;
    works(&b, "a").await;
}

/// What is under way when a peer renews its certificate goes on.
#[tokio::test(start_paused = true)]
async fn a_renewal_ends_nothing() {
    let sim = Sim::default();
    let (a, b) = paired(&sim).await;
    let mut watch = a.link().via("b").call(&ContextWatch { prefix: None, since: None }).await.unwrap();
    let before = fingerprint(&b);
    let new = certificate::renew(&b.home(), "b", clock::now()).unwrap().fingerprint();
    // The daemon looks at its certificate twice a day.
    tokio::time::advance(Duration::from_secs(12 * 3600 + 1)).await;
    let shows_new = async {
        while b.link().call(&StatusGet {}).await.unwrap().certificate.unwrap().fingerprint != new.to_string() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(PATIENCE, shows_new).await.unwrap();
    // It takes the connection that is open, so that the next call needs another.
    let _second = a.link().via("b").call(&ContextWatch { prefix: None, since: None }).await.unwrap();
    until(&a, "b", "a pins the new certificate", |peer| peer.fingerprint.as_deref() == Some(&new.to_string())).await;
    assert_ne!(before, new);
    works(&a, "b").await;
    let set = ContextSet { key: "k".into(), value: "v".into(), ttl: None, if_match: None, if_none_match: None };
    b.link().call(&set).await.unwrap();
    let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
    assert!(format!("{event:?}").contains("\"k\""), "{event:?}");
}

/// known faults 5, 23: a stranger at a peer's address is refused with both fingerprints, and gets no request.
#[tokio::test(start_paused = true)]
async fn a_stranger_at_a_peer_s_address_is_refused_by_his_certificate() {
    let sim = Sim::default();
    let (a, mut b) = paired(&sim).await;
    let right = fingerprint(&b);
    b.stop().await;
    let mut stranger = sim.machine("stranger", &[], "").await;
    stranger.stop().await;
    stranger.host = b.host.clone();
    // Even one who has stolen the key, and calls himself by the same id.
    std::fs::copy(b.home().root().join("identity.json"), stranger.home().root().join("identity.json")).unwrap();
    edit(&stranger, &["auth", "allowedKeys", "a"], &key_of(&a, "b"));
    stranger.start().await;
    let wrong = fingerprint(&stranger);
    let refusals =
        [a.link().via("b").call(&StatusGet {}).await.unwrap_err(), a.link().call(&PeerPing { node_id: "b".into() }).await.unwrap_err()];
    for refused in refusals {
        assert_eq!(refused.code, Code::PeerCertMismatch);
        assert!([right, wrong].iter().all(|shown| refused.message.contains(&shown.to_string())), "{refused}");
        assert!(refused.hint.is_some_and(|hint| hint.contains("loopsy pair")));
    }
    until(&a, "b", "b is offline", |peer| peer.status == PeerState::Offline).await;
    assert_eq!((pin_of(&a, "b"), asked(&stranger).as_str()), (right.to_string(), ""));
}

/// A machine that has another address says so with its next handshake; its certificate proves it.
#[tokio::test(start_paused = true)]
async fn a_pinned_peer_that_moved_is_followed() {
    let sim = Sim::default();
    let (a, mut b) = paired(&sim).await;
    b.stop().await;
    b.host = sim.memory.host("elsewhere");
    config_file::edit(&b.home(), |document| document.set(&["server", "port"], 20_000)).unwrap();
    b.start().await;
    let there = (b.host.ip().to_string(), 20_000);
    until(&a, "b", "a follows b", |peer| (peer.address.clone(), peer.port) == there).await;
    until(&a, "b", "b is online", |peer| peer.status == PeerState::Online).await;
    works(&a, "b").await;
}

/// Nothing proves who has the key of an unpinned peer: where it is called only the owner says.
#[tokio::test(start_paused = true)]
async fn an_unpinned_peer_is_not_followed() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let mut b = sim.machine("b", &["a"], "").await;
    until(&a, "b", "b is online", |peer| peer.status == PeerState::Online).await;
    b.stop().await;
    let calls = |machine: &Machine| asked(machine).matches("\"caller\":\"a\"").count();
    let before = calls(&b);
    b.host = sim.memory.host("elsewhere");
    b.start().await;
    introduced(&b, &a).await;
    until(&a, "b", "b is offline", |peer| peer.status == PeerState::Offline).await;
    assert_eq!((peer(&a, "b").await.address.as_str(), calls(&b)), ("b", before));
}

/// known faults 23, 37: who has a peer's key and id, but not its certificate, is not followed to where he says.
#[tokio::test(start_paused = true)]
async fn an_impostor_is_not_followed() {
    let sim = Sim::default();
    let (a, mut b) = paired(&sim).await;
    let before = peer(&a, "b").await;
    b.stop().await;
    let mut thief = sim.machine("thief", &[], "").await;
    thief.stop().await;
    std::fs::copy(b.home().root().join("identity.json"), thief.home().root().join("identity.json")).unwrap();
    let config = format!(
        "server: {{hostname: b}}\nauth:\n  apiKey: {OWNER}\n  allowedKeys: {{a: {}}}\ntls:\n  pinnedCerts: {{a: {}}}\n\
         discovery:\n  manualPeers: [{{address: a, port: 19532, hostname: a}}]\n",
        key_of(&b, "a"),
        fingerprint(&a)
    );
    write_private(&thief.home().config(), config.as_bytes()).unwrap();
    thief.start().await;
    introduced(&thief, &a).await;
    until(&a, "b", "b is offline", |peer| peer.status == PeerState::Offline).await;
    let after = peer(&a, "b").await;
    assert_eq!((after.address, after.port, after.fingerprint), (before.address, before.port, before.fingerprint));
    assert!(!asked(&thief).contains("\"caller\":\"a\""), "{}", asked(&thief));
    assert_ne!(key_of(&a, "b"), pair_key("a", "b"));
}
