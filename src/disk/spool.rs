//! Content that arrives before it is known where it goes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::arrive::too_large;
use super::flow::pour;
use super::leave;
use crate::api::Pieces;
use crate::base::{Error, Result, id};
use crate::platform::files::{self, Dir, part_name};

/// Takes content into a file of a private folder that nobody else can open and that is gone with this process, and gives
/// it out again. `limit` is the most bytes.
pub async fn spool(folder: &Path, limit: u64, body: Pieces) -> Result<Pieces> {
    let folder = folder.to_owned();
    let filled = move |mut inflow: super::Inflow| {
        let failed = |error| super::failed("the file", &error);
        let mut file = hidden(&folder).map_err(|cause| Error::internal("a file could not be put aside", cause))?;
        let mut size = 0;
        while let Some(chunk) = inflow.next_chunk().map_err(failed)? {
            size += chunk.len() as u64;
            if size > limit {
                return Err(too_large("the file", limit));
            }
            file.write_all(&chunk).map_err(failed)?;
        }
        let stat = files::stat(&file).map_err(failed)?;
        Ok(leave::send(file, stat, "the file".into(), 0).body)
    };
    pour(body, &CancellationToken::new(), filled).await
}

/// A new file without a name.
fn hidden(folder: &Path) -> std::io::Result<File> {
    let real = files::resolve(folder)?.path;
    let dir = Dir::open(&real, false)?;
    let name = part_name(&id::request());
    let file = dir.create(OsStr::new(&name), 0o600)?;
    dir.remove(OsStr::new(&name))?;
    Ok(file)
}
