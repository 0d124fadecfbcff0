//! `loopsy completions` and `loopsy man`: what is made from the grammar.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::base::error::io_words;
use crate::base::{Error, Result};
use crate::cli::Session;
use crate::cli::app::App;

/// Prints the completions of a shell.
pub fn completions(session: &Session, shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut App::command(), "loopsy", &mut script);
    session.console.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a man page for each command into a folder.
pub fn man(session: &Session, folder: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(App::command(), folder))
        .map_err(|error| Error::invalid(format!("{}: {}", folder.display(), io_words(&error))))?;
    session.console.note(format!("Man pages written to {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}
