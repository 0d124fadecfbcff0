//! Plaintext and TLS, over every operation: what comes in, and what goes out.

use http::Method;
use loopsy::api::Permission;
use loopsy::daemon::routes::routes;

use super::access::{OPEN, may};
use super::forwarding::Recorder;
use super::sweep::{ALL, Headers, assert_passed, assert_refused, bearer, config, example, line, no_certificate, peer};
use crate::support::sim::{Machine, OWNER, Sim};

/// `a` wants TLS; b speaks it, n is a Node peer that is let off it.
async fn strict(sim: &Sim) -> Machine {
    sim.configured("a", &config(&[("b", ALL), ("n", ALL)], "  enabled: true\n  allowPlaintext: [n]\n")).await
}

/// known fault 32: what is reachable from elsewhere wants a key and TLS, but for what must be open.
#[tokio::test(start_paused = true)]
async fn plaintext_from_elsewhere_is_refused_where_tls_is_asked_for() {
    let sim = Sim::default();
    let _a = strict(&sim).await;
    let raw = sim.plain("b", "a");
    let (owner, b) = (bearer(OWNER), peer("b"));
    let callers: [(&str, Headers<'_>); 3] = [("nobody", &[]), ("legacy", &[("authorization", &owner)]), ("b", &[("authorization", &b)])];
    for route in routes().list() {
        for (who, headers) in callers {
            let answer = example(&raw, route, headers).await;
            if OPEN.contains(&line(route.spec()).as_str()) {
                assert_passed(route, &answer, who);
            } else {
                assert_refused(route, &answer, 426, 1004, who);
            }
        }
        // Nothing is told of a key that was wrong, or of a peer that it should have been sent on to.
        let more: [(&str, Headers<'_>); 2] = [
            ("a wrong key", &[("authorization", "Bearer wrong")]),
            ("one who wants it sent on", &[("authorization", &owner), ("x-loopsy-peer", "n")]),
        ];
        for (who, headers) in more {
            if who != "a wrong key" || !OPEN.contains(&line(route.spec()).as_str()) {
                assert_refused(route, &example(&raw, route, headers).await, 426, 1004, who);
            }
        }
    }
    let unknown = raw.send(Method::GET, "/api/v1/nothing", &[], "").await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (426, 1004));
}

#[tokio::test]
async fn over_tls_or_loopback_or_as_a_node_peer_all_goes_on() {
    let sim = Sim::default();
    let a = strict(&sim).await;
    let permitted = Permission::ALL.map(Permission::name);
    for (raw, who, key) in [
        (sim.tls("b", "a"), "b", peer("b")),
        (sim.tls("n", "a"), "n", peer("n")),
        (sim.plain("n", "a"), "n", peer("n")),
        (a.raw(), "b", peer("b")),
    ] {
        for route in routes().list() {
            let answer = example(&raw, route, &[("authorization", &key)]).await;
            if may(&line(route.spec()), &permitted) {
                assert_passed(route, &answer, who);
            } else {
                assert_refused(route, &answer, 403, 1005, who);
            }
        }
    }
}

/// A pinned peer is called over TLS with its certificate, or not at all; who is there instead learns nothing.
#[tokio::test]
async fn to_another_certificate_or_none_nothing_is_sent_on() {
    let sim = Sim::default();
    let pin = no_certificate();
    let tls = format!("  pinnedCerts: {{b: {pin}, p: {pin}}}\n  allowPlaintext: [b, p]\n");
    let manual = "discovery:\n  manualPeers:\n    - {address: b, hostname: b}\n    - {address: p, hostname: p}\n";
    let a = sim.configured("a", &(config(&[("b", ALL), ("p", ALL)], &tls) + manual)).await;
    let mut b = sim.machine("b", &["a"], "").await;
    let (plain, _workers) = Recorder::start(&sim, "p").await;
    for route in routes().list() {
        for name in ["b", "p"] {
            let answer = example(&a.raw(), route, &[("authorization", &bearer(OWNER)), ("x-loopsy-peer", name)]).await;
            assert_refused(route, &answer, 502, 2006, name);
            if route.spec().method != Method::HEAD {
                let told = answer.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(told.starts_with(name) && told.contains("certificate"), "{told}");
                let shown = answer.json()["error"]["details"]["shown"].as_str().map(str::to_owned);
                assert_eq!(shown.is_some(), name == "b", "{answer:?}");
            }
        }
    }
    b.stop().await;
    let (keyed, keyless) = (b.home().audit_log(), b.home().keyless_log());
    let asked = [keyed, keyless].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    assert_eq!(asked, ["", ""], "nothing may come so far as to be a request");
    assert_eq!(plain.requests(), Vec::<String>::new());
}
