//! Files and folders to a daemon and from it, resumed after a break, their checksums compared.
//!
//! The local side follows no rules for paths: who calls this is the owner, or has checked before.

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
}

impl Files {
    /// `capabilities` are the far daemon's, as its identity tells: what it can't do is done in the Node version's way.
    pub fn new(link: Link, capabilities: &[String], watch: Watch) -> Self {
        Self { link, capabilities: capabilities.to_vec(), watch, resumes: true }
    }

    /// Starts every file from its beginning, whatever an earlier try left.
    pub fn anew(self) -> Self {
        Self { resumes: false, ..self }
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
                let done = count.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
                watch(Progress { done, total });
            }
        }))
    }
}

/// Tries again, as long as connections break and something gets through. `attempt` answers how far it came.
async fn persist<T>(mut attempt: impl AsyncFnMut() -> (Result<T>, u64)) -> Result<T> {
    let (mut best, mut failures) = (0, 0);
    loop {
        let (result, reached) = attempt().await;
        match result {
            Err(error) if error.code == Code::PeerUnreachable => {
                failures = if reached > best { 1 } else { failures + 1 };
                best = best.max(reached);
                // Where nothing ever got through there is nothing to resume.
                if failures >= TRIES || best == 0 {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(failures - 1)).await;
            }
            done => return done,
        }
    }
}

/// A local path as it is opened: absolute, every link followed.
fn local(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    let resolved = files::resolve(&absolute).map_err(|error| unusable(path, &error))?;
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
