//! From a request to what is started, and from a failure to start to words.

use std::ffi::OsString;
use std::path::{Path, PathBuf, is_separator};
use std::time::Duration;

use crate::api::execute::Command;
use crate::base::{Code, Error, Result};
use crate::home::config::Execution;
use crate::platform::files;
use crate::platform::host::{self, Language, Shell};
use crate::platform::process::{Launch, SpawnError};
use crate::service::commands;

/// What to start for a command, once it is known to make sense and to be allowed.
///
/// # Errors
/// `INVALID_REQUEST` naming the field; `EXEC_COMMAND_DENIED`.
pub(in crate::service) fn launch(command: &Command, rules: &Execution, open_stdin: bool) -> Result<Launch> {
    validate(command)?;
    let words = command.args.as_deref().unwrap_or_default();
    let (program, mut args) = if command.shell.unwrap_or(false) {
        in_shell(&command.command, words, rules, host::shell())?
    } else {
        commands::check(rules, &command.command, words)?;
        (OsString::from(&command.command), Vec::new())
    };
    args.extend(words.iter().map(OsString::from));
    let env = command.env.iter().flatten().map(|(name, value)| (name.into(), value.into())).collect();
    Ok(Launch { program, args, cwd: folder(command.cwd.as_deref(), &host::home_dir()), env, unset: Vec::new(), open_stdin })
}

/// The shell and its arguments, in front of those of the line.
fn in_shell(line: &str, words: &[String], rules: &Execution, shell: Shell) -> Result<(OsString, Vec<OsString>)> {
    commands::check_line(rules, line, shell.language)?;
    let mut args = shell.args(line);
    if !words.is_empty() {
        if shell.language == Language::Cmd {
            return Err(Error::invalid("cmd.exe, the shell there, gives a line no arguments").hint("Write them into the line."));
        }
        // The word after the line is the shell's own name; only what follows are the line's $1, $2.
        args.push(shell.program.clone().into());
    }
    Ok((shell.program.into(), args))
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
    let cwd = cwd.unwrap_or_default();
    match cwd.strip_prefix('~') {
        Some("") => home.into(),
        Some(below) if below.starts_with(is_separator) => home.join(below.trim_start_matches(is_separator)),
        _ if cwd.is_empty() => home.into(),
        _ => home.join(files::local(cwd)),
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
        SpawnError::Unquotable => {
            Error::invalid(format!("{program} is a batch file, and args hold a line break that can't be passed to one"))
                .hint("Send the text through stdin or a file.")
        }
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
    let message = if program.contains(is_separator) {
        format!("there is no program {program}")
    } else {
        format!("there is no program {program:?} in PATH, which is {}", launch.search_path().to_string_lossy())
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
    fn a_line_for_cmd_is_its_last_argument_and_has_none_of_its_own() {
        let rules = Execution { denylist: vec!["format".into()], ..Execution::default() };
        let cmd = || Shell { program: "C:/cmd.exe".into(), language: Language::Cmd };
        let (program, args) = in_shell("echo a & dir", &[], &rules, cmd()).unwrap();
        assert_eq!((program, args), ("C:/cmd.exe".into(), ["/D", "/S", "/C", "echo a & dir"].map(OsString::from).to_vec()));
        assert_eq!(in_shell("echo %1", &["a".into()], &rules, cmd()).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(in_shell("echo a & for^mat c:", &[], &rules, cmd()).unwrap_err().code, Code::ExecCommandDenied);
    }
    #[test]
    fn a_shell_line_gets_its_arguments_as_parameters() {
        let rules = Execution::default();
        let command = Command { command: "echo $1".into(), args: Some(vec!["a b".into()]), shell: Some(true), ..Command::default() };
        let launch = launch(&command, &rules, false).unwrap();
        assert_eq!(launch.args, ["-c".into(), "echo $1".into(), launch.program.clone(), "a b".into()]);
    }
}
