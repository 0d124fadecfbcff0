//! Who may what, over every operation.

use http::Method;
use loopsy::api::operation::{Access, Payload, Permission, Quota};
use loopsy::api::wire::Encoded;
use loopsy::daemon::routes::routes;
use loopsy::http::routes::Route;

use crate::support::raw::{Answer, Raw};
use crate::support::sim::{OWNER, Sim, pair_key};

/// Sends an operation's example with these headers.
async fn example<S>(raw: &Raw, route: &Route<S>, headers: &[(&str, &str)]) -> Answer {
    let Encoded { target, headers: own, body } = (route.example)().unwrap();
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(headers);
    if body.is_some() {
        all.push(("content-type", "application/json"));
    }
    raw.send(route.spec().method.clone(), &target, &all, body.unwrap_or_default()).await
}

/// Whether the gate let a request through, whatever came of it then.
fn passed<S>(route: &Route<S>, answer: &Answer) -> bool {
    match answer.status.as_u16() {
        200..400 => true,
        // Without a body a path that is denied looks like a caller that is.
        403 if is_head(route) => true,
        _ => !(1000..2000).contains(&answer.code()),
    }
}

fn is_head<S>(route: &Route<S>) -> bool {
    route.spec().method == Method::HEAD
}

/// An answer to HEAD has no body to hold the envelope.
fn assert_refused<S>(route: &Route<S>, answer: &Answer, status: u16, code: u64) {
    let name = route.spec().name;
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert!(answer.header("x-request-id").is_some(), "{name}");
    if !is_head(route) {
        assert_eq!(answer.code(), code, "{name}");
    }
}

#[tokio::test]
async fn without_a_key_only_the_open_operations_answer() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        let answer = example(&a.raw(), route, &[]).await;
        if route.spec().access == Access::Open {
            assert!(passed(route, &answer), "{}", route.spec().name);
        } else {
            assert_refused(route, &answer, 401, 1001);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_refused_everywhere() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        for wrong in ["Bearer wrong", "Bearer", "wrong", "Basic b3duZXI6", &format!("Bearer {OWNER}x"), OWNER] {
            assert_refused(route, &example(&a.raw(), route, &[("authorization", wrong)]).await, 403, 1002);
        }
    }
}

/// known fault 21: no web page reaches the daemon, whatever key it has.
#[tokio::test]
async fn any_origin_is_refused_and_no_answer_allows_one() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let bearer = format!("Bearer {OWNER}");
    for route in routes().list() {
        for origin in ["http://evil.example", "null", "http://localhost:19532", "http://127.0.0.1"] {
            let answer = example(&a.raw(), route, &[("authorization", &bearer), ("origin", origin)]).await;
            assert_refused(route, &answer, 403, 1005);
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{}", route.spec().name);
        }
    }
}

