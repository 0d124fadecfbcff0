//! The database file and its log: opened with care, read in short transactions, written in batches, opened again after a failure.

use std::collections::VecDeque;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction,
};

use super::batch::{Batch, Done};
use super::change::Change;
use super::import::{Import, unusable};
use super::letters;
use super::record::Record;
use super::tables::{BYTES, ENTRIES, EXPIRIES, FORMAT, LOG, LOGGED, REVISION, STATE, Step, damaged};
use super::wal::{self, Wal};
use crate::api::context::{ContextChangeType, ContextEntry};
use crate::base::clock::Millis;
use crate::base::error::io_words;
use crate::base::sync::lock;
use crate::base::{Code, Error, Result};
use crate::home::{config, json_file};
use crate::platform::files::{set_aside, write_private};

const FILE: &str = "context.redb";
const LOG_FILE: &str = "context.wal";
/// Shape of the tables; a file with a higher number is left alone.
const TABLES: u64 = 1;
/// Pages kept in memory. What is not here comes from the system's page cache, at a few microseconds.
const CACHE: usize = 2 * 1024 * 1024;
/// A page of a listing ends after this many entries looked at, or this many bytes.
const PAGE_ENTRIES: usize = 256;
const PAGE_BYTES: usize = 256 * 1024;

/// The store's file. Its calls block, reads for microseconds, writes for as long as the disk takes.
pub(super) struct Store {
    path: PathBuf,
    handle: Mutex<Handle>,
    /// Shared by who reads, for as long as that takes; held by who opens the file anew, which ends all that is being read.
    reading: RwLock<()>,
    /// Held by who writes, for as long as a batch takes.
    wal: Mutex<Wal>,
}

enum Handle {
    Open(Database),
    /// The disk failed; the next write tries to open the file again.
    Failed,
    /// The daemon stops.
    Closed,
}

