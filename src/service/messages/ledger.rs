//! The book of what was sent: where each message is on its way to each recipient, and which acknowledgements are owed.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::api::messages::{MessageState, Recipient, Sent};
use crate::base::clock::Millis;
use crate::service::context::tables::Step;

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
    fn move_to(&mut self, is_meant: impl Fn(&Party) -> bool, from: &[MessageState], to: MessageState, now: Millis) -> bool {
        let meant: Vec<bool> = self.recipients().map(|(_, party)| is_meant(&party)).collect();
        let mut moved = false;
        for (recipient, _) in self.sent.to.iter_mut().zip(meant).filter(|(_, meant)| *meant) {
            if from.contains(&recipient.state) {
                recipient.state = to;
                recipient.reason = None;
                recipient.since = now;
                moved = true;
            }
        }
        moved
    }
}

fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8], id: &str) -> Step<T> {
    serde_json::from_slice(bytes)
        .map_err(|cause| redb::Error::Corrupted(format!("what is known of the message {id:?} can't be read: {cause}")))
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
        self.sent.get(id)?.map(|bytes| decode(bytes.value(), id)).transpose()
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
    /// A recipient has the message, under this key; unless more is known already.
    pub(super) fn delivered(&mut self, id: &str, to: &Party, inbox_key: &str, now: Millis) -> Step<()> {
        let Some(mut entry) = self.find(id)? else { return Ok(()) };
        let is_meant = |party: &Party| party == to;
        if entry.move_to(is_meant, &[MessageState::Queued], MessageState::Delivered, now) {
            let at = entry.recipients().position(|(_, party)| is_meant(&party));
            if let Some(recipient) = at.and_then(|at| entry.sent.to.get_mut(at)) {
                inbox_key.clone_into(&mut recipient.inbox_key);
            }
            self.put(&entry)?;
        }
        Ok(())
    }
    /// A message can't be delivered to a recipient.
    pub(super) fn failed(&mut self, id: &str, to: &Party, reason: &str, now: Millis) -> Step<()> {
        let Some(mut entry) = self.find(id)? else { return Ok(()) };
        if entry.move_to(|party| party == to, &[MessageState::Queued], MessageState::Failed, now) {
            let at = entry.recipients().position(|(_, party)| party == *to);
            if let Some(recipient) = at.and_then(|at| entry.sent.to.get_mut(at)) {
                recipient.reason = Some(reason.to_owned());
            }
            self.put(&entry)?;
        }
        Ok(())
    }
    /// A peer acknowledged a message; whether it was meant, and had not before. Late is better than never.
    pub(super) fn acked(&mut self, id: &str, by: &Party, now: Millis) -> Step<bool> {
        let Some(mut entry) = self.find(id)? else { return Ok(false) };
        let open = [MessageState::Queued, MessageState::Delivered, MessageState::Expired];
        let is_meant = |party: &Party| party.name == by.name || !by.node_id.is_empty() && party.node_id == by.node_id;
        let moved = entry.move_to(is_meant, &open, MessageState::Acked, now);
        if moved {
            self.put(&entry)?;
        }
        Ok(moved)
    }
    /// Ends the messages whose time has come, and forgets those that ended long ago; the ids of those that had not been
    /// acknowledged by all. At most a lot of them: whoever calls asks again.
    pub(super) fn lapse(&mut self, now: Millis) -> Step<Vec<String>> {
        let due: Vec<_> = self
            .ends
            .range((0, "")..(now + 1, ""))?
            .take(LAPSE)
            .map(|item| item.map(|(end, _)| (end.value().0, end.value().1.to_owned())))
            .collect::<Result<_, _>>()?;
        let mut ended = Vec::new();
        for (at, id) in due {
            self.ends.remove((at, id.as_str()))?;
            match self.find(&id)? {
                Some(mut entry) if !entry.ended => {
                    let is_news = entry.move_to(|_| true, &[MessageState::Queued, MessageState::Delivered], MessageState::Expired, now);
                    entry.ended = true;
                    self.put(&entry)?;
                    self.ends.insert((at + REMEMBERED, id.as_str()), ())?;
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
        if !take(decode(bytes.value(), id.value())?) {
            break;
        }
    }
    Ok(())
}

/// What is known of a message.
pub(super) fn find(txn: &ReadTransaction, id: &str) -> Step<Option<Entry>> {
    let Some(sent) = if_any(txn.open_table(SENT))? else { return Ok(None) };
    sent.get(id)?.map(|bytes| decode(bytes.value(), id)).transpose()
}

/// Notes that somebody is to hear that a message was acknowledged.
pub(super) fn owe(txn: &WriteTransaction, id: &str, owed: &Owed) -> Step<()> {
    txn.open_table(OWED)?.insert(id, encode(owed)?.as_slice())?;
    Ok(())
}

/// The acknowledgement of a message needs to be told no more.
pub(super) fn settle(txn: &WriteTransaction, id: &str) -> Step<()> {
    txn.open_table(OWED)?.remove(id)?;
    Ok(())
}

/// Who is to hear of the acknowledgement of a message.
pub(super) fn owed(txn: &ReadTransaction, id: &str) -> Step<Option<Owed>> {
    let Some(owed) = if_any(txn.open_table(OWED))? else { return Ok(None) };
    owed.get(id)?.map(|bytes| decode(bytes.value(), id)).transpose()
}

/// Every acknowledgement that is owed, by the id of its message.
pub(super) fn all_owed(txn: &ReadTransaction) -> Step<Vec<(String, Owed)>> {
    let Some(owed) = if_any(txn.open_table(OWED))? else { return Ok(Vec::new()) };
    owed.iter()?
        .map(|item| {
            let (id, bytes) = item?;
            Ok((id.value().to_owned(), decode(bytes.value(), id.value())?))
        })
        .collect()
}
