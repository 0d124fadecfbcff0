//! From a request to what is started, and from a failure to start to words.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::execute::Command;
use crate::base::{Code, Error, Result};
use crate::home::config::Execution;
use crate::platform::host;
use crate::platform::process::{Launch, SpawnError};
use crate::service::commands;

/// What to start for a command, once it is known to make sense and to be allowed.
///
/// # Errors
/// `INVALID_REQUEST` naming the field; `EXEC_COMMAND_DENIED`.
pub(super) fn launch(command: &Command, rules: &Execution, open_stdin: bool) -> Result<Launch> {
    validate(command)?;
    let shell = command.shell.unwrap_or(false);
    let words = command.args.as_deref().unwrap_or_default();
    let (program, mut args) = if shell {
        commands::check_line(rules, &command.command)?;
        (host::shell().into_os_string(), vec!["-c".into(), OsString::from(&command.command)])
    } else {
        commands::check(rules, &command.command, words)?;
        (OsString::from(&command.command), Vec::new())
    };
    if shell && !words.is_empty() {
        // The word after the line is the shell's own name; only what follows are the line's $1, $2.
        args.push(program.clone());
    }
    args.extend(words.iter().map(OsString::from));
    let env = command.env.iter().flatten().map(|(name, value)| (name.into(), value.into())).collect();
    Ok(Launch { program, args, cwd: folder(command.cwd.as_deref(), &host::home_dir()), env, unset: Vec::new(), open_stdin })
}

fn validate(command: &Command) -> Result<()> {
    if command.command.trim().is_empty() {
        return Err(Error::invalid("command is empty"));
    }
    let texts = [("command", &command.command)].into_iter();
    let texts = texts.chain(command.args.iter().flatten().map(|arg| ("args", arg)));
    let texts = texts.chain(command.cwd.iter().map(|cwd| ("cwd", cwd)));
    let mut texts = texts.chain(command.env.iter().flatten().flat_map(|(name, value)| [("env", name), ("env", value)]));
    if let Some((field, _)) = texts.find(|(_, text)| text.contains('\0')) {
        return Err(Error::invalid(format!("{field} contains a NUL byte, which no program can be given")));
    }
    match command.env.iter().flatten().find(|(name, _)| name.is_empty() || name.contains('=')) {
        Some((name, _)) => Err(Error::invalid(format!("env: {name:?} is not the name of a variable"))),
        None => Ok(()),
    }
}

/// The folder that is meant: relative ones, and `~`, start at the home folder.
pub(in crate::service) fn folder(cwd: Option<&str>, home: &Path) -> PathBuf {
    match cwd.unwrap_or_default() {
        "" | "~" => home.into(),
        cwd => home.join(cwd.strip_prefix("~/").unwrap_or(cwd)),
    }
}

