//! What the sweeps over access have in common.

use http::Method;
use loopsy::api::operation::Spec;
use loopsy::api::wire::Encoded;
use loopsy::base::hash::hex;
use loopsy::http::routes::Route;

use crate::support::raw::{Answer, Raw};
use crate::support::sim::{OWNER, pair_key};

/// A set of headers.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// A machine `a` with a key for each of these peers, who may do what stands beside them, and more of `tls`.
pub fn config(peers: &[(&str, &str)], tls: &str) -> String {
    let keys: String = peers.iter().map(|(peer, _)| format!("    {peer}: {}\n", pair_key("a", peer))).collect();
    let permissions: String = peers.iter().map(|(peer, may)| format!("    {peer}: [{may}]\n")).collect();
    let (keys, permissions) = match peers {
        [] => (String::new(), String::new()),
        _ => (format!("  allowedKeys:\n{keys}"), format!("  permissions:\n{permissions}")),
    };
    format!("server:\n  hostname: a\nauth:\n  apiKey: {OWNER}\n{keys}{permissions}tls:\n{tls}")
}

/// All that a peer can be permitted.
pub const ALL: &str = "execute, transfer, context, messages, ai-tasks, terminal";

/// A fingerprint that no certificate has.
pub fn no_certificate() -> String {
    hex(&[0xab; 32])
}

pub fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// The value of `Authorization` by which a peer of `a` is known.
pub fn peer(name: &str) -> String {
    bearer(&pair_key("a", name))
}

/// How people write an operation: method and path.
pub fn line(spec: &Spec) -> String {
    format!("{} {}", spec.method, spec.path)
}

/// Sends an operation's example with these headers.
pub async fn example<S>(raw: &Raw, route: &Route<S>, headers: Headers<'_>) -> Answer {
    let Encoded { target, headers: own, body } = (route.example)().unwrap();
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(headers);
    if body.is_some() {
        all.push(("content-type", "application/json"));
    }
    let answer = raw.send(route.spec().method.clone(), &target, &all, body.unwrap_or_default()).await;
    assert!(answer.header("x-request-id").is_some(), "{}", route.spec().name);
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{}: {answer:?}", route.spec().name);
    answer
}

/// Whether the gate let a request through, whatever came of it then.
pub fn passed(answer: &Answer) -> bool {
    answer.failure().is_none_or(|number| !(1000..2000).contains(&number))
}

pub fn assert_passed<S>(route: &Route<S>, answer: &Answer, who: &str) {
    assert!(passed(answer), "{} for {who}: {answer:?}", route.spec().name);
}

/// Refused with status and code, in the header and, where there is a body, in the envelope.
pub fn assert_refused<S>(route: &Route<S>, answer: &Answer, status: u16, code: u64, who: &str) {
    let name = route.spec().name;
    assert_eq!((answer.status.as_u16(), answer.failure()), (status, Some(code)), "{name} for {who}: {answer:?}");
    if route.spec().method != Method::HEAD {
        assert_eq!(answer.code(), code, "{name} for {who}");
    }
    if status == 401 {
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name}");
    }
    if status == 426 {
        assert!(answer.header("upgrade").is_some_and(|value| value.contains("TLS")), "{name}: {answer:?}");
    }
}
