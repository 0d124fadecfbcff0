//! Files and folders, in and out.

mod form;
pub(super) mod onward;

use super::Daemon;
use crate::api::transfer::{
    Files, Manifest, Received, RunningTransfers, TransferList, TransferManifest, TransferPull, TransferPush, TransferPut, TransferPutState,
    TransferRunning, TransferWatch, TreePull, TreePut, TreeReceived, UploadState,
};
use crate::api::{Caller, Download, Events};
use crate::base::{Error, Result};
use crate::http::Serve;
use crate::http::routes::ServeRaw;
use crate::http::upload::Upload;
use crate::service::transfer::{Part, Put};

impl ServeRaw<TransferPush> for Daemon {
    async fn serve_raw(&self, caller: &Caller, _: TransferPush, upload: Upload) -> Result<Received> {
        form::receive(&self.transfer, self.home.root(), caller, upload).await
    }
}

impl ServeRaw<TransferPut> for Daemon {
    async fn serve_raw(&self, caller: &Caller, op: TransferPut, upload: Upload) -> Result<Received> {
        let (offset, size) = match op.range.as_deref().map(content_range).transpose()? {
            Some((_, whole)) if op.size.is_some_and(|size| size != whole) => {
                return Err(Error::invalid(format!("size says {}, Content-Range {whole}", op.size.unwrap_or_default())));
            }
            Some((offset, whole)) => (offset, Some(whole)),
            None => (0, op.size),
        };
        let mode = op.mode.as_deref().map(octal).transpose()?;
        let put = Put { path: op.path, name: op.name, size, checksum: op.checksum, mode, modified: op.mtime, offset };
        self.transfer.receive(caller, put, upload.into_pieces()).await
    }
}

impl Serve<TransferPutState> for Daemon {
    async fn serve(&self, caller: &Caller, op: TransferPutState) -> Result<UploadState> {
        self.transfer.upload_state(caller, &op.path, op.name.as_deref(), op.size, op.mtime).await
    }
}

impl Serve<TransferPull> for Daemon {
    async fn serve(&self, caller: &Caller, op: TransferPull) -> Result<Download> {
        // A range of a kind that is not known here is passed over, as HTTP says: the whole is sent.
        let offset = op.range.as_deref().and_then(open_range).unwrap_or(0);
        self.transfer.send(caller, &op.source_path, Part { offset, etag: op.if_range }).await
    }
}

impl Serve<TransferRunning> for Daemon {
    async fn serve(&self, _: &Caller, _: TransferRunning) -> Result<RunningTransfers> {
        Ok(self.transfer.running().list())
    }
}

impl Serve<TransferWatch> for Daemon {
    async fn serve(&self, _: &Caller, _: TransferWatch) -> Result<Events<RunningTransfers>> {
        Ok(self.transfer.running().watch(self.watched.clone()))
    }
}

impl Serve<TransferList> for Daemon {
    async fn serve(&self, _: &Caller, op: TransferList) -> Result<Files> {
        self.transfer.list(&op.path).await
    }
}

impl Serve<TransferManifest> for Daemon {
    async fn serve(&self, _: &Caller, op: TransferManifest) -> Result<Manifest> {
        self.transfer.manifest(&op.path, op.checksums).await
    }
}

impl Serve<TreePull> for Daemon {
    async fn serve(&self, caller: &Caller, op: TreePull) -> Result<Download> {
        self.transfer.send_tree(caller, &op.path, op.only).await
    }
}

impl ServeRaw<TreePut> for Daemon {
    async fn serve_raw(&self, caller: &Caller, op: TreePut, upload: Upload) -> Result<TreeReceived> {
        self.transfer.receive_tree(caller, &op.path, op.checksum, upload.into_pieces()).await
    }
}

/// Where a part begins and the size of the whole, from `bytes <first>-<last>/<size>`.
fn content_range(text: &str) -> Result<(u64, u64)> {
    let parsed = || {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, size) = (number(first)?, number(last)?, number(size)?);
        (first <= last && last.checked_add(1) == Some(size)).then_some((first, size))
    };
    parsed().ok_or_else(|| {
        Error::invalid(format!("Content-Range {text:?} is not the rest of a file"))
            .hint("Write it as: bytes <first>-<last>/<size>, up to the last byte.")
    })
}

/// Where the part begins, from `bytes=<first>-`.
fn open_range(text: &str) -> Option<u64> {
    number(text.trim().strip_prefix("bytes=")?.strip_suffix('-')?)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn octal(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777 && !text.starts_with('+'))
        .ok_or_else(|| Error::invalid(format!("{text:?} are not permission bits")).hint("Write them in octal, like 644."))
}

#[cfg(test)]
mod tests;
