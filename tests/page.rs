//! The laws of the page: `assets/dashboard` is plain, small, and trusts no text.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a module.
const LONGEST: usize = 300;
/// What would make markup or code out of text, or noise.
const FORBIDDEN: [&str; 9] =
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "style=\"", "console.", "srcdoc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/dashboard")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

/// Modules of our own, with their addresses.
fn modules() -> Vec<(String, String)> {
    let found = files_below(&root().join("js")).into_iter().map(|path| (address(&path), fs::read_to_string(&path).unwrap()));
    let modules: Vec<_> = found.collect();
    assert!(modules.len() > 30, "the modules were not found");
    modules
}

fn address(path: &Path) -> String {
    format!("/{}", path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"))
}

/// The addresses of what a module imports at once.
fn imports(module: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(&module[1..])).unwrap();
    let statements = text.split("from").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
    let relative = statements.map(|(target, _)| target).filter(|target| target.starts_with('.'));
    relative.map(|target| resolve(module, target)).collect()
}

fn resolve(module: &str, target: &str) -> String {
    let mut path: Vec<&str> = module.split('/').collect();
    path.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

fn walk(module: &str, seen: &mut BTreeSet<String>) {
    if seen.insert(module.to_owned()) {
        imports(module).iter().for_each(|target| walk(target, seen));
    }
}

#[test]
fn every_module_says_what_it_is_for_and_is_short() {
    for (name, text) in modules() {
        assert!(text.starts_with("// "), "{name} does not say what it is for");
        assert!(text.lines().count() <= LONGEST, "{name} is too long");
    }
}

/// known fault 22
#[test]
fn no_module_makes_markup_or_code_out_of_text() {
    for (name, text) in modules() {
        for word in FORBIDDEN {
            assert!(!text.contains(word), "{name} says {word}");
        }
    }
}

#[test]
fn the_document_has_no_script_or_style_of_its_own() {
    let document = fs::read_to_string(root().join("index.html")).unwrap();
    for tag in document.split('<').skip(1) {
        let (head, inside) = tag.split_once('>').unwrap();
        assert!(!head.contains(" on") && !head.contains(" style="), "{head}");
        assert!(!head.starts_with("style"), "{head}");
        assert!(!head.starts_with("script") || inside.trim().is_empty(), "{head}");
    }
}

#[test]
fn what_the_first_paint_needs_is_fetched_at_once() {
    let document = fs::read_to_string(root().join("index.html")).unwrap();
    let links = document.lines().filter_map(|line| line.strip_prefix("<link rel=\"modulepreload\" href=\"")?.strip_suffix("\">"));
    let preloaded: BTreeSet<String> = links.map(str::to_owned).collect();
    let mut needed = BTreeSet::new();
    walk("/js/main.js", &mut needed);
    walk("/js/views/overview.js", &mut needed);
    needed.remove("/js/main.js");
    assert_eq!(preloaded, needed);
}

#[test]
fn every_module_that_is_imported_is_there() {
    for (name, text) in modules() {
        let on_demand = text.split("import(\"").skip(1).filter_map(|rest| rest.split_once('"'));
        let targets = imports(&name).into_iter().chain(on_demand.map(|(target, _)| resolve(&name, target)));
        for target in targets {
            assert!(root().join(&target[1..]).is_file(), "{name} imports {target}");
        }
    }
}

#[test]
fn every_vendored_file_has_its_version_and_licence() {
    let readme = fs::read_to_string(root().join("vendor/README.md")).unwrap();
    for path in files_below(&root().join("vendor")) {
        let name = address(&path).replace("/vendor/", "");
        if name == "README.md" {
            continue;
        }
        assert!(readme.contains(&name), "vendor/README.md says nothing of {name}");
        assert!(!fs::read_to_string(&path).unwrap().contains("sourceMappingURL"), "{name} names a map that is not there");
    }
}
