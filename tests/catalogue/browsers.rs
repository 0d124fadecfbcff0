//! Web pages, over every operation: none is answered, whatever it knows.

use http::Method;
use loopsy::daemon::routes::routes;

use super::access::OPEN;
use super::sweep::{Headers, assert_passed, assert_refused, bearer, example, line, peer};
use crate::support::line::Line;
use crate::support::sim::{OWNER, Sim};

const ORIGINS: [&str; 5] = ["http://evil.example", "null", "http://localhost:19532", "http://127.0.0.1", ""];

/// known fault 21: no web page reaches the daemon, whatever key it has.
#[tokio::test]
async fn any_origin_is_refused_and_no_answer_allows_one() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "").await;
    let (owner, b) = (bearer(OWNER), peer("b"));
    for route in routes().list() {
        for origin in ORIGINS {
            let callers: [Headers<'_>; 4] = [
                &[("origin", origin)],
                &[("origin", origin), ("authorization", &owner)],
                &[("origin", origin), ("authorization", &b)],
                &[("origin", origin), ("authorization", &owner), ("x-loopsy-peer", "b")],
            ];
            for headers in callers {
                assert_refused(route, &example(&a.raw(), route, headers).await, 403, 1005, origin);
            }
        }
        for raw in [sim.plain("b", "a"), sim.tls("b", "a")] {
            let answer = example(&raw, route, &[("origin", "http://evil.example"), ("authorization", &b)]).await;
            assert_refused(route, &answer, 403, 1005, "elsewhere");
        }
    }
}

/// known fault 21: what a browser asks before it lets a page ask gets no leave, with an origin or without.
#[tokio::test]
async fn a_preflight_is_refused() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        let target = (route.example)().unwrap().target;
        let asked = [("access-control-request-method", route.spec().method.as_str()), ("access-control-request-headers", "authorization")];
        for (more, status) in [(Some("http://evil.example"), 403), (None, 405)] {
            let headers: Vec<_> = asked.iter().copied().chain(more.map(|origin| ("origin", origin))).collect();
            let answer = a.raw().send(Method::OPTIONS, &target, &headers, "").await;
            assert_eq!(answer.status, status, "{}: {answer:?}", route.spec().name);
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{answer:?}");
        }
    }
}

/// known fault 21: a WebSocket needs no leave of a browser, so that its origin is looked at like any other.
#[tokio::test]
async fn a_websocket_of_a_page_is_refused() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        for key in ["", &format!("Authorization: Bearer {OWNER}\r\n")] {
            let mut line = Line::to(&a).await;
            line.write(format!(
                "GET {} HTTP/1.1\r\nHost: 127.0.0.1:19532\r\n{key}Connection: Upgrade\r\nUpgrade: websocket\r\n\
                 Origin: http://evil.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                (route.example)().unwrap().target
            ))
            .await;
            assert_eq!(line.whole("GET").await.failure(), (403, 1005), "{}", route.spec().name);
        }
    }
}

/// known fault 21: a name that was rebound to this machine is refused without a key that is right.
#[tokio::test(start_paused = true)]
async fn a_foreign_host_is_refused_without_a_key() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let owner = bearer(OWNER);
    for route in routes().list() {
        for host in [
            "evil.example:19532",
            "evil.example",
            "a.evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "a@evil.example",
            "",
        ] {
            for headers in [&[("host", host)][..], &[("host", host), ("authorization", "Bearer wrong")]] {
                assert_refused(route, &example(&a.raw(), route, headers).await, 403, 1005, host);
            }
            assert_passed(route, &example(&a.raw(), route, &[("host", host), ("authorization", &owner)]).await, host);
        }
        let twice = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert_refused(route, &example(&a.raw(), route, &twice).await, 403, 1005, "two hosts");
    }
    let mut line = Line::to(&a).await;
    line.write("GET /api/v1/health HTTP/1.0\r\n\r\n").await;
    assert!(String::from_utf8(line.read(12).await).unwrap().ends_with("403"), "a request that names no host");
}

#[tokio::test]
async fn this_machine_is_known_by_its_addresses_and_names() {
    let sim = Sim::default();
    let more = "  allowedHosts: [proxy.example, Other.Example.]\n";
    let config = format!("server:\n  hostname: kai.home.example\n{more}auth:\n  apiKey: {OWNER}\n");
    let a = sim.configured("a", &config).await;
    let known = [
        "127.0.0.1",
        "127.0.0.1:19532",
        "192.168.1.9:1",
        "[::1]",
        "[::1]:19532",
        "[fe80::1]:80",
        "localhost",
        "LocalHost.:8080",
        "kai",
        "KAI:19532",
        "kai.",
        "kai.local",
        "kai.local.:19532",
        "kai.home.example",
        "kai.home.example.:1",
        "proxy.example:443",
        "PROXY.example.",
        "other.example",
    ];
    for route in routes().list() {
        for host in known {
            let answer = example(&a.raw(), route, &[("host", host)]).await;
            if OPEN.contains(&line(route.spec()).as_str()) {
                assert_passed(route, &answer, host);
            } else {
                assert_refused(route, &answer, 401, 1001, host);
            }
        }
    }
}
