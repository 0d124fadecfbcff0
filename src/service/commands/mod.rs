//! Which commands may run: a guard rail against accidents, no sandbox.

use crate::base::{Code, Error, Result};
use crate::home::config::Execution;

/// Whether a program may run.
///
/// # Errors
/// `EXEC_COMMAND_DENIED`, naming the program and the rule.
pub fn check(rules: &Execution, program: &str, _args: &[String]) -> Result<()> {
    let base = program.rsplit('/').next().unwrap_or(program);
    if rules.denylist.iter().any(|denied| denied == base) {
        return Err(Error::new(Code::ExecCommandDenied, format!("{base} may not run here: it is on execution.denylist")));
    }
    Ok(())
}

/// Whether a line for a shell may run.
///
/// # Errors
/// As [`check`].
pub fn check_line(rules: &Execution, line: &str) -> Result<()> {
    line.split_whitespace().try_for_each(|word| check(rules, word, &[]))
}
