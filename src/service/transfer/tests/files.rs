//! Single files, and listings.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

#[tokio::test]
async fn a_file_arrives_with_its_mode_and_time_and_its_checksum_is_told() {
    let house = house();
    let sent = content(300_000);
    let wanted = Put { checksum: Some(sha(&sent)), mode: Some(0o640), modified: Some(1_600_000_000_123), ..put("new/folder/x") };
    let received = house.receive(wanted, body(&sent)).await.unwrap();
    let path = house.home.join("new/folder/x");
    assert_eq!((received.path, received.size, received.checksum), (path.display().to_string(), 300_000, sha(&sent)));
    assert_eq!(fs::read(&path).unwrap(), sent);
    let facts = fs::metadata(&path).unwrap();
    assert_eq!((facts.mode() & 0o7777, facts.mtime(), facts.mtime_nsec()), (0o640, 1_600_000_000, 123_000_000));
    assert_eq!(house.names("new/folder"), ["x"], "no rest is left");
}

#[tokio::test]
async fn the_mode_of_a_replaced_file_is_kept_and_special_bits_are_never_set() {
    let house = house();
    fs::write(house.home.join("x"), "old").unwrap();
    fs::set_permissions(house.home.join("x"), fs::Permissions::from_mode(0o600)).unwrap();
    house.receive(put("x"), body(b"new")).await.unwrap();
    assert_eq!(fs::metadata(house.home.join("x")).unwrap().mode() & 0o7777, 0o600);
    house.receive(Put { mode: Some(0o6755), ..put("x") }, body(b"new")).await.unwrap();
    assert_eq!(fs::metadata(house.home.join("x")).unwrap().mode() & 0o7777, 0o755);
}

#[tokio::test]
async fn a_folder_as_target_means_into_it() {
    let house = house();
    fs::create_dir(house.home.join("folder")).unwrap();
    let into = |path: &str, name: &str| Put { name: Some(name.into()), ..put(path) };
    house.receive(into("folder", "a"), body(b"1")).await.unwrap();
    house.receive(into("folder/", "b"), body(b"2")).await.unwrap();
    house.receive(into("made/", "c"), body(b"3")).await.unwrap();
    house.receive(into("folder/d", "ignored"), body(b"4")).await.unwrap();
    assert_eq!((house.names("folder"), house.names("made")), (vec!["a".into(), "b".into(), "d".into()], vec!["c".into()]));
    for name in ["", ".", "..", "a/b", "../x", "\0"] {
        assert_eq!(house.code(into("folder", name), body(b"")).await, Some(Code::InvalidRequest), "{name:?}");
    }
    assert_eq!(house.code(into("folder", &"n".repeat(300)), body(b"")).await, Some(Code::InvalidRequest));
}

/// known faults 15 and 17
#[tokio::test]
async fn what_is_no_file_is_refused_as_target_and_as_source_and_nothing_hangs() {
    let house = house();
    fs::create_dir(house.home.join("folder")).unwrap();
    fs::write(house.home.join("file"), "x").unwrap();
    house.fifo("fifo");
    let pushes = (0..8).map(|_| house.code(put("fifo"), body(b"x")));
    for code in futures_util::future::join_all(pushes).await {
        assert_eq!(code, Some(Code::InvalidRequest));
    }
    for path in ["folder", "folder/", "file/below", "~", "."] {
        assert_eq!(house.code(put(path), body(b"x")).await, Some(Code::InvalidRequest), "{path}");
    }
    for path in ["fifo", "folder", "file/below"] {
        assert_eq!(house.pull(path, 0).await.unwrap_err().code, Code::InvalidRequest, "{path}");
    }
    assert!(house.pull("fifo", 0).await.unwrap_err().message.contains("a fifo"));
    assert_eq!(house.names(""), ["fifo", "file", "folder"]);
}

