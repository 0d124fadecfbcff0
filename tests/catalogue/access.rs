//! Who may what, over every operation.

use http::Method;
use loopsy::api::operation::{Access, Payload, Quota};
use loopsy::daemon::routes::routes;

use super::sweep::{assert_passed, assert_refused, bearer, config, example, line, peer};
use crate::support::sim::{OWNER, Sim};

/// The operations that need no key, and there are no others.
pub const OPEN: [&str; 5] = ["GET /health", "POST /pair/initiate", "POST /pair/exchange", "POST /pair/finish", "POST /pair/cancel"];

/// The operations of peers, each with the permission that it takes; all others are the owner's.
pub const PEERS: [(&str, Option<&str>); 36] = [
    ("GET /identity", None),
    ("GET /status", None),
    ("POST /peers/handshake", None),
    ("POST /execute", Some("execute")),
    ("POST /execute/stream", Some("execute")),
    ("GET /execute/ws", Some("execute")),
    ("DELETE /execute/{jobId}", Some("execute")),
    ("GET /execute/jobs", Some("execute")),
    ("POST /transfer/push", Some("transfer")),
    ("PUT /transfer/file", Some("transfer")),
    ("HEAD /transfer/file", Some("transfer")),
    ("POST /transfer/pull", Some("transfer")),
    ("POST /transfer/list", Some("transfer")),
    ("POST /transfer/manifest", Some("transfer")),
    ("POST /transfer/tree/pull", Some("transfer")),
    ("PUT /transfer/tree", Some("transfer")),
    ("POST /ai-tasks", Some("ai-tasks")),
    ("GET /ai-tasks", Some("ai-tasks")),
    ("GET /ai-tasks/{taskId}", Some("ai-tasks")),
    ("DELETE /ai-tasks/{taskId}", Some("ai-tasks")),
    ("GET /ai-tasks/{taskId}/stream", Some("ai-tasks")),
    ("GET /ai-tasks/{taskId}/events", Some("ai-tasks")),
    ("POST /ai-tasks/{taskId}/approve", Some("ai-tasks")),
    ("POST /ai-tasks/{taskId}/prompt", Some("ai-tasks")),
    ("POST /ai-tasks/{taskId}/interrupt", Some("ai-tasks")),
    ("POST /terminals", Some("terminal")),
    ("GET /terminals", Some("terminal")),
    ("GET /terminals/{terminalId}", Some("terminal")),
    ("DELETE /terminals/{terminalId}", Some("terminal")),
    ("PUT /terminals/{terminalId}/size", Some("terminal")),
    ("GET /terminals/{terminalId}/socket", Some("terminal")),
    ("PUT /context/{key}", Some("context")),
    ("GET /context/{key}", Some("context")),
    ("DELETE /context/{key}", Some("context")),
    ("GET /context", Some("context")),
    ("GET /context-watch", Some("context")),
];

/// Those of them that the Node version has too.
pub const COMPAT: [&str; 22] = [
    "GET /identity",
    "GET /status",
    "POST /peers/handshake",
    "POST /execute",
    "POST /execute/stream",
    "DELETE /execute/{jobId}",
    "GET /execute/jobs",
    "POST /transfer/push",
    "POST /transfer/pull",
    "POST /transfer/list",
    "POST /ai-tasks",
    "GET /ai-tasks",
    "GET /ai-tasks/{taskId}",
    "DELETE /ai-tasks/{taskId}",
    "GET /ai-tasks/{taskId}/stream",
    "GET /ai-tasks/{taskId}/events",
    "POST /ai-tasks/{taskId}/approve",
    "PUT /context/{key}",
    "GET /context/{key}",
    "DELETE /context/{key}",
    "GET /context",
    "GET /health",
];

/// Whether a peer with these permissions may use an operation.
pub fn may(operation: &str, permissions: &[&str]) -> bool {
    let listed = PEERS.iter().find(|(known, _)| *known == operation);
    OPEN.contains(&operation) || listed.is_some_and(|(_, wanted)| wanted.is_none_or(|wanted| permissions.contains(&wanted)))
}

#[test]
fn what_is_listed_here_is_served() {
    let routes = routes();
    let served: Vec<String> = routes.list().iter().map(|route| line(route.spec())).collect();
    let listed = OPEN.into_iter().chain(PEERS.map(|(operation, _)| operation)).chain(COMPAT);
    for operation in listed {
        assert!(served.iter().any(|known| known == operation), "{operation}");
    }
    for route in routes.list() {
        assert_eq!(route.spec().access == Access::Open, OPEN.contains(&line(route.spec()).as_str()), "{}", route.spec().name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_gets_what_it_is_permitted_and_nothing_of_the_owner() {
    let sim = Sim::default();
    let names = ["execute", "transfer", "context", "messages", "ai-tasks", "terminal"];
    let peers: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).chain([("none", "")]).collect();
    let a = sim.configured("a", &config(&peers, "  enabled: true\n")).await;
    for (raw, way) in [(a.raw(), "loopback"), (sim.tls("b", "a"), "TLS")] {
        for (name, permission) in &peers {
            for route in routes().list() {
                let answer = example(&raw, route, &[("authorization", &peer(name))]).await;
                if may(&line(route.spec()), &[permission]) {
                    assert_passed(route, &answer, &format!("{name} over {way}"));
                } else {
                    assert_refused(route, &answer, 403, 1005, name);
                }
            }
        }
    }
}

/// known fault 6: budgets are real, for every operation that draws on one.
#[tokio::test(start_paused = true)]
async fn over_its_budget_a_peer_waits_and_the_owner_never_does() {
    let sim = Sim::default();
    let a = sim.machine("a", &["b"], "rateLimits:\n  execute: 0\n  transfer: 0\n  context: 0\n").await;
    let mut limited = 0;
    for route in routes().list() {
        let answer = example(&a.raw(), route, &[("authorization", &peer("b"))]).await;
        if route.spec().quota == Quota::Free {
            assert_ne!(answer.status, 429, "{}", route.spec().name);
        } else {
            limited += 1;
            assert_refused(route, &answer, 429, 9002, "b");
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        }
        if route.spec().quota != Quota::Free && !matches!(route.spec().payload, Payload::WebSocket(_)) {
            let answer = example(&a.raw(), route, &[("authorization", &bearer(OWNER))]).await;
            assert_ne!(answer.status, 429, "{}", route.spec().name);
        }
    }
    assert!(limited >= 5);
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405() {
    let sim = Sim::default();
    let a = sim.machine("a", &[], "").await;
    let owner = bearer(OWNER);
    for path in ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v1/context/a/b", "/api/v2/health", "//api/v1/health", "/api/v1/health/"] {
        let answer = a.raw().send(Method::GET, path, &[("authorization", &owner)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, 9004), "{path}");
    }
    for route in routes().list() {
        let target = (route.example)().unwrap().target;
        for method in [Method::PATCH, Method::OPTIONS, Method::TRACE] {
            let answer = a.raw().send(method, &target, &[("authorization", &owner)], "").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (405, 9005), "{}", route.spec().name);
            assert!(answer.header("allow").unwrap().contains(route.spec().method.as_str()));
        }
    }
}
