//! Reading lines.

use super::*;

fn programs(line: &str) -> Vec<String> {
    read(line).unwrap().iter().map(|command| command.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn words_are_unquoted_and_expansions_marked() {
    assert_eq!(programs("A=1 'a b' c\\ d \"e $x f\" 2>&1 >g"), ["a b c d e $_ f"]);
    assert_eq!(programs("a | b && c; d & (e)"), ["a", "b", "c", "d", "e"]);
    assert_eq!(programs("a $(b \"$(c)\") `d`"), ["c", "b $_", "d", "a $_ $_"]);
    assert_eq!(programs("echo \"\\$(x) \\a\""), ["echo $(x) \\a"]);
}

#[test]
fn what_is_left_open_is_not_understood() {
    for line in ["(", "a (", "$(", "'", "\"", "`", "${x", "$((1)", ")", "[[ a", "a=("] {
        assert_eq!(read(line).err(), Some(NotUnderstood), "{line}");
    }
}

#[test]
fn a_word_that_may_vanish_is_known_as_such() {
    let words = read("$a\"$b\"$(c) $d/x ''").unwrap().pop().unwrap().words;
    assert_eq!(words.iter().map(Word::may_vanish).collect::<Vec<_>>(), [true, false, false]);
}
