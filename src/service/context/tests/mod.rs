//! The store as its callers see it.

mod damage;
mod durability;
mod log;
mod time;
mod watching;

use std::net::Ipv4Addr;

use futures_util::TryStreamExt;

use super::*;
use crate::api::Permission;
use crate::api::caller::Role;
use crate::api::context::{KEY_CHARS, VALUE_BYTES};
use crate::home::config::Config;

/// A store in a throw-away folder.
struct Home {
    dir: tempfile::TempDir,
    workers: Workers,
    settings: Settings,
    context: Context,
}

impl Home {
    async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }
    async fn at(dir: tempfile::TempDir) -> Self {
        let (workers, settings) = (Workers::default(), Settings::new(Config::default()));
        let context = Context::open(dir.path(), settings.clone(), workers.clone()).await.unwrap();
        Self { dir, workers, settings, context }
    }
    /// Stops the daemon in order, and keeps its folder.
    async fn stop(self) -> tempfile::TempDir {
        assert!(self.workers.stop(std::time::Duration::from_secs(60)).await.is_empty());
        self.dir
    }
    async fn restart(self) -> Self {
        Self::at(self.stop().await).await
    }
    /// Runs something beside the test; the answer tells that it ended well.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        self.workers.spawn("test", async move {
            work.await;
            let _ = done.send(());
        });
        wait
    }
    fn limit(&self, max_entries: u64, max_bytes: u64) {
        self.settings.set(Config { context: crate::home::config::Context { max_entries, max_bytes }, ..Config::default() });
    }
    async fn set(&self, key: &str, value: &str) -> Result<ContextEntry> {
        self.context.set(&owner(), set(key, value)).await
    }
    async fn set_all(&self, ops: impl Iterator<Item = ContextSet>) {
        let who = owner();
        let results = futures_util::future::join_all(ops.map(|op| self.context.set(&who, op))).await;
        assert!(results.iter().all(Result::is_ok));
    }
    fn get(&self, key: &str) -> Result<ContextEntry> {
        self.context.get(&owner(), &ContextGet { key: key.into() })
    }
    async fn delete(&self, key: &str) -> Result<ContextDeleted> {
        self.context.delete(&owner(), ContextDelete { key: key.into(), if_match: None }).await
    }
    async fn keys(&self, caller: &Caller, op: ContextList) -> Vec<String> {
        let entries: Vec<ContextEntry> = self.context.list(caller, op).unwrap().try_collect().await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }
}

fn caller(role: Role) -> Caller {
    Caller::new(role, "node".into(), Ipv4Addr::LOCALHOST.into())
}
fn owner() -> Caller {
    caller(Role::Owner)
}
fn peer(permissions: &[Permission]) -> Caller {
    caller(Role::Peer { name: "kai".into(), permissions: permissions.to_vec(), legacy: false })
}
fn set(key: &str, value: &str) -> ContextSet {
    ContextSet { key: key.into(), value: value.into(), ttl: None, if_match: None, if_none_match: None }
}
fn prefix(prefix: &str) -> ContextList {
    ContextList { prefix: Some(prefix.into()), ..ContextList::default() }
}

#[tokio::test]
async fn what_is_written_is_read_replaced_and_removed() {
    let home = Home::new().await;
    let first = home.set("k", "one").await.unwrap();
    assert_eq!((first.from_node_id.as_str(), first.created_at), ("node", first.updated_at));
    assert_eq!(home.get("k").unwrap(), first);
    let second = home.set("k", "").await.unwrap();
    assert_eq!((second.value.as_deref(), second.created_at, second.version), (Some(""), first.created_at, first.version + 1));
    assert_eq!(home.context.count().unwrap(), 1);
    assert_eq!(home.delete("k").await.unwrap(), ContextDeleted { success: true, key: "k".into() });
    assert_eq!(home.get("k").unwrap_err().code, Code::ContextKeyNotFound);
    assert_eq!(home.delete("k").await.unwrap_err().code, Code::ContextKeyNotFound);
    assert_eq!(home.context.count().unwrap(), 0);
}

#[tokio::test]
async fn entries_and_revisions_survive_a_restart() {
    let home = Home::new().await;
    let kept = home.set("kept", "v").await.unwrap();
    let gone = home.set("gone", "v").await.unwrap();
    home.delete("gone").await.unwrap();
    let home = home.restart().await;
    assert_eq!(home.get("kept").unwrap(), kept);
    assert_eq!(home.set("gone", "v").await.unwrap().version, gone.version + 2);
    assert!(home.context.warnings().is_empty());
}

