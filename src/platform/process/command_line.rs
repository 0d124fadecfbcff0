//! One line out of a program and its arguments, as programs on Windows are given them, in UTF-16.

use super::SpawnError;

/// Most units of a line that the system takes.
const LONGEST: usize = 32_766;
/// Most units of a line that `cmd.exe` takes.
const LONGEST_FOR_CMD: usize = 8_191;

/// The words of an argument.
type Wide = Vec<u16>;

/// What a program and its arguments are started with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The whole line, without the zero at its end.
    pub(super) line: Wide,
    /// Whether it is a line for `cmd.exe` rather than for the program itself.
    pub(super) through_cmd: bool,
}

/// The line for a program at this path that was called by this name.
///
/// # Errors
/// [`SpawnError::Nul`], [`SpawnError::TooLarge`], [`SpawnError::Unquotable`].
pub(super) fn of(path: &str, name: &[u16], args: &[Wide]) -> Result<CommandLine, SpawnError> {
    for (what, text) in std::iter::once(("program", name)).chain(args.iter().map(|arg| ("args", arg.as_slice()))) {
        if text.contains(&0) {
            return Err(SpawnError::Nul(what));
        }
    }
    let file = path.rsplit(['\\', '/']).next().unwrap_or(path).to_ascii_lowercase();
    let through_cmd = file.ends_with(".bat") || file.ends_with(".cmd");
    let line = match (through_cmd, is_line_for_cmd(args)) {
        (true, _) => batch(path, args)?,
        (false, true) if matches!(file.as_str(), "cmd.exe" | "cmd") => verbatim(name, args),
        (false, _) => plain(name, args),
    };
    if line.len() > if through_cmd { LONGEST_FOR_CMD } else { LONGEST } {
        return Err(SpawnError::TooLarge);
    }
    Ok(CommandLine { line, through_cmd })
}

fn wide(text: &str) -> Wide {
    text.encode_utf16().collect()
}

/// Whether the arguments are `/D /S /C` and one line: with `/S`, `cmd.exe` takes one pair of quotes off the rest, and
/// reads it as it is.
fn is_line_for_cmd(args: &[Wide]) -> bool {
    let [disable, strip, carry, _] = args else { return false };
    let is = |arg: &Wide, wanted: &str| String::from_utf16_lossy(arg).eq_ignore_ascii_case(wanted);
    is(disable, "/d") && is(strip, "/s") && is(carry, "/c")
}

fn verbatim(name: &[u16], args: &[Wide]) -> Wide {
    let mut line = quoted(name);
    line.extend(wide(" /D /S /C \""));
    line.extend(args.last().into_iter().flatten());
    line.push(u16::from(b'"'));
    line
}

/// As the C library takes it apart.
fn plain(name: &[u16], args: &[Wide]) -> Wide {
    // A program's own name can hold no quotes, and back slashes in it are what they are.
    let mut line = quoted(name);
    for arg in args {
        line.push(u16::from(b' '));
        append(&mut line, arg);
    }
    line
}

fn quoted(name: &[u16]) -> Wide {
    let quote = std::iter::once(u16::from(b'"'));
    quote.clone().chain(name.iter().copied().filter(|unit| *unit != u16::from(b'"'))).chain(quote).collect()
}

fn append(line: &mut Wide, arg: &[u16]) {
    let (quote, slash) = (u16::from(b'"'), u16::from(b'\\'));
    let needs_quotes = arg.is_empty() || arg.iter().any(|unit| matches!(*unit, 0x20 | 0x09 | 0x0a | 0x0b | 0x22));
    if !needs_quotes {
        return line.extend(arg);
    }
    line.push(quote);
    let mut slashes = 0;
    for unit in arg {
        if *unit == quote {
            // Those before a quote count double, and one more makes the quote a character.
            line.extend(std::iter::repeat_n(slash, slashes + 1));
        }
        slashes = if *unit == slash { slashes + 1 } else { 0 };
        line.push(*unit);
    }
    line.extend(std::iter::repeat_n(slash, slashes));
    line.push(quote);
}

/// A batch file is run by `cmd.exe`, which reads the line by rules of its own before the file's commands do. What both
/// can't be made to take for itself is refused.
fn batch(path: &str, args: &[Wide]) -> Result<Wide, SpawnError> {
    if path.contains(['"', '%', '\r', '\n']) {
        return Err(SpawnError::Unquotable);
    }
    // Extensions on, so that the per cent sign below works; no `!variables!`; nothing of the registry's own start line.
    let mut line = wide("cmd.exe /e:ON /v:OFF /d /c \"\"");
    line.extend(wide(path));
    line.push(u16::from(b'"'));
    for arg in args {
        line.push(u16::from(b' '));
        append_for_batch(&mut line, arg)?;
    }
    line.push(u16::from(b'"'));
    Ok(line)
}

