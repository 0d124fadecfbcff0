//! The book of what was sent: where each message is on its way to each recipient, and which acknowledgements are owed.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::api::messages::{MessageState, Recipient, Sent};
use crate::base::clock::Millis;
use crate::base::id;
use crate::service::context::tables::{Step, due};

/// Id to what is known of a message, as JSON.
const SENT: TableDefinition<&str, &[u8]> = TableDefinition::new("sent");
/// When each message ends, and later when it is forgotten; soonest first.
const ENDS: TableDefinition<(u64, &str), ()> = TableDefinition::new("sent ends");
/// Id of a message that was acknowledged here, to who is to hear of it, as JSON.
const OWED: TableDefinition<&str, &[u8]> = TableDefinition::new("acknowledgements owed");

/// How long a message that has ended is remembered.
const REMEMBERED: Millis = 7 * 24 * 3600 * 1000;
/// How many messages one call ends, so that it stays short.
const LAPSE: usize = 500;

/// Who is meant, over changes of name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Party {
    /// The peer's name.
    pub name: String,
    /// Its node id, or what stands for it until it has answered.
    pub node_id: String,
}

impl Party {
    /// Whether two are the same machine: by their node ids where both are known, else by name.
    pub(super) fn is(&self, other: &Self) -> bool {
        let both_known = [self, other].iter().all(|party| id::is_node_id(&party.node_id));
        if both_known { self.node_id == other.node_id } else { self.name == other.name }
    }
}

/// What became of a message on its way to a recipient.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It lies there, under this key.
    Delivered(String),
    /// It never will, for this reason.
    Failed(String),
}

/// A message that was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// What its sender is told of it.
    #[serde(flatten)]
    pub sent: Sent,
    /// Its recipients' node ids, in the same order.
    pub nodes: Vec<String>,
    /// Whether its time has ended.
    pub ended: bool,
}

/// An acknowledgement that somebody is to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Owed {
    /// Who.
    #[serde(flatten)]
    pub to: Party,
    /// Until when it is tried.
    pub until: Millis,
}

impl Entry {
    /// The recipients, each with who is meant.
    pub(super) fn recipients(&self) -> impl Iterator<Item = (&Recipient, Party)> {
        let party = |(recipient, node_id): (&Recipient, &String)| Party { name: recipient.peer.clone(), node_id: node_id.clone() };
        self.sent.to.iter().zip(&self.nodes).map(move |both| (both.0, party(both)))
    }
    /// Changes what is known of the recipients that are meant and in one of these states; whether there were any.
    fn change(
        &mut self,
        is_meant: impl Fn(&Party) -> bool,
        from: &[MessageState],
        now: Millis,
        change: impl Fn(&mut Recipient) -> MessageState,
    ) -> bool {
        let meant: Vec<bool> = self.recipients().map(|(recipient, party)| from.contains(&recipient.state) && is_meant(&party)).collect();
        for (recipient, _) in self.sent.to.iter_mut().zip(&meant).filter(|(_, meant)| **meant) {
            recipient.reason = None;
            recipient.since = now;
            recipient.state = change(recipient);
        }
        meant.contains(&true)
    }
}

/// A row of the book. One that can't be read is none: it must not keep others from being read or written.
fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8], id: &str) -> Option<T> {
    let read = serde_json::from_slice(bytes);
    read.inspect_err(|cause| tracing::error!(%cause, id, "what is known of a message can't be read")).ok()
}

fn encode(value: &impl Serialize) -> Step<Vec<u8>> {
    serde_json::to_vec(value).map_err(|cause| redb::Error::Corrupted(cause.to_string()))
}

/// A table of a store in which there may be none yet.
fn if_any<T>(opened: Result<T, TableError>) -> Step<Option<T>> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// The book, open for writing.
pub(super) struct Ledger<'t> {
    sent: Table<'t, &'static str, &'static [u8]>,
    ends: Table<'t, (u64, &'static str), ()>,
}

