//! The wire, letter by letter: requests as the Node version's programs send them, and answers field by field.
//!
//! What is written here is a contract with programs that exist. A test that has to be changed means a change of the wire.

mod context;
mod events;
mod execute;
mod forward;
mod node;
mod peers;
mod socket;
mod transfer;

use serde_json::Value;

use crate::support::line::{Line, Whole};
use crate::support::sim::Machine;

/// The node id that the calling programs of these tests claim.
const CALLER: &str = "6f2c3a5e-0d51-4b8e-9c2f-3f1f0a5f2a11";

/// The text of a request as Node's `fetch` writes it. `request` is the request line without the version.
fn written(request: &str, key: &str, more: &str, body: &str) -> String {
    // `fetch` gives a GET or a DELETE without a body no length; the Node version's client names JSON all the same.
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!(
        "{request} HTTP/1.1\r\n\
         host: 127.0.0.1:19532\r\n\
         connection: keep-alive\r\n\
         Content-Type: application/json\r\n\
         Authorization: Bearer {key}\r\n\
         x-loopsy-node-id: {CALLER}\r\n\
         {more}\
         accept: */*\r\n\
         accept-language: *\r\n\
         sec-fetch-mode: cors\r\n\
         user-agent: node\r\n\
         accept-encoding: gzip, deflate\r\n\
         {length}\r\n\
         {body}"
    )
}

/// Sends a request as Node's `fetch` does, over a connection of its own.
async fn ask(machine: &Machine, key: &str, request: &str, body: &str) -> Whole {
    ask_with(machine, key, request, "", body).await
}

/// The same with more headers, each with its line end.
async fn ask_with(machine: &Machine, key: &str, request: &str, more: &str, body: &str) -> Whole {
    let mut line = Line::to(machine).await;
    line.write(written(request, key, more, body)).await;
    line.whole(request.split(' ').next().unwrap()).await
}

/// Compares an answer with what it must be: the same members, no more and no less, of the same types.
///
/// In `expected` some texts stand for any value of a kind: `<uuid>`, `<time>` (of the last minute), `<count>`, `<number>`,
/// `<text>`, `<sha256>`.
#[track_caller]
fn same(found: &Value, expected: &Value) {
    if let Err(difference) = compare("", found, expected) {
        panic!("{difference}\nfound    {found}\nexpected {expected}");
    }
}

fn compare(place: &str, found: &Value, expected: &Value) -> Result<(), String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<std::collections::BTreeSet<_>>();
            if names(found) != names(expected) {
                return Err(format!("{place}: the members differ"));
            }
            expected.iter().try_for_each(|(name, expected)| compare(&format!("{place}.{name}"), &found[name], expected))
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .try_for_each(|(at, (found, expected))| compare(&format!("{place}[{at}]"), found, expected)),
        (found, Value::String(expected)) if expected.starts_with('<') => {
            if is_a(expected, found) {
                Ok(())
            } else {
                Err(format!("{place}: {found} is no {expected}"))
            }
        }
        (found, expected) if found == expected => Ok(()),
        (found, expected) => Err(format!("{place}: {found} is not {expected}")),
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match kind {
        "<uuid>" => text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        "<time>" => value.as_u64().is_some_and(|time| loopsy::base::clock::now().abs_diff(time) < 60_000),
        "<count>" => value.is_u64(),
        "<number>" => value.is_number(),
        "<text>" => !text.is_empty(),
        "<sha256>" => text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        other => panic!("{other} is no kind"),
    }
}
