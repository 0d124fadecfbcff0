//! The audit log, over every operation: what was refused is in it, and nothing that must not be.

use loopsy::api::wire::Encoded;
use loopsy::daemon::routes::routes;
use serde_json::Value;

use super::access::{OPEN, may};
use super::sweep::{Headers, bearer, config, example, line, peer};
use crate::support::pairing::{begin, connect};
use crate::support::sim::{Machine, OWNER, Sim, at, pair_key};

/// Every file of the log, by its name.
fn logs(machine: &Machine) -> Vec<(String, String)> {
    let files = std::fs::read_dir(machine.home().logs()).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap())).collect()
}

/// The lines of a log that tell of one request each.
fn lines(path: std::path::PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|line| line["repeats"].is_null()).collect()
}

/// known fault 61: whoever is refused has a line that says who, what and why; whoever shows no key that is known fills another file.
#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_line() {
    let sim = Sim::default();
    let mut a = sim.configured("a", &config(&[("b", "context"), ("c", "")], "  enabled: true\n")).await;
    let (b, owner) = (peer("b"), bearer(OWNER));
    // How it comes, and who the log says it was.
    let ways: [(&str, Headers<'_>, &str); 7] = [
        ("loopback", &[], "stranger"),
        ("loopback", &[("authorization", "Bearer wrong")], "stranger"),
        ("loopback", &[("origin", "http://evil.example"), ("authorization", &owner)], "stranger"),
        ("tls", &[("host", "evil.example")], "stranger"),
        ("tls", &[("authorization", &b)], "b"),
        ("plain", &[("authorization", &b)], "b"),
        ("tls", &[("authorization", &owner), ("x-loopsy-peer", "c")], "legacy"),
    ];
    let mut expected = Vec::new();
    for route in routes().list() {
        for (n, (way, headers, who)) in ways.iter().enumerate() {
            // Repeats from one address are counted, not told; each way has an address of its own.
            let from = format!("host-{n}");
            let raw = match *way {
                "tls" => sim.tls(&from, "a"),
                "plain" => sim.plain(&from, "a"),
                _ => a.raw(),
            };
            let answer = example(&raw, route, headers).await;
            let id = answer.header("x-request-id").unwrap().to_owned();
            expected.push((id, *who, answer.status.as_u16(), answer.failure(), route.spec().name, line(route.spec())));
        }
    }
    a.stop().await;
    let (keyed, keyless) = (lines(a.home().audit_log()), lines(a.home().keyless_log()));
    let mut denied = 0;
    for (id, who, status, code, name, operation) in expected {
        let (log, other) = if who == "stranger" { (&keyless, &keyed) } else { (&keyed, &keyless) };
        let of = |log: &[Value]| log.iter().find(|line| line["requestId"] == id.as_str()).cloned();
        assert!(of(other).is_none(), "{name} of {who} is in the wrong file");
        let Some(line) = of(log) else {
            // Two ways to be refused with the same status, from the same address, are repeats.
            assert!(who == "stranger" && status == 403, "{name} of {who} is in no file");
            continue;
        };
        assert_eq!(
            (line["caller"].as_str(), line["statusCode"].as_u64(), line["error"].as_u64()),
            (Some(who), Some(status.into()), code),
            "{line}"
        );
        let refused = matches!(status, 401 | 403 | 426 | 429);
        assert_eq!(line["decision"], if refused { "denied" } else { "allowed" }, "{line}");
        assert!(refused || OPEN.contains(&operation.as_str()) || may(&operation, &["context"]), "{name}: {line}");
        denied += u32::from(refused);
    }
    assert!(denied > 200, "{denied}");
}

/// An example with a text in the place of each that is not what the log says a request is about.
fn marked(encoded: &Encoded, mark: &str) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(encoded.body.as_ref()?).unwrap();
    body["surprise"] = mark.into();
    for (field, value) in body.as_object_mut().unwrap() {
        if !["command", "path", "sourcePath", "address", "name", "nodeId", "hostname", "to", "agent", "requestId"].contains(&field.as_str())
            && value.is_string()
        {
            *value = mark.into();
        }
        if field == "args" || field == "env" {
            *value = if field == "args" { [mark].as_slice().into() } else { serde_json::json!({ "MARK": mark }) };
        }
    }
    Some(serde_json::to_vec(&body).unwrap())
}

/// known fault 61: keys, codes, bodies and what else is in an address beside the path are in no log.
#[tokio::test(start_paused = true)]
async fn no_key_code_or_body_is_in_any_log() {
    let sim = Sim::default();
    let (mut a, mut b) = (sim.machine("a", &["b"], "").await, sim.machine("b", &["a"], "").await);
    let (mark, tried) = ("4711-mark-in-a-body", "key-that-was-wrong-0815");
    let mut secrets = vec![OWNER.to_owned(), pair_key("a", "b"), mark.into(), tried.into()];
    let (owner, pair, wrong) = (bearer(OWNER), peer("b"), bearer(tried));
    for route in routes().list().iter().filter(|route| !route.spec().name.starts_with("pair.start")) {
        let example = (route.example)().unwrap();
        let joint = if example.target.contains('?') { '&' } else { '?' };
        let target = format!("{}{joint}key={OWNER}&note={mark}", example.target);
        let body = marked(&example, mark).unwrap_or_else(|| mark.into());
        let callers: [Headers<'_>; 5] = [
            &[],
            &[("authorization", &owner)],
            &[("authorization", &pair)],
            &[("authorization", &wrong)],
            &[("authorization", &owner), ("x-loopsy-peer", "b")],
        ];
        for headers in callers {
            let mut all = vec![("content-type", "application/json"), ("cookie", mark)];
            all.extend(example.headers.iter().map(|(name, value)| (*name, value.as_str())));
            all.extend_from_slice(headers);
            a.raw().send(route.spec().method.clone(), &target, &all, body.clone()).await;
        }
    }
    for attempt in ["000000", "000001", "right"] {
        let code = begin(&a.link()).await;
        let said = if attempt == "right" { code.clone() } else { loopsy::base::secret::Secret::new(attempt) };
        let paired = connect(&b.link(), &at("a"), &said).await;
        secrets.extend([code.expose().to_owned(), attempt.to_owned()]);
        secrets.extend(paired.ok().and_then(|state| state.sas));
    }
    a.stop().await;
    b.stop().await;
    for (name, text) in logs(&a).into_iter().chain(logs(&b)) {
        // Digits may be part of a time or an id: a code is looked for as a whole word.
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
        for secret in &secrets {
            assert!(!words.contains(&secret.as_str()) && (secret.len() < 7 || !text.contains(secret)), "{secret} is in {name}: {text}");
        }
    }
    assert!(logs(&a).iter().any(|(_, text)| text.contains("pair.connect") || text.contains("pair.exchange")), "{:?}", logs(&a));
}
