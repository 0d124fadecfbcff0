//! What the tools do, on this machine and on a peer.

use serde_json::{Value, json};

use super::agent::Agent;
use crate::support::node::{Node, Pair, knowing};
use crate::support::sim::{OWNER, pair_key};

/// All ways in which kai is named.
fn names(pair: &Pair) -> Vec<Value> {
    let port = pair.kai.ready.port;
    let id = pair.kai.ready.node_id.clone();
    vec![
        json!({ "peer": "kai" }),
        json!({ "peer": "KAI" }),
        json!({ "peer": id }),
        json!({ "peer": id[..8] }),
        json!({ "peer": format!("127.0.0.1:{port}") }),
        json!({ "peerAddress": "127.0.0.1", "peerPort": port, "peerApiKey": "an old key" }),
        json!({ "peerHostname": "kai" }),
    ]
}

fn with(mut arguments: Value, more: &Value) -> Value {
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

/// known fault 34: neither arguments nor results have a key in them.
#[test]
fn a_peer_is_named_in_every_way_and_no_key_is_ever_told() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    // The daemon learns its peer's node id when it first talks to it.
    agent.call("loopsy_peer_status", json!({ "peer": "kai" }));
    for name in names(&pair) {
        assert_eq!(agent.call("loopsy_peer_status", name.clone())["hostname"], "kai", "{name}");
    }
    assert_eq!(agent.call("loopsy_peer_status", json!({}))["hostname"], "leo");
    let said = agent.fails("loopsy_peer_status", json!({ "peer": "nosuch" }));
    assert!(said.contains("nosuch") && said.contains("There are: kai."), "{said}");
    let said = agent.fails("loopsy_peer_status", json!({ "peerAddress": "192.0.2.7", "peerApiKey": "k" }));
    assert!(said.contains("192.0.2.7:19532") && said.contains("There are: kai."), "{said}");
    let (_, told) = agent.call_told("loopsy_list_peers", json!({}));
    assert!(told.starts_with("kai: online"), "{told}");
    for uri in ["loopsy://peers", "loopsy://status", "loopsy://peers/kai"] {
        agent.result("resources/read", json!({ "uri": uri }));
    }
    for key in [OWNER.to_owned(), pair_key("leo", "kai"), pair_key("kai", "leo"), "an old key".into()] {
        assert!(!agent.transcript.contains(&key), "{key}");
    }
}

#[test]
fn a_command_tells_all_there_is_to_know() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    let mut run = |more: Value| agent.call_told("loopsy_execute", with(json!({ "peer": "kai" }), &more));
    let (done, told) =
        run(json!({ "command": "sh", "args": ["-c", "cat; echo $X >&2; pwd; exit 3"], "stdin": "in\n", "env": { "X": "y" }, "cwd": "/" }));
    assert_eq!((&done["exitCode"], &done["stdout"], &done["stderr"]), (&json!(3), &json!("in\n/\n"), &json!("y\n")));
    assert!(told.starts_with("Exit code 3 after") && told.contains("stdout:\nin\n/\n") && told.contains("stderr:\ny\n"), "{told}");
    let (done, told) = run(json!({ "command": "sleep", "args": ["100"], "timeout": 50 }));
    assert_eq!((&done["exitCode"], &done["timedOut"], &done["killed"]), (&Value::Null, &json!(true), &json!(true)));
    assert!(told.starts_with("It ran out of time"), "{told}");
    let (done, _) = run(json!({ "command": "kill -USR1 $$", "shell": true }));
    assert_eq!(done["signal"], "SIGUSR1");
    let (done, _) = run(json!({ "command": "head -c 300000 /dev/zero | tr '\\0' x; echo end", "shell": true }));
    let out = done["stdout"].as_str().unwrap();
    assert!(out.len() < 40_000 && out.ends_with("end\n") && out.contains("bytes are left out here"), "{}", out.len());
    assert_eq!(done["truncated"], true);
    let said = agent.fails("loopsy_execute", json!({ "peer": "kai", "command": "no-such-program" }));
    assert!(said.starts_with("kai: ") && said.contains("no-such-program"), "{said}");
    let said = agent.fails("loopsy_execute", json!({ "peer": "kai", "command": "rm", "args": ["-rf", "/nosuch"] }));
    assert!(said.starts_with("kai: "), "{said}");
}

