//! One file to a daemon.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Files, Tries, local, unusable, unwritable};
use crate::api::transfer::{Received, TransferPut, TransferPutState};
use crate::api::{Piece, Pieces};
use crate::base::hash::Sha256;
use crate::base::sync::lock;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};
use crate::disk::leave;
use crate::platform::files::{Dir, Stat};

/// Files smaller than this are sent without asking first how much of them is there.
const WORTH_ASKING: u64 = 1024 * 1024;

impl Files {
    /// Sends a file to a path of the far machine; a folder there, or a path that ends with `/`, means "into it".
    ///
    /// Goes on after a break. Answers when the file is on the far disk and its checksum is the one read here.
    pub async fn push(&self, source: &Path, target: &str) -> Result<Received> {
        if !self.can("transfer-v2") {
            let (file, stat, name) = self.open(source).await?;
            let content = leave::send(file, stat.clone(), name.to_string_lossy().into_owned(), 0).body;
            return self.push_form(content, &name.to_string_lossy(), Some(stat.size), target).await;
        }
        let reached = Arc::new(AtomicU64::new(0));
        let mut tries = Tries::default();
        loop {
            match self.try_push(source, target, &reached).await {
                Err(error) => tries.after(error, reached.load(Ordering::Relaxed)).await?,
                done => return done,
            }
        }
    }

    async fn try_push(&self, source: &Path, target: &str, reached: &Arc<AtomicU64>) -> Result<Received> {
        let (file, stat, name) = self.open(source).await?;
        let name = name.to_string_lossy().into_owned();
        let mut put = TransferPut {
            path: target.into(),
            name: Some(name.clone()),
            size: Some(stat.size),
            checksum: None,
            mode: Some(format!("{:o}", stat.mode)),
            mtime: Some(stat.modified()),
            range: None,
        };
        let mut offset = 0;
        if self.resumes && stat.size >= WORTH_ASKING {
            let state = TransferPutState { path: put.path.clone(), name: put.name.clone(), size: stat.size, mtime: put.mtime };
            let state = self.link.call(&state).await.map_err(|mut error| {
                // The answer to HEAD has no room for what it is about.
                error.message = format!("{target}: {}", error.message);
                error
            })?;
            // All of it may be there, and only the end was not told: a part has at least a byte.
            offset = state.offset.min(stat.size - 1);
        }
        if offset > 0 {
            put.range = Some(format!("bytes {offset}-{}/{}", stat.size - 1, stat.size));
        }
        let content = self.watched(leave::send(file, stat.clone(), name, offset).body, offset, Some(stat.size), reached.clone());
        let (content, sent) = noted(content);
        match self.link.upload(&put, content).await {
            // What was there has been swept or taken meanwhile.
            Err(error) if offset > 0 && error.code == Code::RangeNotSatisfiable => {
                Err(Error::new(Code::PeerUnreachable, "the unfinished file there is gone"))
            }
            received => same(received?, &sent),
        }
    }

    /// Sends what can be read until its end; it can't be resumed. A folder as target needs `name`.
    pub async fn push_stream(&self, input: impl AsyncRead + Send + Unpin + 'static, name: Option<&str>, target: &str) -> Result<Received> {
        let content = read_all(input);
        if !self.can("transfer-v2") {
            return self.push_form(content, name.unwrap_or("stdin"), None, target).await;
        }
        let put = TransferPut {
            path: target.into(),
            name: name.map(str::to_owned),
            size: None,
            checksum: None,
            mode: None,
            mtime: None,
            range: None,
        };
        let (content, sent) = noted(self.watched(content, 0, None, Arc::default()));
        same(self.link.upload(&put, content).await?, &sent)
    }

    async fn open(&self, source: &Path) -> Result<(std::fs::File, Stat, OsString)> {
        let (source, rules) = (source.to_owned(), self.rules.clone());
        blocking(move || {
            let real = local(&source, rules.as_deref())?;
            let failed = |error: io::Error| unusable(&source, &error);
            let (Some(folder), Some(real_name)) = (real.parent(), real.file_name()) else {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            };
            let (file, stat) = Dir::open(folder, false).and_then(|dir| dir.file(real_name)).map_err(failed)?;
            // Known by the name that was given, even where that is a link.
            Ok((file, stat, source.file_name().unwrap_or(real_name).to_owned()))
        })
        .await?
    }
}

/// The checksum that went out with the content.
pub(super) type Sent = Arc<std::sync::Mutex<Option<String>>>;

/// The same pieces; their checksum is noted when it passes.
pub(super) fn noted(pieces: Pieces) -> (Pieces, Sent) {
    let sent = Sent::default();
    let note = sent.clone();
    let pieces = pieces.inspect(move |piece| {
        if let Ok(Piece::Checksum(sum)) = piece {
            *lock(&note) = Some(sum.clone());
        }
    });
    (Box::pin(pieces), sent)
}

/// Compares what arrived with what was sent.
pub(super) fn same(received: Received, sent: &Sent) -> Result<Received> {
    match &*lock(sent) {
        Some(sum) if received.checksum.eq_ignore_ascii_case(sum) => Ok(received),
        _ => Err(Error::new(Code::TransferChecksumMismatch, format!("{}: what arrived is not what was sent", received.path))
            .hint("Send it again.")),
    }
}

/// What can be read, then its checksum.
fn read_all(input: impl AsyncRead + Send + Unpin + 'static) -> Pieces {
    Box::pin(stream::unfold(Some((input, Sha256::default())), |state| async move {
        let (mut input, mut hash) = state?;
        let mut buffer = BytesMut::with_capacity(leave::CHUNK);
        match input.read_buf(&mut buffer).await {
            Ok(0) => Some((Ok(Piece::Checksum(hash.finish())), None)),
            Ok(_) => {
                hash.update(&buffer);
                Some((Ok(Piece::Data(buffer.freeze())), Some((input, hash))))
            }
            Err(error) => Some((Err(unwritable(&error)), None)),
        }
    }))
}
