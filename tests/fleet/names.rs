//! Names of sessions are no paths, on the command line and over REST.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::json;

use crate::support::node::Node;
use crate::support::sim::OWNER;

/// Everything below a folder.
fn everything(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
        found.insert(entry.path());
    }
    found
}

/// known fault 24
#[tokio::test]
async fn no_name_leads_out_of_the_sessions_folder() {
    let leo = Node::start("leo", json!({}));
    let long = "x".repeat(300);
    let before = everything(&leo.program.folder());
    for name in
        ["../x", "..", ".", "", "a/b", "/tmp/x", "..\\x", "ä", "Ａ", "con", "NUL", "com1", "lpt9", "nul.txt", "a b", "main", "A", &long]
    {
        for verb in ["start", "stop", "status"] {
            let ran = leo.program.run(&["session", verb, "--", name]);
            assert_eq!(ran.code, 2, "{verb} {name:?}: {ran:?}");
            assert!(ran.out.is_empty() && ran.err.lines().count() <= 2 && ran.err.len() < 400, "{ran:?}");
        }
        assert_eq!(leo.program.run(&["--session", name, "status"]).code, 2, "{name:?}");
        let raw = leo.raw();
        let answer = raw.json(Method::POST, "/api/v1/sessions", OWNER, &json!({ "name": name })).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!(9003)), "{name:?}");
        let path = format!("/api/v1/sessions/{}", percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC));
        let answer = raw.json(Method::DELETE, &path, OWNER, &json!({})).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404 | 405), "{name:?}: {}", answer.status);
    }
    let made: Vec<_> = everything(&leo.program.folder()).difference(&before).cloned().collect();
    let own = |path: &Path| ["context.redb", "context.wal"].iter().any(|name| path.ends_with(name));
    assert!(made.iter().all(|path| own(path) || path.starts_with(leo.program.home().logs())), "{made:?}");
    for count in ["0", "257", "-1", "x", "4294967297"] {
        assert_eq!(leo.program.run(&["session", "start-fleet", "-c", count]).code, 2, "{count}");
    }
    leo.answers().await;
}
