//! An old program beside a data directory that a newer one has written: it says so, and touches nothing.

use loopsy::platform::files::write_private;
use serde_json::Value;

use crate::support::program::Program;

/// A data directory in which a daemon has run.
fn used() -> Program {
    let program = Program::ready();
    program.ok(&["start"]);
    program.ok(&["peers", "add", "127.0.0.1", "1"]);
    program.ok(&["context", "set", "build/status", "green"]);
    program.ok(&["stop"]);
    program
}

/// `start` and `daemon` refuse in two lines, the second of which says what to do; before them there is at most the log.
fn refused(program: &Program, file: &str) {
    for command in ["start", "daemon"] {
        let said = program.fails(&[command], 1);
        let lines: Vec<&str> = said.lines().filter(|line| command == "start" || !line.contains(" ERROR ")).collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(lines[0].contains(file) && lines[0].contains("newer Loopsy"), "{said}");
        assert_eq!(lines[1], "Install the newer version again.");
    }
    assert!(program.running().is_none());
}

#[test]
fn json_files_of_a_newer_release_are_refused_and_kept() {
    for file in ["identity.json", "peers.json"] {
        let program = used();
        let path = program.home().root().join(file);
        let known = std::fs::read(&path).unwrap();
        let mut content: Value = serde_json::from_slice(&known).unwrap();
        content["version"] = 999.into();
        content["novelty"] = "what this program knows nothing of".into();
        let newer = content.to_string();
        write_private(&path, newer.as_bytes()).unwrap();
        refused(&program, file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), newer, "{file}");

        write_private(&path, &known).unwrap();
        program.ok(&["start"]);
        assert_eq!(program.ok(&["context", "get", "build/status"]).trim_end(), "green");
    }
}

#[test]
fn a_store_of_a_newer_release_is_refused_and_kept() {
    let program = used();
    let store = program.home().context();
    // The number that says what the store's tables are like.
    let raise = |to: u64| {
        let db = redb::Database::open(&store).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(redb::TableDefinition::<&str, u64>::new("state")).unwrap().insert("format", to).unwrap();
        txn.commit().unwrap();
    };
    raise(999);
    refused(&program, "context.redb");
    raise(1);
    program.ok(&["start"]);
    assert_eq!(program.ok(&["context", "get", "build/status"]).trim_end(), "green");
}
