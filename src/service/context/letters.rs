//! Letters: the entries under `inbox:`, in the order in which they came, with who brought each.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableError, WriteTransaction};

use super::record::Record;
use super::tables::{ENTRIES, Step, damaged};
use crate::api::context::ContextEntry;
use crate::base::clock::Millis;

/// How the key of a letter begins.
pub(in crate::service) const INBOX: &str = "inbox:";

/// Version of the entry to its key, and the name under which whoever wrote it proved itself.
pub(super) const ARRIVALS: TableDefinition<u64, (&str, &str)> = TableDefinition::new("arrivals");

/// A letter that is there.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::service) struct Letter {
    /// The entry.
    pub entry: ContextEntry,
    /// Name under which whoever wrote it proved itself; empty where that is not known.
    pub sender: String,
}

/// Letters in the order of their coming.
#[derive(Debug, Default)]
pub(in crate::service) struct Letters {
    /// The letters.
    pub found: Vec<Letter>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

/// Notes that an entry was written.
pub(super) fn arrived(txn: &WriteTransaction, key: &str, version: u64, sender: &str) -> Step<()> {
    if key.starts_with(INBOX) {
        txn.open_table(ARRIVALS)?.insert(version, (key, sender))?;
    }
    Ok(())
}

/// Notes that an entry was replaced or removed.
pub(super) fn left(txn: &WriteTransaction, key: &str, version: u64) -> Step<()> {
    if key.starts_with(INBOX) {
        txn.open_table(ARRIVALS)?.remove(version)?;
    }
    Ok(())
}

/// Who brought the letter of this version.
pub(in crate::service) fn sender(txn: &WriteTransaction, version: u64) -> Step<String> {
    Ok(txn.open_table(ARRIVALS)?.get(version)?.map(|found| found.value().1.to_owned()).unwrap_or_default())
}

/// How many there are, among them those whose time has just ended.
pub(in crate::service) fn count(txn: &ReadTransaction) -> Step<u64> {
    Ok(txn.open_table(ARRIVALS)?.len()?)
}

/// Whether the letters of a store are in order; those of a store from before are not.
pub(super) fn are_listed(txn: &ReadTransaction) -> Step<bool> {
    match txn.open_table(ARRIVALS) {
        Ok(_) => Ok(true),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

/// Lists the letters of a store that has none listed.
pub(super) fn list(txn: &WriteTransaction) -> Step<()> {
    let mut arrivals = txn.open_table(ARRIVALS)?;
    for item in txn.open_table(ENTRIES)?.range(INBOX..)? {
        let (key, record) = item?;
        if !key.value().starts_with(INBOX) {
            break;
        }
        let record = Record::decode(record.value()).ok_or_else(|| damaged(key.value()))?;
        arrivals.insert(record.head.version, (key.value(), ""))?;
    }
    Ok(())
}

/// The letters that came after `since`, at most `limit` of them, and no more once they have `bytes`.
pub(in crate::service) fn after(txn: &ReadTransaction, since: u64, limit: usize, bytes: usize, now: Millis) -> Step<Letters> {
    let entries = txn.open_table(ENTRIES)?;
    let mut letters = Letters::default();
    let mut size = 0;
    for item in txn.open_table(ARRIVALS)?.range(since.saturating_add(1)..)? {
        let (_, letter) = item?;
        let (key, sender) = letter.value();
        let Some(bytes_of) = entries.get(key)? else { continue };
        let record = Record::decode(bytes_of.value()).ok_or_else(|| damaged(key))?;
        if record.head.expired(now) {
            continue;
        }
        if letters.found.len() >= limit || size >= bytes {
            letters.more = true;
            break;
        }
        size += record.value.len();
        letters.found.push(Letter { entry: record.entry(key, true), sender: sender.to_owned() });
    }
    Ok(letters)
}