/// known fault 21: a name that was rebound to this machine is refused without a key.
#[tokio::test]
async fn a_foreign_host_is_refused_without_a_key() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    for route in routes().list() {
        assert_refused(route, &example(&a.raw(), route, &[("host", "evil.example:19532")]).await, 403, 1005);
    }
    let owner = format!("Bearer {OWNER}");
    let answer = a.raw().send(Method::GET, "/api/v1/status", &[("host", "evil.example"), ("authorization", &owner)], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_peer_gets_what_it_is_permitted_and_nothing_of_the_owner() {
    let sim = Sim::default();
    let more = "  permissions:\n    none: []\n    some: [context]\ntransfer:\n  allowedPaths: []\n";
    let config = format!(
        "server:\n  hostname: a\nauth:\n  apiKey: {OWNER}\n  allowedKeys:\n    none: {}\n    some: {}\n{more}",
        pair_key("a", "none"),
        pair_key("a", "some")
    );
    let mut a = sim.machine("a", &[], "").await;
    a.stop().await;
    loopsy::platform::files::write_private(&a.home().config(), config.as_bytes()).unwrap();
    a.start().await;
    for (peer, has) in [("none", &[][..]), ("some", &[Permission::Context][..])] {
        let bearer = format!("Bearer {}", pair_key("a", peer));
        for route in routes().list() {
            let refused = match route.spec().access {
                Access::Owner => true,
                Access::Permitted(permission) => !has.contains(&permission),
                Access::Peers | Access::Open => false,
            };
            let answer = example(&a.raw(), route, &[("authorization", &bearer)]).await;
            if refused {
                assert_refused(route, &answer, 403, 1005);
            } else {
                assert!(passed(route, &answer), "{} for {peer}: {answer:?}", route.spec().name);
            }
        }
    }
}

/// The owner's key from another machine is an old Node pair's: the compat routes and nothing else.
#[tokio::test]
async fn the_owners_key_from_elsewhere_opens_compat_routes_only() {
    let sim = Sim::default();
    let _a = sim.machine("a", &[], "").await;
    let b = sim.memory.host("b");
    let raw = Raw::new(&loopsy::net::Network::Memory(b), loopsy::net::Address::new("a", 19532).unwrap());
    let bearer = format!("Bearer {OWNER}");
    for route in routes().list() {
        let spec = route.spec();
        let answer = example(&raw, route, &[("authorization", &bearer)]).await;
        if spec.access != Access::Open && (spec.access == Access::Owner || !spec.compat) {
            assert_refused(route, &answer, 403, 1005);
        } else {
            assert!(passed(route, &answer), "{}: {answer:?}", spec.name);
        }
    }
}

#[tokio::test]
async fn plaintext_from_elsewhere_is_refused_where_tls_is_asked_for() {
    let sim = Sim::default();
    let _a = sim.machine("a", &[], "tls:\n  enabled: true\n").await;
    let raw = Raw::new(&loopsy::net::Network::Memory(sim.memory.host("b")), loopsy::net::Address::new("a", 19532).unwrap());
    let bearer = format!("Bearer {OWNER}");
    for route in routes().list() {
        let answer = example(&raw, route, &[("authorization", &bearer)]).await;
        if route.spec().access == Access::Open {
            assert!(passed(route, &answer));
        } else {
            assert_refused(route, &answer, 426, 1004);
            assert!(answer.header("upgrade").is_some());
        }
    }
}

/// known fault 6: budgets are real, for every operation that draws on one.
#[tokio::test(start_paused = true)]
async fn over_its_budget_a_peer_waits_and_the_owner_never_does() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "rateLimits:\n  execute: 0\n  transfer: 0\n  context: 0\n").await;
    let (peer, owner) = (format!("Bearer {}", pair_key("a", "b")), format!("Bearer {OWNER}"));
    let mut limited = 0;
    for route in routes().list() {
        let answer = example(&a.raw(), route, &[("authorization", &peer)]).await;
        if route.spec().quota == Quota::Free {
            assert_ne!(answer.status, 429, "{}", route.spec().name);
        } else {
            limited += 1;
            assert_refused(route, &answer, 429, 9002);
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        }
        if route.spec().quota != Quota::Free && route.spec().payload != Payload::WebSocket {
            let answer = example(&a.raw(), route, &[("authorization", &owner)]).await;
            assert_ne!(answer.status, 429, "{}", route.spec().name);
        }
    }
    assert!(limited >= 5);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let owner = format!("Bearer {OWNER}");
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v1/context/a/b", "/api/v2/health", "//api/v1/health", "/api/v1/health/"] {
        let answer = a.raw().send(Method::GET, path, &[("authorization", &owner)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, 9004), "{path}");
    }
    for route in routes().list() {
        let target = (route.example)().unwrap().target;
        let answer = a.raw().send(Method::PATCH, &target, &[("authorization", &owner)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (405, 9005), "{}", route.spec().name);
        assert!(answer.header("allow").unwrap().contains(route.spec().method.as_str()));
    }
}
