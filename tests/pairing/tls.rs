//! Pairing where TLS is spoken: the certificate that was seen on the way is the one that is pinned, or nothing is.

use loopsy::api::node::IdentityGet;
use loopsy::api::pairing::{PairEnder, PairPhase};
use loopsy::api::peers::PeerList;
use loopsy::base::workers::Workers;
use loopsy::base::{Code, clock};
use loopsy::home::certificate::{load_or_create, renew};
use loopsy::home::{Home, config_file};
use loopsy::net::{Address, Network, tls};

use crate::support::pairing::{begin, connect, end, pair, until, yes};
use crate::support::sim::{Machine, Sim};

const TLS: &str = "tls:\n  enabled: true\n";

fn at(name: &str) -> Address {
    Address::new(name, 19532).unwrap()
}
fn text(machine: &Machine) -> String {
    std::fs::read_to_string(machine.home().config()).unwrap()
}

/// known faults 2 and 5: from the last yes on both can call each other over TLS, each sure of the other's certificate.
#[tokio::test]
async fn paired_machines_call_each_other_over_tls_at_once() {
    let sim = Sim::default();
    let (kai, leo) = (sim.machine("kai", &[], TLS).await, sim.machine("leo", &[], TLS).await);
    let ended = pair(&kai.link(), &leo.link(), &at("kai"), [yes(), yes()]).await;
    assert_eq!([ended[0].state, ended[1].state], [Some(PairPhase::Completed); 2], "{ended:?}");
    assert_eq!(kai.link().via("leo").call(&IdentityGet {}).await.unwrap().hostname, "leo");
    assert_eq!(leo.link().via("kai").call(&IdentityGet {}).await.unwrap().hostname, "kai");
    for machine in [&kai, &leo] {
        let peers = machine.link().call(&PeerList {}).await.unwrap().peers;
        assert!(peers[0].tls == Some(true) && peers[0].fingerprint.is_some() && peers[0].unconfirmed_until.is_none(), "{peers:?}");
    }
    let pinned = &config_file::load(&leo.home()).unwrap().config.tls.pinned_certs["kai"];
    assert_eq!(*pinned, load_or_create(&kai.home(), "kai", clock::now()).unwrap().fingerprint().to_string());
}

/// known fault 27: who passes everything on unchanged, under a certificate of his own, is found out before anything is written.
#[tokio::test]
async fn a_certificate_in_between_is_found_out() {
    let sim = Sim::default();
    let (kai, leo) = (sim.machine("kai", &[], "").await, sim.machine("leo", &[], "").await);
    let before = text(&leo);
    let (dir, workers) = (tempfile::tempdir().unwrap(), Workers::default());
    let own = load_or_create(&Home::at(dir.path()), "eve", clock::now()).unwrap();
    let (eve, server) = (Network::Memory(sim.memory.host("eve")), tls::Server::new(own.credentials()).unwrap());
    let mut listener = eve.listen("0.0.0.0", 19532).await.unwrap();
    let relays = workers.clone();
    workers.spawn_until_stop("in between", async move {
        while let Ok((near, _)) = listener.accept().await {
            // A connection that turns out not to be needed is given up in the middle.
            let Ok(mut near) = server.accept(near).await else { continue };
            let mut far = eve.dial(&at("kai")).await.unwrap();
            relays.spawn_until_stop("relay", async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
        }
    });
    let code = begin(&kai.link()).await;
    // By its address: under a name that is not kai's it would not even be answered.
    let lured = Address::new(&sim.memory.host("eve").ip().to_string(), 19532).unwrap();
    let met = connect(&leo.link(), &lured, &code).await.unwrap();
    assert_eq!(met.peer.unwrap().hostname, "kai", "all is passed on as it is");
    kai.link().call(&yes()).await.unwrap();
    leo.link().call(&yes()).await.unwrap();
    let ended = end(&leo.link()).await;
    assert_eq!(ended.error_code, Some(Code::PairInvalid.number()), "{ended:?}");
    // The waiting side had its yes, and is told that it was for nothing.
    let told = until(&kai.link(), "the end here", |state| state.state == Some(PairPhase::Failed)).await;
    assert_eq!(told.ended_by, Some(PairEnder::There), "{told:?}");
    let is_trusted = async || kai.link().call(&PeerList {}).await.unwrap().peers.iter().any(|peer| peer.trusted);
    while is_trusted().await {}
    let config = config_file::load(&kai.home()).unwrap().config;
    assert!(config.auth.allowed_keys.is_empty() && config.tls.pinned_certs.is_empty());
    assert_eq!(text(&leo), before);
    workers.stopping().cancel();
}

/// What a machine says of its certificate is what it shows, even where another process has renewed the one on disk.
#[tokio::test]
async fn the_certificate_that_is_shown_is_the_one_that_is_told_of() {
    let sim = Sim::default();
    let (kai, leo) = (sim.machine("kai", &[], TLS).await, sim.machine("leo", &[], TLS).await);
    let shown = load_or_create(&kai.home(), "kai", clock::now()).unwrap().fingerprint();
    assert_ne!(renew(&kai.home(), "kai", clock::now()).unwrap().fingerprint(), shown);
    let ended = pair(&kai.link(), &leo.link(), &at("kai"), [yes(), yes()]).await;
    assert_eq!([ended[0].state, ended[1].state], [Some(PairPhase::Completed); 2], "{ended:?}");
    let config = config_file::load(&leo.home()).unwrap().config;
    assert_eq!(config.tls.pinned_certs["kai"], shown.to_string());
}
