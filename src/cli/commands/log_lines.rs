//! Lines of the audit log: which are wanted, and how they are shown to people.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::base::clock::{self, Millis};
use crate::base::text::printable;
use crate::base::{Error, Result, units};
use crate::cli::app::Logs;
use crate::cli::console::{Colour, Console};

/// Which requests are wanted.
#[derive(Debug, Default, PartialEq)]
pub struct Filter {
    after: Option<Millis>,
    peer: Option<String>,
    status: Option<Statuses>,
}

#[derive(Debug, PartialEq)]
enum Statuses {
    From(u64, u64),
    Failed,
}

impl Filter {
    /// From the command's flags.
    pub fn new(args: &Logs) -> Result<Self> {
        let since = args.since.as_deref().map(units::parse_duration).transpose()?;
        Ok(Self {
            after: since.map(|span| clock::now().saturating_sub(span.as_millis() as Millis)),
            peer: args.peer.clone(),
            status: args.status.as_deref().map(statuses).transpose()?,
        })
    }
    /// Whether a line is wanted. One that is no record, such as a count of lost ones, is, unless something is asked for.
    pub fn wants(&self, line: &str) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Ok(record) = serde_json::from_str::<Value>(line) else { return false };
        let number = |field: &str| record[field].as_u64().unwrap_or(0);
        let text = |field: &str| record[field].as_str().unwrap_or_default();
        let status = number("statusCode");
        self.after.is_none_or(|after| number("timestamp") >= after)
            && self.peer.as_deref().is_none_or(|peer| text("caller") == peer || text("fromIp") == peer)
            && match self.status {
                None => true,
                Some(Statuses::From(low, high)) => (low..=high).contains(&status),
                Some(Statuses::Failed) => status >= 400,
            }
    }
}

fn statuses(text: &str) -> Result<Statuses> {
    let lower = text.to_lowercase();
    if lower == "failed" {
        return Ok(Statuses::Failed);
    }
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match lower.strip_suffix("xx").and_then(number) {
        Some(hundreds @ 1..=5) => Some((hundreds * 100, hundreds * 100 + 99)),
        _ => number(&lower).filter(|status| (100..600).contains(status)).map(|status| (status, status)),
    };
    let (low, high) = range.ok_or_else(|| Error::invalid(format!("{text:?} is not a status")).hint("Write 403, 4xx or failed."))?;
    Ok(Statuses::From(low, high))
}

/// A line as it is printed: a record in words, or with `--json` and for the daemon's own log as it is.
pub fn show(console: &Console, raw: bool, line: &str) -> String {
    if raw || console.wants_json() {
        return printable_line(line);
    }
    match serde_json::from_str::<Value>(line) {
        Ok(record) if record["timestamp"].is_u64() => words(console, &record),
        _ => printable_line(line),
    }
}

/// Tabs stay: the daemon's log has some.
fn printable_line(line: &str) -> String {
    line.split('\t').map(printable).collect::<Vec<_>>().join("\t")
}

fn words(console: &Console, record: &Value) -> String {
    let text = |field: &str| printable(record[field].as_str().unwrap_or_default());
    let status = record["statusCode"].as_u64().unwrap_or(0);
    let colour = match status {
        ..400 => Colour::Green,
        400..500 => Colour::Yellow,
        _ => Colour::Red,
    };
    let duration = record["duration"].as_f64().unwrap_or(0.0);
    let error = record["error"].as_u64().map_or_else(String::new, |code| format!("  error {code}"));
    let target = match text("target") {
        target if target.is_empty() => String::new(),
        target => format!("  {target}"),
    };
    let answer = match text("answer") {
        answer if answer.is_empty() => answer,
        answer => format!("  {answer}"),
    };
    format!(
        "{}  {:<12} {} {} {}{target}{answer}{error}  {}",
        time(record["timestamp"].as_u64().unwrap_or(0)),
        text("caller"),
        console.paint(colour, &status.to_string()),
        text("method"),
        text("path"),
        console.paint(Colour::Faint, &format!("{duration:.1} ms")),
    )
}

/// A time for people: `2026-11-22T16:20:05Z`.
pub(super) fn time(millis: Millis) -> String {
    let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(millis.min(MAX_TIME)));
    // Sun, 22 Nov 2026 16:20:05 GMT
    let parts: Vec<&str> = http.split([' ', ',']).collect();
    let [_, _, day, month, year, clock, _] = parts[..] else { return http };
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |at| at + 1);
    format!("{year}-{month:02}-{day}T{clock}Z")
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The end of the year 9999, beyond which HTTP has no dates.
const MAX_TIME: Millis = 253_402_300_799_000;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::app::{App, Command};

    fn filter(args: &str) -> Result<Filter> {
        let words = ["loopsy", "logs"].into_iter().chain(args.split_whitespace());
        let Command::Logs(args) = App::try_parse_from(words).unwrap().command else { panic!("not logs") };
        Filter::new(&args)
    }
    fn record(caller: &str, status: u16, age: Millis) -> String {
        let timestamp = clock::now() - age;
        format!(
            r#"{{"requestId":"r","method":"GET","path":"/p","fromIp":"::1","statusCode":{status},"duration":1.25,"timestamp":{timestamp},"caller":"{caller}"}}"#
        )
    }

    #[test]
    fn lines_are_chosen_by_age_caller_and_status() {
        let (old, new) = (record("kai", 200, 7_200_000), record("leo", 403, 0));
        for (args, wants_old, wants_new) in [
            ("", true, true),
            ("--since 1h", false, true),
            ("--peer kai", true, false),
            ("--peer ::1", true, true),
            ("--status 403", false, true),
            ("--status 2xx", true, false),
            ("--status failed", false, true),
            ("--status failed --peer kai", false, false),
        ] {
            let filter = filter(args).unwrap();
            assert_eq!((filter.wants(&old), filter.wants(&new)), (wants_old, wants_new), "{args}");
        }
        assert!(filter("").unwrap().wants("nonsense") && !filter("--peer kai").unwrap().wants("nonsense"));
        for bad in ["--status 4x", "--status 999", "--status 9xx", "--since soon"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_record_reads_well_and_hostile_text_does_not_reach_the_terminal() {
        let console = Console::new(false, false);
        let line = r#"{"timestamp":1795364405000,"caller":"kai","statusCode":403,"method":"POST","path":"/a\u001b[2J","target":"rm\n-rf","error":3001,"duration":2}"#;
        let shown = show(&console, false, line);
        assert!(shown.starts_with("2026-11-22T16:20:05Z  kai          403 POST /a\u{fffd}[2J  rm\u{fffd}-rf  error 3001"), "{shown}");
        assert_eq!(show(&console, false, "{\"lost\":3}"), "{\"lost\":3}");
        assert_eq!(show(&console, true, "a\tb\u{1b}c"), "a\tb\u{fffd}c");
        assert_eq!(time(u64::MAX), time(MAX_TIME));
    }
}
