//! What must hold when paths are hostile.
#![expect(clippy::disallowed_methods, reason = "tests put files of other programs in place")]

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn root() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().canonicalize().unwrap();
    (root, path)
}

fn real(path: impl AsRef<Path>) -> PathBuf {
    resolve(path.as_ref()).unwrap().path
}

#[test]
fn a_path_is_followed_to_where_the_system_would_go() {
    let (_keep, root) = root();
    fs::create_dir_all(root.join("a/b")).unwrap();
    symlink("a/b", root.join("link")).unwrap();
    symlink("../../nowhere/x", root.join("a/b/dangling")).unwrap();
    for (given, leads) in [
        ("link", "a/b"),
        ("link/new", "a/b/new"),
        ("link/..", "a"),
        ("link/dangling", "nowhere/x"),
        ("link/dangling/y", "nowhere/x/y"),
        ("missing/../a", "a"),
        ("a/./b//", "a/b"),
    ] {
        assert_eq!(real(root.join(given)), root.join(leads), "{given}");
    }
    assert_eq!(real("/../../.."), Path::new("/"));
}

#[test]
fn what_can_not_be_followed_still_has_a_path_to_check() {
    let (_keep, root) = root();
    fs::write(root.join("file"), "").unwrap();
    symlink("loop", root.join("loop")).unwrap();
    let under_file = resolve(&root.join("file/x/../y")).unwrap();
    assert_eq!(under_file.path, root.join("file/y"));
    assert_eq!(under_file.problem.unwrap().kind(), ErrorKind::NotADirectory);
    let circle = resolve(&root.join("loop/x")).unwrap();
    assert!(circle.path.starts_with(&root) && circle.problem.is_some());
    let long = resolve(&root.join("n".repeat(3000))).unwrap();
    assert_eq!(long.problem.unwrap().kind(), ErrorKind::InvalidFilename);
    assert_eq!(resolve(&root.join("n".repeat(5000))).unwrap_err().kind(), ErrorKind::InvalidFilename);
    assert_eq!(resolve(Path::new("/a\0b")).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(resolve(Path::new("relative")).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// known fault 26
#[test]
fn a_link_swapped_in_after_the_check_leads_nowhere() {
    let (_keep, root) = root();
    fs::create_dir_all(root.join("safe/inner")).unwrap();
    fs::create_dir(root.join("secret")).unwrap();
    fs::write(root.join("secret/inner"), "key").unwrap();
    let checked = real(root.join("safe/inner"));
    fs::rename(root.join("safe"), root.join("gone")).unwrap();
    symlink(root.join("secret"), root.join("safe")).unwrap();
    assert!(Dir::open(&checked, false).is_err());
    assert!(Dir::open(checked.parent().unwrap(), true).is_err());
    assert!(Dir::open(&root, false).unwrap().file(name("safe")).is_err());
}

#[test]
fn a_folder_held_open_stays_itself() {
    let (_keep, root) = root();
    fs::create_dir(root.join("safe")).unwrap();
    let dir = Dir::open(&root.join("safe"), false).unwrap();
    fs::rename(root.join("safe"), root.join("moved")).unwrap();
    symlink("/etc", root.join("safe")).unwrap();
    drop(dir.create(name("new"), 0o600).unwrap());
    assert!(root.join("moved/new").exists());
}

/// known fault 17
#[test]
fn opening_anything_but_a_file_fails_at_once_and_says_what_it_is() {
    let (_keep, root) = root();
    let fifo = root.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    let dir = Dir::open(&root, false).unwrap();
    for (given, words) in [("fifo", "a FIFO"), ("socket", "a socket"), ("folder", "a directory")] {
        let error = dir.file(name(given)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(dir.reopen(name(given)).is_err());
    }
    let device = Dir::open(Path::new("/dev"), false).unwrap().file(name("null")).unwrap_err();
    assert!(device.to_string().contains("a device"));
}

#[test]
fn missing_folders_are_made_only_when_told() {
    let (_keep, root) = root();
    assert_eq!(Dir::open(&root.join("a/b"), false).unwrap_err().kind(), ErrorKind::NotFound);
    Dir::open(&root.join("a/b"), true).unwrap();
    assert!(root.join("a/b").is_dir());
    fs::write(root.join("file"), "").unwrap();
    assert_eq!(Dir::open(&root.join("file/b"), true).unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn times_and_modes_are_kept_to_the_nanosecond_and_bit() {
    let (_keep, root) = root();
    let dir = Dir::open(&root, false).unwrap();
    let file = dir.create(name("x"), 0o600).unwrap();
    for time in [1_700_000_000_123_456_789, -1_500_000_000, 0] {
        set_modified(&file, time).unwrap();
        assert_eq!(stat(&file).unwrap().modified_ns, time);
    }
    set_mode(&file, 0o6751).unwrap();
    assert_eq!(stat(&file).unwrap().mode, 0o751);
    assert_eq!(fs::metadata(root.join("x")).unwrap().len(), 0);
}

#[test]
fn part_names_are_recognised_and_others_are_not() {
    assert!(is_part_name(&part_name(&crate::base::id::request())));
    for other in [".loopsy-x.part", ".loopsy-.part", "loopsy", ".loopsy-0123456789abcdef0123456789ABCDEF.part"] {
        assert!(!is_part_name(other), "{other}");
    }
}
