//! Looking at a store that nobody serves, without changing it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Builder, DatabaseError};

use super::store::{is_damage, probe};

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none; the first start makes one.
    Missing,
    /// In order.
    Sound,
    /// It was not closed in order; the next start checks it, and mends it or sets it aside.
    NotClosed,
    /// Another process has it open.
    InUse,
    /// It can't be read; the next start sets it aside. With the reason.
    Damaged(String),
    /// It can't be opened, for a reason of the system's.
    Unreadable(String),
}

/// Looks at the database at a path. Blocks.
pub fn look(path: &Path) -> Condition {
    if !path.exists() {
        return Condition::Missing;
    }
    let looked = catch_unwind(AssertUnwindSafe(|| match Builder::new().open_read_only(path) {
        Ok(db) => probe(&db).map(|_| Condition::Sound),
        Err(DatabaseError::RepairAborted) => Ok(Condition::NotClosed),
        Err(cause) => Err(cause.into()),
    }));
    match looked {
        Ok(Ok(condition)) => condition,
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Condition::InUse,
        Ok(Err(cause)) if is_damage(&cause) => Condition::Damaged(cause.to_string()),
        Ok(Err(redb::Error::Io(error))) => Condition::Unreadable(crate::base::error::io_words(&error)),
        Ok(Err(cause)) => Condition::Unreadable(cause.to_string()),
        Err(_) => Condition::Damaged("the database panicked".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Store;
    use super::*;
    use crate::platform::files::write_private;

    #[test]
    fn each_condition_is_told_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("context.redb");
        assert_eq!(look(&path), Condition::Missing);
        let opened = Store::open(dir.path(), 1).unwrap();
        assert_eq!(look(&path), Condition::InUse);
        opened.store.close();
        let sound = std::fs::read(&path).unwrap();
        assert_eq!(look(&path), Condition::Sound);
        assert_eq!(std::fs::read(&path).unwrap(), sound);
        for broken in [b"nonsense".to_vec(), sound.iter().map(|byte| byte ^ 0x5a).collect()] {
            write_private(&path, &broken).unwrap();
            assert!(matches!(look(&path), Condition::Damaged(_)), "{:?}", look(&path));
            assert_eq!(std::fs::read(&path).unwrap(), broken);
        }
        write_private(&path, &sound[..sound.len() / 3]).unwrap();
        assert_eq!(look(&path), Condition::NotClosed);
    }
}