/// How long a command may run; nothing is without limit.
pub(super) fn time_limit(command: &Command, rules: &Execution) -> Option<Duration> {
    Some(command.timeout.unwrap_or(rules.default_timeout)).filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// Tells why nothing was started.
pub(in crate::service) fn failure(error: SpawnError, command: &Command, launch: &Launch) -> Error {
    let failed = |message: String| Error::new(Code::ExecFailed, message);
    let (program, cwd) = (launch.program.to_string_lossy(), launch.cwd.display());
    match error {
        SpawnError::NoProgram => missing(&program, launch, command),
        SpawnError::NotExecutable => failed(format!("{program} is not a program that may be run here"))
            .hint("It may lack the permission to be executed, be no program at all, or name an interpreter that is not installed."),
        SpawnError::NoFolder => failed(format!("the folder {cwd} (cwd) does not exist")).hint("Make it there, or name another."),
        SpawnError::NotAFolder => failed(format!("{cwd} (cwd) is not a folder that can be entered")).hint("Name another."),
        SpawnError::Nul(field) => Error::invalid(format!("{field} contains a NUL byte, which no program can be given")),
        SpawnError::TooLarge => {
            Error::invalid("args and env together are larger than the system takes").hint("Send the data through stdin or a file.")
        }
        SpawnError::GuardGone => {
            Error::internal("the process that starts commands is gone", "its socket is closed").hint("Restart the daemon: loopsy restart")
        }
        SpawnError::System(errno) => {
            let cause = std::io::Error::from_raw_os_error(errno);
            failed(format!("{program} could not be started: {}", crate::base::error::io_words(&cause)))
        }
    }
}

fn missing(program: &str, launch: &Launch, command: &Command) -> Error {
    let message = if program.contains('/') {
        format!("there is no program {program}")
    } else {
        let own = launch.env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let path = own.unwrap_or_else(host::search_path);
        format!("there is no program {program:?} in PATH, which is {}", path.to_string_lossy())
    };
    let error = Error::new(Code::ExecFailed, message);
    let looks_like_a_line = program.contains(|c: char| c.is_whitespace() || "|&;<>()$`*?~#".contains(c));
    if looks_like_a_line && !command.shell.unwrap_or(false) {
        return error
            .hint("If this is a line for a shell, say so: loopsy exec --shell, or \"shell\": true; else give the arguments apart.");
    }
    error.hint("Install it there, or give its full path.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(command: Command) -> Error {
        launch(&command, &Execution::default(), false).unwrap_err()
    }

    /// known fault 14
    #[test]
    fn what_no_program_can_be_given_is_refused_by_field() {
        let command = |command: &str| Command { command: command.into(), ..Command::default() };
        assert_eq!(denied(command(" ")).message, "command is empty");
        let nul = [
            ("command", command("a\0b")),
            ("args", Command { args: Some(vec!["a".into(), "\0".into()]), ..command("x") }),
            ("cwd", Command { cwd: Some("/\0".into()), ..command("x") }),
            ("env", Command { env: Some([("A".to_string(), "\0".to_string())].into()), ..command("x") }),
        ];
        for (field, command) in nul {
            let error = denied(command);
            assert_eq!(error.code, Code::InvalidRequest);
            assert!(error.message.starts_with(field), "{error}");
        }
        for name in ["", "A=B"] {
            assert_eq!(denied(Command { env: Some([(name.into(), String::new())].into()), ..command("x") }).code, Code::InvalidRequest);
        }
    }
    #[test]
    fn folders_start_at_home() {
        let folder = |cwd| folder(cwd, Path::new("/home/ann"));
        assert_eq!(folder(None), Path::new("/home/ann"));
        assert_eq!(folder(Some("~")), Path::new("/home/ann"));
        assert_eq!(folder(Some("~/src")), Path::new("/home/ann/src"));
        assert_eq!(folder(Some("src")), Path::new("/home/ann/src"));
        assert_eq!(folder(Some("/tmp")), Path::new("/tmp"));
        assert_eq!(folder(Some("~bob")), Path::new("/home/ann/~bob"));
    }
    #[test]
    fn the_request_s_time_limit_wins_and_zero_is_none() {
        let rules = Execution { default_timeout: 7, ..Execution::default() };
        let limit = |timeout| time_limit(&Command { timeout, ..Command::default() }, &rules);
        assert_eq!(limit(None), Some(Duration::from_millis(7)));
        assert_eq!(limit(Some(9)), Some(Duration::from_millis(9)));
        assert_eq!(limit(Some(0)), None);
    }
    #[test]
    fn a_shell_line_gets_its_arguments_as_parameters() {
        let rules = Execution::default();
        let command = Command { command: "echo $1".into(), args: Some(vec!["a b".into()]), shell: Some(true), ..Command::default() };
        let launch = launch(&command, &rules, false).unwrap();
        assert_eq!(launch.args, ["-c".into(), "echo $1".into(), launch.program.clone(), "a b".into()]);
    }
}
