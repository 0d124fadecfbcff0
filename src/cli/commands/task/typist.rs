//! Whoever sits at the terminal: the lines that are typed, and an editor for longer ones.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;

use futures_util::FutureExt;
use serde_json::Value;

use crate::base::error::io_words;
use crate::base::workers::blocking;
use crate::base::{Code, Error, Result, id};
use crate::cli::input;
use crate::home::Home;
use crate::platform::{files, terminal};

/// Most bytes of an input that was edited.
const LONGEST: u64 = 16 * 1024 * 1024;

type Reading = Pin<Box<dyn Future<Output = Result<io::Result<Option<String>>>>>>;

/// Reads lines one at a time: nothing is read from the terminal that nobody waits for, so that an editor can have it.
#[derive(Default)]
pub struct Typist {
    reading: Option<Reading>,
}

impl Typist {
    /// The next line; nothing where the input has ended. Can be dropped and called again: no line gets lost.
    pub async fn line(&mut self) -> Result<Option<String>> {
        let reading = self.reading.get_or_insert_with(|| Box::pin(blocking(read_line)));
        let line = reading.as_mut().await;
        self.reading = None;
        line?.map_err(|error| Error::new(Code::Internal, format!("standard input can't be read: {}", io_words(&error))))
    }
    /// Forgets what was typed so far: it was an answer to something else.
    pub fn forget(&mut self) {
        terminal::forget_typed();
        if self.reading.as_mut().is_some_and(|reading| reading.as_mut().now_or_never().is_some()) {
            self.reading = None;
        }
    }
}

fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = io::stdin().read_line(&mut line)?;
    Ok((count > 0).then_some(line))
}

/// Has somebody change a value as JSON in the editor of their choice (`VISUAL`, `EDITOR`, else `vi`).
///
/// # Errors
/// `INVALID_REQUEST` where the editor fails, or what it leaves is not JSON.
pub async fn edit(home: &Home, value: &Value) -> Result<Value> {
    let file = Draft(home.root().join(format!("answer-{}.json", id::request())));
    let text = serde_json::to_string_pretty(value).map_err(|cause| Error::internal("the input can't be written", cause))?;
    files::write_private(&file.0, text.as_bytes()).map_err(|error| unusable(&file.0, &error))?;
    let set = |name: &str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut command = Command::new("sh");
    // A shell, since the variable may hold arguments too.
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("loopsy").arg(&file.0);
    let status = blocking(move || command.status()).await?;
    if !status.is_ok_and(|status| status.success()) {
        return Err(Error::invalid(format!("the editor failed: {editor}")).hint("Choose another with EDITOR."));
    }
    let edited = std::fs::File::open(&file.0).map_err(|error| unusable(&file.0, &error))?;
    let text = input::text(edited, "what was edited", LONGEST)?;
    serde_json::from_str(&text).map_err(|cause| Error::invalid(format!("what was edited is not JSON: {cause}")))
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::invalid(format!("{}: {}", path.display(), io_words(error)))
}

/// A file that is gone when this is.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        // An editor may have moved it away.
        let _ = std::fs::remove_file(&self.0);
    }
}