/// known fault 26
#[tokio::test]
async fn nothing_goes_past_the_rules_for_paths() {
    let house = house();
    symlink("/etc", house.home.join("etc")).unwrap();
    fs::create_dir(house.home.join(".ssh")).unwrap();
    symlink(".ssh", house.home.join("innocent")).unwrap();
    let outside = format!("{}a/x", house.home.display());
    for path in [
        "/etc/passwd",
        "etc/passwd",
        "../x",
        &outside,
        ".ssh/authorized_keys",
        "innocent/authorized_keys",
        ".loopsy/config.yaml",
        ".bashrc",
    ] {
        assert_eq!(house.code(put(path), body(b"x")).await, Some(Code::TransferPathDenied), "{path}");
        assert_eq!(house.pull(path, 0).await.unwrap_err().code, Code::TransferPathDenied, "{path}");
        assert_eq!(house.transfer.list(path).await.unwrap_err().code, Code::TransferPathDenied, "{path}");
    }
    let named = Put { name: Some("authorized_keys".into()), ..put("innocent") };
    assert_eq!(house.code(named, body(b"x")).await, Some(Code::TransferPathDenied));
    for path in ["", "a\0b", &"n".repeat(5000), &"n".repeat(300)] {
        assert_eq!(house.code(put(path), body(b"x")).await, Some(Code::InvalidRequest));
        assert_eq!(house.pull(path, 0).await.unwrap_err().code, Code::InvalidRequest);
    }
}

/// known fault 40
#[tokio::test]
async fn a_file_larger_than_allowed_is_refused_and_nothing_is_left() {
    let house = house_with(|config| config.transfer.max_file_size = 1000);
    assert_eq!(house.receive(put("exact"), body(&content(1000))).await.unwrap().size, 1000);
    assert_eq!(house.code(put("more"), body(&content(1001))).await, Some(Code::TransferTooLarge));
    let announced = Put { size: Some(1001), ..put("more") };
    assert_eq!(house.code(announced, body(&content(1001))).await, Some(Code::TransferTooLarge));
    assert_eq!(house.names(""), ["exact"]);
}

#[tokio::test]
async fn a_wrong_checksum_leaves_the_old_file_and_nothing_else() {
    let house = house();
    fs::write(house.home.join("x"), "old").unwrap();
    let wrong = Put { checksum: Some("0".repeat(64)), size: Some(3), ..put("x") };
    assert_eq!(house.code(wrong, body(b"new")).await, Some(Code::TransferChecksumMismatch));
    let trailer = body(b"new").chain(stream::iter([Ok(Piece::Checksum("0".repeat(64)))]));
    assert_eq!(house.code(put("x"), Box::pin(trailer)).await, Some(Code::TransferChecksumMismatch));
    assert_eq!(house.code(Put { checksum: Some("xyz".into()), ..put("x") }, body(b"new")).await, Some(Code::InvalidRequest));
    assert_eq!(fs::read(house.home.join("x")).unwrap(), b"old");
    assert_eq!(house.names(""), ["x"]);
    let right = body(b"new").chain(stream::iter([Ok(Piece::Checksum(sha(b"new").to_uppercase()))]));
    house.receive(put("x"), Box::pin(right)).await.unwrap();
}

/// known fault 43
#[tokio::test]
async fn a_connection_that_breaks_leaves_the_old_file() {
    let house = house();
    fs::write(house.home.join("x"), "old").unwrap();
    assert_eq!(house.code(put("x"), broken(&content(500_000))).await, Some(Code::TransferFailed));
    assert_eq!(fs::read(house.home.join("x")).unwrap(), b"old");
    assert_eq!(house.names(""), ["x"], "what can't be resumed is not kept");
    let short = Put { size: Some(4), ..put("y") };
    assert_eq!(house.code(short.clone(), body(b"12345")).await, Some(Code::InvalidRequest));
    assert_eq!(house.code(short, body(b"123")).await, Some(Code::InvalidRequest));
    assert!(!house.home.join("y").exists());
}

