//! Which commands may run: `execution.denylist` and `execution.allowlist`.
//!
//! A guard rail against accidents, no sandbox: it looks through shells, `sudo`, `xargs` and their like, but who may run
//! programs at all can always reach others in ways that no reading of a command line shows.

mod shell;
mod wrappers;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use crate::base::{Code, Error, Result};
use crate::home::config::Execution;
use crate::platform::host::{self, Language};

use shell::Word;
use wrappers::Inner;

/// How many programs may run each other in one command.
const DEEPEST: usize = 16;

/// Parts of a shell's language that can do no harm, for lines under an allow list.
const BUILTINS: &[&str] = &[
    ":", "[", "break", "cd", "continue", "declare", "echo", "exit", "export", "false", "local", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "test", "true", "type", "typeset", "umask", "unset", "wait",
];

/// How names of programs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As they are.
    Exact,
    /// Without case and without the ending of a program; back slashes separate folders.
    Windows,
}

impl Names {
    /// The name by which a program is listed.
    fn base(self, program: &str) -> String {
        let last = |separators: &[char]| program.rsplit(separators).next().unwrap_or(program).to_owned();
        if self == Names::Exact {
            return last(&['/']);
        }
        let name = last(&['/', '\\', ':']).to_lowercase();
        let ending = [".exe", ".com", ".bat", ".cmd"].into_iter().find_map(|ending| name.strip_suffix(ending).map(str::to_owned));
        ending.unwrap_or(name)
    }
}

/// Whether a program may run with these arguments.
///
/// # Errors
/// `EXEC_COMMAND_DENIED`, naming the program and the rule.
pub fn check(rules: &Execution, program: &str, args: &[String]) -> Result<()> {
    Checker::here(rules).command(program, args)
}

/// Whether a line may run in the user's shell. The shell itself needs no permission.
///
/// # Errors
/// As [`check`].
pub fn check_line(rules: &Execution, line: &str, language: Language) -> Result<()> {
    match language {
        Language::Posix => Checker::here(rules).line(line, 0),
        Language::Cmd => Checker::here(rules).windows_line(line, 1),
    }
}

struct Checker {
    names: Names,
    denied: HashSet<String>,
    /// Empty: everything that is not denied.
    allowed: HashSet<String>,
}

impl Checker {
    fn here(rules: &Execution) -> Self {
        Self::new(rules, if host::PLATFORM == "win32" { Names::Windows } else { Names::Exact })
    }
    fn new(rules: &Execution, names: Names) -> Self {
        let listed = |list: &[String]| list.iter().map(|entry| names.base(entry)).collect();
        Self { names, denied: listed(&rules.denylist), allowed: listed(&rules.allowlist) }
    }

    fn command(&self, program: &str, args: &[String]) -> Result<()> {
        let words: Vec<Word> = std::iter::once(program).chain(args.iter().map(String::as_str)).map(Word::literal).collect();
        self.program(&words, &[], 0)
    }

    /// `input` is what the program reads as its standard input, where the line says so.
    fn program(&self, mut words: &[Word], input: &[String], depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(denied("the command runs programs through so many others that it can't be checked"));
        }
        while let Some(word) = words.first().filter(|word| word.may_vanish()) {
            self.judge_unknown(word)?;
            // If nothing is left of it, the next word is the program.
            words = &words[1..];
        }
        let Some((program, args)) = words.split_first() else { return Ok(()) };
        let mut base = String::new();
        for alternative in program.text.split(['{', ',', '}']).filter(|text| !text.is_empty()) {
            base = self.names.base(alternative);
            self.judge(&base, depth)?;
        }
        for inner in wrappers::inner(&base, args) {
            match inner {
                Inner::Program(words) => self.program(words, input, depth + 1)?,
                Inner::Line(line) => self.line(&line, depth + 1)?,
                Inner::Input => input.iter().try_for_each(|line| self.line(line, depth + 1))?,
                Inner::Windows(line) => self.windows_line(&line, depth + 1)?,
            }
        }
        Ok(())
    }

    fn line(&self, line: &str, depth: usize) -> Result<()> {
        let Ok(commands) = shell::read(line) else { return self.obscure_line(line) };
        commands.iter().try_for_each(|command| self.program(&command.words, &command.input, depth + 1))
    }

    /// A line for `cmd` or PowerShell, by a coarser grammar: commands between separators.
    fn windows_line(&self, line: &str, depth: usize) -> Result<()> {
        let plain = line.replace(['^', '"', '\'', '`', '@'], "");
        for command in plain.split(['&', '|', ';', '(', ')', '{', '}', '\n']) {
            let words: Vec<Word> = command.split_whitespace().map(Word::literal).collect();
            self.program(&words, &[], depth)?;
        }
        Ok(())
    }

    /// A line that is not understood may hold no denied program in any place, and none at all under an allow list.
    fn obscure_line(&self, line: &str) -> Result<()> {
        if !self.allowed.is_empty() {
            return Err(denied("the shell line is not understood, so it can't be compared with execution.allowlist"));
        }
        let separates = |c: char| c.is_whitespace() || ";&|()<>{}`$=,".contains(c);
        for word in line.split(separates).filter(|word| !word.is_empty()) {
            self.judge_denied(&self.names.base(&word.replace(['\\', '\'', '"'], "")))?;
        }
        Ok(())
    }

    fn judge(&self, base: &str, depth: usize) -> Result<()> {
        self.judge_denied(base)?;
        // The name of a function that the line defines is none of these: whether the line has defined it by then, nobody knows.
        let harmless = depth > 0 && BUILTINS.contains(&base);
        if self.allowed.is_empty() || self.allowed.contains(base) || harmless {
            return Ok(());
        }
        Err(denied(format!("{base} may not run here: it is not on execution.allowlist")))
    }

    fn judge_denied(&self, base: &str) -> Result<()> {
        let makes_file_system = base.starts_with("mkfs.") && self.denied.contains("mkfs");
        if self.denied.contains(base) || makes_file_system {
            return Err(denied(format!("{base} may not run here: it is on execution.denylist")));
        }
        Ok(())
    }

    fn judge_unknown(&self, word: &Word) -> Result<()> {
        if self.allowed.is_empty() || word.text.is_empty() {
            return Ok(());
        }
        Err(denied("the line runs a program that is known only when it runs, so it can't be compared with execution.allowlist"))
    }
}

fn denied(message: impl Into<String>) -> Error {
    Error::new(Code::ExecCommandDenied, message)
        .hint("The owner of that machine decides: execution.denylist and execution.allowlist in its config.yaml.")
}
