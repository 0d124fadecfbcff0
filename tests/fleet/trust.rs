//! Sessions and other machines: what is agreed with the one holds for the other.

use std::time::Duration;

use loopsy::home::instance::Instance;
use serde_json::{Value, json};

use super::peers;
use crate::support::pairing::Paired;
use crate::support::process::until;

/// How long a test waits for what takes about a second.
const SOON: Duration = Duration::from_secs(10);

fn knows(found: &[(String, String)], name: &str) -> bool {
    found.iter().any(|(known, status)| known == name && status == "online")
}

/// A newly paired peer reaches the sessions too, and they it; the end of the trust ends that as well, live.
#[tokio::test]
async fn what_is_agreed_between_two_machines_holds_for_their_sessions() {
    let Paired { kai, leo } = Paired::start();
    kai.program.ok(&["session", "start-fleet", "-c", "2"]);
    leo.program.ok(&["session", "start", "alice"]);
    until("kai's sessions are known on leo", SOON, || knows(&peers(&leo.program, &[]), "kai/worker-2")).await;
    until("and to leo's session", SOON, || knows(&peers(&leo.program, &["--session", "alice"]), "kai/worker-2")).await;
    let told: Value = serde_json::from_str(&leo.program.ok(&["peers", "--json"])).unwrap();
    let worker = told["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == "kai/worker-1").unwrap();
    assert_eq!((&worker["tls"], &worker["trusted"]), (&json!(true), &json!(true)), "{worker}");

    assert_eq!(leo.program.ok(&["exec", "kai/worker-1", "echo", "there"]), "there\n");
    assert_eq!(leo.program.ok(&["--session", "alice", "exec", "kai/worker-2", "echo", "across"]), "across\n");
    until("leo's session is known on kai's", SOON, || knows(&peers(&kai.program, &["--session", "worker-1"]), "leo/alice")).await;
    assert_eq!(kai.program.ok(&["--session", "worker-1", "exec", "leo/alice", "echo", "back"]), "back\n");

    leo.program.ok(&["--session", "alice", "message", "send", "kai/worker-1", "a letter"]);
    let inbox = kai.program.ok(&["--session", "worker-1", "message", "inbox", "--wait", "10", "--json"]);
    let inbox: Value = serde_json::from_str(&inbox).unwrap();
    assert_eq!((&inbox["messages"][0]["sender"], &inbox["messages"][0]["body"]), (&json!("leo/alice"), &json!("a letter")), "{inbox}");
    let id = inbox["messages"][0]["id"].as_str().unwrap();
    kai.program.ok(&["--session", "worker-1", "message", "ack", id]);
    let state = || {
        let told = leo.program.ok(&["--session", "alice", "message", "outbox", "--json"]);
        serde_json::from_str::<Value>(&told).unwrap()["messages"][0]["to"][0]["state"].clone()
    };
    until("the acknowledgement is back", SOON, || state() == "acked").await;

    for change in
        [&["peers", "remove", "kai/worker-1"][..], &["peers", "revoke", "kai/worker-1"], &["peers", "rename", "kai/worker-1", "x"]]
    {
        assert!(leo.program.fails(change, 2).contains("session of kai"));
    }
    assert!(leo.program.fails(&["--session", "alice", "peers", "revoke", "kai"], 2).contains("main daemon"));
    assert!(leo.program.fails(&["--session", "alice", "pair", "--yes"], 2).contains("main daemon"));

    leo.program.ok(&["peers", "rename", "kai", "laptop"]);
    until("its sessions have its new name", SOON, || knows(&peers(&leo.program, &["--session", "alice"]), "laptop/worker-1")).await;
    assert_eq!(leo.program.ok(&["exec", "laptop/worker-1", "echo", "same"]), "same\n");

    let mut watching = kai.program.command(&["--session", "worker-1", "exec", "leo/alice", "sleep", "600"]).spawn().unwrap();
    leo.program.ok(&["peers", "revoke", "laptop"]);
    until("what was under way at the session is cut off", SOON, || watching.try_wait().unwrap().is_some()).await;
    let refused = kai.program.run(&["--session", "worker-1", "exec", "leo/alice", "echo", "no"]);
    assert!(refused.code != 0 && refused.out.is_empty(), "{refused:?}");
    assert!(!peers(&leo.program, &[]).iter().any(|(name, _)| name.starts_with("laptop/")));
}

/// Whoever listens where a session did is shown no key: it has not the machine's certificate.
#[tokio::test]
async fn who_sits_on_a_sessions_port_hears_no_key() {
    use std::io::Read;

    let Paired { kai: _kai, leo } = Paired::start();
    let port = {
        let told: Value = serde_json::from_str(&leo.program.ok(&["session", "start", "alice", "--json"])).unwrap();
        u16::try_from(told["port"].as_u64().unwrap()).unwrap()
    };
    leo.program.ok(&["session", "stop", "alice"]);
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0u8; 512];
        let length = stream.read(&mut first).unwrap();
        first[..length].to_vec()
    });
    let ran = leo.program.run(&["exec", "alice", "echo", "my secret"]);
    assert!(ran.code != 0 && ran.out.is_empty(), "{ran:?}");
    let heard = heard.join().unwrap();
    assert_eq!(heard.first(), Some(&22), "a TLS greeting");
    assert!(!String::from_utf8_lossy(&heard).to_lowercase().contains("bearer"));
}

