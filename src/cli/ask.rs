//! Questions to whoever sits at standard input, which may be a pipe.

use std::io::{self, IsTerminal};

use super::console::Console;
use crate::base::error::io_words;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result};

/// Whether somebody can be asked: standard input is a terminal.
pub fn is_attended() -> bool {
    io::stdin().is_terminal()
}

/// Asks, and answers the line that was typed, without spaces around it; empty where Enter was pressed.
///
/// # Errors
/// [`Code::InvalidRequest`] where standard input has ended.
pub async fn line(console: &Console, question: &str) -> Result<String> {
    console.prompt(question);
    let mut text = String::new();
    // A thread of its own: what else the command waits for goes on, and may make the answer needless.
    let read = blocking(move || io::stdin().read_line(&mut text).map(|count| (count, text))).await?;
    let (count, text) = read.map_err(|error| Error::new(Code::Internal, format!("standard input can't be read: {}", io_words(&error))))?;
    if count == 0 {
        return Err(Error::invalid(format!("there is no answer to: {}", question.trim())).hint("Answer at a terminal or through a pipe."));
    }
    Ok(text.trim().to_owned())
}

/// Asks for a yes or a no; Enter means no.
pub async fn yes(console: &Console, question: &str) -> Result<bool> {
    Ok(matches!(line(console, &format!("{question} [y/N] ")).await?.to_lowercase().as_str(), "y" | "yes"))
}
