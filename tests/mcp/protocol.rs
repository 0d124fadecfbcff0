//! The protocol itself, in both of its eras, and what does not belong to it.

use serde_json::{Value, json};

use super::agent::{Agent, meta};
use crate::support::program::Program;

const TOOLS: [&str; 18] = [
    "loopsy_list_peers",
    "loopsy_peer_status",
    "loopsy_execute",
    "loopsy_transfer_file",
    "loopsy_list_remote_files",
    "loopsy_context_set",
    "loopsy_context_get",
    "loopsy_context_delete",
    "loopsy_context_list",
    "loopsy_broadcast_context",
    "loopsy_send_message",
    "loopsy_check_inbox",
    "loopsy_ack_message",
    "loopsy_check_ack",
    "loopsy_dispatch_task",
    "loopsy_task_status",
    "loopsy_task_approve",
    "loopsy_task_cancel",
];
/// Tools that nobody ever called in the manner of the Node version.
const OURS: [&str; 5] = ["loopsy_check_ack", "loopsy_dispatch_task", "loopsy_task_status", "loopsy_task_approve", "loopsy_task_cancel"];

fn initialize(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

#[test]
fn every_version_with_sessions_is_spoken_without_a_daemon() {
    let program = Program::bare();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut agent = Agent::silent(&program);
        let begun = agent.result("initialize", initialize(version));
        assert_eq!(begun["protocolVersion"], version);
        assert_eq!(begun["serverInfo"]["name"], "loopsy");
        for able in ["tools", "resources", "prompts", "completions"] {
            assert!(begun["capabilities"][able].is_object(), "{able}");
        }
        // Before it was told that the client is ready, as some clients do it.
        let tools = agent.result("tools/list", json!({}));
        assert_eq!(tools["tools"].as_array().unwrap().len(), TOOLS.len());
        assert_eq!(tools.get("ttlMs"), None);
        assert_eq!(tools.get("resultType"), None);
        let said = agent.result("tools/call", json!({ "name": "loopsy_list_peers", "arguments": {} }));
        assert_eq!(said["isError"], true);
        assert_eq!(said["content"][0]["text"], "Daemon is not running. Start it with: loopsy start");
    }
    let mut agent = Agent::silent(&program);
    assert_eq!(agent.result("initialize", initialize("1999-01-01"))["protocolVersion"], "2025-11-25");
}

#[test]
fn the_newest_version_has_no_sessions_and_both_are_spoken_in_one_process() {
    let program = Program::bare();
    let mut agent = Agent::silent(&program);
    agent.write(&json!({ "jsonrpc": "2.0", "id": "probe-1", "method": "server/discover", "params": { "_meta": meta() } }));
    let found = agent.wait("discovery", |message| message["id"] == "probe-1")["result"].clone();
    assert_eq!(found["resultType"], "complete");
    assert!(found["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")));
    assert!(found["ttlMs"].as_u64().unwrap() > 0 && found["cacheScope"] == "private" && found["instructions"].is_string());

    let mut agent = Agent::modern(&program);
    let tools = agent.result("tools/list", json!({}));
    assert_eq!((&tools["resultType"], &tools["cacheScope"]), (&json!("complete"), &json!("private")));
    assert!(tools["ttlMs"].as_u64().unwrap() > 0);
    assert_eq!(agent.ask("ping", json!({}))["error"]["code"], -32601);
    let mut strange = meta();
    strange["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();
    agent.write(&json!({ "jsonrpc": "2.0", "id": "v", "method": "tools/list", "params": { "_meta": strange } }));
    let refused = agent.wait("a refusal", |message| message["id"] == "v")["error"].clone();
    assert_eq!(refused["code"], -32022);
    assert_eq!(refused["data"]["requested"], "2099-01-01");
    assert!(refused["data"]["supported"].is_array());
    // The same process then begins a session.
    agent.write(&json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": initialize("2025-06-18") }));
    assert_eq!(agent.wait("a session", |message| message["id"] == "i")["result"]["protocolVersion"], "2025-06-18");
}

#[test]
fn the_tools_are_described_in_few_words() {
    let mut agent = Agent::silent(&Program::bare());
    agent.result("initialize", initialize("2025-11-25"));
    let answer = agent.ask("tools/list", json!({}));
    assert!(answer.to_string().len() < 20_000, "{}", answer.to_string().len());
    let tools = answer["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>(), TOOLS);
    for tool in tools {
        let name = &tool["name"];
        assert!(tool["title"].is_string() && tool["description"].as_str().is_some_and(|words| words.len() < 300), "{name}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name} {hint}");
        }
        for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
            assert!(schema["type"] == "object" && schema["properties"].is_object(), "{name}");
            check(schema);
        }
        let arguments = &tool["inputSchema"]["properties"];
        assert!(arguments.as_object().unwrap().values().all(|argument| argument["description"].is_string()), "{name}: {arguments}");
        let is_legacy = arguments.get("peer").is_some() && !OURS.contains(&name.as_str().unwrap());
        assert_eq!(is_legacy, arguments.get("peerApiKey").is_some(), "{name}");
        let required = tool["inputSchema"]["required"].as_array().cloned().unwrap_or_default();
        assert!(required.iter().all(|name| !name.as_str().unwrap().starts_with("peer")), "{name}");
    }
}

