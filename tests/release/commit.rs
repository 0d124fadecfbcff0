//! The commit that `loopsy --version` names: `build/commit.rs` in each kind of folder that it may find itself in.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::skipped;
use crate::support::program::Program;

/// A folder with sources like Loopsy's, and `build/commit.rs` as a program.
struct Sources {
    folder: tempfile::TempDir,
}

/// What it tells cargo.
struct Told {
    commit: String,
    watched: Vec<PathBuf>,
}

impl Sources {
    /// Nothing where there is no git or no compiler.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (own, script) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("build/commit.rs"), folder.path().join("script.rs"));
        let text = format!("#[path = {own:?}]\nmod commit;\nfn main() {{\n    commit::tell(None);\n}}\n");
        loopsy::platform::files::write_private(&script, text.as_bytes()).unwrap();
        let mut compiler = Command::new("rustc");
        compiler.args(["--edition", "2024", "-o"]).arg(folder.path().join("script")).arg(script);
        let made = compiler.status().is_ok_and(|status| status.success());
        if !made || Command::new("git").arg("--version").output().is_err() {
            skipped("there is no git or no rustc");
            return None;
        }
        let sources = Self { folder };
        std::fs::create_dir_all(sources.at("main/src")).unwrap();
        for file in ["main/build.rs", "main/Cargo.toml", "main/Cargo.lock", "main/src/main.rs", "main/README.md"] {
            sources.write(file, "first");
        }
        Some(sources)
    }
    /// The same, committed.
    fn committed() -> Option<Self> {
        let sources = Self::new()?;
        sources.git("main", &["init", "--quiet", "--initial-branch", "main"]);
        sources.commit("main");
        Some(sources)
    }
    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
    fn write(&self, path: &str, text: &str) {
        loopsy::platform::files::write_private(&self.at(path), text.as_bytes()).unwrap();
    }
    fn git(&self, folder: &str, args: &[&str]) -> String {
        let who = ["-c", "user.name=leo", "-c", "user.email=leo@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(who).args(args).current_dir(self.at(folder)).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
    fn commit(&self, folder: &str) {
        self.git(folder, &["add", "--all"]);
        self.git(folder, &["commit", "--quiet", "--message", "change"]);
    }
    fn head(&self, folder: &str) -> String {
        self.git(folder, &["rev-parse", "--short=12", "HEAD"])
    }
    fn told(&self, folder: &str) -> Told {
        let folder = self.at(folder);
        let output = Command::new(self.at("script")).current_dir(&folder).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let after = |begin: &'static str| text.lines().filter_map(move |line| line.strip_prefix(begin)).map(str::to_owned);
        let commit = after("cargo::rustc-env=LOOPSY_COMMIT=").next().unwrap();
        let watched: Vec<PathBuf> = after("cargo::rerun-if-changed=").map(|path| folder.join(path)).collect();
        watched.iter().for_each(|path| assert!(path.exists(), "a missing file has everything built anew: {path:?}"));
        Told { commit, watched }
    }
    /// Whether one of the files that were watched is another now.
    fn noticed(before: &[(PathBuf, Option<Vec<u8>>)]) -> bool {
        before.iter().any(|(path, content)| std::fs::read(path).ok() != *content)
    }
}

fn contents(watched: &[PathBuf]) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    watched.iter().map(|path| (path.clone(), std::fs::read(path).ok())).collect()
}

#[test]
fn the_program_names_its_version_and_commit() {
    let said = Program::bare().ok(&["--version"]);
    let (name, commit) = said.trim_end().strip_suffix(')').and_then(|said| said.split_once(" (")).unwrap();
    assert_eq!(name, concat!("loopsy ", env!("CARGO_PKG_VERSION")));
    let digits = commit.strip_suffix("-dirty").unwrap_or(commit);
    assert!(commit == "unknown" || digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{said}");
}

#[test]
fn the_commit_is_told_and_so_are_changes_of_what_the_program_is_made_of() {
    let Some(sources) = Sources::committed() else { return };
    let head = sources.head("main");
    assert_eq!(sources.told("main").commit, head);
    sources.write("main/README.md", "second");
    assert_eq!(sources.told("main").commit, head);
    for file in ["main/src/main.rs", "main/src/new.rs"] {
        sources.write(file, "second");
        assert_eq!(sources.told("main").commit, format!("{head}-dirty"), "{file}");
        sources.commit("main");
        assert_ne!(sources.head("main"), head);
        sources.git("main", &["reset", "--quiet", "--hard", &head]);
        assert_eq!(sources.told("main").commit, head);
    }
}

#[test]
fn a_worktree_has_a_commit_of_its_own() {
    let Some(sources) = Sources::committed() else { return };
    sources.git("main", &["worktree", "add", "--quiet", "../side", "-b", "side"]);
    sources.write("side/src/main.rs", "second");
    sources.commit("side");
    assert_eq!(sources.told("side").commit, sources.head("side"));
    assert_ne!(sources.head("side"), sources.head("main"));

    let before = contents(&sources.told("side").watched);
    sources.write("main/src/main.rs", "third");
    sources.commit("main");
    assert!(!Sources::noticed(&before), "another worktree's commits are no reason to build");
}

#[test]
fn whatever_makes_another_commit_current_is_noticed() {
    let Some(sources) = Sources::committed() else { return };
    let commit = |sources: &Sources| sources.git("main", &["commit", "--quiet", "--allow-empty", "--message", "more"]);
    let prepare: [(&str, &[&str]); 3] = [
        ("a branch of its own file", &["status"]),
        ("a packed branch", &["pack-refs", "--all"]),
        ("no branch", &["checkout", "--quiet", "--detach"]),
    ];
    for (what, args) in prepare {
        sources.git("main", args);
        let told = sources.told("main");
        assert_eq!(told.commit, sources.head("main"), "{what}");
        let before = contents(&told.watched);
        commit(&sources);
        assert!(Sources::noticed(&before), "{what}");
    }
}

#[test]
fn sources_without_a_repository_of_their_own_have_no_commit() {
    let Some(sources) = Sources::new() else { return };
    assert_eq!(sources.told("main").commit, "unknown");
    sources.git("", &["init", "--quiet"]);
    sources.commit("");
    assert_eq!(sources.told("main").commit, "unknown", "the commit of a repository around them is another program's");
}
