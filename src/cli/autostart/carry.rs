//! Carrying out a plan: files are written and removed, and the manager of services is called.

use std::path::Path;
use std::time::Duration;

use super::{Service, unreadable};
use crate::base::error::io_words;
use crate::base::text::shell_word;
use crate::base::{Code, Error, Result};
use crate::cli::agents::last_words;
use crate::platform::autostart::{self, Plan, Step, Told};
use crate::platform::files;
use crate::platform::process::{Ended, run_within};

/// How long a manager has for one command.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what a plan says, up to the first step that fails.
///
/// # Errors
/// Each with what to do about it, where that is known.
pub fn carry_out(plan: Plan) -> Result<()> {
    plan.into_iter().try_for_each(|step| match step {
        Step::Write(file) => files::write_private(&file.path, &file.bytes()).map_err(|error| unwritable(&file.path, "written", &error)),
        Step::Remove(path) => match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritable(&path, "removed", &error)),
            _ => Ok(()),
        },
        Step::Run(words) => match call(&words)? {
            ended if ended.success => Ok(()),
            ended => Err(failed(&words, &last_words(&ended))),
        },
        // Whether there was anything to do shows in what is there afterwards.
        Step::Try(words) => {
            if let Err(error) = call(&words) {
                tracing::debug!(%error, "a step that may fail did");
            }
            Ok(())
        }
    })
}

/// Writes a service's file and tells the manager; where that fails, what was there before is there again.
///
/// # Errors
/// As [`carry_out`].
pub fn register(service: &Service) -> Result<()> {
    let file = service.manager.file(&service.subject.name);
    let before = match std::fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        read => Some(read.map_err(|error| unreadable(&file, &error))?),
    };
    carry_out(service.manager.register(&service.subject)?).inspect_err(|_| undo(service, &file, before.as_deref()))
}

/// Puts back what was there. Its own failure would hide the one that is told.
fn undo(service: &Service, file: &Path, before: Option<&[u8]>) {
    let undone = match before {
        Some(bytes) => files::write_private(file, bytes).map_err(|error| unwritable(file, "written", &error)),
        None => carry_out(service.manager.unregister(&service.subject.name)),
    };
    if let Err(error) = undone {
        tracing::warn!(%error, "a service that could not be set up was not undone");
    }
}

/// Asks the manager how a service is.
pub fn ask(service: &Service) -> Result<Told> {
    let words = service.manager.query(&service.subject.name);
    let ended = call(&words)?;
    if !ended.success && is_deaf(&last_words(&ended)) {
        return Err(failed(&words, &last_words(&ended)));
    }
    Ok(service.manager.heard(ended.success, &String::from_utf8_lossy(&ended.stdout)))
}

fn call(words: &[String]) -> Result<Ended> {
    let mut command = autostart::command(words).ok_or_else(|| Error::internal("there is nothing to call", ""))?;
    let program = words.first().map(String::as_str).unwrap_or_default();
    let ended = run_within(&mut command, PATIENCE).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(Code::Internal, format!("there is no {program} on this machine's PATH"))
            .hint("Without it nothing starts at login by itself; have your system's own means run: loopsy daemon"),
        _ => Error::new(Code::Internal, format!("{program} can't be started: {}", io_words(&error))),
    })?;
    ended.ok_or_else(|| Error::new(Code::Internal, format!("{program} did not end within {} seconds", PATIENCE.as_secs())))
}

/// Whether a manager's last words say that there is nobody to talk to.
fn is_deaf(said: &str) -> bool {
    ["connect to bus", "not been booted with systemd"].iter().any(|words| said.contains(words))
}

fn failed(words: &[String], said: &str) -> Error {
    let program = words.first().map(String::as_str).unwrap_or_default();
    if is_deaf(said) {
        return Error::new(Code::Internal, format!("this user's service manager does not answer: {said}"))
            .hint("Run it in a session that was logged in to (not by su or sudo); on a server: loginctl enable-linger");
    }
    let line: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Error::new(Code::Internal, format!("{program} failed: {said}")).hint(format!("To see more: {}", line.join(" ")))
}

fn unwritable(path: &Path, verb: &str, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("{} can't be {verb}: {}", path.display(), io_words(error)))
        .hint("The service manager reads that folder; make it writable for this user.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_is_not_there_is_told_from_one_that_refuses() {
        let words = ["systemctl".to_owned(), "a b".to_owned()];
        for deaf in ["Failed to connect to bus: No medium found", "System has not been booted with systemd as init system (PID 1)."] {
            let error = failed(&words, deaf);
            assert!(error.message.contains("does not answer") && error.hint.unwrap().contains("enable-linger"));
        }
        let error = failed(&words, "Access denied");
        assert_eq!(
            (error.message.as_str(), error.hint.as_deref()),
            ("systemctl failed: Access denied", Some("To see more: systemctl 'a b'"))
        );
    }
    #[test]
    fn what_is_missing_is_named_and_the_rest_of_a_plan_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        files::write_private(&kept, b"").unwrap();
        let plan = vec![
            Step::Remove(dir.path().join("none")),
            Step::Try(vec!["no-such-manager".into()]),
            Step::Run(vec!["no-such-manager".into()]),
            Step::Remove(kept.clone()),
        ];
        let error = carry_out(plan).unwrap_err();
        assert!(error.message.contains("no no-such-manager on") && error.hint.is_some(), "{error:?}");
        assert!(kept.exists());
    }
}
