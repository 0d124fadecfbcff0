//! What several targets have in common.

pub mod agent;
pub mod daemon;
pub mod scene;

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// Runs what targets ask for, on their own thread: a panic in it is theirs.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

/// The bytes up to the first line break, and those behind it.
pub fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// The next line as text, and what is behind it.
pub fn words(bytes: &[u8]) -> (String, &[u8]) {
    let (line, rest) = line(bytes);
    (String::from_utf8_lossy(line).into_owned(), rest)
}
