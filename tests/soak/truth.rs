//! What must be there: every write that was acknowledged, and those of which nobody knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use loopsy::base::sync::lock;

/// What a key, or a file, may hold; nothing where it may not be there.
type May = Vec<Option<String>>;

/// What is known of one machine.
#[derive(Default)]
pub struct Truth {
    entries: Mutex<HashMap<String, May>>,
    /// Versions that were told for writes of entries.
    versions: Mutex<BTreeSet<u64>>,
    /// Additions to the shared counter: those that were acknowledged, and those that may have been done.
    pub added: AtomicU64,
    pub perhaps_added: AtomicU64,
    /// Held by whoever writes, and by whoever compares all of it.
    pub writing: tokio::sync::RwLock<()>,
    pub letters: Mutex<Letters>,
}

impl Truth {
    /// A write begins.
    pub fn begin(&self, key: &str, value: Option<String>) {
        lock(&self.entries).entry(key.to_owned()).or_insert_with(|| vec![None]).push(value);
    }
    /// The newest write was done: nothing else may be there.
    pub fn done(&self, key: &str, version: Option<u64>) {
        if let Some(may) = lock(&self.entries).get_mut(key) {
            may.drain(..may.len() - 1);
        }
        lock(&self.versions).extend(version);
    }
    /// The newest write was refused.
    pub fn refused(&self, key: &str) {
        if let Some(may) = lock(&self.entries).get_mut(key) {
            may.pop();
        }
    }
    /// Whether a key may hold this.
    pub fn may_hold(&self, key: &str, value: &Option<String>) -> bool {
        lock(&self.entries).get(key).map_or(value.is_none(), |may| may.contains(value))
    }
    /// What there is to be found, by key.
    pub fn entries(&self) -> HashMap<String, May> {
        lock(&self.entries).clone()
    }
    pub fn versions(&self) -> BTreeSet<u64> {
        lock(&self.versions).clone()
    }
    pub fn add(&self, is_sure: bool) {
        if is_sure { &self.added } else { &self.perhaps_added }.fetch_add(1, Ordering::SeqCst);
    }
}

/// The messages to one machine.
#[derive(Default)]
pub struct Letters {
    /// Whether each was acknowledged by its sender's daemon.
    sent: BTreeMap<String, bool>,
    /// The id under which each came.
    came: HashMap<String, String>,
    /// The newest of each sender that came.
    newest: HashMap<String, u64>,
    /// Ids that were acknowledged by their reader.
    acked: BTreeSet<String>,
}

/// What a message says, which tells it from all others.
pub fn letter(sender: &str, number: u64) -> String {
    format!("{sender} {number}")
}

impl Letters {
    pub fn sending(&mut self, body: &str) {
        self.sent.insert(body.to_owned(), false);
    }
    pub fn sent(&mut self, body: &str) {
        self.sent.insert(body.to_owned(), true);
    }
    pub fn acked(&mut self, id: &str) {
        self.acked.insert(id.to_owned());
    }
    /// What was acknowledged before now and must not be seen again.
    pub fn all_acked(&self) -> BTreeSet<String> {
        self.acked.clone()
    }
    /// A message is in the inbox. What is wrong about that.
    pub fn came(&mut self, body: &str, id: &str, from: &str) -> Option<String> {
        if !self.sent.contains_key(body) {
            return Some(format!("the message {body:?} was never sent"));
        }
        if let Some(known) = self.came.get(body) {
            return (known != id).then(|| format!("the message {body:?} came twice, as {known} and {id}"));
        }
        self.came.insert(body.to_owned(), id.to_owned());
        let (sender, number) = body.split_once(' ')?;
        if !sender.starts_with(from) {
            return Some(format!("the message {body:?} is said to be from {from}"));
        }
        let (number, newest) = (number.parse::<u64>().ok()?, self.newest.entry(sender.to_owned()).or_default());
        if number < *newest {
            return Some(format!("the message {body:?} came after number {newest}"));
        }
        *newest = number;
        None
    }
    /// Messages that were acknowledged by the sender's daemon and have not come.
    pub fn missing(&self) -> Vec<String> {
        self.sent.iter().filter(|(body, is_sure)| **is_sure && !self.came.contains_key(*body)).map(|(body, _)| body.clone()).collect()
    }
    pub fn counts(&self) -> (usize, usize) {
        (self.sent.len(), self.came.len())
    }
}
