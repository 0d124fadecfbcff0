//! What is in the log alone when the program ends.

use std::path::PathBuf;

use redb::{Database, ReadTransaction, ReadableDatabase};

use super::super::letters::ARRIVALS;
use super::super::store::Store;
use super::super::tables::{ENTRIES, LOG, LOGGED, REVISION, STATE};
use super::super::wal::{SIZE, logged};
use super::*;

const FILE: &str = "context.redb";
const LOG_FILE: &str = "context.wal";

/// The folder as a program leaves it that is killed now.
fn killed(home: &Home) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in [FILE, LOG_FILE] {
        std::fs::copy(home.dir.path().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn log_of(dir: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
    let path = dir.path().join(LOG_FILE);
    let log = std::fs::read(&path).unwrap();
    assert_eq!(log.len(), SIZE);
    (path, log)
}

/// A number of the database's own, without the log.
fn state(dir: &tempfile::TempDir, name: &str) -> u64 {
    let state = Database::open(dir.path().join(FILE)).unwrap().begin_read().unwrap().open_table(STATE).unwrap();
    state.get(name).unwrap().unwrap().value()
}

/// Where the records of a log begin, and where the last ends.
fn ends(log: &[u8], generation: u64) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(record) = logged(log, ends[ends.len() - 1], generation) {
        ends.push(record.end);
    }
    ends
}

async fn entries(home: &Home) -> Vec<ContextEntry> {
    home.context.list(&owner(), ContextList::default()).unwrap().try_collect().await.unwrap()
}

/// A store of which `0` is in the database and `1` to `5` in the log, killed; and where the log's records begin and end.
async fn logged_five() -> (tempfile::TempDir, Vec<usize>) {
    let home = Home::new().await.restart().await;
    for n in 0..6 {
        home.set(&n.to_string(), "value").await.unwrap();
    }
    let dir = killed(&home);
    let ends = ends(&log_of(&dir).1, state(&killed(&home), LOG));
    assert_eq!(ends.len(), 6);
    (dir, ends)
}

#[expect(clippy::disallowed_methods, reason = "the test is the damage")]
fn with_log(dir: &tempfile::TempDir, log: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
    std::fs::write(copy.path().join(LOG_FILE), log).unwrap();
    copy
}

#[tokio::test]
async fn all_kinds_of_changes_come_back_as_they_were() {
    let home = Home::new().await;
    for n in 0..20 {
        home.set(&format!("{n:02}"), &"x".repeat(n * 100)).await.unwrap();
    }
    let ttl = |key: &str, ttl| ContextSet { ttl: Some(ttl), ..set(key, "ends") };
    home.context.set(&owner(), ttl("long", 1000.0)).await.unwrap();
    home.context.set(&owner(), ttl("00", 2000.0)).await.unwrap();
    home.context.set(&owner(), ttl("00", 3000.0)).await.unwrap();
    home.context.set(&owner(), ttl("short", 0.001)).await.unwrap();
    home.delete("05").await.unwrap();
    home.set("05", "again").await.unwrap();
    home.delete("06").await.unwrap();
    home.set_all((0..100).map(|n| set(&format!("many{n}"), "v"))).await;
    let newest = home.context.store.revision().unwrap();
    assert!(state(&killed(&home), REVISION) < newest.unwrap(), "it is in the log alone");

    let again = Home::at(killed(&home)).await;
    assert_eq!(again.context.store.revision().unwrap(), newest);
    assert_eq!(entries(&again).await, entries(&home).await);
    assert_eq!(again.context.count().unwrap(), home.context.count().unwrap());
    assert_eq!(again.context.store.next_expiry().unwrap(), home.context.store.next_expiry().unwrap());

    // A second end, after the first writes of a start.
    again.set("more", "v").await.unwrap();
    again.delete("07").await.unwrap();
    let third = Home::at(killed(&again)).await;
    assert_eq!(entries(&third).await, entries(&again).await);
    // Closed in order, the database has it all.
    let want = entries(&third).await;
    let dir = third.stop().await;
    std::fs::remove_file(dir.path().join(LOG_FILE)).unwrap();
    assert_eq!(entries(&Home::at(dir).await).await, want);
}

#[tokio::test]
async fn a_letter_and_what_came_before_it_are_in_the_database() {
    let home = Home::new().await;
    home.set("a", "v").await.unwrap();
    home.set("b", "v").await.unwrap();
    home.set("inbox:ann", "hello").await.unwrap();
    assert_eq!(state(&killed(&home), REVISION), home.context.store.revision().unwrap().unwrap());
    home.set("c", "v").await.unwrap();
    let again = Home::at(killed(&home)).await;
    assert_eq!(again.keys(&owner(), ContextList::default()).await, ["a", "b", "c", "inbox:ann"]);
}

/// Wherever the last record breaks off: what was there before it is there, and what is written next too.
#[tokio::test]
async fn a_torn_last_record_ends_what_is_taken_in() {
    let (dir, ends) = logged_five().await;
    let (_, log) = log_of(&dir);
    for cut in ends[4]..ends[5] {
        let mut torn = log.clone();
        torn[cut..].fill(if cut % 2 == 0 { 0 } else { 0xff });
        torn.truncate(if cut % 3 == 0 { cut } else { SIZE });
        if torn[..] == log[..] {
            continue;
        }
        let opened = Store::open(with_log(&dir, &torn).path(), 1).unwrap();
        assert!(opened.warnings.is_empty());
        for n in 0..6 {
            assert_eq!(opened.store.get(&n.to_string(), 1).unwrap().is_some(), n < 5, "cut at {cut}: {n}");
        }
    }
    let home = Home::at(with_log(&dir, &log[..ends[5] - 1])).await;
    home.set("5", "new").await.unwrap();
    home.set("6", "new").await.unwrap();
    let home = Home::at(killed(&home)).await;
    assert_eq!(home.get("5").unwrap().value.as_deref(), Some("new"));
    assert_eq!(home.keys(&owner(), ContextList::default()).await, ["0", "1", "2", "3", "4", "5", "6"]);
}

/// A record in the middle is damaged: what comes after it is not taken in, neither now nor when a record of the same length
/// has been written in its place.
#[tokio::test]
async fn nothing_is_taken_in_beyond_damage() {
    let (dir, ends) = logged_five().await;
    let (_, log) = log_of(&dir);
    for at in ends[2]..ends[3] {
        let mut flipped = log.clone();
        flipped[at] ^= 1 << (at % 8);
        let dir = with_log(&dir, &flipped);
        for is_again in [false, true] {
            let opened = Store::open(dir.path(), 1).unwrap();
            assert_eq!(opened.warnings.iter().any(|warning| warning.contains("damaged")), !is_again, "a bit at {at}");
            for n in 0..6 {
                assert_eq!(opened.store.get(&n.to_string(), 1).unwrap().is_some(), n < 3, "a bit at {at}: {n}");
            }
        }
        let aside = std::fs::read_dir(dir.path()).unwrap().flatten().find(|file| file.file_name().to_string_lossy().contains("broken"));
        assert_eq!(std::fs::read(aside.unwrap().path()).unwrap(), flipped);
    }
    let mut flipped = log;
    flipped[ends[2] + 30] ^= 1;
    let home = Home::at(with_log(&dir, &flipped)).await;
    home.set("3", "other").await.unwrap();
    home.set("7", "other").await.unwrap();
    assert_eq!(Home::at(killed(&home)).await.keys(&owner(), ContextList::default()).await, ["0", "1", "2", "3", "7"]);
}

/// A store of a program that had no list of letters, and no log.
#[tokio::test]
async fn what_is_written_first_after_an_update_is_kept() {
    let home = Home::new().await;
    home.set("a", "v").await.unwrap();
    let dir = home.stop().await;
    std::fs::remove_file(dir.path().join(LOG_FILE)).unwrap();
    let db = Database::open(dir.path().join(FILE)).unwrap();
    let txn = db.begin_write().unwrap();
    assert!(txn.delete_table(ARRIVALS).unwrap());
    txn.open_table(STATE).unwrap().remove(LOG).unwrap();
    txn.open_table(STATE).unwrap().remove(LOGGED).unwrap();
    txn.commit().unwrap();
    drop(db);
    let home = Home::at(dir).await;
    home.set("b", "v").await.unwrap();
    assert_eq!(Home::at(killed(&home)).await.keys(&owner(), ContextList::default()).await, ["a", "b"]);
}

#[tokio::test]
async fn a_full_log_begins_again_once_the_database_has_it() {
    let home = Home::new().await;
    let value = "v".repeat(30_000);
    let mut generations = std::collections::BTreeSet::new();
    for n in 0..100 {
        home.set(&format!("{:02}", n % 50), &value).await.unwrap();
        let generation = home.context.read(|txn| Ok(txn.open_table(STATE)?.get(LOG)?.map(|generation| generation.value())));
        generations.insert(generation.unwrap().unwrap());
    }
    assert_eq!(generations.len(), 3, "each has room for 34 of these");
    let log = log_of(&killed(&home)).1;
    let now = state(&killed(&home), LOG);
    let others = generations.iter().filter(|generation| **generation != now).map(|generation| ends(&log, *generation).len());
    assert_eq!(others.max(), Some(1), "no record of another generation is where one would be looked for");
    let again = Home::at(killed(&home)).await;
    assert_eq!(entries(&again).await, entries(&home).await);
    // What is longer than the log goes past it.
    let large = "l".repeat(crate::api::context::VALUE_BYTES);
    home.set("large", &large).await.unwrap();
    assert_eq!(state(&killed(&home), REVISION), home.context.store.revision().unwrap().unwrap());
    assert_eq!(Home::at(killed(&home)).await.get("large").unwrap().value, Some(large));
}

/// Files that were put together from copies of different times, or of different stores.
#[tokio::test]
async fn a_log_that_is_not_the_databases_means_nothing_to_it() {
    let home = Home::new().await.restart().await;
    home.set("a", "v").await.unwrap();
    home.set("b", "v").await.unwrap();
    let early = killed(&home);
    home.set("inbox:x", "begins a new generation").await.unwrap();
    home.set("c", "v").await.unwrap();
    let late = killed(&home);
    let mixed = with_log(&late, &log_of(&early).1);
    assert_eq!(Home::at(mixed).await.keys(&owner(), ContextList::default()).await, ["a", "b", "inbox:x"]);
    let mixed = with_log(&early, &log_of(&late).1);
    assert_eq!(Home::at(mixed).await.keys(&owner(), ContextList::default()).await, ["a"]);
    // A program that keeps no log has written in between.
    let revision = state(&early, REVISION);
    let db = Database::open(early.path().join(FILE)).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(STATE).unwrap().insert(REVISION, revision + 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    assert_eq!(Home::at(early).await.keys(&owner(), ContextList::default()).await, ["a"]);
}

#[tokio::test]
async fn a_log_that_fails_fails_its_batch_alone() {
    let home = Home::new().await;
    home.set("a", "v").await.unwrap();
    home.set("b", "v").await.unwrap();
    home.context.store.log_fails();
    home.set("c", "v").await.unwrap_err();
    assert!(home.get("b").is_ok() && home.get("c").is_err(), "what is not durable is not shown");
    home.set("d", "v").await.unwrap();
    home.set("e", "v").await.unwrap();
    assert_eq!(Home::at(killed(&home)).await.keys(&owner(), ContextList::default()).await, ["a", "b", "d", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_does_not_notice_that_the_file_is_opened_anew() {
    let home = Home::new().await;
    home.set("a", "v").await.unwrap();
    let (context, ended) = (home.context.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let has_ended = ended.clone();
    let reading = std::thread::spawn(move || {
        while !has_ended.load(std::sync::atomic::Ordering::Relaxed) {
            // Long enough for the file to be closed in between.
            let slowly = |txn: &ReadTransaction| {
                (0..1000).for_each(|_| std::thread::yield_now());
                Ok(txn.open_table(ENTRIES)?.get("a")?.is_some())
            };
            assert!(context.store.read(slowly).unwrap());
        }
    });
    for _ in 0..10 {
        home.set("b", "begins a log").await.unwrap();
        home.context.store.log_fails();
        home.set("c", "v").await.unwrap_err();
    }
    ended.store(true, std::sync::atomic::Ordering::Relaxed);
    reading.join().unwrap();
}
