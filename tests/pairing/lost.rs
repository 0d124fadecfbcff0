//! What gets lost on the way: answers, connections, daemons, and machines that never call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loopsy::api::Permission;
use loopsy::api::node::IdentityGet;
use loopsy::api::pairing::{PairConfirm, PairPhase};
use loopsy::api::peers::PeerList;
use loopsy::base::{Code, Fingerprint};
use loopsy::client::Link;
use loopsy::home::config_file;
use loopsy::net::{Address, Network};
use loopsy::service::pairing::agreement::{Agreement, Card, Sealed};
use loopsy::service::pairing::calling::Calling;
use loopsy::service::pairing::crypto::Introduction;
use serde_json::json;

use super::wire::Tapped;
use crate::support::node::Node;
use crate::support::pairing::{begin, connect, end, state, yes};
use crate::support::sim::{Machine, Sim};

fn keys(home: &loopsy::home::Home) -> Vec<String> {
    config_file::load(home).unwrap().config.auth.allowed_keys.into_keys().collect()
}

/// The connection breaks where these bytes go by, the first time.
fn break_at(marker: &'static str) -> impl Fn(&mut Vec<u8>) + Send + Sync {
    let broken = Arc::new(AtomicBool::new(false));
    move |bytes| {
        let is_here = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
        if is_here && !broken.swap(true, Ordering::Relaxed) {
            bytes.clear();
        }
    }
}

/// Each request and each answer gets lost once: both are paired then, or neither has anything of the other.
#[tokio::test]
async fn a_message_that_is_lost_leaves_both_paired_or_neither() {
    let (kai, leo) = (Node::start("kai", json!({})), Node::start("leo", json!({})));
    let wire = Tapped::to(kai.ready.port).await;
    let before = [kai.program.config(), leo.program.config()];
    for (marker, is_paired) in [
        ("/pair/initiate", false),
        ("{\"sessionId\":", false),
        ("/pair/exchange", false),
        ("\r\n\r\n{\"confirm\":", false),
        ("/pair/finish", true),
        ("\r\n\r\n{\"sealed\":", true),
    ] {
        let code = begin(&kai.link()).await;
        wire.meddle(break_at(marker));
        let connected = connect(&leo.link(), &wire.address(), &code).await;
        assert_eq!(connected.is_ok(), is_paired, "{marker}: {connected:?}");
        if is_paired {
            kai.link().call(&yes()).await.unwrap();
            leo.link().call(&yes()).await.unwrap();
            assert_eq!([end(&kai.link()).await.state, end(&leo.link()).await.state], [Some(PairPhase::Completed); 2], "{marker}");
            assert_eq!([keys(&kai.program.home()), keys(&leo.program.home())], [["leo"], ["kai"]], "{marker}");
        } else {
            assert_eq!(connected.unwrap_err().code, Code::PeerUnreachable, "{marker}");
            // Where the waiting side believed that all was well, it is told.
            crate::support::pairing::until(&kai.link(), "nobody to confirm", |state| !state.active || state.sas.is_none()).await;
            assert_eq!([kai.program.config(), leo.program.config()], before, "{marker}");
        }
    }
}

fn at(name: &str) -> Address {
    Address::new(name, 19532).unwrap()
}

#[tokio::test]
async fn a_daemon_that_starts_anew_has_forgotten_the_pairing_and_nothing_is_written() {
    let sim = Sim::default();
    let (mut kai, leo) = (sim.machine("kai", &[], "").await, sim.machine("leo", &[], "").await);
    let code = begin(&kai.link()).await;
    connect(&leo.link(), &at("kai"), &code).await.unwrap();
    kai.link().call(&yes()).await.unwrap();
    kai.stop().await;
    kai.start().await;
    assert!(state(&kai.link()).await.state.is_none());
    leo.link().call(&yes()).await.unwrap();
    let ended = end(&leo.link()).await;
    assert_eq!((ended.state, ended.error_code), (Some(PairPhase::Failed), Some(Code::PairNoSession.number())));
    assert!(keys(&kai.home()).is_empty() && keys(&leo.home()).is_empty());
}

/// The calling side does not wait for a machine that is gone until its code would expire.
#[tokio::test(start_paused = true)]
async fn a_daemon_that_stays_away_is_given_up() {
    let sim = Sim::default();
    let (mut kai, leo) = (sim.machine("kai", &[], "").await, sim.machine("leo", &[], "").await);
    let code = begin(&kai.link()).await;
    connect(&leo.link(), &at("kai"), &code).await.unwrap();
    kai.stop().await;
    leo.link().call(&yes()).await.unwrap();
    let ended = end(&leo.link()).await;
    assert_eq!((ended.state, ended.error_code), (Some(PairPhase::Failed), Some(Code::PeerUnreachable.number())));
    assert!(keys(&leo.home()).is_empty());
    begin(&leo.link()).await;
}

#[tokio::test]
async fn a_daemon_stops_in_time_while_others_wait_for_its_user() {
    let sim = Sim::default();
    let (mut kai, mut leo) = (sim.machine("kai", &[], "").await, sim.machine("leo", &[], "").await);
    let code = begin(&kai.link()).await;
    connect(&leo.link(), &at("kai"), &code).await.unwrap();
    leo.link().call(&yes()).await.unwrap();
    kai.stop().await;
    leo.stop().await;
}