impl<'t> Ledger<'t> {
    /// Opens it.
    pub(super) fn open(txn: &'t WriteTransaction) -> Step<Self> {
        Ok(Self { sent: txn.open_table(SENT)?, ends: txn.open_table(ENDS)? })
    }
    /// What is known of a message.
    pub(super) fn find(&self, id: &str) -> Step<Option<Entry>> {
        Ok(self.sent.get(id)?.and_then(|bytes| decode(bytes.value(), id)))
    }
    /// Enters a message.
    pub(super) fn enter(&mut self, entry: &Entry) -> Step<()> {
        self.ends.insert((entry.sent.expires_at, entry.sent.id.as_str()), ())?;
        self.put(entry)
    }
    fn put(&mut self, entry: &Entry) -> Step<()> {
        self.sent.insert(entry.sent.id.as_str(), encode(entry)?.as_slice())?;
        Ok(())
    }
    /// Whether a message has this id.
    pub(super) fn knows(&self, id: &str) -> Step<bool> {
        Ok(self.sent.get(id)?.is_some())
    }
    /// The id of the message that was sent last.
    pub(super) fn last_id(&self) -> Step<Option<String>> {
        Ok(self.sent.last()?.map(|(id, _)| id.value().to_owned()))
    }
    /// Notes what became of a message that waited for a recipient; whether it did.
    pub(super) fn settle(&mut self, id: &str, to: &Party, outcome: &Outcome, now: Millis) -> Step<bool> {
        self.change(
            id,
            |party| party.is(to),
            &[MessageState::Queued],
            now,
            |recipient| match outcome {
                Outcome::Delivered(key) => {
                    recipient.inbox_key.clone_from(key);
                    MessageState::Delivered
                }
                Outcome::Failed(reason) => {
                    recipient.reason = Some(reason.clone());
                    MessageState::Failed
                }
            },
        )
    }
    /// A peer acknowledged a message; whether it was meant, and had not before. Late is better than never.
    pub(super) fn acked(&mut self, id: &str, by: &Party, now: Millis) -> Step<bool> {
        let open = [MessageState::Queued, MessageState::Delivered, MessageState::Expired, MessageState::Failed];
        self.change(id, |party| party.is(by), &open, now, |_| MessageState::Acked)
    }
    fn change(
        &mut self,
        id: &str,
        is_meant: impl Fn(&Party) -> bool,
        from: &[MessageState],
        now: Millis,
        change: impl Fn(&mut Recipient) -> MessageState,
    ) -> Step<bool> {
        let Some(mut entry) = self.find(id)? else { return Ok(false) };
        let changed = entry.change(is_meant, from, now, change);
        if changed {
            self.put(&entry)?;
        }
        Ok(changed)
    }
    /// Ends the messages whose time has come, and forgets those that ended long ago; the ids of those that had not been
    /// acknowledged by all. At most a lot of them: whoever calls asks again.
    pub(super) fn lapse(&mut self, now: Millis) -> Step<Vec<String>> {
        let mut ended = Vec::new();
        for (at, id) in due(&self.ends, now + 1, LAPSE)? {
            self.ends.remove((at, id.as_str()))?;
            match self.find(&id)? {
                Some(mut entry) if !entry.ended => {
                    let open = [MessageState::Queued, MessageState::Delivered];
                    let is_news = entry.change(|_| true, &open, now, |_| MessageState::Expired);
                    entry.ended = true;
                    self.put(&entry)?;
                    self.ends.insert((now + REMEMBERED, id.as_str()), ())?;
                    ended.extend(is_news.then_some(id));
                }
                _ => {
                    self.sent.remove(id.as_str())?;
                }
            }
        }
        Ok(ended)
    }
}

/// When the next message ends or is forgotten.
pub(super) fn next_end(txn: &ReadTransaction) -> Step<Option<Millis>> {
    let Some(ends) = if_any(txn.open_table(ENDS))? else { return Ok(None) };
    Ok(ends.first()?.map(|(end, _)| end.value().0))
}

/// Hands over the messages from the newest, or from the one before `before`, until `take` has enough.
pub(super) fn each_sent(txn: &ReadTransaction, before: Option<&str>, mut take: impl FnMut(Entry) -> bool) -> Step<()> {
    let Some(sent) = if_any(txn.open_table(SENT))? else { return Ok(()) };
    // Ids begin with the time: their order is the order of sending.
    let range = match before {
        Some(before) => sent.range(..before)?,
        None => sent.range::<&str>(..)?,
    };
    for item in range.rev() {
        let (id, bytes) = item?;
        let Some(entry) = decode(bytes.value(), id.value()) else { continue };
        if !take(entry) {
            break;
        }
    }
    Ok(())
}

/// What is known of a message.
pub(super) fn find(txn: &ReadTransaction, id: &str) -> Step<Option<Entry>> {
    let Some(sent) = if_any(txn.open_table(SENT))? else { return Ok(None) };
    Ok(sent.get(id)?.and_then(|bytes| decode(bytes.value(), id)))
}

/// Notes that somebody is to hear that a message was acknowledged.
pub(super) fn owe(txn: &WriteTransaction, id: &str, owed: &Owed) -> Step<()> {
    txn.open_table(OWED)?.insert(id, encode(owed)?.as_slice())?;
    Ok(())
}

/// The acknowledgement of a message needs to be told no more.
pub(super) fn told(txn: &WriteTransaction, id: &str) -> Step<()> {
    txn.open_table(OWED)?.remove(id)?;
    Ok(())
}

/// Who is to hear of the acknowledgement of a message.
pub(super) fn owed(txn: &ReadTransaction, id: &str) -> Step<Option<Owed>> {
    let Some(owed) = if_any(txn.open_table(OWED))? else { return Ok(None) };
    Ok(owed.get(id)?.and_then(|bytes| decode(bytes.value(), id)))
}

/// Every acknowledgement that is owed, by the id of its message.
pub(super) fn all_owed(txn: &ReadTransaction) -> Step<Vec<(String, Owed)>> {
    let Some(owed) = if_any(txn.open_table(OWED))? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for item in owed.iter()? {
        let (id, bytes) = item?;
        all.extend(decode(bytes.value(), id.value()).map(|owed| (id.value().to_owned(), owed)));
    }
    Ok(all)
}
