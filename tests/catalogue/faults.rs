//! The faults that must not come back: each has its row in `docs/known-faults.md`, and the tests that the row names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many faults are known.
const KNOWN: usize = 68;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => Vec::from_iter((path.extension().is_some_and(|ending| ending == "rs")).then_some(path)),
        })
        .collect()
}

/// The numbers in a comment that begins with `known fault`.
fn numbers(comment: &str) -> Option<BTreeSet<usize>> {
    let rest = comment.trim().strip_prefix("/// known fault")?;
    let list = rest.strip_prefix('s').unwrap_or(rest);
    let list = list.split(|c: char| !(c.is_ascii_digit() || " ,and".contains(c))).next().unwrap_or_default();
    Some(list.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect())
}

/// Every test that names faults, as `path::function`.
fn tests() -> BTreeMap<String, BTreeSet<usize>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    for path in ["src", "tests"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        let mut named = None;
        for line in fs::read_to_string(&path).unwrap().lines() {
            named = numbers(line).or(named);
            let function = line.trim().trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
            if let (Some(function), Some(numbers)) = (function, &named) {
                assert!(!numbers.is_empty(), "{shown}::{function} names no number");
                found.insert(format!("{shown}::{function}"), numbers.clone());
                named = None;
            }
        }
    }
    found
}

#[test]
fn every_known_fault_has_a_test_or_a_part_that_is_to_bring_it() {
    let tests = tests();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/known-faults.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        text.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').map(str::trim).collect()).skip(1).collect();
    assert_eq!(rows.len(), KNOWN);
    for (at, row) in rows.iter().enumerate() {
        let (number, shown_by) = (at + 1, row[3]);
        assert_eq!(row[1], number.to_string());
        assert!(row[2].len() > 10, "{number} says nothing");
        let mut named: Vec<&str> = shown_by.split('`').filter(|part| part.contains(".rs::")).collect();
        let is_reasoned = ["later: ", "kept: "].iter().any(|word| shown_by.contains(word));
        assert!(is_reasoned || !named.is_empty(), "{number} is shown by nothing");
        named.retain(|test| !tests.get(*test).is_some_and(|numbers| numbers.contains(&number)));
        assert!(named.is_empty(), "{number}: no such test, or it does not say that it is about this fault: {named:?}");
        let only_later = is_reasoned && !shown_by.contains(".rs::");
        let unlisted: Vec<_> = tests.iter().filter(|(_, numbers)| numbers.contains(&number)).map(|(test, _)| test).collect();
        assert!(!only_later || unlisted.is_empty(), "{number} is shown by {unlisted:?} now");
    }
    let beyond: Vec<_> = tests.iter().filter(|(_, numbers)| numbers.iter().any(|number| !(1..=KNOWN).contains(number))).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}
