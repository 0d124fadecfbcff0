//! `loopsy hook`: an agent that Loopsy did not start, and the people of its machine.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::task::newest;
use crate::support::program::Program;
use crate::tasks::node;

fn asked() -> Vec<u8> {
    let asked = json!({
        "hook_event_name": "PermissionRequest", "session_id": "5b0e3a52-6a11-4c0a-9f0e-3b8f5c1d2e3f", "cwd": "/tmp",
        "permission_mode": "default", "tool_name": "Bash", "tool_input": {"command": "make"}, "permission_suggestions": [],
    });
    asked.to_string().into_bytes()
}

fn output(ran: &Output) -> Value {
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The command of the settings, as an agent runs it.
fn hooked(program: &Program) -> Command {
    let settings: Value = serde_json::from_str(&program.ok(&["hook", "settings"])).unwrap();
    let hook = &settings["hooks"]["PermissionRequest"][0]["hooks"][0];
    assert_eq!((&hook["type"], hook["timeout"].as_u64()), (&"command".into(), Some(1860)), "longer than the daemon waits: {settings}");
    let line = hook["command"].as_str().unwrap();
    assert!(!line.contains(program.ok(&["key", "show"]).trim()), "no key is in it");
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("HOME", program.folder())
        .env_remove("LOOPSY_DATA_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn with_input(mut command: Command) -> std::process::Child {
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &asked()).unwrap();
    child
}

#[tokio::test]
async fn a_session_that_somebody_else_started_is_answered_from_here() {
    let kai = node(json!({}));
    let program = &kai.program;
    for (args, decision) in [
        (&["approve"][..], json!({"behavior":"allow","updatedInput":{"command":"make"}})),
        (&["deny", "-m", "not now"], json!({"behavior":"deny","message":"not now"})),
    ] {
        let hook = with_input(hooked(program));
        let task = newest(program, "waiting_approval").await;
        assert_eq!((&task["watched"], &task["pendingApproval"]["toolName"]), (&true.into(), &"Bash".into()));
        program.ok(&[&["task", args[0], task["taskId"].as_str().unwrap()], &args[1..]].concat());
        let output = output(&hook.wait_with_output().unwrap());
        assert_eq!(output["hookSpecificOutput"]["hookEventName"], "PermissionRequest");
        let told = &output["hookSpecificOutput"]["decision"];
        assert_eq!((&told["behavior"], &told["message"]), (&decision["behavior"], &decision["message"]), "{output}");
    }
}

/// Where nobody can be asked the agent asks in its own terminal: it is never allowed for want of an answer.
#[test]
fn a_hook_that_can_not_ask_has_no_opinion() {
    let lonely = Program::ready();
    let ran = with_input(hooked(&lonely)).wait_with_output().unwrap();
    assert_eq!(output(&ran), json!({}));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("loopsy start"), "{ran:?}");
    let kai = node(json!({}));
    for nonsense in [&b""[..], b"not JSON", b"[1]", b"{\"tool_name\":7}", b"\xff\xfe"] {
        let ran = kai.program.piped(&["hook", "permission"], nonsense);
        assert_eq!(output(&ran), json!({}), "{nonsense:?}");
    }
    // Of an agent that Loopsy started, the questions are heard already.
    let mut ours = kai.program.command(&["hook", "permission"]);
    ours.env("LOOPSY_TASK", "x").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(output(&with_input(ours).wait_with_output().unwrap()), json!({}));
}
