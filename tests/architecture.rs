//! The laws of the house: `ARCHITECTURE.md` is read, and the code is held to it.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file.
const LONGEST: usize = 500;

struct Source {
    /// Below `src`, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The first folder, or the file's own name at the top.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }
    /// The code above its unit tests, without comments.
    fn code(&self) -> String {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        let code = self.text.split("#[cfg(test)]\nmod ").next().unwrap();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let sources: Vec<_> = files_below(&src, "rs")
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/"),
        })
        .collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

/// The floor of each module, from the table in the document.
fn floors() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut floors = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        if let Ok(floor) = cells[1].parse::<u32>() {
            for module in cells[2].split(',') {
                floors.insert(module.trim().to_owned(), floor);
            }
        }
    }
    assert!(floors.len() >= 10, "the floor table was not found");
    floors
}

/// Every path that follows `crate::`, groups at the top level opened.
fn mentions(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find("};").unwrap_or(group.len())];
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend([std::mem::take(&mut word)]),
                    c if depth == 0 && !c.is_whitespace() => word.push(c),
                    _ => {}
                }
            }
            found.insert(word);
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect());
        }
    }
    found.into_iter().filter(|path| !path.is_empty()).collect()
}

#[test]
fn a_module_imports_only_from_lower_floors() {
    let floors = floors();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs") {
        let own = *floors.get(source.module()).unwrap_or_else(|| panic!("{} has no floor", source.path));
        for path in mentions(&source.code()) {
            let module = path.split("::").next().unwrap();
            if module == source.module() {
                continue;
            }
            match floors.get(module) {
                Some(floor) if *floor < own => {}
                Some(floor) => faults.push(format!("{} (floor {own}) imports {path} (floor {floor})", source.path)),
                None => faults.push(format!("{} imports {path}, which is on no floor", source.path)),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The file that a path below `crate` leads to, if it is one of ours.
fn file_of(path: &[&str], files: &BTreeSet<String>) -> Option<String> {
    (1..=path.len()).rev().find_map(|length| {
        let joined = path[..length].join("/");
        [format!("{joined}.rs"), format!("{joined}/mod.rs")].into_iter().find(|file| files.contains(file))
    })
}

/// Paths that `use` statements of a file name, from the top of the crate.
fn imports(source: &Source) -> Vec<Vec<String>> {
    let mut parents: Vec<String> = source.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parents.last().is_some_and(|last| last == "mod") {
        parents.pop();
    }
    let code = source.code();
    let mut found = Vec::new();
    for statement in code.split(';').filter_map(|part| part.trim_start().split_once("use ").map(|(_, rest)| rest.to_owned())) {
        let head: String = statement.chars().take_while(|c| *c != '{').collect();
        let words: Vec<_> = head.split("::").map(str::trim).filter(|word| !word.is_empty()).collect();
        let mut base = match words.first().copied() {
            Some("crate") => Vec::new(),
            Some("super") => parents[..parents.len().saturating_sub(words.iter().filter(|word| **word == "super").count())].to_vec(),
            Some("self") => parents.clone(),
            _ => continue,
        };
        base.extend(words.iter().filter(|word| !matches!(**word, "crate" | "super" | "self")).map(|word| (*word).to_owned()));
        match statement.split_once('{') {
            None => found.push(base),
            Some((_, group)) => {
                for word in group.split(['{', '}', ',']).map(str::trim).filter(|word| !word.is_empty()) {
                    let mut path = base.clone();
                    path.extend(word.split("::").map(str::to_owned));
                    found.push(path);
                }
            }
        }
    }
    found
}

#[test]
fn there_is_no_circle_between_files() {
    let sources = sources();
    let files: BTreeSet<String> = sources.iter().map(|source| source.path.clone()).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        for path in imports(source) {
            let words: Vec<&str> = path.iter().map(String::as_str).collect();
            let Some(target) = file_of(&words, &files) else { continue };
            // A folder's mod.rs and the files in it are one unit.
            let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
            let family =
                |parent: &str, child: &str| parent.ends_with("mod.rs") && format!("{child}/").starts_with(&format!("{}/", folder(parent)));
            if target != source.path && !family(&target, &source.path) && !family(&source.path, &target) {
                edges.entry(source.path.clone()).or_default().insert(target);
            }
        }
    }
    assert!(edges.len() > 30, "the imports were not found");
    fn visit(file: &str, edges: &BTreeMap<String, BTreeSet<String>>, path: &mut Vec<String>, done: &mut BTreeSet<String>) {
        assert!(!path.iter().any(|seen| seen == file), "a circle: {} -> {file}", path.join(" -> "));
        if !done.insert(file.to_owned()) {
            return;
        }
        path.push(file.to_owned());
        for next in edges.get(file).into_iter().flatten() {
            visit(next, edges, path, done);
        }
        path.pop();
    }
    let mut done = BTreeSet::new();
    for file in edges.keys() {
        visit(file, &edges, &mut Vec::new(), &mut done);
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            faults.push(format!("{} does not begin with a //! line", source.path));
        }
        let lines = source.text.lines().count();
        if lines > LONGEST {
            faults.push(format!("{} has {lines} lines", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_operating_system_and_unsafe_are_platforms_alone() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.module() != "platform") {
        for word in [
            "cfg(unix",
            "cfg(windows",
            "cfg(target_os",
            "cfg(not(unix",
            "cfg(not(windows",
            "cfg!(",
            "unsafe ",
            "std::os::unix",
            "rustix::",
            "libc::",
        ] {
            if source.code().contains(word) {
                faults.push(format!("{} says {word:?}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn api_knows_no_transport_and_services_no_http() {
    let mut faults = Vec::new();
    for source in sources() {
        let banned: &[&str] = match source.module() {
            "api" => &["hyper", "tokio::io", "tokio::net", "tokio_tungstenite"],
            "service" => &["hyper::", "http::", "crate::http", "tokio_tungstenite", "http_body"],
            "base" => &["hyper", "http::"],
            _ => &[],
        };
        for word in banned {
            let code = source.code();
            let found =
                code.match_indices(word).any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if found {
                faults.push(format!("{} mentions {word}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_map_lists_modules_and_holds_no_type() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for line in lib.lines().filter(|line| !line.is_empty() && !line.starts_with("//!")) {
        assert!(line.starts_with("pub mod "), "lib.rs: {line}");
    }
}

#[test]
fn every_dependency_says_why_it_is_here() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut explained = false;
    let mut inside = false;
    let mut count = 0;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if inside && line.starts_with('#') {
            explained = true;
        } else if inside && line.is_empty() {
            explained = false;
        } else if inside {
            assert!(explained, "no reason for: {line}");
            count += 1;
        }
    }
    assert!(count > 20);
}

#[test]
fn tests_do_not_sleep_and_none_is_ignored() {
    let mut faults = Vec::new();
    let own = Path::new(file!()).file_name().unwrap().to_owned();
    for path in files_below(&root().join("tests"), "rs").into_iter().chain(files_below(&root().join("src"), "rs")) {
        if path.file_name() == Some(&own) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_test_code = path.starts_with(root().join("tests"));
        let tests = if is_test_code { text.as_str() } else { text.split_once("#[cfg(test)]\nmod ").map_or("", |(_, tests)| tests) };
        for word in ["thread::sleep", "#[ignore"] {
            if tests.contains(word) {
                faults.push(format!("{} says {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
