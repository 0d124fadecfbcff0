//! Tells the program which commit it was built from: `LOOPSY_COMMIT` is its first twelve digits, with `-dirty` if what the
//! program is made of differs from it, or `unknown` where there is no repository of Loopsy's.

use std::path::Path;
use std::process::Command;

/// What the program is made of.
const SOURCES: [&str; 6] = ["assets/dashboard", "build", "build.rs", "Cargo.lock", "Cargo.toml", "src"];

/// Tells it, and runs this again when it may be another one; `unwatched` is not watched for that.
pub fn tell(unwatched: Option<&str>) {
    println!("cargo::rustc-env=LOOPSY_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    for source in SOURCES.iter().filter(|source| Some(**source) != unwatched) {
        watch(source);
    }
    if is_own_repository() {
        watch_head();
    }
}

fn commit() -> Option<String> {
    let head = git(&["rev-parse", "--short=12", "HEAD"]).filter(|_| is_own_repository())?;
    let changes = git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat())?;
    Some(if changes.is_empty() { head } else { format!("{head}-dirty") })
}

/// Whether this folder is the top of a repository; sources that were unpacked somewhere inside of another one are not of it.
fn is_own_repository() -> bool {
    git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty())
}

/// Watches whatever changes when another commit is checked out or made: a branch is a file of its own, or a line in that of
/// all packed ones until its next commit makes one.
fn watch_head() {
    watch_git("HEAD");
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    if branch.is_some_and(|branch| !watch_git(&branch)) {
        watch_git("packed-refs");
        watch_git("logs/HEAD");
    }
}

/// Watches a file of the repository, which may lie elsewhere for a worktree; answers whether there is one.
fn watch_git(name: &str) -> bool {
    git(&["rev-parse", "--git-path", name]).is_some_and(|path| watch(&path))
}

/// Runs this script again when a file, or one in a folder, has changed. A missing one would have it run every time.
fn watch(path: &str) -> bool {
    let exists = Path::new(path).exists();
    if exists {
        println!("cargo::rerun-if-changed={path}");
    }
    exists
}

/// What git answers to this, without the end of the line; nothing if it can't.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(args).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(answer.trim_end().to_owned())
}
