//! Signals by name.

use super::system::NAMES;

/// The name of a signal, such as `SIGTERM`; its number in words where it has no common name.
pub fn signal_name(number: i32) -> String {
    NAMES.iter().find(|(known, _)| *known == number).map_or_else(|| format!("signal {number}"), |(_, name)| (*name).into())
}

/// The number of a signal by its name, such as `SIGTERM` or `TERM`.
pub fn signal_number(name: &str) -> Option<u8> {
    let known = |known: &str| known == name || known.strip_prefix("SIG") == Some(name);
    NAMES.iter().find(|(_, candidate)| known(candidate)).and_then(|(number, _)| u8::try_from(*number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_number("SIGINT"), Some(2));
        assert_eq!(signal_number("KILL"), Some(9));
        assert_eq!(signal_number(""), None);
        assert_eq!(signal_name(60), "signal 60");
    }
}
