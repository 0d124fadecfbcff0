//! The tables of the database file, and what a step on them can fail with.

use redb::{ReadableTable, TableDefinition};

use crate::base::clock::Millis;

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
/// In [`STATE`]: generation of the log that goes on where the file ends.
pub(super) const LOG: &str = "log";
/// In [`STATE`]: the revision again, by a program that keeps a log; another tells that one without it has written since.
pub(super) const LOGGED: &str = "logged";
/// In [`STATE`]: shape of the tables.
pub(super) const FORMAT: &str = "format";

/// The result of a step on the database itself.
pub(in crate::service) type Step<T> = std::result::Result<T, redb::Error>;

/// The first of what is ordered by time and comes before `end`, at most so many.
pub(in crate::service) fn due(
    order: &impl ReadableTable<(u64, &'static str), ()>,
    end: Millis,
    most: usize,
) -> Step<Vec<(Millis, String)>> {
    let mut due = Vec::new();
    for item in order.range((0, "")..(end, ""))?.take(most) {
        let (at, _) = item?;
        let (at, what) = at.value();
        due.push((at, what.to_owned()));
    }
    Ok(due)
}

/// A record that this program did not write.
pub(super) fn damaged(key: &str) -> redb::Error {
    redb::Error::Corrupted(format!("the record of {key:?} cannot be read"))
}