/// A store that was opened, and what there is to say about that.
pub(super) struct Opened {
    /// The store.
    pub store: Store,
    /// Number of the newest change.
    pub revision: u64,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// A stretch of a listing.
pub(super) struct Page {
    /// Entries in the order of their keys.
    pub entries: VecDeque<ContextEntry>,
    /// The last key looked at, if there may be more after it.
    pub more_after: Option<String>,
}

/// Which part of the store a listing wants.
pub(super) struct Wanted<'a> {
    /// Keys start with this.
    pub prefix: &'a str,
    /// Keys come after this one.
    pub after: Option<&'a str>,
    /// Values are wanted too.
    pub values: bool,
    /// Most entries.
    pub limit: u64,
    /// Keys that this refuses are passed over.
    pub keep: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Store {
    /// Opens the store of a data directory, or makes it, taking in a Node version's `context.json`.
    ///
    /// A damaged file is set aside, never overwritten. Blocks; may panic nowhere.
    pub(super) fn open(dir: &Path, now: Millis) -> Result<Opened> {
        let path = dir.join(FILE);
        let mut warnings = Vec::new();
        let (db, wal) = match open_file(&path, &mut warnings) {
            Err(Unopened::Damaged(why)) => {
                let aside = set_aside(&path).map_err(|error| unusable(&path, error))?;
                // For who wants to mend it; to the new store its log means nothing.
                let _ = set_aside(&path.with_file_name(LOG_FILE));
                tracing::error!(%why, aside = %aside.display(), "the context store is damaged");
                warnings.push(format!(
                    "The context store was damaged. It was set aside as {} and the store starts empty; what was exported can be brought back with: loopsy context import",
                    aside.display()
                ));
                open_file(&path, &mut warnings).map_err(|unopened| unopened.error(&path))?
            }
            opened => opened.map_err(|unopened| unopened.error(&path))?,
        };
        let store = Self { path, handle: Mutex::new(Handle::Open(db)), reading: RwLock::default(), wal: Mutex::new(wal) };
        let revision = match store.revision()? {
            Some(revision) => revision,
            None => store.fill(Import::find(dir, now, &mut warnings)?, now)?,
        };
        if !store.read(letters::are_listed)? {
            store.attempt(|| {
                let txn = store.begin_write()?;
                letters::list(&txn)?;
                commit(txn, &mut lock(&store.wal))
            })?;
        }
        Ok(Opened { store, revision, warnings })
    }
    /// Makes the tables of a new store and puts the imported entries in.
    ///
    /// Revisions count from the time of the making, so that those of a store that was lost are not given again.
    fn fill(&self, import: Import, now: Millis) -> Result<u64> {
        let revision = self.attempt(|| {
            let txn = self.begin_write()?;
            let limits = config::Context::default();
            let mut batch = Batch::open(&txn, now, &limits)?;
            batch.begin_at(now, TABLES)?;
            for (key, entry) in import.entries() {
                batch.put(key, entry.record())?;
            }
            let done = batch.finish()?;
            commit(txn, &mut lock(&self.wal))?;
            Ok(done.revision)
        })?;
        import.keep_file()?;
        Ok(revision)
    }
    /// Does changes in one transaction and makes it durable: all of them, or one failure for all.
    ///
    /// What the log takes is on the disk there before readers see it in the database's memory. With everything else the database
    /// itself becomes durable, and whatever was logged before with it.
    pub(super) fn apply(&self, changes: &mut [Box<dyn Change>], now: Millis, limits: &config::Context) -> Result<Done> {
        let outcome = self.attempt(|| {
            let mut wal = lock(&self.wal);
            let mut txn = self.begin_write()?;
            let mut batch = Batch::open(&txn, now, limits)?;
            let before = batch.revision();
            batch.reclaim()?;
            for change in changes {
                change.make(&mut batch)?;
            }
            let done = batch.finish()?;
            if !done.written {
                txn.abort()?;
            } else if done.revision > before && wal.append(before, &done.steps)? {
                in_memory(&mut txn)?;
                txn.commit()?;
            } else {
                commit(txn, &mut wal)?;
            }
            Ok(done)
        });
        if outcome.is_err() {
            self.reopen();
        }
        outcome
    }
    /// Reads in a transaction of its own.
    pub(super) fn read<T>(&self, step: impl FnOnce(&ReadTransaction) -> Step<T>) -> Result<T> {
        self.look(|| step(&self.begin_read()?))
    }
    /// The entry under a key, unless its time has ended.
    pub(super) fn get(&self, key: &str, now: Millis) -> Result<Option<ContextEntry>> {
        self.look(|| {
            let entries = self.begin_read()?.open_table(ENTRIES)?;
            let Some(bytes) = entries.get(key)? else { return Ok(None) };
            let record = Record::decode(bytes.value()).ok_or_else(|| damaged(key))?;
            Ok((!record.head.expired(now)).then(|| record.entry(key, true)))
        })
    }
    /// A bounded part of a listing, in a transaction of its own.
    pub(super) fn page(&self, wanted: &Wanted<'_>, now: Millis) -> Result<Page> {
        self.look(|| {
            let table = self.begin_read()?.open_table(ENTRIES)?;
            let start = match wanted.after {
                Some(after) if after >= wanted.prefix => Bound::Excluded(after),
                _ => Bound::Included(wanted.prefix),
            };
            let mut page = Page { entries: VecDeque::new(), more_after: None };
            let mut bytes = 0;
            for (looked_at, item) in table.range::<&str>((start, Bound::Unbounded))?.enumerate() {
                let (key, record) = item?;
                let key = key.value();
                if !key.starts_with(wanted.prefix) || page.entries.len() as u64 >= wanted.limit {
                    return Ok(Page { more_after: None, ..page });
                }
                let record = Record::decode(record.value()).ok_or_else(|| damaged(key))?;
                if !record.head.expired(now) && (wanted.keep)(key) {
                    bytes += if wanted.values { record.value.len() } else { 0 };
                    page.entries.push_back(record.entry(key, wanted.values));
                }
                if looked_at + 1 >= PAGE_ENTRIES || bytes >= PAGE_BYTES {
                    return Ok(Page { more_after: Some(key.to_owned()), ..page });
                }
            }
            Ok(page)
        })
    }
    /// Entries whose time has not ended.
    pub(super) fn count(&self, now: Millis) -> Result<u64> {
        self.look(|| {
            let txn = self.begin_read()?;
            let all = txn.open_table(ENTRIES)?.len()?;
            let ended = txn.open_table(EXPIRIES)?.range((0, "")..(now + 1, ""))?.count() as u64;
            Ok(all.saturating_sub(ended))
        })
    }
    /// Number of the newest durable change; none before the tables are made.
    pub(super) fn revision(&self) -> Result<Option<u64>> {
        self.look(|| match state(&self.begin_read()?)? {
            Some(state) => Ok(state.get(REVISION)?.map(|number| number.value())),
            None => Ok(None),
        })
    }
    /// When the next entry ends.
    pub(super) fn next_expiry(&self) -> Result<Option<Millis>> {
        self.look(|| Ok(self.begin_read()?.open_table(EXPIRIES)?.first()?.map(|(at, _)| at.value().0)))
    }
    /// Ends all use of the file, so that the next start finds it in order; the database makes durable what it has in memory.
    pub(super) fn close(&self) {
        let handle = std::mem::replace(&mut *lock(&self.handle), Handle::Closed);
        close(handle);
    }
    #[cfg(test)]
    pub(super) fn log_fails(&self) {
        lock(&self.wal).fails();
    }
    /// After a failure the database refuses everything until it is opened anew.
    fn reopen(&self) {
        let _alone = self.reading.write().unwrap_or_else(PoisonError::into_inner);
        let mut handle = lock(&self.handle);
        if matches!(*handle, Handle::Closed) {
            return;
        }
        close(std::mem::replace(&mut *handle, Handle::Failed));
        // Told in the log of the daemon, too.
        match open_file(&self.path, &mut Vec::new()) {
            Ok((db, wal)) => {
                *handle = Handle::Open(db);
                *lock(&self.wal) = wal;
            }
            Err(unopened) => tracing::error!(why = %unopened.error(&self.path), "the context store could not be opened again"),
        }
    }
    fn begin_read(&self) -> Step<ReadTransaction> {
        match &*lock(&self.handle) {
            Handle::Open(db) => Ok(db.begin_read()?),
            Handle::Failed => Err(redb::Error::PreviousIo),
            Handle::Closed => Err(redb::Error::DatabaseClosed),
        }
    }
    fn begin_write(&self) -> Step<WriteTransaction> {
        match &*lock(&self.handle) {
            Handle::Open(db) => Ok(db.begin_write()?),
            Handle::Failed => Err(redb::Error::PreviousIo),
            Handle::Closed => Err(redb::Error::DatabaseClosed),
        }
    }
    fn look<T>(&self, step: impl FnOnce() -> Step<T>) -> Result<T> {
        let _reading = self.reading.read().unwrap_or_else(PoisonError::into_inner);
        self.attempt(step)
    }
    /// Runs a step; a failure, or a panic over a damaged page, becomes an error in words.
    fn attempt<T>(&self, step: impl FnOnce() -> Step<T>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(cause)) => Err(worded(&cause, &self.path)),
            Err(_) => Err(Error::internal("the context store is damaged", "a step on the database panicked")
                .hint("Restart the daemon; it sets a damaged store aside.")),
        }
    }
}

