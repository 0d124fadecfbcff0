//! Small helpers for text.

/// The word of `known` that `word` was probably meant to be: at most two edits away (one for short words), or the
/// only one that starts with it.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = if lower.chars().count() <= 3 { 1 } else { 2 };
    known
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed || (lower.len() >= 3 && candidate.to_lowercase().starts_with(&lower)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, with a swap of neighbours counted once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Text with its first letter a capital.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text for one line of a terminal: control characters, those that turn the direction of text, and those that can't be seen
/// are shown, not obeyed.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The beginning of a text as one line that can be shown, at most `most` characters.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line: String = printable(text).chars().take(most).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

/// What another machine calls itself or its parts, fit to be shown: at most 64 characters.
pub fn claimed_name(text: &str) -> String {
    printable(text).chars().take(64).collect()
}

/// A word as a POSIX shell is to read it: quoted where it has anything in it that means something there.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,~".contains(c);
    if !word.is_empty() && !word.starts_with('~') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether a character is not seen, or changes how others are.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word() {
        let known = ["execution", "transfer", "discovery"];
        assert_eq!(closest("exection", known), Some("execution"));
        assert_eq!(closest("trasnfer", known), Some("transfer"));
        assert_eq!(closest("disc", known), Some("discovery"));
        assert_eq!(closest("zebra", known), None);
    }
    #[test]
    fn a_word_means_nothing_to_a_shell_but_itself() {
        assert_eq!(shell_word("build/status"), "build/status");
        assert_eq!(shell_word("log$(id)`id`"), "'log$(id)`id`'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!((shell_word(""), shell_word("~x")), ("''".into(), "'~x'".into()));
    }
    #[test]
    fn a_line_is_one_line_and_not_long() {
        assert_eq!(one_line("a\nb", 10), "a\u{fffd}b");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }
    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200d}', '\u{feff}', '\u{61c}', '\u{2028}', '\u{e0041}'] {
            assert_eq!(printable(&format!("le{hidden}o")), "le\u{fffd}o");
        }
        assert_eq!(printable("Käthe 開 \u{1f600}"), "Käthe 開 \u{1f600}");
    }
}
