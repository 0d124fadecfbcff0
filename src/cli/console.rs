//! The only printing: results to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::base::error::io_words;
use crate::base::text::printable;
use crate::base::{Code, Error, Result};

/// How a word stands out on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// All is well.
    Green,
    /// Mind this.
    Yellow,
    /// This failed.
    Red,
    /// Of less interest.
    Faint,
}

/// Where a command prints, and in which form.
#[derive(Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
    out_is_terminal: bool,
    colour: bool,
    err_colour: bool,
    reader_gone: AtomicBool,
}

impl Console {
    /// A console on this process's streams. Colours are used on terminals, unless `NO_COLOR` is set.
    pub fn new(json: bool, quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            json,
            quiet,
            out_is_terminal: out,
            colour: out && wanted && !json,
            err_colour: err && wanted && !json,
            reader_gone: AtomicBool::new(false),
        }
    }
    /// Whether data is wanted as JSON.
    pub fn wants_json(&self) -> bool {
        self.json
    }
    /// Whether nothing but results and errors is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
    /// Whether standard output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.out_is_terminal
    }
    /// Whether standard error is a terminal, where a progress bar can be drawn.
    pub fn errors_are_seen(&self) -> bool {
        io::stderr().is_terminal()
    }
    /// Whether whoever read standard output has gone away (`… | head`), which ends a command quietly.
    pub fn reader_gone(&self) -> bool {
        self.reader_gone.load(Ordering::Relaxed)
    }

    /// Writes bytes to standard output as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                self.reader_gone.store(true, Ordering::Relaxed);
            }
            Error::new(Code::Internal, format!("standard output can't be written: {}", io_words(&error)))
        })
    }
    /// Writes bytes to standard error as they are: a command's own.
    pub fn error_bytes(&self, bytes: &[u8]) -> Result<()> {
        let failed = |error: io::Error| Error::new(Code::Internal, format!("standard error can't be written: {}", io_words(&error)));
        io::stderr().lock().write_all(bytes).map_err(failed)
    }
    /// Prints a line of the result.
    pub fn line(&self, text: impl Display) -> Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }
    /// Prints a value as JSON, to be read by people too.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        self.line(serde_json::to_string_pretty(value).map_err(|error| Error::internal("the result is not JSON", error))?)
    }
    /// Prints one of several values as a line of JSON.
    pub fn json_line(&self, value: &impl Serialize) -> Result<()> {
        self.line(serde_json::to_string(value).map_err(|error| Error::internal("the result is not JSON", error))?)
    }
    /// Prints rows: aligned under headings on a terminal, else bare with tabs between the columns. Control characters
    /// are shown, not obeyed.
    pub fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
        self.bytes(table(headings, rows, self.out_is_terminal).as_bytes())
    }
    /// Says on standard error what is going on, unless told to be quiet. Control characters are shown, not obeyed.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.tell(&(printable_lines(&text.to_string()) + "\n"));
        }
    }
    /// The same for what matters less.
    pub fn faint_note(&self, text: impl Display) {
        if !self.quiet {
            self.tell(&(paint(self.err_colour, Colour::Faint, &printable_lines(&text.to_string())) + "\n"));
        }
    }
    /// Puts a question on standard error, and leaves the cursor behind it.
    pub fn prompt(&self, question: &str) {
        self.tell(&printable(question));
    }
    /// Says that something was done: with `--json` the API's answer, else in words on standard error.
    pub fn done(&self, answer: &impl Serialize, words: impl Display) -> Result<()> {
        if self.json {
            return self.json(answer);
        }
        self.note(words);
        Ok(())
    }
    /// Warns on standard error.
    pub fn warn(&self, text: impl Display) {
        let text = printable(&text.to_string());
        self.tell(&format!("{} {text}\n", paint(self.err_colour, Colour::Yellow, "warning:")));
    }
    /// Says on standard error what failed, and what to do about it on a line of its own; with `--json` as the API's envelope.
    pub fn failure(&self, error: &Error) {
        self.tell(&super::failure::words(error, self.json, |text| paint(self.err_colour, Colour::Red, text)));
    }
    /// A word for standard output that stands out if colours are wanted.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        paint(self.colour, colour, text)
    }
    fn tell(&self, text: &str) {
        // There is nobody to tell that standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// A text with its lines and tabs, and nothing else that a terminal would obey.
fn printable_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn paint(wanted: bool, colour: Colour, text: &str) -> String {
    let number = match colour {
        Colour::Green => "32",
        Colour::Yellow => "33",
        Colour::Red => "31",
        Colour::Faint => "2",
    };
    if wanted { format!("\x1b[{number}m{text}\x1b[0m") } else { text.to_owned() }
}

fn table(headings: &[&str], rows: &[Vec<String>], terminal: bool) -> String {
    let cells = |row: &Vec<String>| row.iter().map(|cell| printable(cell)).collect::<Vec<_>>();
    if !terminal {
        return rows.iter().map(|row| cells(row).join("\t") + "\n").collect();
    }
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(headings.iter().map(|heading| heading.to_uppercase()));
    table.add_rows(rows.iter().map(cells));
    // Columns are two spaces apart, and the first begins at the margin.
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_for_people_and_bare_for_pipes() {
        let rows = vec![vec!["kai".into(), "online".into()], vec!["a-long-name".into(), "x\u{1b}[2Jy\tz".into()]];
        assert_eq!(table(&["name", "status"], &rows, false), "kai\tonline\na-long-name\tx\u{fffd}[2Jy\u{fffd}z\n");
        let aligned = table(&["name", "status"], &rows, true);
        assert_eq!(aligned.lines().next(), Some("NAME         STATUS"));
        assert!(aligned.contains("\nkai          online\n"), "{aligned}");
    }
    #[test]
    fn a_note_keeps_its_lines_and_nothing_else_that_a_terminal_obeys() {
        let hostile = "peer\x1b]52;c;eA==\x07 said\r\n\tthis\u{9b}2J\u{202e}";
        assert_eq!(printable_lines(hostile), "peer\u{fffd}]52;c;eA==\u{fffd} said\u{fffd}\n\tthis\u{fffd}2J\u{fffd}");
    }
    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(paint(false, Colour::Red, "x"), "x");
        assert_eq!(paint(true, Colour::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