/// known fault 4: what is deleted is gone, here and on a peer.
#[test]
fn values_are_shared_compared_and_deleted() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    for place in [json!({}), json!({ "peer": "kai" })] {
        let key = |more: Value| with(with(json!({ "key": "task:1" }), &more), &place);
        let first = agent.call("loopsy_context_set", key(json!({ "value": "pending", "ifAbsent": true })));
        assert!(agent.fails("loopsy_context_set", key(json!({ "value": "x", "ifAbsent": true }))).contains("version"));
        let next = agent.call("loopsy_context_set", key(json!({ "value": "running", "ifVersion": first["version"], "ttl": 60 })));
        let said = agent.fails("loopsy_context_set", key(json!({ "value": "x", "ifVersion": first["version"] })));
        assert!(said.contains(&next["version"].to_string()), "{said}");
        let (read, told) = agent.call_told("loopsy_context_get", key(json!({})));
        assert_eq!((&read["value"], told.as_str(), &read["version"]), (&json!("running"), "running", &next["version"]));
        agent.call("loopsy_context_set", with(json!({ "key": "task:2", "value": "a".repeat(200_000) }), &place));
        let page = agent.call("loopsy_context_list", with(json!({ "prefix": "task:", "limit": 1 }), &place));
        assert_eq!((page["entries"].as_array().unwrap().len(), &page["more"]), (1, &json!(true)));
        let page = agent.call("loopsy_context_list", with(json!({ "prefix": "task:", "after": "task:1" }), &place));
        assert!(page["entries"][0]["value"].as_str().unwrap().len() < 2000 && page["more"] == false);
        let page = agent.call("loopsy_context_list", with(json!({ "keysOnly": true }), &place));
        assert_eq!(page["entries"][1].get("value"), None);
        let long = agent.call("loopsy_context_get", with(json!({ "key": "task:2" }), &place));
        assert!(long["value"].as_str().unwrap().contains("left out here. Save it with: loopsy context get"));
        for key in ["task:1", "task:2"] {
            assert_eq!(agent.call("loopsy_context_delete", with(json!({ "key": key }), &place))["success"], true);
        }
        let said = agent.fails("loopsy_context_get", key(json!({})));
        assert!(said.contains("task:1"), "{said}");
    }
}

/// known fault 9: a broadcast tells of each peer whether it took the value.
#[test]
fn a_broadcast_is_stored_everywhere_and_told_peer_by_peer() {
    let kai = Node::start("kai", knowing("kai", &[("leo", None)], json!({})));
    let denied = json!({ "auth": { "permissions": { "leo": ["execute"] } } });
    let mia = Node::start("mia", knowing("mia", &[("leo", None)], denied));
    let peers = [("kai", Some(kai.ready.port)), ("mia", Some(mia.ready.port)), ("off", None)];
    let leo = Node::start("leo", knowing("leo", &peers, json!({})));
    let mut agent = Agent::start(&leo.program);
    let (done, told) = agent.call_told("loopsy_broadcast_context", json!({ "key": "flag", "value": "on", "ttl": 60 }));
    let results = done["results"].as_array().unwrap();
    let came: Vec<_> = results.iter().map(|result| (result["machine"].as_str().unwrap(), result["stored"] == true)).collect();
    assert_eq!(came, [("this machine", true), ("kai", true), ("mia", false)], "{done}");
    assert!(results[2]["error"].as_str().unwrap().len() > 5 && told.starts_with("Stored on 2 of 3 machines."), "{told}");
    assert_eq!(agent.call("loopsy_context_get", json!({ "key": "flag" }))["value"], "on");
    assert_eq!(agent.call("loopsy_context_get", json!({ "key": "flag", "peer": "kai" }))["value"], "on");
}
