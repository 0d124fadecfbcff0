//! Random requests against the whole router: never a panic, never a hang, always an answer in the one shape.

use std::io::Read;
use std::time::Duration;

use loopsy::daemon::routes::routes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::sim::{Machine, OWNER, Sim};

const REQUESTS: u32 = 10_000;

/// One request, as bytes on the wire.
#[derive(Debug, Clone)]
struct Sent(Vec<u8>);

fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("%00".to_owned()),
        Just("%ff%fe".to_owned()),
        Just("%2F..%2F..%2Fetc%2Fpasswd".to_owned()),
        Just("..".to_owned()),
        Just("%".to_owned()),
        Just("%zz".to_owned()),
        Just("99999999999999999999999999".to_owned()),
        Just("-1".to_owned()),
        Just("1e999".to_owned()),
        Just("x".repeat(5000)),
        Just("\u{e9}".to_owned()),
        Just("inbox:a:b".to_owned()),
        "[a-zA-Z0-9._~:-]{1,20}",
        "[ -~]{0,30}",
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, serde_json::Value::Number)),
        ".{0,20}".prop_map(Into::into),
        Just("a\0b".into()),
        Just("/dev/null".into()),
        Just("~/../..".into()),
        Just(u64::MAX.into()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::hash_map("[a-zA-Z]{1,8}", inner, 0..4).prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "command",
        "args",
        "cwd",
        "env",
        "timeout",
        "stdin",
        "value",
        "ttl",
        "path",
        "sourcePath",
        "address",
        "port",
        "key",
        "prefix",
        "limit",
    ];
    let object = prop::collection::hash_map(prop::sample::select(known.to_vec()), value(), 0..5);
    prop_oneof![
        3 => object.prop_map(|map| serde_json::to_vec(&map).unwrap_or_default()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(b"{\"value\":\"\\ud800\"}".to_vec()),
        1 => Just(vec![b'['; 5000]),
        1 => Just(multipart("x/y", b"content")),
        1 => prop::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| multipart("../../\0", &bytes)),
        1 => Just(b"--b\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n/".to_vec()),
    ]
}

fn multipart(path: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n{path}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--b--\r\n"].concat()
}

fn request() -> impl Strategy<Value = Sent> {
    let paths: Vec<String> =
        routes().list().iter().map(|route| route.spec().path.to_owned()).filter(|path| path != "/stop" && path != "/execute/ws").collect();
    let methods = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "BREW"];
    let header = prop::sample::select(vec![
        "Content-Type: application/json",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Type: multipart/form-data",
        "Content-Type: \u{1}",
        "If-Match: \"99999999999999999999\"",
        "If-None-Match: *",
        "Range: bytes=18446744073709551615-",
        "Range: bytes=-1",
        "Content-Range: bytes 5-1/0",
        "X-Loopsy-Mode: 99999999999",
        "X-Loopsy-Mtime: -9223372036854775808",
        "X-Loopsy-Checksum: zz",
        "X-Loopsy-Node-Id: ../../x",
        "X-Loopsy-Peer: nobody",
        "X-Request-Id: \u{7f}",
        "Expect: 100-continue",
        "Upgrade: websocket",
        "Last-Event-ID: x",
    ]);
    let parts = (
        prop::sample::select(methods.to_vec()),
        prop::sample::select(paths),
        nasty(),
        prop::option::of((nasty(), nasty())),
        prop::collection::vec(header, 0..4),
        body(),
    );
    parts.prop_map(|(method, path, field, query, headers, body)| {
        let mut target: String = path.split('/').map(|part| if part.starts_with('{') { field.clone() } else { part.to_owned() }).collect::<Vec<_>>().join("/");
        if let Some((name, value)) = query {
            target += &format!("?{name}={value}");
        }
        let target: String = target.chars().map(|c| if c.is_control() || c == ' ' { '_' } else { c }).collect();
        let mut head = format!("{method} /api/v1{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OWNER}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            head += &format!("{header}\r\n");
        }
        Sent([head.as_bytes(), b"\r\n", &body].concat())
    })
}

/// Status and body of a response; chunks put together.
fn read_response(bytes: &[u8]) -> (u16, Vec<u8>) {
    let text = String::from_utf8_lossy(bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {text}"));
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len() - 4);
    (status, bytes[at + 4..].to_vec())
}

async fn exchange(machine: &Machine, sent: &Sent) -> Vec<u8> {
    let mut stream = machine.network().dial(&machine.address()).await.unwrap();
    // A daemon that refuses early may close before all is sent; what it said counts.
    let _ = stream.write_all(&sent.0).await;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        answer.extend_from_slice(&chunk[..count]);
        // An endless stream has answered with its head.
        if count == 0 || answer.windows(17).any(|window| window == b"text/event-stream") {
            return answer;
        }
    }
}

/// A configuration that lets nothing of the machine be touched: no command may run, no path is allowed but an empty folder.
fn harmless(folder: &std::path::Path) -> String {
    format!("execution:\n  allowlist: [nothing-at-all]\ntransfer:\n  allowedPaths: [{}]\n", folder.display())
}

#[test]
fn ten_thousand_random_requests_are_answered_in_the_one_shape() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sim = Sim::default();
    let mut machine = runtime.block_on(sim.machine("a", &[], &harmless(folder.path())));
    let mut runner =
        TestRunner::new_with_rng(Config { cases: REQUESTS, ..Config::default() }, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let statuses = std::cell::RefCell::new(std::collections::BTreeMap::<u16, u32>::new());
    let outcome = runner.run(&request(), |sent| {
        let answer = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), exchange(&machine, &sent)).await });
        let answer = answer.map_err(|_| TestCaseError::fail("no answer"))?;
        prop_assert!(!answer.is_empty(), "the connection was closed without an answer");
        let (status, body) = read_response(&answer);
        *statuses.borrow_mut().entry(status).or_default() += 1;
        prop_assert!(status != 500, "{}", String::from_utf8_lossy(&answer));
        // Hyper refuses what is no HTTP at all by itself, with an empty body.
        let by_hyper = body.is_empty() && (status == 400 || status == 431 || status == 414);
        if status >= 400 && !by_hyper && !sent.0.starts_with(b"HEAD") {
            let from = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
            let to = body.iter().rposition(|byte| *byte == b'}').map_or(body.len(), |at| at + 1);
            let envelope: serde_json::Value = serde_json::from_slice(&body[from..to])
                .map_err(|cause| TestCaseError::fail(format!("{cause}: {}", String::from_utf8_lossy(&answer))))?;
            prop_assert!(envelope["error"]["code"].is_u64() && envelope["error"]["message"].is_string(), "{envelope}");
        }
        Ok(())
    });
    outcome.unwrap();
    let statuses = statuses.into_inner();
    assert!(statuses.len() >= 5 && statuses[&200] > 50, "the requests were not varied: {statuses:?}");
    runtime.block_on(machine.stop());
    let mut text = String::new();
    std::fs::File::open(machine.home().audit_log()).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.lines().count() > 5000 && !text.contains(OWNER));
}
