//! Files and folders to a daemon and from it, resumed after a break, their checksums compared.
//!
//! The local side follows rules for paths if it is given some ([`Files::within`]): the owner at a terminal needs none.

mod form;
mod pull;
mod push;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;

use super::link::Link;
use crate::api::{Piece, Pieces};
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::disk;
use crate::home::paths::Rules;
use crate::platform::files;

pub use tree::Synced;

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done, those of an earlier try included.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Is told how far a transfer is, often.
pub type Watch = Arc<dyn Fn(Progress) + Send + Sync>;

/// Tries without a byte of progress before a transfer is given up.
const TRIES: u32 = 4;
/// How long to wait before the first of them; each further one waits twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// The files of the daemon at the end of a line.
#[derive(Clone)]
pub struct Files {
    link: Link,
    capabilities: Vec<String>,
    watch: Watch,
    resumes: bool,
    rules: Option<Arc<Rules>>,
}

impl Files {
    /// `capabilities` are the far daemon's, as its identity tells: what it can't do is done in the Node version's way.
    pub fn new(link: Link, capabilities: &[String], watch: Watch) -> Self {
        Self { link, capabilities: capabilities.to_vec(), watch, resumes: true, rules: None }
    }

    /// Starts every file from its beginning, whatever an earlier try left.
    pub fn anew(self) -> Self {
        Self { resumes: false, ..self }
    }

    /// What of this machine may be touched; anything unless this is called.
    pub fn within(self, rules: Rules) -> Self {
        Self { rules: Some(Arc::new(rules)), ..self }
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// The same pieces, their bytes told to whoever watches.
    fn watched(&self, pieces: Pieces, start: u64, total: Option<u64>, count: Arc<AtomicU64>) -> Pieces {
        let watch = self.watch.clone();
        count.store(start, Ordering::Relaxed);
        watch(Progress { done: start, total });
        Box::pin(pieces.inspect(move |piece| {
            if let Ok(Piece::Data(bytes)) = piece {
                let done = count.fetch_add(bytes.len() as u64, Ordering::Relaxed).saturating_add(bytes.len() as u64);
                watch(Progress { done, total });
            }
        }))
    }
}

/// The tries of one transfer: as long as connections break and something gets through, there is another.
#[derive(Default)]
struct Tries {
    best: u64,
    failures: u32,
}

impl Tries {
    /// Waits before the next try. `reached` is how far the one that failed came.
    ///
    /// # Errors
    /// The failure itself, where there is no use in another try.
    async fn after(&mut self, error: Error, reached: u64) -> Result<()> {
        if error.code != Code::PeerUnreachable {
            return Err(error);
        }
        self.failures = if reached > self.best { 1 } else { self.failures + 1 };
        self.best = self.best.max(reached);
        // Where nothing ever got through there is nothing to resume.
        if self.failures >= TRIES || self.best == 0 {
            return Err(error);
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.failures - 1)).await;
        Ok(())
    }
}

/// A local path as it is opened: absolute, every link followed, and within the rules.
fn local(path: &Path, rules: Option<&Rules>) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    let resolved = files::resolve(&absolute).map_err(|error| unusable(path, &error))?;
    if let Some(rules) = rules {
        rules.check(&resolved.path, &path.display().to_string())?;
    }
    match resolved.problem {
        None => Ok(resolved.path),
        Some(problem) => Err(unusable(path, &problem)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    disk::failed(&path.display().to_string(), error)
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new(Code::TransferFailed, format!("the content could not be passed on: {}", io_words(error)))
}
