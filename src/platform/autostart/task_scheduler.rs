//! The Task Scheduler of Windows: a task at the user's logon.

use std::path::{Path, PathBuf};

use super::record::sealed;
use super::{Plan, Step, Subject, Told, words, xml};
use crate::base::{Error, Result};

/// A task's name. Tasks of all users are in one list.
fn task(name: &str, user: &str) -> String {
    format!("{name} ({})", user.rsplit('\\').next().unwrap_or_default())
}

/// A task's text.
///
/// It has no search path: a task gets the user's variables as they are at logon, which are those of every new terminal.
/// A daemon that fails is started again every minute, ten times; no other end is a reason to.
pub(super) fn text(subject: &Subject, user: &str) -> Result<String> {
    let Subject { name, program, data_dir, .. } = subject;
    if let Some(path) = [program, data_dir].into_iter().find(|path| path.matches('%').count() > 1) {
        return Err(
            Error::invalid(format!("the Task Scheduler would take a part of {path} for a variable")).hint("Move it to a path without %.")
        );
    }
    let (user, name, program) = (xml(user), xml(name), xml(program));
    let arguments = xml(&format!("daemon --detached --data-dir {}", argument(data_dir)));
    let rest = format!(
        "\
<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">
  <RegistrationInfo>
    <Description>Loopsy daemon ({name})</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id=\"Author\">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>10</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context=\"Author\">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"
    );
    Ok(sealed("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", ("<!-- ", " -->"), subject, false, &rest))
}

/// A word of a command line, as programs on Windows take it apart: a backslash is itself, unless quotes follow.
fn argument(word: &str) -> String {
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in word.chars() {
        if c == '"' {
            quoted += &"\\".repeat(backslashes + 1);
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        quoted.push(c);
    }
    quoted + &"\\".repeat(backslashes) + "\""
}

fn schtasks(verb: &str, name: &str, user: &str, rest: &[&str]) -> Vec<String> {
    words(&[&["schtasks", verb, "/TN", &task(name, user)], rest].concat())
}

pub(super) fn register(name: &str, user: &str, file: &Path) -> Plan {
    vec![Step::Run(schtasks("/Create", name, user, &["/XML", &file.to_string_lossy(), "/F"]))]
}

pub(super) fn start(name: &str, user: &str) -> Plan {
    vec![Step::Run(schtasks("/Run", name, user, &[]))]
}

/// A task that runs is ended as a process that hangs is, so the daemon has to be stopped before.
pub(super) fn unregister(name: &str, user: &str, file: PathBuf) -> Plan {
    vec![Step::Try(schtasks("/Delete", name, user, &["/F"])), Step::Remove(file)]
}

pub(super) fn query(name: &str, user: &str) -> Vec<String> {
    schtasks("/Query", name, user, &["/XML"])
}

/// The process is not told.
pub(super) fn heard(success: bool, printed: &str) -> Told {
    Told { is_enabled: success && !printed.contains("<Enabled>false</Enabled>"), ..Told::default() }
}
