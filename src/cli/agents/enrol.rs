//! Registering and forgetting: through the agent's own program, which alone knows what else is in its files.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::state::{State, text_of};
use super::{Agent, NAME, Server, jsonc, server};
use crate::base::error::io_words;
use crate::base::text::printable;
use crate::base::{Code, Error, Result};
use crate::platform::process::{Ended, run_within};
use crate::platform::{files, host};

/// How long an agent's program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Characters of its last line that are repeated.
const SAID: usize = 300;

/// Registers a server with an agent, for all folders, in the place of an earlier registration; answers the command.
///
/// # Errors
/// [`Code::AiTaskAgentNotFound`] where the agent is not installed, [`Code::Config`] where its file can't be read,
/// [`Code::Internal`] where its program fails; each with the command to run by hand.
pub fn add(agent: &'static Agent, wanted: &Server) -> Result<Vec<String>> {
    let command = wanted.command()?;
    let state = State::look(agent);
    let words = [owned(agent.add), command.clone()].concat();
    let fail = |error: Error| error.hint(format!("To do it by hand: {}", by_hand(agent, &words)));
    let program = installed(&state).map_err(fail)?;
    let is_there = state.entry.map_err(|why| fail(unreadable(agent, &why)))?.is_some();
    if let Some(words) = agent.remove.filter(|_| is_there && !agent.replaces) {
        call(agent, &program, &owned(words)).map_err(fail)?;
    }
    call(agent, &program, &words).map_err(fail)?;
    Ok(command)
}

/// Takes the registration away; answers whether there was one.
///
/// # Errors
/// As [`add`] does.
pub fn remove(agent: &'static Agent) -> Result<bool> {
    let state = State::look(agent);
    match &state.entry {
        Ok(None) => return Ok(false),
        Ok(Some(_)) => {}
        Err(why) => return Err(unreadable(agent, why)),
    }
    let Some(words) = agent.remove else {
        agent.files().iter().try_for_each(|file| cut(agent, file))?;
        return Ok(true);
    };
    let fail = |error: Error| error.hint(format!("To do it by hand: {}", by_hand(agent, &owned(words))));
    call(agent, &installed(&state).map_err(fail)?, &owned(words)).map_err(fail)?;
    Ok(true)
}

fn by_hand(agent: &Agent, words: &[String]) -> String {
    server::line(&[&[agent.known.program.to_owned()], words].concat())
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn installed(state: &State) -> Result<std::path::PathBuf> {
    let agent = state.agent;
    let missing = || {
        Error::new(
            Code::AiTaskAgentNotFound,
            format!("{} is not installed: there is no {} on the PATH", agent.known.title, agent.known.program),
        )
    };
    state.program.clone().ok_or_else(missing)
}

fn unreadable(agent: &Agent, why: &str) -> Error {
    Error::new(Code::Config, format!("the configuration of {} can't be read, so it is left as it is: {why}", agent.known.title))
}

/// Takes the registration out of a file, and leaves all else as it is.
fn cut(agent: &Agent, file: &Path) -> Result<()> {
    let Some(mut text) = text_of(file).map_err(|why| unreadable(agent, &format!("{}: {why}", file.display())))? else { return Ok(()) };
    let mut is_changed = false;
    while let Some(rest) = jsonc::without(&text, agent.section, NAME).map_err(|why| unreadable(agent, &why))? {
        (text, is_changed) = (rest, true);
    }
    if !is_changed {
        return Ok(());
    }
    let failed = |error: std::io::Error| Error::new(Code::Config, format!("{} can't be written: {}", file.display(), io_words(&error)));
    let permissions = std::fs::metadata(file).map_err(failed)?.permissions();
    files::write_private(file, text.as_bytes()).map_err(failed)?;
    std::fs::set_permissions(file, permissions).map_err(failed)
}

/// Runs an agent's program.
fn call(agent: &Agent, program: &Path, words: &[String]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(words).current_dir(host::home_dir());
    std::env::vars_os().filter(|(name, _)| is_of_a_session(&name.to_string_lossy())).for_each(|(name, _)| {
        command.env_remove(name);
    });
    // Registering is no reason to look for updates, nor to start a second process that a time limit would miss.
    command.envs([("DISABLE_AUTOUPDATER", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"), ("GEMINI_CLI_NO_RELAUNCH", "true")]);
    let failed = |what: String| Error::new(Code::Internal, format!("{} {what}", agent.known.program));
    match run_within(&mut command, PATIENCE).map_err(|error| failed(format!("can't be started: {}", io_words(&error))))? {
        None => Err(failed(format!("did not end within {} seconds", PATIENCE.as_secs()))),
        Some(ended) if ended.success => Ok(()),
        Some(ended) => Err(failed(format!("failed: {}", last_words(&ended)))),
    }
}

/// Whether a variable belongs to the agent's session in which Loopsy runs, or to Loopsy's own.
fn is_of_a_session(name: &str) -> bool {
    let is_kept = matches!(name, "CLAUDE_CONFIG_DIR" | "CLAUDE_CODE_GIT_BASH_PATH");
    !is_kept && (name == "AI_AGENT" || ["CLAUDE", "OTEL_", "LOOPSY_"].iter().any(|start| name.starts_with(start)))
}

/// The last line that a program said.
pub fn last_words(ended: &Ended) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(printable(&line.chars().take(SAID).collect::<String>()))
    };
    last(&ended.stderr).or_else(|| last(&ended.stdout)).unwrap_or_else(|| "it does not say why".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_session_are_told_from_settings() {
        for gone in ["CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PROJECT_DIR", "AI_AGENT", "OTEL_SERVICE_NAME", "LOOPSY_API_KEY"] {
            assert!(is_of_a_session(gone), "{gone}");
        }
        for kept in ["CLAUDE_CONFIG_DIR", "CLAUDE_CODE_GIT_BASH_PATH", "PATH", "HOME", "CODEX_HOME", "XDG_CONFIG_HOME"] {
            assert!(!is_of_a_session(kept), "{kept}");
        }
    }
    #[test]
    fn the_last_words_are_one_line() {
        let ended = |stdout: &str, stderr: &str| Ended { success: false, stdout: stdout.into(), stderr: stderr.into() };
        assert_eq!(last_words(&ended("x", "Error: no\u{1b}[2J\n\n")), "Error: no\u{fffd}[2J");
        assert_eq!(last_words(&ended("said here\n", " \n")), "said here");
        assert_eq!(last_words(&ended("", "")), "it does not say why");
        assert!(last_words(&ended("", &"x".repeat(5000))).len() == SAID);
    }
}
