//! Following changes.

use futures_util::{FutureExt, StreamExt};

use super::*;

fn since(since: Option<u64>) -> ContextWatch {
    ContextWatch { prefix: None, since }
}

#[tokio::test]
async fn a_watcher_hears_of_what_concerns_it() {
    let home = Home::new().await;
    let everything = peer(&Permission::ALL);
    let mut watch = home.context.watch(&everything, ContextWatch::default()).unwrap();
    let mut narrow = home.context.watch(&owner(), ContextWatch { prefix: Some("b".into()), since: None }).unwrap();
    home.set("inbox:me:1", "secret").await.unwrap();
    let set = home.set("a", "1").await.unwrap();
    home.delete("a").await.unwrap();
    let other = home.set("b", "2").await.unwrap();
    let kinds: Vec<_> = watch.by_ref().take(3).map(|change| change.unwrap()).collect().await;
    assert_eq!(kinds[0], ContextChange { kind: ContextChangeType::Set, version: set.version, entry: Some(set.clone()) });
    let without_value = ContextEntry { value: None, ..set };
    assert_eq!(kinds[1], ContextChange { kind: ContextChangeType::Delete, version: kinds[0].version + 1, entry: Some(without_value) });
    assert_eq!(narrow.next().await.unwrap().unwrap().version, other.version);
    assert!(watch.next().now_or_never().is_none() && narrow.next().now_or_never().is_none());
    home.stop().await;
    assert!(watch.next().await.is_none() && narrow.next().await.is_none());
}

#[tokio::test]
async fn a_version_that_is_too_old_or_of_another_history_resets() {
    let home = Home::new().await;
    let first = home.set("k", "").await.unwrap().version;
    let home = home.restart().await;
    let second = home.set("k", "").await.unwrap().version;
    let next = async |version| home.context.watch(&owner(), since(Some(version))).unwrap().next().await.unwrap().unwrap();
    let reset = |version| ContextChange { kind: ContextChangeType::Reset, entry: None, version };
    assert_eq!(next(0).await, reset(first));
    assert_eq!(next(first).await.version, second);
    for absurd in [second + 1, u64::MAX] {
        assert_eq!(next(absurd).await, reset(second));
    }
    assert!(home.context.watch(&owner(), since(Some(second))).unwrap().next().now_or_never().is_none());
}

/// Readers that go away and come back with the last version they saw get every change once, in order, while others write.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_reconnect_miss_nothing_and_see_nothing_twice() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 50;
    let home = Home::new().await;
    let start = home.set("start", "").await.unwrap().version;
    let write = |writer: u64| {
        let context = home.context.clone();
        async move {
            for n in 0..EACH {
                context.set(&owner(), set(&format!("{writer}"), &n.to_string())).await.unwrap();
            }
        }
    };
    let read = |patience: u64| {
        let context = home.context.clone();
        async move {
            let mut seen = start;
            while seen < start + WRITERS * EACH {
                let mut watch = context.watch(&owner(), since(Some(seen))).unwrap();
                for _ in 0..=patience.min(start + WRITERS * EACH - seen - 1) {
                    let change = watch.next().await.unwrap().unwrap();
                    assert_eq!((change.kind, change.version), (ContextChangeType::Set, seen + 1));
                    seen = change.version;
                }
            }
        }
    };
    // What a get has shown is a version to watch from, even before the writer has told the watchers of it.
    let peek = async {
        let mut seen = 0;
        while seen < EACH - 1 {
            let Ok(entry) = home.get("0") else { continue };
            seen = entry.value.unwrap().parse().unwrap();
            if entry.version < start + WRITERS * EACH {
                let change = home.context.watch(&owner(), since(Some(entry.version))).unwrap().next().await.unwrap().unwrap();
                assert_eq!(change.version, entry.version + 1);
            }
            tokio::task::yield_now().await;
        }
    };
    let writers = futures_util::future::join_all((0..WRITERS).map(|writer| home.spawn(write(writer))));
    let readers = futures_util::future::join_all((0..6).map(|patience| home.spawn(read(patience * patience))));
    let ((), writers, readers) = futures_util::join!(peek, writers, readers);
    assert!(writers.into_iter().chain(readers).all(|done| done.is_ok()));
}
