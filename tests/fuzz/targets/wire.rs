//! A request of every type: read, written and read again, it is the same.
//!
//! Input: a byte for the operation; the fields of the path, a space between them; the query; the headers that it has, a tab
//! between them; and the body, each in a line of its own but for the last.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use loopsy::api::wire::Encoded;
use loopsy::api::{BASE, Spec};
use loopsy::base::Code;
use loopsy::daemon::Daemon;
use loopsy::daemon::routes::routes;
use loopsy::http::Routes;
use loopsy_fuzz::{line, words};

static ROUTES: LazyLock<Routes<Daemon>> = LazyLock::new(routes);

/// The fields of the path of a request that was written.
fn params<'a>(spec: &Spec, path: &'a str) -> Vec<(&'static str, &'a str)> {
    let template = spec.path.split('/').map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')));
    template.zip(path[BASE.len()..].split('/')).filter_map(|(name, value)| Some((name?, value))).collect()
}

fn again(which: usize, request: &Encoded) -> Encoded {
    let route = &ROUTES.list()[which];
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        // What can't be a header never was one.
        headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    (route.again)(&params(route.spec(), path), query, &headers, request.body.as_deref().unwrap_or_default()).unwrap()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let which = usize::from(*which) % ROUTES.list().len();
    let route = &ROUTES.list()[which];
    let (path, rest) = words(rest);
    let (query, rest) = words(rest);
    let (told, body) = line(rest);
    // As the router has it: no field is empty.
    let params: Vec<_> = route.spec().path_fields().zip(path.split(' ').chain(std::iter::repeat("x"))).collect();
    if params.iter().any(|(_, value)| value.is_empty()) {
        return;
    }
    let mut headers = HeaderMap::new();
    for ((_, name), value) in route.spec().headers.iter().zip(told.split(|byte| *byte == b'\t')) {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.insert(*name, value);
    }
    match (route.again)(&params, &query, &headers, body) {
        Ok(request) => assert_eq!(again(which, &request), request),
        Err(error) => assert_eq!(error.code, Code::InvalidRequest, "{error}"),
    }
});
