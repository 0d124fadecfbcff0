//! Folders.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tar::{Builder, EntryType, Header};

use super::*;
use crate::api::transfer::{FileType, ManifestEntry, TreeReceived};

impl House {
    async fn receive_tree(&self, to: &str, tar: &[u8]) -> Result<TreeReceived> {
        self.transfer.receive_tree(&kai(), to, None, body(tar)).await
    }
    async fn send_tree(&self, from: &str, only: Option<&[&str]>) -> Vec<u8> {
        let only = only.map(|only| only.iter().map(|path| (*path).to_owned()).collect());
        let (tar, checksum) = read(self.transfer.send_tree(&kai(), from, only).await.unwrap().body).await.unwrap();
        assert_eq!(checksum, Some(sha(&tar)));
        tar
    }
    async fn entries(&self, path: &str) -> Vec<ManifestEntry> {
        self.transfer.manifest(path, true).await.unwrap().entries
    }
    fn write(&self, path: &str, content: &[u8]) {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A tar stream of one entry whose name nobody has checked.
fn tar_of(kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name);
    old.linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    tar_of(EntryType::Regular, name.as_bytes(), b"", content)
}

/// Several streams as one.
fn joined(tars: &[Vec<u8>]) -> Vec<u8> {
    let mut all: Vec<u8> = tars.iter().flat_map(|tar| tar[..tar.len() - 1024].to_vec()).collect();
    all.extend([0; 1024]);
    all
}

#[tokio::test]
async fn a_folder_travels_whole_with_modes_times_links_and_odd_names() {
    let house = house();
    house.write("src/a/b/deep", b"deep");
    house.write("src/run", b"#!/bin/sh");
    house.write("src/empty", b"");
    house.write(&format!("src/{}/{}", "long".repeat(40), "name".repeat(40)), &content(600_000));
    house.write("src/new\nline \"ü\" 日本", b"x");
    fs::create_dir(house.home.join("src/hollow")).unwrap();
    fs::set_permissions(house.home.join("src/run"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(house.home.join("src/hollow"), fs::Permissions::from_mode(0o500)).unwrap();
    symlink("a/b/../b/./deep", house.home.join("src/link")).unwrap();
    symlink("x".repeat(150), house.home.join("src/dangling")).unwrap();
    house.fifo("src/fifo");

    let tar = house.send_tree("src", None).await;
    let received = house.receive_tree("copies/dst", &tar).await.unwrap();
    assert_eq!((received.files, received.directories, received.links), (5, 4, 2));
    assert_eq!((received.size, received.checksum), (600_000 + 4 + 9 + 1, sha(&tar)));
    assert_eq!(received.path, house.home.join("copies/dst").display().to_string());

    let sources: Vec<_> = house.entries("src").await;
    let copies = house.entries("copies/dst").await;
    assert_eq!(sources.len(), 11);
    for (source, copy) in sources.iter().zip(&copies) {
        let time = |entry: &ManifestEntry| if entry.kind == FileType::Symlink { 0 } else { entry.modified };
        assert_eq!((&source.path, source.kind, source.mode, time(source)), (&copy.path, copy.kind, copy.mode, time(copy)));
        assert_eq!((&source.target, &source.checksum), (&copy.target, &copy.checksum));
    }
    let nanoseconds = |path: &str| fs::metadata(house.home.join(path)).unwrap().mtime_nsec();
    assert_eq!(nanoseconds("src/a/b/deep"), nanoseconds("copies/dst/a/b/deep"));
    fs::set_permissions(house.home.join("src/hollow"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(house.home.join("copies/dst/hollow"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn only_what_is_asked_for_is_sent_and_what_vanished_is_left_out() {
    let house = house();
    for path in ["src/a/one", "src/a/two", "src/three", "secret"] {
        house.write(path, path.as_bytes());
    }
    let tar = house.send_tree("src", Some(&["a/two", "gone", "../secret", "/etc/passwd"])).await;
    let received = house.receive_tree("dst", &tar).await.unwrap();
    assert_eq!((received.files, received.directories), (1, 1));
    assert_eq!(fs::read(house.home.join("dst/a/two")).unwrap(), b"src/a/two");
    assert_eq!(house.receive_tree("dst", &house.send_tree("src", Some(&[])).await).await.unwrap().files, 0);
}

#[tokio::test]
async fn a_manifest_tells_what_is_there_parents_first() {
    let house = house();
    house.write("m/b/x", b"12");
    house.write("m/a", b"1");
    house.write("m/b.txt", b"");
    let manifest = house.transfer.manifest("m", false).await.unwrap();
    let paths: Vec<_> = manifest.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((manifest.root, paths), (Some(FileType::Directory), vec!["a", "b", "b/x", "b.txt"]));
    assert_eq!((manifest.entries[2].size, manifest.entries[1].size, &manifest.entries[2].checksum), (2, 0, &None));
    let one = house.transfer.manifest("m/b/x", true).await.unwrap();
    assert_eq!((one.root, one.entries[0].path.as_str(), one.entries[0].checksum.clone()), (Some(FileType::File), "x", Some(sha(b"12"))));
    assert_eq!(house.transfer.manifest("missing/x", true).await.unwrap(), Default::default());
    house.fifo("m/fifo");
    assert_eq!(house.transfer.manifest("m/fifo", true).await.unwrap_err().code, Code::InvalidRequest);
}

/// known fault 26
#[tokio::test]
async fn what_is_denied_is_neither_told_nor_sent_nor_written() {
    let house = house();
    house.write(".ssh/id", b"key");
    house.write(".loopsy/config.yaml", b"key");
    house.write("open", b"x");
    let paths: Vec<_> = house.entries("~").await.into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["open"]);
    let tar = house.send_tree("~", None).await;
    assert_eq!(house.receive_tree("dst", &tar).await.unwrap().files, 1);
    for name in [".ssh/authorized_keys", ".bashrc", "./.loopsy/x", ".config/autostart/x"] {
        assert_eq!(house.receive_tree("~", &file(name, b"x")).await.unwrap_err().code, Code::TransferPathDenied, "{name}");
    }
    assert_eq!(house.receive_tree("/etc", &file("x", b"x")).await.unwrap_err().code, Code::TransferPathDenied);
}

#[tokio::test]
async fn entries_that_would_land_outside_are_refused() {
    let house = house();
    house.write("dst/kept", b"kept");
    symlink("/etc", house.home.join("dst/out")).unwrap();
    fs::create_dir(house.home.join("inside")).unwrap();
    symlink(house.home.join("inside"), house.home.join("dst/in")).unwrap();
    let link = |name: &[u8], target: &[u8]| tar_of(EntryType::Symlink, name, target, b"");
    for (tar, words) in [
        (file("../x", b""), "leads out"),
        (file("a/../../x", b""), "leads out"),
        (file("/etc/x", b""), "not a relative path"),
        (file("out/x", b""), "through a link"),
        (file("in/x", b""), "through a link"),
        (joined(&[link(b"trap", b"."), file("trap/x", b"")]), "through a link"),
        (tar_of(EntryType::Directory, b"in/", b"", b""), "through a link"),
        (tar_of(EntryType::Link, b"hard", b"kept", b""), "hard link"),
        (tar_of(EntryType::Char, b"null", b"", b""), "a device"),
        (tar_of(EntryType::Fifo, b"pipe", b"", b""), "a FIFO"),
        (tar_of(EntryType::GNUSparse, b"sparse", b"", b""), "not known"),
    ] {
        let error = house.receive_tree("dst", &tar).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    assert!(house.names("inside").is_empty());
    assert_eq!(house.names("dst"), ["in", "kept", "out", "trap"]);
}

#[tokio::test]
async fn links_may_not_lead_to_what_is_denied_nor_stand_in_its_way() {
    let house = house();
    let link = |name: &str, target: &str| tar_of(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"");
    let mut guest = kai();
    guest.role = Role::Peer { name: "guest".into(), permissions: vec![Permission::Transfer], legacy: false };
    let put = |caller: Caller, tar: Vec<u8>| {
        let house = &house;
        async move { house.transfer.receive_tree(&caller, "~", None, body(&tar)).await.err().map(|error| error.code) }
    };
    for (name, target) in [("x", ".ssh"), ("x", ".loopsy/config.yaml"), (".config", "evil"), ("a/x", "../.bashrc")] {
        assert_eq!(put(kai(), link(name, target)).await, Some(Code::TransferPathDenied), "{name} -> {target}");
    }
    assert_eq!(put(guest.clone(), link("python", "/usr/bin/python3")).await, Some(Code::TransferPathDenied));
    assert_eq!(put(guest, link("fine", "a/b")).await, None);
    assert_eq!(put(kai(), link("python", "/usr/bin/python3")).await, None);
    assert_eq!(fs::read_link(house.home.join("python")).unwrap(), Path::new("/usr/bin/python3"));
}

#[tokio::test]
async fn files_folders_and_links_do_not_replace_what_they_should_not() {
    let house = house();
    house.write("dst/folder/x", b"x");
    house.write("dst/file", b"old");
    symlink("file", house.home.join("dst/link")).unwrap();
    house.fifo("dst/fifo");
    for (tar, words) in [
        (file("folder", b""), "directory"),
        (file("fifo", b""), "fifo"),
        (file("file/x", b""), "not a directory"),
        (tar_of(EntryType::Directory, b"file", b"", b""), "not a directory"),
    ] {
        let error = house.receive_tree("dst", &tar).await.unwrap_err();
        assert!(error.code == Code::InvalidRequest && error.message.contains(words), "{error}");
    }
    house.receive_tree("dst", &file("link", b"new")).await.unwrap();
    assert_eq!(fs::read(house.home.join("dst/file")).unwrap(), b"old");
    assert_eq!(fs::read(house.home.join("dst/link")).unwrap(), b"new");
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_no_half_file() {
    let house = house();
    let tar = joined(&[file("first", b"1"), file("second", &content(500_000))]);
    let cut = house.transfer.receive_tree(&kai(), "dst", None, broken(&tar[..300_000])).await;
    assert_eq!(cut.unwrap_err().code, Code::TransferFailed);
    assert_eq!(house.names("dst"), ["first"]);
    let short = house.receive_tree("other", &tar[..300_000]).await;
    assert_eq!(short.unwrap_err().code, Code::TransferFailed);
    assert_eq!(house.names("other"), ["first"]);
    let wrong = house.transfer.receive_tree(&kai(), "dst", Some("0".repeat(64)), body(&tar)).await;
    assert_eq!(wrong.unwrap_err().code, Code::TransferChecksumMismatch);
}

#[tokio::test]
async fn nonsense_is_refused_and_takes_no_memory() {
    let house = house_with(|config| config.transfer.max_file_size = 1000);
    let long = |kind| tar_of(kind, b"x", b"", &vec![b'n'; 1_000_000]);
    for tar in [long(EntryType::GNULongName), long(EntryType::GNULongLink), long(EntryType::XHeader), content(5000)] {
        assert_eq!(house.receive_tree("dst", &tar).await.unwrap_err().code, Code::InvalidRequest);
    }
    let deep = joined(&[tar_of(EntryType::GNULongName, b"x", b"", "d/".repeat(5000).as_bytes()), file("x", b"")]);
    assert_eq!(house.receive_tree("dst", &deep).await.unwrap_err().code, Code::InvalidRequest);
    let two_sizes = joined(&[tar_of(EntryType::XHeader, b"x", b"", b"9 size=2\n"), file("x", b"1")]);
    assert_eq!(house.receive_tree("dst", &two_sizes).await.unwrap_err().code, Code::InvalidRequest);
    assert_eq!(house.receive_tree("dst", &file("big", &[0; 1001])).await.unwrap_err().code, Code::TransferTooLarge);
    assert_eq!(house.receive_tree("dst", &file("fits", &[0; 1000])).await.unwrap().files, 1);
}

#[tokio::test]
async fn a_folder_deeper_than_any_is_refused() {
    let house = house();
    fs::create_dir_all(house.home.join(format!("deep/{}", "d/".repeat(250)))).unwrap();
    assert_eq!(house.transfer.manifest("deep", false).await.unwrap_err().code, Code::TransferTooLarge);
}

#[tokio::test]
async fn tar_of_another_program_is_understood() {
    let house = house();
    house.write("src/a/b", b"content");
    let made = std::process::Command::new("tar").args(["-cf", "-", "-C"]).arg(house.home.join("src")).arg(".").output();
    let Ok(made) = made else { return };
    let received = house.receive_tree("dst", &made.stdout).await.unwrap();
    assert_eq!((received.files, received.directories), (1, 1));
    assert_eq!(fs::read(house.home.join("dst/a/b")).unwrap(), b"content");
}
