//! Wrong usage, told as every other failure is: one line that says what is wrong, one that says what to do about it.

use crate::base::{Error, text};

/// The parser's complaint in our words.
pub fn failure(complaint: &clap::Error) -> Error {
    let rendered = complaint.render().to_string();
    let lines: Vec<&str> = rendered.lines().collect();
    let first = lines.first().map(|line| line.trim_start_matches("error: ")).unwrap_or_default();
    // What is missing, or possible, is listed in lines of its own, up to an empty one.
    let listed: Vec<&str> = lines.iter().skip(1).take_while(|line| !line.is_empty()).map(|line| line.trim()).collect();
    let message = if listed.is_empty() { first.to_owned() } else { format!("{first} {}", listed.join(" ")) };
    let after = |mark: &str| lines.iter().find_map(|line| line.trim().strip_prefix(mark));
    let hint = match (after("tip: "), after("Usage: ")) {
        (Some(tip), _) => text::sentence(tip),
        (None, Some(usage)) => format!("Usage: {usage}"),
        (None, None) => "See: loopsy --help".to_owned(),
    };
    Error::invalid(message).hint(hint)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::app::App;

    fn told(line: &str) -> (String, String) {
        let error = failure(&App::try_parse_from(std::iter::once("loopsy").chain(line.split(' '))).unwrap_err());
        (error.message, error.hint.unwrap())
    }

    #[test]
    fn wrong_usage_is_a_line_and_a_hint() {
        let cases = [
            ("nosuch", "unrecognized subcommand 'nosuch'", "Usage: loopsy [OPTIONS] <COMMAND>"),
            ("statsu", "unrecognized subcommand 'statsu'", "Some similar subcommands exist: 'start', 'status'"),
            ("context set a", "the following required arguments were not provided: <VALUE>", "Usage: loopsy context set <KEY> <VALUE>"),
            ("status --jsn", "unexpected argument '--jsn' found", "A similar argument exists: '--json'"),
            ("peers add x 99999", "invalid value '99999' for '[PORT]': 99999 is not in 0..=65535", "See: loopsy --help"),
        ];
        for (line, message, hint) in cases {
            assert_eq!(told(line), (message.to_owned(), hint.to_owned()), "{line}");
        }
        let (message, hint) = told("completions fishy");
        assert!(message.contains("possible values: bash") && hint.contains("'fish'"), "{message}; {hint}");
    }
}
