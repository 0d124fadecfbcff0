//! Access lists of Windows in their form as text, such as `D:P(A;;FA;;;S-1-5-21-1-2-3-1000)`.

/// Whether a list grants anything to anybody but its owner, the system and the administrators.
pub(super) fn lets_others_in(text: &str, owner: &str) -> bool {
    // The system and the administrators; the placeholders for whoever makes or owns a file.
    const EXPECTED: [&str; 8] = ["SY", "S-1-5-18", "BA", "S-1-5-32-544", "CO", "S-1-3-0", "OW", "S-1-3-4"];
    let Some((_, list)) = text.split_once("D:") else { return true };
    if list.starts_with("NO_ACCESS_CONTROL") {
        return true;
    }
    entries(list).any(|entry| {
        let grants = matches!(entry.first(), Some(&"A" | &"OA" | &"XA"));
        grants && entry.get(5).is_none_or(|who| *who != owner && !EXPECTED.contains(who))
    })
}

/// The one that a list names first.
pub(super) fn first_named(text: &str) -> Option<String> {
    entries(text.split_once("D:")?.1).next()?.get(5).map(|who| (*who).to_owned())
}

fn entries(list: &str) -> impl Iterator<Item = Vec<&str>> {
    list.split('(').skip(1).map(|entry| entry.split(')').next().unwrap_or(entry).split(';').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owner_system_and_administrators_are_expected() {
        let me = "S-1-5-21-1-2-3-1000";
        for private in
            ["D:P(A;;FA;;;S-1-5-21-1-2-3-1000)", "D:(A;ID;FA;;;SY)(A;OICI;FA;;;BA)(A;;FA;;;S-1-5-21-1-2-3-1000)", "D:P", "D:P(D;;FA;;;WD)"]
        {
            assert!(!lets_others_in(private, me), "{private}");
        }
        for open in ["", "O:BA", "D:NO_ACCESS_CONTROL", "D:(A;;FR;;;WD)", "D:P(A;;FA;;;SY)(A;;0x1;;;S-1-5-21-1-2-3-1001)", "D:(A;;FA"] {
            assert!(lets_others_in(open, me), "{open}");
        }
        assert_eq!(first_named("D:P(A;OICI;FA;;;LA)").as_deref(), Some("LA"));
        assert_eq!(first_named("D:P"), None);
    }
}
