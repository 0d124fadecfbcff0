//! Which messages came here: each is taken once, however often it is brought, and never comes back.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use crate::base::clock::Millis;
use crate::service::context::tables::{Step, due};

/// Id to until when it is remembered, the digest of the envelope, the key of the entry, and whether it was acknowledged.
const SEEN: TableDefinition<&str, (u64, &[u8], &str, bool)> = TableDefinition::new("seen");
/// When each is forgotten, soonest first.
const ENDS: TableDefinition<(u64, &str), ()> = TableDefinition::new("seen ends");

/// How long a message is remembered beyond the time in which its sender may bring it again.
const BEYOND: Millis = 24 * 3600 * 1000;
/// How long one is that never ends.
const ENDLESS: Millis = 30 * BEYOND;
/// How many one call forgets, so that it stays short.
const FORGET: usize = 100;
/// How many are remembered: a flood of letters does not fill the disk. Those that end first are forgotten first.
const MOST: u64 = 200_000;

/// A message that came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Digest of its envelope.
    pub digest: Vec<u8>,
    /// Key of the entry that holds it, or held it.
    pub key: String,
    /// Whether it was acknowledged.
    pub acked: bool,
    until: Millis,
}

/// What is remembered of a message.
pub(super) fn find(txn: &WriteTransaction, id: &str) -> Step<Option<Seen>> {
    let seen = txn.open_table(SEEN)?;
    let found = seen.get(id)?.map(|found| {
        let (until, digest, key, acked) = found.value();
        Seen { digest: digest.to_vec(), key: key.to_owned(), acked, until }
    });
    Ok(found)
}

/// Remembers a message that ends at a time, or never.
pub(super) fn remember(txn: &WriteTransaction, id: &str, digest: &[u8], key: &str, ends: Option<Millis>, now: Millis) -> Step<()> {
    let until = ends.map_or(now + ENDLESS, |ends| ends.max(now) + BEYOND);
    let (mut seen, mut order) = (txn.open_table(SEEN)?, txn.open_table(ENDS)?);
    seen.insert(id, (until, digest, key, false))?;
    order.insert((until, id), ())?;
    let gone = if order.len()? > MOST { due(&order, Millis::MAX, 1)? } else { due(&order, now, FORGET)? };
    for (until, id) in gone {
        order.remove((until, id.as_str()))?;
        seen.remove(id.as_str())?;
    }
    Ok(())
}

/// Notes that a message that is remembered was acknowledged.
pub(super) fn acknowledge(txn: &WriteTransaction, id: &str) -> Step<()> {
    if let Some(Seen { digest, key, until, .. }) = find(txn, id)? {
        txn.open_table(SEEN)?.insert(id, (until, digest.as_slice(), key.as_str(), true))?;
    }
    Ok(())
}