fn close(handle: Handle) {
    if let Handle::Open(db) = handle
        && !matches!(catch_unwind(AssertUnwindSafe(|| db.close())), Ok(Ok(())))
    {
        tracing::warn!("the context store could not be closed in order; the next start checks it");
    }
}

/// Why a file could not be opened.
enum Unopened {
    /// Its content is not what was written.
    Damaged(String),
    /// Something else, which may pass.
    Other(redb::Error),
    /// It is from a later version.
    Newer(u64),
}

impl Unopened {
    fn error(self, path: &Path) -> Error {
        match self {
            Unopened::Damaged(why) => Error::internal("the context store is damaged", why),
            Unopened::Other(cause) => worded(&cause, path),
            Unopened::Newer(format) => json_file::newer(path, format),
        }
    }
}

/// Makes a transaction durable, and all before it; the log begins anew.
fn commit(txn: WriteTransaction, wal: &mut Wal) -> Step<()> {
    let generation = wal::generation();
    let mut state = txn.open_table(STATE)?;
    state.insert(LOG, generation)?;
    let revision = state.get(REVISION)?.map(|revision| revision.value());
    if let Some(revision) = revision {
        state.insert(LOGGED, revision)?;
    }
    drop(state);
    txn.commit()?;
    wal.restart(generation);
    Ok(())
}

/// What the transaction commits is to be as durable as the log makes it.
fn in_memory(txn: &mut WriteTransaction) -> Step<()> {
    txn.set_durability(Durability::None).map_err(|cause| redb::Error::Corrupted(cause.to_string()))
}

