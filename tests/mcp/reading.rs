//! Resources, subscriptions, prompts and completion.

use serde_json::{Value, json};

use super::agent::Agent;
use crate::support::node::Pair;
use crate::support::program::Program;

fn read(agent: &mut Agent, uri: &str) -> Value {
    let result = agent.result("resources/read", json!({ "uri": uri }));
    let content = &result["contents"][0];
    assert_eq!((&content["uri"], &content["mimeType"]), (&json!(uri), &json!("application/json")));
    serde_json::from_str(content["text"].as_str().unwrap()).unwrap()
}

#[test]
fn what_there_is_can_be_read_as_resources() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    let listed = agent.result("resources/list", json!({}));
    let uris: Vec<_> = listed["resources"].as_array().unwrap().iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["loopsy://peers", "loopsy://status", "loopsy://context", "loopsy://inbox", "loopsy://tasks"]);
    let templates = agent.result("resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "loopsy://context/{key}");
    assert_eq!(templates["resourceTemplates"][1]["uriTemplate"], "loopsy://peers/{peer}");
    agent.call("loopsy_context_set", json!({ "key": "a/b", "value": "v".repeat(100_000) }));
    assert_eq!(read(&mut agent, "loopsy://peers")["peers"][0]["name"], "kai");
    assert_eq!(read(&mut agent, "loopsy://status")["hostname"], "leo");
    assert_eq!(read(&mut agent, "loopsy://context")["entries"][0]["key"], "a/b");
    assert_eq!(read(&mut agent, "loopsy://context/a%2Fb")["value"].as_str().unwrap().len(), 100_000);
    assert_eq!(read(&mut agent, "loopsy://peers/kai")["name"], "kai");
    let missing = agent.ask("resources/read", json!({ "uri": "loopsy://context/nosuch" }));
    assert_eq!(missing["error"]["code"], -32002);
}

#[test]
fn a_resource_that_was_subscribed_to_tells_that_it_changed() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    for uri in ["loopsy://context", "loopsy://context/k"] {
        agent.result("resources/subscribe", json!({ "uri": uri }));
        told_of(&mut agent, uri);
        agent.result("resources/unsubscribe", json!({ "uri": uri }));
    }
}

#[test]
fn machines_and_status_tell_that_they_changed() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    for uri in ["loopsy://peers", "loopsy://status"] {
        agent.result("resources/subscribe", json!({ "uri": uri }));
        for port in 20_000.. {
            pair.leo.program.ok(&["peers", "add", "192.0.2.7", &port.to_string()]);
            agent.result("ping", json!({}));
            if was_told_of(&agent, uri) {
                break;
            }
        }
        agent.result("resources/unsubscribe", json!({ "uri": uri }));
    }
}

/// Whether a change was told. The first notice only says that the server has begun to look.
fn was_told_of(agent: &Agent, uri: &str) -> bool {
    let named = format!("\"uri\":\"{uri}\"");
    agent.transcript.lines().filter(|line| line.contains("notifications/resources/updated") && line.contains(&named)).count() > 1
}

/// Writes until a change is told: when the server begins to follow is not known.
fn told_of(agent: &mut Agent, uri: &str) {
    for round in 0.. {
        agent.call("loopsy_context_set", json!({ "key": "k", "value": round.to_string() }));
        if was_told_of(agent, uri) {
            break;
        }
        assert!(round < 1000);
    }
}

#[test]
fn the_newest_version_listens_to_what_it_names() {
    let pair = Pair::start();
    let mut agent = Agent::modern(&pair.leo.program);
    let wanted = json!({ "resourceSubscriptions": ["loopsy://context", "loopsy://nosuch", "loopsy://inbox"], "toolsListChanged": true });
    let id = agent.request("subscriptions/listen", json!({ "notifications": wanted }));
    let taken = agent.notification("notifications/subscriptions/acknowledged");
    assert_eq!(taken["notifications"], json!({ "resourceSubscriptions": ["loopsy://context", "loopsy://inbox"] }));
    told_of(&mut agent, "loopsy://context");
    agent.write(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } }));
    assert_eq!(agent.ask("resources/subscribe", json!({ "uri": "loopsy://context" }))["error"]["code"], -32601);
}

/// known fault 12: a prompt without arguments is a prompt.
#[test]
fn prompts_are_there_with_and_without_arguments() {
    let mut agent = Agent::start(&Program::bare());
    let listed = agent.result("prompts/list", json!({}));
    assert_eq!(listed["prompts"][0]["name"], "loopsy_help");
    assert_eq!(listed["prompts"][1]["arguments"].as_array().unwrap().len(), 3);
    for params in [json!({ "name": "loopsy_help" }), json!({ "name": "loopsy_help", "arguments": {} })] {
        let help = agent.result("prompts/get", params);
        assert!(help["messages"][0]["content"]["text"].as_str().unwrap().contains("ifVersion"));
    }
    let arguments = json!({ "peer": "kai", "task": "make it build" });
    let prompt = agent.result("prompts/get", json!({ "name": "loopsy_coordinate", "arguments": arguments }));
    assert!(prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("make it build"));
    assert_eq!(agent.ask("prompts/get", json!({ "name": "loopsy_coordinate" }))["error"]["code"], -32602);
}

#[test]
fn names_of_machines_and_keys_are_completed() {
    let pair = Pair::start();
    let mut agent = Agent::start(&pair.leo.program);
    for key in ["build/a", "build/b", "other"] {
        agent.call("loopsy_context_set", json!({ "key": key, "value": "" }));
    }
    let mut complete = |reference: Value, name: &str, value: &str| {
        let argument = json!({ "name": name, "value": value });
        agent.result("completion/complete", json!({ "ref": reference, "argument": argument }))["completion"]["values"].clone()
    };
    let template = |uri: &str| json!({ "type": "ref/resource", "uri": uri });
    let prompt = |name: &str| json!({ "type": "ref/prompt", "name": name });
    assert_eq!(complete(template("loopsy://context/{key}"), "key", "build/"), json!(["build/a", "build/b"]));
    assert_eq!(complete(template("loopsy://peers/{peer}"), "peer", "K"), json!(["kai"]));
    assert_eq!(complete(prompt("loopsy_coordinate"), "peer", ""), json!(["kai"]));
    assert_eq!(complete(prompt("loopsy_coordinate"), "peerAddress", "127"), json!(["127.0.0.1"]));
    assert_eq!(complete(prompt("loopsy_coordinate"), "task", ""), json!([]));
    assert_eq!(complete(template("loopsy://nosuch"), "peer", ""), json!([]));
}
