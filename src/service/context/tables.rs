//! The tables of the database file, and what a step on them can fail with.

use redb::TableDefinition;

/// Key to record.
pub(super) const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");
/// When entries end, soonest first.
pub(super) const EXPIRIES: TableDefinition<(u64, &str), ()> = TableDefinition::new("expiries");
/// Numbers about the whole.
pub(super) const STATE: TableDefinition<&str, u64> = TableDefinition::new("state");
/// In [`STATE`]: number of the newest change.
pub(super) const REVISION: &str = "revision";
/// In [`STATE`]: bytes of all keys and values.
pub(super) const BYTES: &str = "bytes";
/// In [`STATE`]: shape of the tables.
pub(super) const FORMAT: &str = "format";

/// The result of a step on the database itself.
pub(in crate::service) type Step<T> = std::result::Result<T, redb::Error>;

/// A record that this program did not write.
pub(super) fn damaged(key: &str) -> redb::Error {
    redb::Error::Corrupted(format!("the record of {key:?} cannot be read"))
}