/// known fault 55
#[tokio::test]
async fn long_keys_and_values_up_to_the_documented_limits_are_kept() {
    let home = Home::new().await;
    let (key, value) = ("😀".repeat(KEY_CHARS), "\u{1}".repeat(VALUE_BYTES));
    home.set(&key, &value).await.unwrap();
    assert_eq!(home.get(&key).unwrap().value.unwrap(), value);
    assert_eq!(home.set("k", &format!("{value}x")).await.unwrap_err().code, Code::ContextValueTooLarge);
    for bad in [format!("{key}x"), String::new(), "a\0b".into()] {
        assert_eq!(home.set(&bad, "").await.unwrap_err().code, Code::InvalidRequest);
        assert_eq!(home.get(&bad).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(home.delete(&bad).await.unwrap_err().code, Code::InvalidRequest);
    }
}

/// known fault 54
#[test]
fn a_value_that_is_no_text_is_refused_at_the_door() {
    for bad in ["7", "{}", "null", "[]", "true"] {
        assert!(serde_json::from_str::<ContextSet>(&format!(r#"{{"key":"k","value":{bad}}}"#)).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn limits_hold_and_deleting_makes_room() {
    let home = Home::new().await;
    home.limit(2, 10);
    home.set("a", "1234").await.unwrap();
    home.set("b", "123").await.unwrap();
    assert_eq!(home.set("c", "").await.unwrap_err().code, Code::ContextMaxEntries);
    assert_eq!(home.set("b", "12345").await.unwrap_err().code, Code::ContextMaxEntries);
    home.set("b", "1234").await.unwrap();
    home.delete("a").await.unwrap();
    home.set("c", "1234").await.unwrap();
    home.limit(1, 1);
    home.set("c", "1").await.unwrap();
    let home = home.restart().await;
    home.limit(9, 8);
    assert_eq!(home.set("d", "1").await.unwrap_err().code, Code::ContextMaxEntries);
}

#[tokio::test]
async fn compare_and_set_creates_replaces_and_tells_what_is_there() {
    let home = Home::new().await;
    let create = ContextSet { if_none_match: Some("*".into()), ..set("k", "1") };
    let first = home.context.set(&owner(), create.clone()).await.unwrap();
    let refused = home.context.set(&owner(), create).await.unwrap_err();
    assert_eq!(refused.code, Code::ContextConflict);
    assert_eq!(refused.details, Some(serde_json::json!(first)));
    let second = home.context.set(&owner(), ContextSet { if_match: Some(first.etag()), ..set("k", "2") }).await.unwrap();
    for stale in
        [ContextSet { if_match: Some(first.etag()), ..set("k", "3") }, ContextSet { if_match: Some("*".into()), ..set("none", "") }]
    {
        assert_eq!(home.context.set(&owner(), stale).await.unwrap_err().code, Code::ContextConflict);
    }
    let delete = |tag: String| ContextDelete { key: "k".into(), if_match: Some(tag) };
    assert_eq!(home.context.delete(&owner(), delete(first.etag())).await.unwrap_err().code, Code::ContextConflict);
    home.context.delete(&owner(), delete(second.etag())).await.unwrap();
    let refused = home.context.delete(&owner(), delete(second.etag())).await.unwrap_err();
    assert_eq!((refused.code, refused.details), (Code::ContextConflict, Some(serde_json::Value::Null)));
}

/// known fault 42
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_writers_with_the_same_precondition_exactly_one_wins() {
    let home = Home::new().await;
    let mut tag = home.set("k", "start").await.unwrap().etag();
    for _ in 0..5 {
        let race = (0..50).map(|n| {
            let (context, op) = (home.context.clone(), ContextSet { if_match: Some(tag.clone()), ..set("k", &n.to_string()) });
            async move { context.set(&owner(), op).await }
        });
        let results = futures_util::future::join_all(race).await;
        let winners: Vec<_> = results.iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert!(results.iter().flat_map(|result| result.as_ref().err()).all(|error| error.code == Code::ContextConflict));
        assert_eq!(&home.get("k").unwrap(), winners[0]);
        tag = winners[0].etag();
    }
}

#[tokio::test]
async fn a_listing_is_in_key_order_whole_and_in_parts() {
    let home = Home::new().await;
    let value = "v".repeat(3000);
    home.set_all((0..600).map(|n| set(&format!("p/{n:04}"), &value))).await;
    home.set("o", "").await.unwrap();
    home.set("q", "").await.unwrap();
    let all: Vec<_> = (0..600).map(|n| format!("p/{n:04}")).collect();
    assert_eq!(home.keys(&owner(), prefix("p/")).await, all);
    assert_eq!(home.keys(&owner(), ContextList::default()).await.len(), 602);
    let part = |after: &str, limit| ContextList { after: Some(after.into()), limit: Some(limit), ..prefix("p/") };
    assert_eq!(home.keys(&owner(), part("p/0299", 300)).await, all[300..]);
    assert_eq!(home.keys(&owner(), part("a", 2)).await, all[..2]);
    assert!(home.keys(&owner(), part("p/9", 9)).await.is_empty() && home.keys(&owner(), part("z", 9)).await.is_empty());
    assert!(home.keys(&owner(), part("a", 0)).await.is_empty());
    let keys_only = ContextList { keys_only: true, ..prefix("p/") };
    let entries: Vec<_> = home.context.list(&owner(), keys_only).unwrap().try_collect().await.unwrap();
    assert!(entries.len() == 600 && entries.iter().all(|entry| entry.value.is_none()));
    assert!(home.context.list(&owner(), prefix("a\0")).is_err());
}

#[tokio::test]
async fn a_slow_listing_holds_no_writer_up_and_ends() {
    use futures_util::StreamExt;
    let home = Home::new().await;
    home.set_all((0..300).map(|n| set(&format!("{n:04}"), ""))).await;
    let mut listing = home.context.list(&owner(), ContextList::default()).unwrap();
    assert_eq!(listing.next().await.unwrap().unwrap().key, "0000");
    home.set("0299", "new").await.unwrap();
    home.delete("0298").await.unwrap();
    let rest: Vec<_> = listing.try_collect().await.unwrap();
    assert_eq!((rest.len(), rest[297].value.as_deref()), (298, Some("new")));
}

#[tokio::test]
async fn peers_learn_nothing_of_letters_and_acknowledgements() {
    let home = Home::new().await;
    let everything = peer(&Permission::ALL);
    for key in ["inbox:me:1", "outbox:1", "ack:kai"] {
        home.set(key, "secret").await.unwrap();
        let get = home.context.get(&everything, &ContextGet { key: key.into() });
        let delete = home.context.delete(&everything, ContextDelete { key: key.into(), if_match: None }).await;
        let list = home.context.list(&everything, prefix(key)).err();
        let watch = home.context.watch(&everything, ContextWatch { prefix: Some(key.into()), since: None }).err();
        for refused in [get.err(), delete.err(), list, watch] {
            assert_eq!(refused.unwrap().code, Code::AuthForbidden, "{key}");
        }
    }
    home.set("plain", "").await.unwrap();
    assert_eq!(home.keys(&everything, ContextList::default()).await, ["plain"]);
    assert_eq!(home.keys(&everything, prefix("in")).await, Vec::<String>::new());
    assert_eq!(home.keys(&owner(), ContextList::default()).await.len(), 4);

    for key in ["inbox:me:2", "outbox:2", "ack:kai"] {
        assert_eq!(home.context.set(&everything, set(key, "")).await.unwrap_err().code, Code::AuthForbidden, "{key}");
    }
}

#[tokio::test]
async fn a_second_daemon_on_the_same_folder_is_refused_and_harms_nothing() {
    let home = Home::new().await;
    home.set("k", "v").await.unwrap();
    let second = Context::open(home.dir.path(), Settings::new(Config::default()), Workers::default()).await.err().unwrap();
    assert!(second.message.contains("in use"), "{second}");
    assert_eq!(home.set("k", "w").await.unwrap().value.as_deref(), Some("w"));
}

#[tokio::test]
async fn after_the_stop_every_call_says_so_and_what_was_accepted_is_kept() {
    let home = Home::new().await;
    let (context, who) = (home.context.clone(), owner());
    let mut writes: Vec<_> = (0..100).map(|n| Box::pin(context.set(&who, set(&n.to_string(), "")))).collect();
    for write in &mut writes {
        assert!(futures_util::poll!(write).is_pending());
    }
    let dir = home.stop().await;
    assert!(futures_util::future::join_all(writes).await.iter().all(Result::is_ok));
    assert_eq!(context.set(&owner(), set("late", "")).await.unwrap_err().code, Code::ShuttingDown);
    assert_eq!(context.get(&owner(), &ContextGet { key: "1".into() }).unwrap_err().code, Code::ShuttingDown);
    assert_eq!(Home::at(dir).await.context.count().unwrap(), 100);
}
