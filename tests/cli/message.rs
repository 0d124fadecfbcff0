//! `loopsy message`, between two real daemons and with a stand-in for one of the Node version.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::doctor::well;
use crate::support::node::Pair;
use crate::support::pairing::Paired;
use crate::support::process::until;
use crate::support::program::{Program, Ran};
use crate::support::stand_in::{StandIn, Traits};

fn json_of(program: &Program, args: &[&str]) -> Value {
    serde_json::from_str(&program.ok(args)).unwrap()
}

#[test]
fn people_write_read_acknowledge_and_see_where_a_message_is() {
    let pair = Pair::start();
    let (leo, kai) = (&pair.leo.program, &pair.kai.program);
    let id = leo.ok(&["message", "send", "kai", "Is the build green?", "--subject", "build", "--type", "request"]);
    let id = id.trim();
    let read = kai.ok(&["message", "inbox", "--wait", "30s"]);
    assert_eq!(read.trim_end().split('\t').collect::<Vec<_>>(), [id, "leo", "request", "build", "Is the build green?"]);
    assert!(kai.run(&["message", "ack", id]).err.contains("acknowledged"));
    assert!(kai.run(&["message", "ack", id]).err.contains("acknowledged before"));
    assert!(kai.run(&["message", "inbox"]).err.contains("No messages"));
    let piped = kai.piped(&["message", "send", "leo", "--reply-to", id, "--json"], "It is.\n".as_bytes());
    let sent: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!((&sent["to"][0]["peer"], piped.status.code()), (&"leo".into(), Some(0)));
    let outbox = json_of(leo, &["message", "outbox", "--json"]);
    assert_eq!((&outbox["messages"][0]["id"], &outbox["messages"][0]["preview"]), (&id.into(), &"Is the build green?".into()));
    assert!(leo.ok(&["message", "outbox"]).starts_with(&format!("{id}\tkai\t")));

    // Who waits for an acknowledgement hears of it.
    let waiting =
        leo.command(&["message", "send", "kai", "ping", "--wait", "60s"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let inbox = json_of(kai, &["message", "inbox", "--wait", "60s", "--json"]);
    kai.ok(&["message", "ack", inbox["messages"][0]["id"].as_str().unwrap()]);
    let waited = Ran::of(waiting.wait_with_output().unwrap());
    assert!(waited.code == 0 && waited.err.contains("kai acknowledged it"), "{waited:?}");
    let unheard = leo.fails(&["message", "send", "kai", "pong", "--wait", "1s"], 1);
    assert!(unheard.contains("not acknowledged") && unheard.contains("loopsy message outbox"), "{unheard}");
}

#[test]
fn a_follower_sees_each_message_as_it_comes() {
    let pair = Pair::start();
    let (leo, kai) = (&pair.leo.program, &pair.kai.program);
    leo.ok(&["message", "send", "kai", "one"]);
    let mut follower = kai.command(&["message", "inbox", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["body"], "one");
    for body in ["two", "three"] {
        leo.ok(&["message", "send", "kai", body]);
        assert_eq!(next()["body"], body);
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn what_can_not_be_sent_is_said_in_a_line_with_what_to_do() {
    let pair = Pair::start();
    let leo = &pair.leo.program;
    for (args, code, what) in [
        (&["message", "send", "kia", "x"][..], 4, "Did you mean kai?"),
        (&["message", "send", "kai", "x", "--type", "poem"], 2, "chat, request, response, ack, broadcast"),
        (&["message", "send", "kai", "x", "--reply-to", "../x"], 2, "replyTo"),
        (&["message", "send", "*", "x", "--wait", "1s"], 2, "one peer"),
        (&["message", "ack", "1-a-0a1b"], 1, "loopsy message inbox"),
        (&["message", "ack", "../../etc/passwd"], 2, "not the id of a message"),
        (&["message", "inbox", "--limit", "0"], 2, "between 1 and 1000"),
    ] {
        assert!(leo.fails(args, code).contains(what), "{args:?}");
    }
    let large = leo.piped(&["message", "send", "kai"], "x".repeat(1024 * 1024).as_bytes());
    assert!(String::from_utf8_lossy(&large.stderr).contains("loopsy send"), "{large:?}");
    let lonely = well();
    assert!(lonely.fails(&["message", "send", "*", "x"], 4).contains("loopsy pair"));
    assert!(Program::ready().fails(&["message", "inbox"], 3).contains("loopsy start"));
}

/// A Node machine takes part with its context store alone: letters lie there, acknowledgements come as entries.
#[tokio::test]
async fn a_node_machine_takes_part_through_its_store() {
    let (leo, kai) = (well(), StandIn::start(Traits::default()));
    let told: Value = json_of(&leo, &["connect", &kai.address(), "--name", "kai", "--yes", "--json"]);
    let key = told["key"].as_str().unwrap();
    kai.enter(key);
    leo.ok(&["peers", "ping", "kai"]);
    let id = leo.ok(&["message", "send", "kai", "hello"]).trim().to_owned();
    let delivered = || json_of(&leo, &["message", "outbox", "--json"])["messages"][0]["to"][0].clone();
    until("delivered", Duration::from_secs(30), || delivered()["state"] == "delivered").await;
    assert_eq!(delivered()["inboxKey"], format!("inbox:old-kai:{id}"));
    let letter = leo.ok(&["context", "get", &format!("inbox:old-kai:{id}"), "--peer", "kai"]);
    let envelope: Value = serde_json::from_str(&letter).unwrap();
    let keys: Vec<&String> = envelope.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["body", "from", "id", "to", "ts", "type"], "nothing that the Node version does not know unless it is needed");
    assert_eq!((&envelope["body"], &envelope["to"], &envelope["type"]), (&"hello".into(), &"old-kai".into(), &"chat".into()));

    // The Node agent acknowledges, then writes in its turn.
    let (port, bearer) = (leo.running().unwrap().address.port(), format!("Bearer {key}"));
    let raw = crate::support::raw::Raw::new(&loopsy::net::Network::Sockets, loopsy::net::Address::new("127.0.0.1", port).unwrap());
    let put = async |key: &str, value: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = json!({ "value": value, "ttl": 3600 }).to_string();
        raw.send(Method::PUT, &format!("/api/v1/context/{}", key.replace(':', "%3A")), &headers, body).await.status.as_u16()
    };
    assert_eq!(put("ack:old-kai", &id).await, 200);
    assert_eq!(delivered()["state"], "acked");
    let hostname = json_of(&leo, &["status", "--json"])["hostname"].as_str().unwrap().to_owned();
    let theirs = "1760000000000-old-kai-00ff";
    let envelope = json!({"from":"old-kai","to":hostname,"ts":1,"id":theirs,"type":"request","body":"and you?"}).to_string();
    assert_eq!(put(&format!("inbox:{hostname}:{theirs}"), &envelope).await, 200);
    assert_eq!(leo.ok(&["message", "inbox"]), format!("{theirs}\tkai\trequest\t\tand you?\n"));
    leo.ok(&["message", "ack", theirs]);
    let told = || leo.run(&["context", "get", &format!("ack:{hostname}"), "--peer", "kai"]).out;
    until("the acknowledgement lies there", Duration::from_secs(30), || told().trim() == theirs).await;
}

/// A paired machine's certificate proves that it is the one: it is found again on another port, and has what waited for it.
#[tokio::test]
async fn a_paired_machine_is_found_on_another_port_and_has_what_waited() {
    let Paired { mut kai, leo } = Paired::start();
    kai.kill();
    let id = leo.program.ok(&["message", "send", "kai", "welcome back"]);
    kai.again();
    let read = kai.program.ok(&["message", "inbox", "--wait", "60s"]);
    assert_eq!(read, format!("{}\tleo\tchat\t\twelcome back\n", id.trim()));
    kai.program.ok(&["message", "ack", id.trim()]);
    let state = || json_of(&leo.program, &["message", "outbox", "--json"])["messages"][0]["to"][0]["state"].clone();
    until("acknowledged", Duration::from_secs(30), || state() == "acked").await;
}