#[tokio::test]
async fn two_uploads_to_one_target_do_not_mix() {
    let house = house();
    let (one, two) = (vec![b'1'; 3_000_000], vec![b'2'; 3_000_000]);
    let same = Put { size: Some(3_000_000), modified: Some(1), ..put("x") };
    let (first, second) = tokio::join!(house.receive(same.clone(), body(&one)), house.receive(same, body(&two)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.checksum, second.checksum), (sha(&one), sha(&two)));
    let there = fs::read(house.home.join("x")).unwrap();
    assert!(there == one || there == two);
    assert_eq!(house.names(""), ["x"]);
}

#[tokio::test]
async fn a_file_leaves_with_all_that_is_known_of_it() {
    let house = house();
    let sent = content(1_200_000);
    house.receive(Put { mode: Some(0o640), modified: Some(1_600_000_000_123), ..put("x") }, body(&sent)).await.unwrap();
    let download = house.transfer.send(&kai(), "x", Part::default()).await.unwrap();
    assert_eq!((download.name.as_str(), download.size, download.offset), ("x", Some(1_200_000), 0));
    assert_eq!((download.mode, download.modified), (Some(0o640), Some(1_600_000_000_123)));
    assert_eq!(read(download.body).await.unwrap(), (sent.clone(), Some(sha(&sent))));
    assert_eq!(house.pull("none", 0).await.unwrap_err().code, Code::TransferFileNotFound);
    assert_eq!(house.pull("none/below", 0).await.unwrap_err().code, Code::TransferFileNotFound);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_gets_no_checksum() {
    let house = house();
    fs::write(house.home.join("log"), content(3_000_000)).unwrap();
    for change in [4_000_000, 10] {
        let mut body = house.transfer.send(&kai(), "log", Part::default()).await.unwrap().body;
        assert!(matches!(body.next().await, Some(Ok(Piece::Data(_)))));
        fs::write(house.home.join("log"), content(change)).unwrap();
        let error = read(body).await.unwrap_err();
        assert_eq!(error.code, Code::TransferFailed);
        assert!(error.message.contains("changed"), "{error}");
        fs::write(house.home.join("log"), content(3_000_000)).unwrap();
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let house = house();
    let received = house.receive(Put { size: Some(0), ..put("empty") }, body(b"")).await.unwrap();
    assert_eq!((received.size, received.checksum), (0, sha(b"")));
    assert_eq!(house.pull("empty", 0).await.unwrap(), (Vec::new(), Some(sha(b""))));
}

/// known fault 53
#[tokio::test]
async fn a_listing_is_sorted_and_leaves_out_what_is_denied() {
    let house = house();
    fs::create_dir_all(house.home.join(".ssh")).unwrap();
    fs::create_dir_all(house.home.join("b")).unwrap();
    fs::write(house.home.join("a\nb\"ü"), "123").unwrap();
    symlink("nowhere", house.home.join("c")).unwrap();
    let files = house.transfer.list("~").await.unwrap().files;
    let seen: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.kind, file.size)).collect();
    use crate::api::transfer::FileType::{Directory, File, Symlink};
    assert_eq!(seen[0], ("a\nb\"ü", File, 3));
    assert_eq!((seen[1].0, seen[1].1, seen[2].0, seen[2].1, seen.len()), ("b", Directory, "c", Symlink, 3));
    assert_eq!(files[1].path, house.home.join("b").display().to_string());
    assert_eq!(house.transfer.list("missing").await.unwrap_err().code, Code::TransferFileNotFound);
    assert_eq!(house.transfer.list("a\nb\"ü").await.unwrap_err().code, Code::InvalidRequest);
}

/// known fault 45
#[tokio::test]
async fn names_of_any_letters_travel() {
    let house = house();
    for name in ["日本語", "new\nline", "quo\"te'", "emoji 🦀", "-rf", "~x", "a\\b", "%2e%2e"] {
        house.receive(put(name), body(name.as_bytes())).await.unwrap();
        let download = house.transfer.send(&kai(), name, Part::default()).await.unwrap();
        assert_eq!(download.name, name);
        assert_eq!(read(download.body).await.unwrap().0, name.as_bytes());
    }
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let error = disk::failed("x", &std::io::ErrorKind::StorageFull.into());
    assert_eq!((error.code, error.code.status()), (Code::TransferDiskFull, 507));
}
