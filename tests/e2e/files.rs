//! `loopsy send` and `loopsy pull`: files and folders to another machine and back.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loopsy::platform::files::{Dir, is_part_name};
use serde_json::{Value, json};

use super::{content, fails, lay};
use crate::support::node::Pair;

/// A moment long ago, on which a copied file's time is recognised.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123)
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    lay(path, bytes);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(long_ago()).unwrap();
    loopsy::platform::files::set_mode(&file, mode).unwrap();
}

/// Permission bits and time of the last change.
fn marks(path: &Path) -> (u32, SystemTime) {
    let dir = Dir::open(&path.parent().unwrap().canonicalize().unwrap(), false).unwrap();
    let mode = dir.stat(path.file_name().unwrap()).unwrap().mode;
    (mode & 0o777, fs::metadata(path).unwrap().modified().unwrap())
}

/// There is nothing in a folder that is only half there.
fn no_parts(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_str().is_some_and(is_part_name), "{name:?} is left");
    }
}

fn told(text: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()[0].clone()
}

#[test]
fn a_file_travels_both_ways_with_its_mode_and_its_time() {
    let pair = Pair::start();
    let (program, here, there) = (&pair.leo.program, pair.leo.program.folder(), pair.kai.program.folder());
    let bytes = content(5_000_000);
    for name in ["tool", "mit Leerzeichen", "h\u{fc}bsch \u{2713} \"quoted\" %41", "line\nbreak", "-dash"] {
        let source = here.join(name);
        put(&source, &bytes, 0o750);
        let sent = told(&program.ok(&["send", "--json", "kai", source.to_str().unwrap(), &format!("got/{name}")]));
        assert_eq!(sent["size"], bytes.len());
        let arrived = there.join("got").join(name);
        assert!(fs::read(&arrived).unwrap() == bytes, "{name:?}");
        assert_eq!(marks(&arrived), (0o750, long_ago()), "{name:?}");

        let back = here.join("back").join(name);
        let pulled = told(&program.ok(&["pull", "--json", "kai", &format!("got/{name}"), back.to_str().unwrap()]));
        assert_eq!((&pulled["size"], &pulled["checksum"]), (&sent["size"], &sent["checksum"]));
        assert!(fs::read(&back).unwrap() == bytes);
        assert_eq!(marks(&back), (0o750, long_ago()), "{name:?}");
    }
    no_parts(&there.join("got"));
    no_parts(&here.join("back"));
    // An empty file is a file.
    put(&here.join("empty"), b"", 0o600);
    program.ok(&["send", "--no-resume", "kai", here.join("empty").to_str().unwrap(), "got/empty"]);
    assert_eq!(fs::read(there.join("got/empty")).unwrap(), b"");
}
#[test]
fn several_files_go_into_a_folder_and_a_folder_means_into_it() {
    let pair = Pair::start();
    let (program, here, there) = (&pair.leo.program, pair.leo.program.folder(), pair.kai.program.folder());
    let source = |name: &str| here.join(name).display().to_string();
    for name in ["a", "b", "c"] {
        put(&here.join(name), name.as_bytes(), 0o644);
    }
    program.ok(&["send", "kai", &source("a"), &source("b"), &source("c"), "many"]);
    let named = |folder: &str, name: &str| fs::read_to_string(there.join(folder).join(name)).unwrap();
    assert_eq!(["a", "b", "c"].map(|name| named("many", name)), ["a", "b", "c"]);
    fs::create_dir(there.join("exists")).unwrap();
    program.ok(&["send", "kai", &source("a"), "exists"]);
    program.ok(&["send", "kai", &source("b"), "made/"]);
    assert_eq!((named("exists", "a").as_str(), named("made", "b").as_str()), ("a", "b"));

    fs::create_dir(here.join("down")).unwrap();
    program.ok(&["pull", "kai", "many/a", &source("down")]);
    program.ok(&["pull", "kai", "many/b", &(source("new") + "/")]);
    assert_eq!(fs::read_to_string(here.join("down/a")).unwrap() + &fs::read_to_string(here.join("new/b")).unwrap(), "ab");
    // The first that fails ends it; what was sent stays.
    fails(program, &["send", "kai", &source("a"), &source("gone"), "partly"], 1, &["gone"]);
    assert_eq!(named("partly", "a"), "a");
}
#[test]
fn a_folder_travels_with_all_that_is_in_it_and_only_once() {
    let pair = Pair::start();
    let (program, here, there) = (&pair.leo.program, pair.leo.program.folder(), pair.kai.program.folder());
    let root = here.join("proj");
    put(&root.join("src/main.rs"), b"fn main() {}", 0o644);
    put(&root.join("bin/run"), b"#!/bin/sh", 0o755);
    put(&root.join("data.bin"), &content(300_000), 0o600);
    fs::create_dir(root.join("empty")).unwrap();
    std::os::unix::fs::symlink("src/main.rs", root.join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
    let path = root.to_str().unwrap();
    fails(program, &["send", "kai", path, "copies"], 2, &["is a folder", "-r"]);

    let check = |root: &Path| {
        assert_eq!(fs::read(root.join("src/main.rs")).unwrap(), b"fn main() {}");
        assert_eq!(marks(&root.join("bin/run")), (0o755, long_ago()));
        assert_eq!(marks(&root.join("data.bin")), (0o600, long_ago()));
        assert!(fs::read(root.join("data.bin")).unwrap() == content(300_000) && root.join("empty").is_dir());
        assert_eq!(fs::read_link(root.join("link")).unwrap(), Path::new("src/main.rs"));
        assert_eq!(fs::read_link(root.join("dangling")).unwrap(), Path::new("nowhere"));
    };
    let sent = told(&program.ok(&["send", "--json", "-r", "kai", path, "copies"]));
    assert_eq!((sent["files"].as_u64(), sent["same"].as_u64()), (Some(3), Some(0)), "{sent}");
    check(&there.join("copies/proj"));
    let again = told(&program.ok(&["send", "--json", "-r", "kai", path, "copies"]));
    assert_eq!((again["files"].as_u64(), again["size"].as_u64()), (Some(0), Some(0)), "{again}");
    lay(&root.join("src/main.rs"), b"fn main() { }");
    let changed = told(&program.ok(&["send", "--json", "-r", "kai", path, "copies"]));
    assert_eq!((changed["files"].as_u64(), changed["size"].as_u64()), (Some(1), Some(13)), "{changed}");
    lay(&root.join("src/main.rs"), b"fn main() {}");
    program.ok(&["send", "-r", "kai", path, "copies"]);

    let down = here.join("down");
    let pulled = told(&program.ok(&["pull", "--json", "-r", "kai", "copies/proj", down.to_str().unwrap()]));
    assert_eq!(pulled["files"], 3, "{pulled}");
    check(&down.join("proj"));
    let again = told(&program.ok(&["pull", "--json", "-r", "kai", "copies/proj", down.to_str().unwrap()]));
    assert_eq!((again["files"].as_u64(), again["size"].as_u64()), (Some(0), Some(0)), "{again}");
    fails(program, &["pull", "-r", "kai", "copies/nothing", down.to_str().unwrap()], 1, &["copies/nothing"]);
}
#[test]
fn a_dash_is_standard_input_and_standard_output() {
    let pair = Pair::start();
    let program = &pair.leo.program;
    let bytes = content(3_000_000);
    let sent = program.piped(&["send", "kai", "-", "piped.bin"], &bytes);
    assert!(sent.status.success() && sent.stdout.is_empty(), "{sent:?}");
    assert!(fs::read(pair.kai.program.folder().join("piped.bin")).unwrap() == bytes);
    let pulled = program.piped(&["pull", "kai", "piped.bin", "-"], b"");
    assert!(pulled.status.success() && pulled.stdout == bytes);
    fails(program, &["send", "kai", "-", "folder/"], 2, &["no name"]);
    fails(program, &["pull", "-r", "kai", ".", "-"], 2, &["standard output"]);
}
#[test]
fn what_fails_leaves_everything_as_it_was() {
    let pair = Pair::with(json!({ "transfer": { "maxFileSize": 1_000_000 } }));
    let (program, here, there) = (&pair.leo.program, pair.leo.program.folder(), pair.kai.program.folder());
    let big = here.join("big");
    put(&big, &content(1_000_001), 0o644);
    put(&there.join("big"), b"old", 0o644);
    // known fault 40
    fails(program, &["send", "kai", big.to_str().unwrap(), "big"], 1, &["larger than", "maxFileSize"]);
    let streamed = program.piped(&["send", "kai", "-", "big"], &content(1_000_001));
    assert_eq!(streamed.status.code(), Some(1), "{streamed:?}");
    assert_eq!(fs::read(there.join("big")).unwrap(), b"old");
    no_parts(&there);

    let target = here.join("kept");
    put(&target, b"kept", 0o644);
    fails(program, &["send", "kai", here.join("missing").to_str().unwrap(), "x"], 1, &["missing"]);
    fails(program, &["pull", "kai", "missing", target.to_str().unwrap()], 1, &["missing"]);
    fails(program, &["pull", "kai", "missing", "-"], 1, &["missing"]);
    fails(program, &["send", "nobody", target.to_str().unwrap(), "x"], 4, &["nobody"]);
    assert_eq!(fs::read(&target).unwrap(), b"kept");
    no_parts(&here);
}
/// known fault 26
#[test]
fn what_may_not_be_touched_is_not() {
    let pair = Pair::start();
    let (program, here, there) = (&pair.leo.program, pair.leo.program.folder(), pair.kai.program.folder());
    let file = here.join("file");
    put(&file, b"mine", 0o644);
    let file = file.to_str().unwrap();
    std::os::unix::fs::symlink("/etc", there.join("etc")).unwrap();
    let out = here.join("out");
    for denied in ["/etc/passwd", "etc/passwd", ".loopsy/config.yaml", "../outside", ".bashrc"] {
        fails(
            program,
            &["send", "kai", file, denied],
            5,
            &["passwd", "config.yaml", "outside", ".bashrc"].map(|name| if denied.ends_with(name) { name } else { "" }),
        );
        if denied != ".bashrc" {
            fails(program, &["pull", "kai", denied, out.to_str().unwrap()], 5, &[]);
        }
    }
    assert!(!out.exists() && !there.join(".bashrc").exists());
    fails(program, &["send", "-r", "kai", here.to_str().unwrap(), "/etc"], 5, &["/etc"]);
}
