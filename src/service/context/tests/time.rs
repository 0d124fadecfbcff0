//! Entries that end.

use std::time::Duration;

use futures_util::StreamExt;
use redb::{Database, ReadableDatabase, ReadableTableMetadata};

use super::super::tables::{ENTRIES, EXPIRIES};
use super::*;

fn with_ttl(key: &str, ttl: f64) -> ContextSet {
    ContextSet { ttl: Some(ttl), ..set(key, "value") }
}

/// known fault 46
#[tokio::test(start_paused = true)]
async fn an_entry_that_ended_is_never_returned_and_leaves_the_disk_without_another_write() {
    clock::follow_runtime();
    let home = Home::new().await;
    let mut watch = home.context.watch(&owner(), ContextWatch::default()).unwrap();
    let entry = home.context.set(&owner(), with_ttl("k", 1.5)).await.unwrap();
    assert_eq!(entry.expires_at, Some(entry.updated_at + 1500));
    assert_eq!(watch.next().await.unwrap().unwrap().kind, ContextChangeType::Set);
    tokio::time::advance(Duration::from_millis(1499)).await;
    assert!(home.get("k").is_ok());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(home.get("k").unwrap_err().code, Code::ContextKeyNotFound);
    assert_eq!(home.context.count().unwrap(), 0);
    assert!(home.keys(&owner(), ContextList::default()).await.is_empty());

    let change = watch.next().await.unwrap().unwrap();
    assert_eq!((change.kind, change.version), (ContextChangeType::Expire, entry.version + 1));
    assert_eq!(change.entry, Some(ContextEntry { value: None, ..entry }));
    let dir = home.stop().await;
    let txn = Database::open(dir.path().join("context.redb")).unwrap().begin_read().unwrap();
    assert_eq!(txn.open_table(ENTRIES).unwrap().len().unwrap() + txn.open_table(EXPIRIES).unwrap().len().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_entry_ended_is_a_new_key() {
    clock::follow_runtime();
    let home = Home::new().await;
    let old = home.context.set(&owner(), with_ttl("k", 1.0)).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let create = ContextSet { if_none_match: Some("*".into()), ..set("k", "new") };
    let new = home.context.set(&owner(), create).await.unwrap();
    assert_eq!((new.created_at, new.expires_at), (old.created_at + 1000, None));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(home.get("k").unwrap(), new);
}

#[tokio::test(start_paused = true)]
async fn a_later_write_moves_the_end() {
    clock::follow_runtime();
    let home = Home::new().await;
    home.context.set(&owner(), with_ttl("k", 1.0)).await.unwrap();
    home.context.set(&owner(), with_ttl("k", 1_000_000.0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(900_000)).await;
    assert!(home.get("k").is_ok());
    tokio::time::sleep(Duration::from_secs(100_001)).await;
    assert!(home.get("k").is_err());
}

#[tokio::test(start_paused = true)]
async fn ends_hold_over_a_restart_and_make_room_for_others() {
    clock::follow_runtime();
    let home = Home::new().await;
    home.set_all((0..1500).map(|n| with_ttl(&n.to_string(), 10.0))).await;
    let home = home.restart().await;
    home.limit(1500, u64::MAX);
    assert_eq!(home.context.count().unwrap(), 1500);
    assert_eq!(home.set("more", "").await.unwrap_err().code, Code::ContextMaxEntries);
    tokio::time::advance(Duration::from_secs(10)).await;
    home.set("more", "").await.unwrap();
    assert_eq!(home.keys(&owner(), ContextList::default()).await, ["more"]);
}

#[tokio::test]
async fn absurd_times_to_live_are_refused() {
    let home = Home::new().await;
    for ttl in [0.0, -5.0, f64::NAN, f64::INFINITY, 1e18] {
        assert_eq!(home.context.set(&owner(), with_ttl("k", ttl)).await.unwrap_err().code, Code::InvalidRequest, "{ttl}");
    }
}