fn append_for_batch(line: &mut Wide, arg: &[u16]) -> Result<(), SpawnError> {
    const PLAIN: &str = r"#$*+-./:?@\_";
    let is_plain = |unit: &u16| char::from_u32((*unit).into()).is_some_and(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c));
    if arg.iter().any(|unit| matches!(*unit, 0x0a | 0x0d)) {
        return Err(SpawnError::Unquotable);
    }
    let (quote, slash) = (u16::from(b'"'), u16::from(b'\\'));
    let in_quotes = arg.is_empty() || arg.last() == Some(&slash) || !arg.iter().all(is_plain);
    if in_quotes {
        line.push(quote);
    }
    let mut slashes = 0;
    for unit in arg {
        if *unit == quote {
            // Twice rather than behind a back slash, which `cmd.exe` would not see.
            line.extend(std::iter::repeat_n(slash, slashes));
            line.push(quote);
        }
        slashes = if *unit == slash { slashes + 1 } else { 0 };
        if *unit == u16::from(b'%') {
            // Would begin the name of a variable. This is an empty part of one that is always there, and then a `%`.
            line.extend(wide("%%cd:~,"));
        }
        line.push(*unit);
    }
    if in_quotes {
        line.extend(std::iter::repeat_n(slash, slashes));
        line.push(quote);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, args: &[&str]) -> Result<String, SpawnError> {
        let args: Vec<Wide> = args.iter().map(|arg| wide(arg)).collect();
        of(path, &wide(path), &args).map(|line| String::from_utf16(&line.line).unwrap())
    }

    #[test]
    fn a_program_gets_each_argument_as_it_is() {
        assert_eq!(line(r"C:\a b\x.exe", &["a", "", "b c"]).unwrap(), r#""C:\a b\x.exe" a "" "b c""#);
        assert_eq!(line("x.exe", &[r#"say "hi""#, r"C:\", r"C:\a b\", r#"\"#]).unwrap(), r#""x.exe" "say \"hi\"" C:\ "C:\a b\\" \"#);
        assert_eq!(line("x.exe", &[r#"\\""#, "a&b|c%d%"]).unwrap(), r#""x.exe" "\\\\\"" a&b|c%d%"#);
    }
    #[test]
    fn a_line_for_the_shell_goes_to_it_untouched() {
        let shell = r"C:\Windows\System32\cmd.exe";
        let expected = r#""C:\Windows\System32\cmd.exe" /D /S /C "echo "a b" & dir""#;
        assert_eq!(line(shell, &["/D", "/S", "/C", r#"echo "a b" & dir"#]).unwrap(), expected);
        assert_eq!(line(shell, &["/c", "echo", "a b"]).unwrap(), r#""C:\Windows\System32\cmd.exe" /c echo "a b""#);
        assert_eq!(line("x.exe", &["/D", "/S", "/C", "a b"]).unwrap(), r#""x.exe" /D /S /C "a b""#);
    }
    #[test]
    fn a_batch_file_can_t_be_made_to_run_something_else() {
        let batch = |args: &[&str]| line(r"C:\x\run.CMD", args);
        let with = |rest: &str| Ok(format!(r#"cmd.exe /e:ON /v:OFF /d /c ""C:\x\run.CMD"{rest}""#));
        assert_eq!(batch(&[]), with(""));
        assert_eq!(batch(&["a", ""]), with(r#" a """#));
        assert_eq!(batch(&["a&calc"]), with(r#" "a&calc""#));
        assert_eq!(batch(&[r#"a" & calc & ""#]), with(r#" "a"" & calc & """"#));
        assert_eq!(batch(&[r#"\""#, r"a\"]), with(r#" "\\""" "a\\""#));
        assert_eq!(batch(&["%PATH%"]), with(r#" "%%cd:~,%PATH%%cd:~,%""#));
        for refused in ["a\nb", "a\rb"] {
            assert_eq!(batch(&[refused]), Err(SpawnError::Unquotable), "{refused:?}");
        }
        assert_eq!(line(r"C:\100%\x.bat", &[]), Err(SpawnError::Unquotable));
    }
    #[test]
    fn what_no_line_can_hold_is_refused() {
        assert_eq!(line("x.exe", &["a\0b"]), Err(SpawnError::Nul("args")));
        assert_eq!(line("x\0.exe", &[]), Err(SpawnError::Nul("program")));
        let long = "x".repeat(10_000);
        assert!(line("x.exe", &[&long]).is_ok());
        assert_eq!(line("x.bat", &[&long]), Err(SpawnError::TooLarge));
        assert_eq!(line("x.exe", &[&long, &long, &long, &long]), Err(SpawnError::TooLarge));
    }
}
