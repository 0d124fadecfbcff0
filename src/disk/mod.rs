//! Files and folders to and from streams: written whole or not at all, checked by their SHA-256, in flat memory.
//!
//! Used by both ends of a transfer. What may be touched is not decided here: callers hand in folders that are open
//! already, and a rule for what lies below them.

pub mod arrive;
mod flow;
pub mod leave;
pub mod manifest;
mod part;
mod running_hash;
mod spool;
pub mod tree_in;
pub mod tree_out;
mod walk;

pub use flow::{Inflow, Outflow, pour, spring};
pub use spool::spool;
pub use walk::MOST_ENTRIES;

use std::io;

use crate::base::error::io_words;
use crate::base::{Code, Error};

/// A failure of the disk in the terms of a transfer; `what` is the path as the reader knows it.
pub fn failed(what: &str, error: &io::Error) -> Error {
    use io::ErrorKind as K;
    let code = match error.kind() {
        K::NotFound => Code::TransferFileNotFound,
        K::PermissionDenied | K::ReadOnlyFilesystem => Code::TransferPathDenied,
        K::StorageFull | K::QuotaExceeded => Code::TransferDiskFull,
        K::IsADirectory | K::NotADirectory | K::InvalidInput | K::InvalidFilename | K::DirectoryNotEmpty => Code::InvalidRequest,
        K::UnexpectedEof | K::BrokenPipe => Code::TransferFailed,
        _ => {
            tracing::warn!(path = what, %error, "a transfer failed");
            Code::TransferFailed
        }
    };
    Error::new(code, format!("{what}: {}", io_words(error)))
}
