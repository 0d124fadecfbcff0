//! `kill -9` at any moment: what was acknowledged is there, what is half done is not seen, and the next start is clean.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use loopsy::api::context::{ContextEntry, ContextList, ContextSet};
use loopsy::api::transfer::{Received, TransferPush, TransferPut};
use loopsy::api::{Piece, Pieces};
use loopsy::base::sync::lock;
use loopsy::base::workers::blocking;
use loopsy::base::{Code, Result};
use loopsy::client::Link;
use serde_json::json;
use tokio::sync::watch;

use crate::support::dice::Dice;
use crate::support::node::Node;
use crate::support::process::{heavy, until};

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the daemon is killed.
const KILLS: usize = 12;

/// What a line to a daemon that may be killed at any moment says: that it is not there, and nothing worse.
fn must_be_the_kill<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.code == Code::PeerUnreachable => None,
        Err(error) => panic!("{error}"),
    }
}

/// The next line, once the daemon runs again.
async fn next_line(lines: &mut watch::Receiver<Link>, used: &Link) -> Option<Link> {
    lines.wait_for(|line| line.target() != used.target()).await.ok().map(|line| line.clone())
}

/// What a writer of the store knows.
#[derive(Default)]
struct Known {
    /// The newest number and version that was acknowledged, by key.
    acknowledged: HashMap<String, (u64, u64)>,
    versions: HashSet<u64>,
}