/// A machine that pairs with kai to the last step, and has the key; what it does with it is the test's.
async fn paired_by_hand(sim: &Sim, kai: &Machine, answer: PairConfirm) -> Agreement {
    let link = Link::new(&Network::Memory(sim.memory.host("leo")), at("kai"));
    let code = begin(&kai.link()).await;
    let me = Introduction { node_id: "id-leo".into(), hostname: "leo".into() };
    let (leo, initiate) = Calling::begin(me, &code).unwrap();
    let (leo, exchange) = leo.initiated(&link.call(&initiate).await.unwrap()).unwrap();
    let leo = leo.exchanged(&link.call(&exchange).await.unwrap()).unwrap();
    kai.link().call(&answer).await.unwrap();
    let card = Card {
        node_id: "id-leo".into(),
        hostname: "leo".into(),
        port: 19532,
        platform: "linux".into(),
        // Another each time, as nothing here proves that it is the same.
        cert_fingerprint: Fingerprint::of(leo.pair_key().expose().as_bytes()),
        capabilities: vec![],
        certificate: None,
        proof: None,
    };
    let finish = leo.finish(&Sealed::Card(Box::new(card))).unwrap();
    let reply = link.call(&finish).await.unwrap();
    // As often as it is asked, it is the same.
    assert_eq!(link.call(&finish).await.unwrap(), reply);
    assert!(matches!(leo.open(&reply.sealed).unwrap(), Sealed::Card(card) if card.hostname == "kai"));
    assert_eq!(keys(&kai.home()), ["leo"]);
    let row = kai.link().call(&PeerList {}).await.unwrap().peers.remove(0);
    assert!(row.trusted && row.unconfirmed_until.is_some(), "{row:?}");
    leo
}

#[tokio::test]
async fn an_entry_whose_machine_never_calls_is_dropped_even_after_a_restart() {
    tokio::time::pause();
    loopsy::base::clock::follow_runtime();
    for restarts in [false, true] {
        let sim = Sim::default();
        let mut kai = sim.machine("kai", &[], "").await;
        paired_by_hand(&sim, &kai, yes()).await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        if restarts {
            kai.stop().await;
            kai.start().await;
        }
        tokio::time::sleep(Duration::from_secs(240)).await;
        assert_eq!(keys(&kai.home()), ["leo"], "{restarts}");
        tokio::time::sleep(Duration::from_secs(130)).await;
        assert!(keys(&kai.home()).is_empty() && kai.link().call(&PeerList {}).await.unwrap().peers.is_empty(), "{restarts}");
        let config = config_file::load(&kai.home()).unwrap().config;
        assert!(config.tls.pinned_certs.is_empty(), "the pin goes, too");
    }
}

#[tokio::test]
async fn an_entry_whose_machine_calls_stays() {
    tokio::time::pause();
    loopsy::base::clock::follow_runtime();
    let sim = Sim::default();
    let mut kai = sim.machine("kai", &[], "").await;
    let key = paired_by_hand(&sim, &kai, yes()).await.pair_key();
    // In plaintext, which anybody may have read, it does not count: kai knows a certificate of leo's.
    let plain = Link::new(&Network::Memory(sim.memory.host("leo")), at("kai")).key(key.clone());
    assert_eq!(plain.call(&IdentityGet {}).await.unwrap_err().code, Code::AuthTlsRequired);
    assert!(kai.link().call(&PeerList {}).await.unwrap().peers[0].unconfirmed_until.is_some());
    Link::new(&kai.network(), kai.address()).key(key).call(&IdentityGet {}).await.unwrap();
    assert_eq!(kai.link().call(&PeerList {}).await.unwrap().peers[0].unconfirmed_until, None);
    kai.stop().await;
    kai.start().await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(keys(&kai.home()), ["leo"]);
}

/// Pairing anew with a machine that is known, to no end, leaves what was: its key works again, with its permissions and pin.
#[tokio::test]
async fn what_was_there_before_comes_back_with_a_pairing_that_is_taken_back() {
    tokio::time::pause();
    loopsy::base::clock::follow_runtime();
    for (cancels, restarts) in [(true, false), (false, false), (false, true)] {
        let sim = Sim::default();
        let mut kai = sim.machine("kai", &[], "").await;
        let allow = PairConfirm { allow: Some(vec![Permission::Context]), ..yes() };
        let old = paired_by_hand(&sim, &kai, allow).await.pair_key();
        let calls = async |kai: &Machine, key| Link::new(&kai.network(), kai.address()).key(key).call(&IdentityGet {}).await.is_ok();
        assert!(calls(&kai, old.clone()).await);
        let config = |kai: &Machine| {
            let mut config = serde_json::to_value(config_file::load(&kai.home()).unwrap().config).unwrap();
            config["server"].take();
            config
        };
        let before = config(&kai);
        // Twice: what was never confirmed is nothing to come back to.
        paired_by_hand(&sim, &kai, PairConfirm { replace: Some("leo".into()), ..yes() }).await;
        let leo = paired_by_hand(&sim, &kai, PairConfirm { replace: Some("leo".into()), ..yes() }).await;
        assert!(!calls(&kai, old.clone()).await && config(&kai) != before);
        assert!(kai.link().call(&PeerList {}).await.unwrap().peers[0].unconfirmed_until.is_some(), "the old key confirms nothing");
        if restarts {
            kai.stop().await;
            kai.start().await;
        }
        if cancels {
            Link::new(&Network::Memory(sim.memory.host("leo")), at("kai")).call(&leo.cancel()).await.unwrap();
        } else {
            tokio::time::sleep(Duration::from_secs(620)).await;
        }
        assert_eq!(config(&kai), before, "{cancels} {restarts}");
        assert!(calls(&kai, old).await && !calls(&kai, leo.pair_key()).await);
        let peers = kai.link().call(&PeerList {}).await.unwrap().peers;
        assert_eq!((peers.len(), peers[0].name.as_deref(), peers[0].unconfirmed_until), (1, Some("leo"), None));
        let told = serde_json::to_string(&peers).unwrap();
        assert!(!told.contains(leo.pair_key().expose()) && !std::fs::read_to_string(kai.home().peers()).unwrap().contains("pending"));
    }
}