/// A session whose own file can't be read, or is gone, goes on for nobody whose trust has ended.
#[tokio::test]
async fn a_revocation_reaches_a_session_whose_own_configuration_is_broken_or_gone() {
    let Paired { kai, leo } = Paired::start();
    leo.program.ok(&["session", "start-fleet", "-c", "2"]);
    until("they are known", SOON, || knows(&peers(&kai.program, &[]), "leo/worker-2")).await;
    assert_eq!(kai.program.ok(&["exec", "leo/worker-1", "echo", "yes"]), "yes\n");
    let home = |name: &str| leo.program.home().of_session(&name.parse().unwrap());
    loopsy::platform::files::write_private(&home("worker-1").config(), b"server: [").unwrap();
    let gone = super::process(&leo.program, "worker-2");
    std::fs::remove_dir_all(home("worker-2").root()).unwrap();
    leo.program.ok(&["peers", "revoke", "kai"]);
    until("the broken one refuses", SOON, || kai.program.run(&["exec", "leo/worker-1", "echo", "no"]).code != 0).await;
    until("the other has ended", SOON, || !gone.runs()).await;
    until("and is forgotten", SOON, || !peers(&leo.program, &[]).iter().any(|(name, _)| name == "leo/worker-2")).await;
}

/// What another machine calls itself is nothing that it takes from this one's sessions.
#[test]
fn a_session_is_meant_before_whoever_calls_himself_so() {
    let kai = crate::support::node::Node::start("worker-1", json!({}));
    let leo = crate::support::node::Node::start("leo", json!({}));
    crate::support::pairing::by_program(&kai.program, &leo.program, &kai.address().to_string());
    leo.program.ok(&["peers", "rename", "worker-1", "kai"]);
    leo.program.ok(&["session", "start", "worker-1"]);
    leo.program.ok(&["--session", "worker-1", "context", "set", "who", "leo's own"]);
    assert_eq!(leo.program.ok(&["context", "get", "who", "--peer", "worker-1"]).trim(), "leo's own");
    for own in [&["peers", "rename", "kai", "leo"][..], &["peers", "add", "127.0.0.9", "1", "--name", "leo", "-k", "0123456789abcdef"]] {
        assert!(leo.program.fails(own, 2).contains("this machine's own"));
    }
}

/// Sessions show the main daemon's certificate, by which other machines know all of them, and take up the one that follows it.
#[tokio::test]
async fn a_renewed_certificate_is_shown_by_the_sessions_too() {
    use loopsy::base::clock;
    use loopsy::home::certificate;

    let Paired { kai, leo } = Paired::start();
    kai.program.ok(&["session", "start", "worker-1"]);
    until("it is known", SOON, || knows(&peers(&leo.program, &[]), "kai/worker-1")).await;
    let shown = |of: &[&str]| -> Value {
        let told = kai.program.ok(&[of, &["status", "--json"]].concat());
        serde_json::from_str::<Value>(&told).unwrap()["certificate"]["fingerprint"].clone()
    };
    let before = shown(&[]);
    assert_eq!(shown(&["--session", "worker-1"]), before);
    let next = certificate::renew(&kai.program.home(), "kai", clock::now()).unwrap().fingerprint().to_string();
    until("both show the next", SOON, || shown(&[]) == next.as_str() && shown(&["--session", "worker-1"]) == next.as_str()).await;
    assert_eq!(leo.program.ok(&["exec", "kai", "echo", "1"]), "1\n");
    assert_eq!(leo.program.ok(&["exec", "kai/worker-1", "echo", "2"]), "2\n");
}

/// An agent in a session's folder sees the machine from there.
#[test]
fn an_mcp_server_of_a_session_speaks_for_that_session() {
    let Paired { kai: _kai, leo } = Paired::start();
    leo.program.ok(&["session", "start", "alice"]);
    let home = leo.program.home().of_session(&"alice".parse().unwrap());
    assert!(Instance::running(&home).is_some());
    let calls = [
        json!({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}),
        json!({"jsonrpc":"2.0","method":"notifications/initialized"}),
        json!({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"loopsy_list_peers","arguments":{}}}),
    ];
    let lines: String = calls.iter().map(|call| format!("{call}\n")).collect();
    let by_variable = {
        let mut command = leo.program.command(&["mcp-serve"]);
        command.env("LOOPSY_DATA_DIR", home.root()).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let by_flag = String::from_utf8(leo.program.piped(&["--session", "alice", "mcp-serve"], lines.as_bytes()).stdout).unwrap();
    for said in [by_variable, by_flag] {
        assert!(said.contains("leo/main") && said.contains("kai") && !said.contains("leo/alice"), "{said}");
    }
}
