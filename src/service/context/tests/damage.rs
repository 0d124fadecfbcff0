//! Files that somebody else wrote.

use std::path::{Path, PathBuf};

use super::*;

#[expect(clippy::disallowed_methods, reason = "the test is the somebody who writes into the data directory")]
fn write(dir: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(dir.join(name), bytes).unwrap();
}

fn named(dir: &Path, part: &str) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.to_string_lossy().contains(part)).collect()
}

/// A store with some entries, closed in order.
async fn sample() -> (tempfile::TempDir, Vec<u8>) {
    let home = Home::new().await;
    let value = "v".repeat(500);
    home.set_all((0..200).map(|n| set(&format!("{n:03}"), &value))).await;
    let dir = home.stop().await;
    let bytes = std::fs::read(dir.path().join("context.redb")).unwrap();
    (dir, bytes)
}

#[tokio::test]
async fn garbage_is_set_aside_with_a_warning_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "context.redb", b"this is not a database, it is a text that somebody wrote here");
    let home = Home::at(dir).await;
    assert_eq!(home.context.warnings().len(), 1);
    let aside = named(home.dir.path(), "context.redb.broken-");
    assert_eq!(aside.len(), 1);
    assert!(home.context.warnings()[0].contains(aside[0].file_name().unwrap().to_str().unwrap()));
    assert!(std::fs::read(&aside[0]).unwrap().starts_with(b"this is not"));
    home.set("k", "v").await.unwrap();
    let home = home.restart().await;
    assert!(home.context.warnings().is_empty() && home.get("k").is_ok());
}

#[tokio::test]
async fn revisions_of_a_lost_store_are_not_given_again() {
    let home = Home::new().await;
    let lost = home.set("k", "v").await.unwrap();
    let dir = home.stop().await;
    write(dir.path(), "context.redb", b"garbage");
    let home = Home::at(dir).await;
    assert!(home.set("k", "v").await.unwrap().version > lost.version);
}

/// Wherever a file is cut or overwritten: it opens or is set aside, answers or says that it is damaged, and never
/// takes the daemon down; a store that was set aside leaves one that works.
#[tokio::test]
async fn no_damage_ends_the_daemon() {
    let (_sample, good) = sample().await;
    let mut set_aside = 0;
    for case in 0..60 {
        let mut bytes = good.clone();
        let at = case * 7919 % bytes.len();
        match case % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at..].iter_mut().take(4096).for_each(|byte| *byte = 0xa5),
            _ => bytes[at / 4096 * 4096..].iter_mut().take(64).for_each(|byte| *byte ^= 0xff),
        }
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "context.redb", &bytes);
        let home = Home::at(dir).await;
        let whole = home.context.warnings().is_empty();
        set_aside += usize::from(!whole);
        for n in 0..200 {
            let _ = home.get(&format!("{n:03}"));
        }
        let _ = home.context.list(&owner(), ContextList::default()).unwrap().try_collect::<Vec<_>>().await;
        let written = home.set("100", "new").await;
        assert!(whole || written.is_ok(), "case {case}: {written:?}");
        assert_eq!(named(home.dir.path(), ".broken-").len(), usize::from(!whole), "case {case}");
        home.stop().await;
    }
    assert!(set_aside > 10, "{set_aside}");
}

/// known fault 41
#[tokio::test]
async fn a_half_written_context_json_is_kept_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "context.json", br#"{"entries":[{"key":"a","val"#);
    let home = Home::at(dir).await;
    assert_eq!(home.context.warnings().len(), 1);
    home.set("k", "v").await.unwrap();
    let aside = named(home.dir.path(), "context.json.broken-");
    assert!(std::fs::read(&aside[0]).unwrap().ends_with(b"\"val"));
}

#[tokio::test]
async fn a_node_versions_entries_are_taken_in_once_and_its_file_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let json = br#"{"a":{"key":"a","value":"1","fromNodeId":"n","createdAt":5,"updatedAt":6},"b":{"key":"b","value":{"x":1}},"c":7}"#;
    write(dir.path(), "context.json", json);
    let home = Home::at(dir).await;
    let entry = home.get("a").unwrap();
    assert_eq!((entry.value.as_deref(), entry.from_node_id.as_str(), entry.created_at, entry.updated_at), (Some("1"), "n", 5, 6));
    assert_eq!(home.get("b").unwrap().value.as_deref(), Some(r#"{"x":1}"#));
    assert!(home.context.warnings()[0].starts_with("1 entries"));
    assert_eq!(std::fs::read(home.dir.path().join("context.json.imported")).unwrap(), json);
    assert!(!home.dir.path().join("context.json").exists());
    home.delete("a").await.unwrap();
    let home = home.restart().await;
    assert!(home.get("a").is_err() && home.get("b").is_ok() && home.context.warnings().is_empty());
}
