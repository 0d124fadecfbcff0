//! Text that a command reads from a file or from standard input.

use std::io::Read;

use crate::base::error::io_words;
use crate::base::{Error, Result};

/// All of a source, but no more than `most` bytes, as text. `name` is what people call the source.
pub fn text(source: impl Read, name: &str, most: u64) -> Result<String> {
    let mut bytes = Vec::new();
    source.take(most).read_to_end(&mut bytes).map_err(|error| Error::invalid(format!("{name} can't be read: {}", io_words(&error))))?;
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("{name} is not UTF-8 text")))
}
