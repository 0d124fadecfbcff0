//! Sizes and durations as people write and read them.

use std::time::Duration;

use super::{Error, Result};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1024 * 1024;

/// A duration from `250ms`, `30s`, `5m`, `2h`, `1d`, or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => f64::NAN,
    };
    let total = number.parse::<f64>().unwrap_or(f64::NAN) * seconds;
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|d| *d <= Duration::from_secs(10 * 365 * 86_400))
        .ok_or_else(|| Error::invalid(format!("{text:?} is not a duration")).hint("Write it like 500ms, 30s, 5m, 2h or 1d."))
}

/// A size in bytes as people read it: `0 B`, `1.5 KiB`, `3.0 GiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A duration as people read it: `850 ms`, `12 s`, `3 m 20 s`, `2 h 5 m`, `4 d 3 h`.
pub fn duration(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} m {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} m", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("1.5m").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("7").unwrap(), Duration::from_secs(7));
        for bad in ["", "s", "-1s", "1w", "1e99h", "99999999999999999999d", "1..5s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn sizes_and_spans_read_well() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(3 * 1024 * MIB), "3.0 GiB");
        assert_eq!(duration(Duration::from_secs(200)), "3 m 20 s");
    }
}
