//! The data directory and what the configuration says.

use std::path::{Path, PathBuf};

use super::{Finding, Scene};
use crate::base::error::io_words;
use crate::base::{Code, Error, Result};
use crate::platform::{files, modes};

/// Is there, is a folder, and can be written.
pub fn home(scene: &Scene) -> Vec<Finding> {
    let root = scene.home.root();
    let shown = root.display();
    if !root.exists() {
        let made = root.to_owned();
        return vec![Finding::fail(format!("{shown} is missing"), "loopsy init").repair(move || make(&made))];
    }
    if root.is_dir() && !scene.home.is_ours() {
        let fix = "Say where Loopsy's is, --data-dir DIR or LOOPSY_DATA_DIR, or make one: loopsy init";
        return vec![Finding::fail(format!("{shown} holds other things than Loopsy's"), fix)];
    }
    let finding = match modes::check_writable(root) {
        _ if !root.is_dir() => Finding::fail(format!("{shown} is not a directory"), "Move that file away, then: loopsy init"),
        Ok(()) => Finding::ok(shown.to_string()),
        Err(error) => Finding::fail(
            format!("{shown} can't be written: {}", io_words(&error)),
            "Make it writable for the user that runs Loopsy, or choose another with --data-dir",
        ),
    };
    vec![finding]
}

/// Makes a folder for the owner alone.
pub fn make(folder: &Path) -> Result<String> {
    files::create_private_dir(folder).map_err(|error| Error::new(Code::Config, io_words(&error)))?;
    Ok(format!("made {}", folder.display()))
}

/// Is there, parses, and has no keys that mean nothing.
pub fn file(scene: &Scene) -> Vec<Finding> {
    match &scene.loaded {
        Err(error) if error.hint.as_deref().is_some_and(|hint| hint.contains("config check")) => {
            vec![Finding::fail(error.message.clone(), format!("Correct it in {}", scene.home.config().display()))]
        }
        Err(error) if scene.home.config().exists() => {
            vec![Finding::fail(
                error.message.clone(),
                format!("Make it readable for the user that runs Loopsy: {}", scene.home.config().display()),
            )]
        }
        Err(error) => vec![Finding::error(error, "loopsy init")],
        Ok(loaded) if loaded.warnings.is_empty() => vec![Finding::ok(scene.home.config().display().to_string())],
        Ok(loaded) => {
            let fix = format!("Correct it in {}", scene.home.config().display());
            loaded.warnings.iter().map(|warning| Finding::warn(warning.clone(), fix.clone())).collect()
        }
    }
}

/// Nothing of the data directory can be read by others.
pub fn modes(scene: &Scene) -> Vec<Finding> {
    let home = &scene.home;
    if !home.root().is_dir() || !home.is_ours() {
        return Vec::new();
    }
    let folders = [home.root().to_owned(), home.logs(), home.root().join("tls")];
    let inside = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flat_map(|entries| entries.flatten());
    let inside: Vec<PathBuf> =
        inside.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink())).map(|entry| entry.path()).collect();
    let mut open: Vec<PathBuf> = folders.into_iter().chain(inside).filter(|path| modes::is_open_to_others(path)).collect();
    open.sort();
    open.dedup();
    if open.is_empty() {
        return vec![Finding::ok("for their owner alone")];
    }
    open.into_iter().map(|path| open_to_others(scene, path)).collect()
}

fn open_to_others(scene: &Scene, path: PathBuf) -> Finding {
    let mode = if path.is_dir() { "700" } else { "600" };
    let message = format!("{} can be read or changed by other users", path.display());
    let fix = format!("chmod {mode} {}, or: loopsy doctor --fix", path.display());
    let holds_keys = path == scene.home.config() || path.extension().is_some_and(|ending| ending == "pem");
    let finding = if holds_keys { Finding::fail(message, fix) } else { Finding::warn(message, fix) };
    finding.repair(move || {
        modes::tighten(&path).map_err(|error| Error::new(Code::Config, io_words(&error)))?;
        Ok(format!("took the access of others away from {}", path.display()))
    })
}

/// There is a key for this machine's own programs.
pub fn owner_key(scene: &Scene) -> Vec<Finding> {
    match scene.config().map(|config| &config.auth.api_key) {
        Some(Some(_)) => vec![Finding::ok("auth.apiKey is set")],
        Some(None) => vec![Finding::fail("the configuration has no auth.apiKey", "loopsy key generate")],
        None => Vec::new(),
    }
}
