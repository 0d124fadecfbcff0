//! Files and folders, and which of this machine an agent may touch.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

use std::fs;

use serde_json::{Value, json};

use super::agent::Agent;
use crate::support::node::Pair;

/// An agent in a folder of leo's home.
fn agent_in(pair: &Pair, folder: &str, capabilities: Value) -> Agent {
    let work = pair.leo.program.folder().join(folder);
    fs::create_dir_all(&work).unwrap();
    let mut command = pair.leo.program.command(&["mcp-serve"]);
    command.current_dir(work);
    Agent::of(command).initialized(capabilities)
}

fn copy(direction: &str, source: &str, dest: &str) -> Value {
    json!({ "peer": "kai", "direction": direction, "sourcePath": source, "destPath": dest })
}

#[test]
fn files_and_folders_are_copied_both_ways() {
    let pair = Pair::start();
    let mut agent = agent_in(&pair, "work", json!({}));
    let (leo, kai) = (pair.leo.program.folder(), pair.kai.program.folder());
    fs::write(leo.join("work/a.txt"), "hello").unwrap();
    let (done, told) = agent.call_told("loopsy_transfer_file", copy("push", "a.txt", "inbox/"));
    assert_eq!(fs::read_to_string(kai.join("inbox/a.txt")).unwrap(), "hello");
    assert_eq!((&done["size"], done["checksum"].as_str().map(str::len)), (&json!(5), Some(64)));
    assert!(told.contains("checked"), "{told}");
    let listed = agent.call("loopsy_list_remote_files", json!({ "peer": "kai", "path": "inbox" }));
    assert_eq!((&listed["files"][0]["name"], &listed["total"]), (&json!("a.txt"), &json!(1)));
    agent.call("loopsy_transfer_file", copy("pull", "inbox/a.txt", "b.txt"));
    assert_eq!(fs::read_to_string(leo.join("work/b.txt")).unwrap(), "hello");
    let mut folder = copy("push", "~/work", "copy");
    folder["recursive"] = true.into();
    let done = agent.call("loopsy_transfer_file", folder.clone());
    assert_eq!((&done["files"], &done["same"]), (&json!(2), &json!(0)));
    assert_eq!(fs::read_to_string(kai.join("copy/b.txt")).unwrap(), "hello");
    assert_eq!(agent.call("loopsy_transfer_file", folder)["same"], 2);
    let mut back = copy("pull", "copy", "again");
    back["recursive"] = true.into();
    assert_eq!(agent.call("loopsy_transfer_file", back)["files"], 2);
    assert_eq!(fs::read_to_string(leo.join("work/again/a.txt")).unwrap(), "hello");
    let said = agent.fails("loopsy_transfer_file", copy("pull", "nosuch", "x"));
    assert!(said.contains("nosuch"), "{said}");
}

#[test]
fn relative_paths_start_at_the_client_s_root() {
    let pair = Pair::start();
    let mut agent = agent_in(&pair, "elsewhere", json!({ "roots": {} }));
    let root = pair.leo.program.folder().join("my proj");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("r.txt"), "root").unwrap();
    let id = agent.begin("loopsy_transfer_file", copy("push", "r.txt", "r.txt"));
    let asked = agent.wait("roots/list", |message| message["method"] == "roots/list");
    let uri = format!("file://{}", root.display().to_string().replace(' ', "%20"));
    agent.write(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [{ "uri": uri, "name": "proj" }] } }));
    let answer = agent.answer(id);
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(fs::read_to_string(pair.kai.program.folder().join("r.txt")).unwrap(), "root");
}

/// Keys, start-up files and Loopsy's own data are out of an agent's reach on this side too, whatever leads there.
#[test]
fn what_is_denied_to_peers_is_denied_to_agents_here() {
    let pair = Pair::start();
    let mut agent = agent_in(&pair, "work", json!({}));
    let leo = pair.leo.program.folder();
    fs::create_dir(leo.join(".ssh")).unwrap();
    fs::write(leo.join(".ssh/id"), "secret").unwrap();
    std::os::unix::fs::symlink(leo.join(".ssh/id"), leo.join("work/link")).unwrap();
    std::os::unix::fs::symlink(leo.join(".loopsy"), leo.join("work/data")).unwrap();
    for source in ["~/.ssh/id", "link", "data/config.yaml", "../.loopsy/config.yaml", "/etc/passwd"] {
        let said = agent.fails("loopsy_transfer_file", copy("push", source, "stolen"));
        assert!(said.contains("may not be transferred"), "{source}: {said}");
    }
    fs::write(pair.kai.program.folder().join("evil"), "evil").unwrap();
    for dest in ["~/.bashrc", "../.ssh/authorized_keys", "link", "data/config.yaml", "/etc/x"] {
        let said = agent.fails("loopsy_transfer_file", copy("pull", "evil", dest));
        assert!(said.contains("may not be transferred"), "{dest}: {said}");
    }
    let mut home = copy("push", "~", "all");
    home["recursive"] = true.into();
    agent.call("loopsy_transfer_file", home);
    let kai = pair.kai.program.folder();
    assert!(kai.join("all/work").is_dir());
    assert!(!kai.join("all/.ssh/id").exists() && !kai.join("all/.loopsy/config.yaml").exists());
    let mut back = copy("pull", "folder", "~");
    back["recursive"] = true.into();
    fs::create_dir(kai.join("folder")).unwrap();
    fs::write(kai.join("folder/.bashrc"), "evil").unwrap();
    let said = agent.fails("loopsy_transfer_file", back);
    assert!(said.contains("may not be transferred") && !leo.join(".bashrc").exists(), "{said}");
}

#[test]
fn a_transfer_tells_how_far_it_is() {
    let pair = Pair::start();
    let mut agent = agent_in(&pair, "work", json!({}));
    fs::write(pair.leo.program.folder().join("work/big"), vec![7; 8 * 1024 * 1024]).unwrap();
    let params = json!({ "name": "loopsy_transfer_file", "arguments": copy("push", "big", "big"), "_meta": { "progressToken": 5 } });
    let id = agent.request("tools/call", params);
    let told = agent.notification("notifications/progress");
    assert_eq!((&told["progressToken"], &told["total"]), (&json!(5), &json!(8.0 * 1024.0 * 1024.0)));
    assert_ne!(agent.answer(id)["result"]["isError"], true);
}
