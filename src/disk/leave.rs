//! A file that leaves: read ahead a little, with the checksum of the whole at the end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use super::flow::{Outflow, spring};
use super::running_hash::RunningHash;
use crate::api::{Download, Piece};
use crate::base::hash::Sha256;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};
use crate::platform::files::{self, Stat};

/// Bytes of a piece.
pub const CHUNK: usize = 512 * 1024;

/// Tells one state of a file from another, as an `ETag` with its quotes.
pub fn etag(stat: &Stat) -> String {
    let mut state = Sha256::default();
    state.update(format!("{} {} {}", stat.inode, stat.size, stat.modified_ns).as_bytes());
    format!("\"{}\"", &state.finish()[..32])
}

/// The content of an open file from `offset` on, then the checksum of all of it; nothing is read before the stream is.
///
/// The stream ends in an error instead if the file is changed meanwhile.
pub fn send(file: File, stat: Stat, name: String, offset: u64) -> Download {
    let shown = name.clone();
    Download {
        name,
        size: Some(stat.size),
        offset,
        etag: Some(etag(&stat)),
        mode: Some(stat.mode),
        modified: Some(stat.modified()),
        body: spring(move |to| async move {
            let words = shown.clone();
            let failed = move |error: &io::Error| super::failed(&words, error);
            if offset == 0 {
                return blocking(move || run(file, &stat, &shown, 0, RunningHash::whole(), &to)).await?;
            }
            let (hash, head) = RunningHash::after_head(&file, offset).map_err(|error| failed(&error))?;
            let (sent, hashed) = tokio::join!(blocking(move || run(file, &stat, &shown, offset, hash, &to)), blocking(|| head.run()),);
            hashed.and(sent?)
        }),
    }
}

fn run(mut file: File, before: &Stat, shown: &str, offset: u64, mut hash: RunningHash, to: &Outflow) -> Result<()> {
    let failed = |error: io::Error| super::failed(shown, &error);
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut position = offset;
    while position < before.size {
        let wanted = (before.size - position).min(CHUNK as u64);
        let mut chunk = Vec::with_capacity(wanted as usize);
        (&mut file).take(wanted).read_to_end(&mut chunk).map_err(failed)?;
        if (chunk.len() as u64) < wanted {
            return Err(changed(shown));
        }
        position += wanted;
        hash.took(&file, &chunk, position).map_err(failed)?;
        if to.send(Piece::Data(Bytes::from(chunk))).is_err() {
            return Ok(());
        }
    }
    let checksum = hash.finish(&file, position).map_err(failed)?;
    if !files::stat(&file).map_err(failed)?.same_content(before) {
        return Err(changed(shown));
    }
    // Nobody left to tell is no failure.
    let _ = to.send(Piece::Checksum(checksum));
    Ok(())
}

pub(super) fn changed(shown: &str) -> Error {
    Error::new(Code::TransferFailed, format!("{shown} was changed while it was read")).hint("Try again when nothing writes to it.")
}