/// Takes in what was logged after the database's last durable commit, up to the first record that is not whole. If there is a
/// whole one behind that, the log was damaged: it is set aside once the database has what could be read, and a warning says so.
fn catch_up(db: &Database, path: &Path, warnings: &mut Vec<String>) -> Step<Wal> {
    let Some(state) = state(&db.begin_read()?)? else { return Ok(Wal::new(path)) };
    let number = |name: &str| -> Step<_> { Ok(state.get(name)?.map(|number| number.value())) };
    let (Some(generation), true) = (number(LOG)?, number(LOGGED)? == number(REVISION)?) else { return Ok(Wal::new(path)) };
    let log = wal::read(path)?;
    let limits = config::Context::default();
    let mut txn = db.begin_write()?;
    let mut batch = Batch::open(&txn, 0, &limits)?;
    let mut end = 0;
    while let Some(logged) = wal::logged(&log, end, generation) {
        // A database that was closed has them already.
        if logged.revision.saturating_add(logged.steps.len() as u64) > batch.revision() {
            if logged.revision != batch.revision() {
                break;
            }
            for (key, record) in logged.steps {
                match record {
                    Some(record) => batch.put(key, record)?,
                    None => drop(batch.remove(key, ContextChangeType::Delete)?),
                }
            }
        }
        end = logged.end;
    }
    let done = batch.finish()?;
    if wal::goes_on(&log, end, generation) {
        txn.commit()?;
        let aside = set_aside(path)?;
        tracing::error!(aside = %aside.display(), end, "the log of the context store is damaged");
        warnings.push(format!(
            "The log of the context store was damaged. What was written last may be lost; the log was set aside as {}",
            aside.display()
        ));
    } else if done.written {
        wal::sync(path)?;
        // Not to be refused for a full disk: what is there can be read all the same.
        in_memory(&mut txn)?;
        txn.commit()?;
    } else {
        txn.abort()?;
    }
    Ok(Wal::new(path))
}

/// Opens or makes the file, looks at its ends, since a plain open may trust, or panic over, what somebody else wrote, and takes in
/// what its log has.
fn open_file(path: &Path, warnings: &mut Vec<String>) -> Result<(Database, Wal), Unopened> {
    let opened = catch_unwind(AssertUnwindSafe(|| -> Step<_> {
        if !path.exists() {
            // An empty file is a new database; one that the database makes would be readable by others.
            write_private(path, b"")?;
        }
        let db = Builder::new().set_cache_size(CACHE).create(path)?;
        match probe(&db)? {
            Some(format) if format > TABLES => Ok(Err(format)),
            _ => Ok(Ok((catch_up(&db, &path.with_file_name(LOG_FILE), warnings)?, db))),
        }
    }));
    match opened {
        Ok(Ok(Err(format))) => Err(Unopened::Newer(format)),
        Ok(Ok(Ok((wal, db)))) => Ok((db, wal)),
        Ok(Err(cause)) if is_damage(&cause) => Err(Unopened::Damaged(cause.to_string())),
        Ok(Err(cause)) => Err(Unopened::Other(cause)),
        Err(_) => Err(Unopened::Damaged("the database panicked".into())),
    }
}

/// The shape of the tables, once both ends of each were looked at; none before they are made.
pub(super) fn probe(db: &impl ReadableDatabase) -> Step<Option<u64>> {
    let txn = db.begin_read()?;
    let Some(state) = state(&txn)? else { return Ok(None) };
    let format = state.get(FORMAT)?.map(|number| number.value());
    if format.is_none_or(|format| format <= TABLES) {
        state.get(BYTES)?;
        let entries = txn.open_table(ENTRIES)?;
        for (key, record) in [entries.first()?, entries.last()?].into_iter().flatten() {
            Record::decode(record.value()).ok_or_else(|| damaged(key.value()))?;
        }
        txn.open_table(EXPIRIES)?.first()?;
    }
    Ok(format)
}

fn state(txn: &ReadTransaction) -> Step<Option<ReadOnlyTable<&'static str, u64>>> {
    match txn.open_table(STATE) {
        Ok(state) => Ok(Some(state)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// Whether a failure says that the content is not what was written.
pub(super) fn is_damage(cause: &redb::Error) -> bool {
    use std::io::ErrorKind as K;
    match cause {
        redb::Error::Io(io) => matches!(io.kind(), K::InvalidData | K::UnexpectedEof),
        redb::Error::DatabaseAlreadyOpen | redb::Error::PreviousIo | redb::Error::DatabaseClosed => false,
        _ => true,
    }
}

fn worded(cause: &redb::Error, path: &Path) -> Error {
    use std::io::ErrorKind as K;
    match cause {
        redb::Error::Io(io) if matches!(io.kind(), K::StorageFull | K::QuotaExceeded | K::FileTooLarge) => {
            Error::new(Code::ContextMaxEntries, "the disk is full").hint(format!("Free some space where {} lies.", path.display()))
        }
        redb::Error::Io(io) => Error::internal(&format!("{}: {}", path.display(), io_words(io)), cause),
        redb::Error::DatabaseAlreadyOpen => Error::new(Code::Internal, format!("{} is in use by another process", path.display()))
            .hint("Is another daemon running on this data directory?"),
        redb::Error::DatabaseClosed => Error::new(Code::ShuttingDown, "the daemon is shutting down"),
        redb::Error::PreviousIo => Error::internal("the context store is out of order after a failure of the disk", cause),
        _ => Error::internal("the context store is damaged", cause),
    }
}
