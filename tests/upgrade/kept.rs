//! Data directories that earlier releases left, as `tests/upgrade/keep` makes them: today's program finds everything in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::program::Program;

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect()
}

/// The home of a machine that has had its program exchanged.
fn unpacked(archive: &Path) -> Program {
    let program = Program::bare();
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(program.folder()).status().unwrap();
    assert!(unpacked.success());
    std::fs::rename(program.folder().join("leo"), program.home().root()).unwrap();
    program
}

fn json_of(program: &Program, args: &[&str]) -> Value {
    serde_json::from_str(&program.ok(&[args, &["--json"]].concat())).unwrap()
}

fn set_aside(folder: &Path) -> Vec<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.into_iter().filter(|path| path.to_string_lossy().contains(".broken-")).collect()
}

fn holds_everything(program: &Program, node_id: &str) {
    let status = json_of(program, &["status"]);
    assert_eq!((&status["nodeId"], &status["hostname"]), (&json!(node_id), &json!("leo")));
    assert_eq!(status["warnings"], json!([]), "an upgrade is nothing to worry about");

    assert_eq!(program.ok(&["context", "get", "build/status"]).trim_end(), "green");
    assert_eq!(program.ok(&["context", "get", "build/log"]).lines().count(), 2000);
    assert!(json_of(program, &["context", "get", "session/token"])["expiresAt"].as_u64().is_some(), "it ends when it was to end");

    let letters = |place: &str| json_of(program, &["message", place])["messages"].as_array().unwrap().clone();
    let [unread] = &letters("inbox")[..] else { panic!("one that was not read") };
    assert_eq!((&unread["body"], &unread["subject"]), (&json!("Have you read this?"), &json!("unread")));
    let waiting: Vec<Value> = letters("outbox").into_iter().filter(|letter| letter["preview"] == "Are you there?").collect();
    assert_eq!((&waiting[0]["to"][0]["peer"], &waiting[0]["to"][0]["state"]), (&json!("kai"), &json!("queued")));

    let peers = json_of(program, &["peers"]);
    let kai = &peers["peers"][0];
    assert_eq!((&kai["name"], &kai["trusted"], &kai["tls"]), (&json!("kai"), &json!(true), &json!(true)), "key and pin are kai's");
    let pin = program.ok(&["config", "get", "tls.pinnedCerts.kai"]);
    assert_eq!(kai["fingerprint"], pin.trim_end());

    let tasks = json_of(program, &["task", "list"]);
    let task = &tasks["tasks"][0];
    assert_eq!((&task["status"], &task["result"]), (&json!("completed"), &json!("echo: Say it again")));
    assert!(program.ok(&["task", "logs", task["taskId"].as_str().unwrap()]).contains("echo: Say it again"));
    assert!(program.ok(&["logs", "-n", "0"]).lines().count() > 10, "the audit log goes on");
}

#[test]
fn what_earlier_releases_left_is_found_whole() {
    let archives = archives();
    assert!(!archives.is_empty(), "tests/upgrade/keep makes one");
    for archive in archives {
        let program = unpacked(&archive);
        let home = program.home();
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let identity: Value = serde_json::from_slice(&read(home.identity())).unwrap();
        let before = [read(home.config()), read(home.certificate()), read(home.certificate_key())];
        // Once as it was left, and once as today's program left it.
        for _ in 0..2 {
            let said = program.run(&["start"]);
            assert!(said.code == 0 && !said.err.contains("warning"), "{archive:?}: {said:?}");
            holds_everything(&program, identity["nodeId"].as_str().unwrap());
            program.ok(&["stop"]);
        }
        assert!([read(home.config()), read(home.certificate()), read(home.certificate_key())] == before, "{archive:?}");
        assert_eq!([set_aside(home.root()), set_aside(&home.tls())].concat(), Vec::<PathBuf>::new());
    }
}