/// No reference leads out of a schema, and nothing in it is known to Rust alone.
fn check(schema: &Value) {
    let text = schema.to_string();
    for word in ["$ref", "$defs", "\"format\"", "$schema", "uint64"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn what_is_not_the_protocol_is_refused_or_passed_over() {
    let mut agent = Agent::silent(&Program::bare());
    for early in [
        &b"garbage"[..],
        b"",
        b"\xff\xfe\x00",
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        agent.write_line(early);
    }
    agent.write(&json!({ "jsonrpc": "2.0", "id": "early", "method": "tools/call", "params": { "name": "loopsy_list_peers" } }));
    assert_eq!(agent.wait("a refusal", |message| message["id"] == "early")["error"]["code"], -32602);
    let mut agent = agent.initialized(json!({}));
    let mut huge = br#"{"jsonrpc":"2.0","id":"huge","method":"tools/list","params":{"x":""#.to_vec();
    huge.resize(40 * 1024 * 1024, b'x');
    huge.extend(br#""}}"#);
    agent.write_line(&huge);
    let nested = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for wrong in [
        &br#"{"jsonrpc":"2.0""#[..],
        br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        br#"{"jsonrpc":"1.0","id":77,"method":"ping"}"#,
        b"null",
        b"7",
        &nested,
        br#"{"jsonrpc":"2.0","method":"notifications/nosuch","params":7}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345}}"#,
        br#"{"jsonrpc":"2.0","id":12345,"result":{"roots":[]}}"#,
    ] {
        agent.write_line(wrong);
    }
    for (method, params, code) in [
        ("nosuch/method", json!({}), -32601),
        ("tools/call", json!({ "name": 7 }), -32602),
        ("tools/call", json!([1, 2]), -32602),
        ("tools/call", json!({ "name": "loopsy_list_peer", "arguments": {} }), -32602),
        ("tools/call", json!({ "name": "loopsy_list_peers", "arguments": [] }), -32602),
        ("resources/read", json!({ "uri": "file:///etc/passwd" }), -32002),
        ("resources/read", json!({ "uri": 1 }), -32602),
        ("resources/subscribe", json!({ "uri": "loopsy://nosuch" }), -32002),
        ("prompts/get", json!({ "name": "nosuch" }), -32602),
        ("completion/complete", json!({}), -32602),
        ("tasks/list", json!({}), -32601),
    ] {
        let answer = agent.ask(method, params.clone());
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
    }
    assert_eq!(agent.result("ping", json!({})), json!({}));
}

#[test]
fn wrong_arguments_are_results_that_name_the_argument() {
    let mut agent = Agent::start(&Program::bare());
    for (tool, arguments, named) in [
        ("loopsy_execute", json!({ "peer": "kai" }), "command is missing"),
        ("loopsy_execute", json!({ "command": "true" }), "peer is missing"),
        ("loopsy_execute", json!({ "peer": "kai", "command": "true", "timeout": "soon" }), "timeout"),
        ("loopsy_execute", json!({ "peer": "kai", "comand": "true" }), "Did you mean command?"),
        ("loopsy_execute", json!({ "peer": ["kai"], "command": "true" }), "peer"),
        ("loopsy_context_set", json!({ "key": "k" }), "value is missing"),
        ("loopsy_context_list", json!({ "limit": 0 }), "limit"),
        ("loopsy_transfer_file", json!({ "peer": "kai", "direction": "up", "sourcePath": "a", "destPath": "b" }), "direction"),
        ("loopsy_transfer_file", json!({ "peerAddress": "x y", "direction": "push" }), "peerAddress"),
        ("loopsy_check_inbox", json!({ "waitSeconds": 99_999 }), "waitSeconds"),
        ("loopsy_check_inbox", json!({ "peer": "kai" }), "peer"),
        ("loopsy_ack_message", json!({}), "messageId is missing"),
        ("loopsy_check_ack", json!({ "peer": "kai", "waitSeconds": 5 }), "messageId is missing"),
        ("loopsy_dispatch_task", json!({ "peer": "kai" }), "prompt is missing"),
        ("loopsy_dispatch_task", json!({ "prompt": "x", "waitSeconds": 601 }), "waitSeconds"),
        ("loopsy_dispatch_task", json!({ "prompt": "x", "taskId": "t", "cwd": "/" }), "cwd"),
        ("loopsy_dispatch_task", json!({ "prompt": "x", "permissionMode": "yolo" }), "permissionMode"),
        ("loopsy_dispatch_task", json!({ "prompt": "x", "additionalArgs": ["-x"] }), "additionalArgs"),
        ("loopsy_dispatch_task", json!({ "prompt": "x", "allowedTools": ["Bash"] }), "allowedTools"),
        ("loopsy_task_status", json!({ "waitSeconds": 5 }), "taskId is missing"),
        ("loopsy_task_approve", json!({ "taskId": "t", "requestId": "r" }), "approved is missing"),
        ("loopsy_task_approve", json!({ "taskId": "t", "requestId": "r", "approved": true, "remember": "always" }), "remember"),
        ("loopsy_task_cancel", json!({}), "taskId is missing"),
    ] {
        // Without a daemon only what is seen before it is asked can be told.
        let said = agent.fails(tool, arguments);
        assert!(said.contains(named) || (said.contains("not running") && ["limit", "waitSeconds"].contains(&named)), "{tool}: {said}");
    }
}
