//! A folder that arrives as a tar stream: nothing is written outside of what may be touched, and no link leads there for who
//! may not run commands.
//!
//! Input: a byte that says who sends it; the tar stream, whose checksums are put right.
#![no_main]

use std::path::Path;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use loopsy::api::Piece;
use loopsy::service::journal::Journal;
use loopsy::service::transfer::Transfer;
use loopsy_fuzz::RUNTIME;
use loopsy_fuzz::scene::{Scene, caller};

const BLOCK: usize = 512;

/// Has each header's checksum be right: what is behind it would never be reached.
fn checked(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK).filter(|header| header.iter().any(|byte| *byte != 0)) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size =
            std::str::from_utf8(&header[124..136]).ok().and_then(|text| usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok());
        at += BLOCK + size.unwrap_or(0).min(tar.len()).next_multiple_of(BLOCK);
    }
    tar
}

fn assert_links(scene: &Scene, folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            if let Ok(real) = path.canonicalize() {
                assert!(scene.permits(&real), "{} leads to {}", path.display(), real.display());
            }
        } else if path.is_dir() {
            assert_links(scene, &path);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((who, tar)) = bytes.split_first() else { return };
    let is_owner = who % 2 == 0;
    let scene = Scene::default();
    let body = Box::pin(futures_util::stream::iter([Ok(Piece::Data(Bytes::from(checked(tar))))]));
    let transfer = Transfer::new(scene.paths(), scene.settings(), Journal::default());
    let target = scene.inside().join("sub");
    let _ = RUNTIME.block_on(transfer.receive_tree(&caller(is_owner), target.to_str().unwrap(), None, body));
    scene.assert_untouched();
    if !is_owner {
        assert_links(&scene, &target);
    }
});