/// Writes numbers 1, 2, 3… until told to stop; every other one under a key of its own.
async fn write_numbers(writer: usize, mut lines: watch::Receiver<Link>, known: &Mutex<Known>, written: &AtomicUsize, count: usize) {
    let mut line = lines.borrow().clone();
    let mut number: u64 = 1;
    while written.load(Ordering::Relaxed) < count {
        let key = if number.is_multiple_of(2) { format!("own/{writer}/{number}") } else { format!("shared/{writer}/{}", number % 11) };
        let set = ContextSet { key: key.clone(), value: number.to_string(), ttl: None, if_match: None, if_none_match: None };
        match must_be_the_kill(line.call(&set).await) {
            Some(entry) => {
                let mut known = lock(known);
                assert!(known.versions.insert(entry.version), "version {} was used twice", entry.version);
                known.acknowledged.insert(key, (number, entry.version));
                written.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
            None => match next_line(&mut lines, &line).await {
                Some(next) => line = next,
                None => return,
            },
        }
    }
}

async fn all_entries(link: &Link) -> HashMap<String, ContextEntry> {
    let list = link.call(&ContextList { prefix: None, limit: None, after: None, keys_only: false }).await.unwrap();
    list.map_ok(|entry| (entry.key.clone(), entry)).try_collect().await.unwrap()
}

/// Everything that was acknowledged is in the store, or something newer.
async fn nothing_is_lost(link: &Link, known: &Mutex<Known>) {
    let stored = all_entries(link).await;
    let known = lock(known);
    for (key, (number, version)) in &known.acknowledged {
        let entry = stored.get(key).unwrap_or_else(|| panic!("{key} is lost"));
        let value: u64 = entry.value.as_deref().unwrap().parse().unwrap();
        assert!(value >= *number && entry.version >= *version, "{key}: {number} (version {version}) was acknowledged, {entry:?} is there");
        assert!(entry.version == *version || !known.versions.contains(&entry.version), "version {} was used twice", entry.version);
    }
    assert_eq!(stored.values().map(|entry| entry.version).collect::<HashSet<_>>().len(), stored.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_no_acknowledged_write_is_lost_by_kills() {
    const WRITES: usize = 5000;
    if !heavy() {
        return;
    }
    let mut dice = Dice::new();
    let mut node = Node::start("kai", json!({}));
    let (known, written) = (Mutex::<Known>::default(), AtomicUsize::default());
    let (tell, lines) = watch::channel(node.link());
    let writers = (0..4).map(|writer| write_numbers(writer, lines.clone(), &known, &written, WRITES));
    let killer = async {
        for kill in 1..=KILLS {
            let enough = WRITES * kill / (KILLS + 1) + dice.below(100) as usize;
            until("writes go on", PATIENCE, || written.load(Ordering::Relaxed) >= enough).await;
            node.kill();
            node.again();
            assert_eq!(node.ready.warnings, Vec::<String>::new());
            nothing_is_lost(&node.link(), &known).await;
            tell.send(node.link()).unwrap();
        }
    };
    tokio::join!(join_all(writers), killer);
    assert!(lock(&known).versions.len() >= WRITES);
    nothing_is_lost(&node.link(), &known).await;
}

/// A file whose content says which try it is from, and of which nothing can be left out unseen.
struct Target {
    path: PathBuf,
    name: String,
    size: usize,
    form: bool,
    /// The newest try that was begun.
    begun: AtomicU64,
    /// The newest try that was acknowledged.
    acknowledged: AtomicU64,
}

impl Target {
    fn content(&self, number: u64) -> Bytes {
        number.to_le_bytes().repeat(self.size / 8).into()
    }
    /// The file is from one of the tries that may be there now, and whole.
    fn is_whole(&self) {
        let oldest = self.acknowledged.load(Ordering::SeqCst);
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(_) if oldest == 0 => return,
            Err(error) => panic!("{}: {error}", self.name),
        };
        let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(bytes == self.content(number), "{} is half of {number}", self.name);
        assert!(
            (oldest..=self.begun.load(Ordering::SeqCst)).contains(&number),
            "{}: {oldest} was acknowledged, {number} is there",
            self.name
        );
    }
    async fn upload(&self, line: &Link, number: u64) -> Result<Received> {
        let content = self.content(number);
        let pieces = |bytes: Bytes| -> Pieces {
            let cut: Vec<_> = bytes.chunks(50_000).map(|piece| Ok(Piece::Data(bytes.slice_ref(piece)))).collect();
            Box::pin(stream::iter(cut))
        };
        if !self.form {
            // Half of them could be resumed, and half are not.
            let size = number.is_multiple_of(2).then_some(self.size as u64);
            let put = TransferPut {
                path: self.name.clone(),
                name: None,
                size,
                checksum: None,
                mode: None,
                mtime: Some(number as i64),
                range: None,
            };
            return line.upload(&put, pieces(content)).await;
        }
        let head = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"destPath\"\r\n\r\n{}\r\n\
             --cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n",
            self.name
        );
        let form = pieces(head.into()).chain(pieces(content)).chain(pieces("\r\n--cut--\r\n".into()));
        line.upload_as(&TransferPush {}, "multipart/form-data; boundary=cut", Box::pin(form)).await
    }
}

async fn upload_again_and_again(target: &Target, mut lines: watch::Receiver<Link>, done: watch::Receiver<bool>) {
    let mut line = lines.borrow().clone();
    for number in 1.. {
        if *done.borrow() {
            return;
        }
        target.begun.store(number, Ordering::SeqCst);
        match must_be_the_kill(target.upload(&line, number).await) {
            Some(_) => target.acknowledged.store(number, Ordering::SeqCst),
            None => match next_line(&mut lines, &line).await {
                Some(next) => line = next,
                None => return,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_no_half_file_is_ever_seen_in_spite_of_kills() {
    if !heavy() {
        return;
    }
    let mut dice = Dice::new();
    let mut node = Node::start("kai", json!({}));
    let home: PathBuf = node.program.folder();
    let target = |index: usize| {
        let name = format!("file-{index}");
        let size = 8 * (1 + 60_000 * index);
        let (begun, acknowledged) = (AtomicU64::default(), AtomicU64::default());
        Arc::new(Target { path: Path::new(&home).join(&name), name, size, form: index.is_multiple_of(2), begun, acknowledged })
    };
    let targets: Vec<_> = (0..6).map(target).collect();
    let (tell, lines) = watch::channel(node.link());
    let (finish, done) = watch::channel(false);
    let uploaders = targets.iter().map(|target| upload_again_and_again(target, lines.clone(), done.clone()));
    let (watched, end) = (targets.clone(), done.clone());
    let watcher = blocking(move || {
        let mut looks = 0;
        // The other end is dropped when the test fails.
        while end.has_changed().is_ok() && !*end.borrow() {
            watched.iter().for_each(|target| target.is_whole());
            looks += 1;
        }
        looks
    });
    let killer = async {
        for _ in 0..KILLS {
            let sum = || targets.iter().map(|target| target.acknowledged.load(Ordering::Relaxed)).sum::<u64>();
            let enough = sum() + 6 + dice.below(20);
            until("uploads go on", PATIENCE, || sum() >= enough).await;
            node.kill();
            node.again();
            assert_eq!(node.ready.warnings, Vec::<String>::new());
            targets.iter().for_each(|target| target.is_whole());
            tell.send(node.link()).unwrap();
        }
        finish.send(true).unwrap();
    };
    let (_, looks, ()) = tokio::join!(join_all(uploaders), async { watcher.await.expect("every file is whole at every moment") }, killer);
    assert!(looks > KILLS, "{looks}");
    for target in targets {
        let last = target.begun.load(Ordering::SeqCst) + 1;
        target.begun.store(last, Ordering::SeqCst);
        target.upload(&node.link(), last).await.unwrap();
        target.acknowledged.store(last, Ordering::SeqCst);
        target.is_whole();
    }
}
