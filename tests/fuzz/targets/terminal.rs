//! What a program shows in its terminal: the picture of it is bounded, and shows the same where it is painted.
//!
//! Input: the columns, the rows, and how much is taken in at a time, a byte each; the bytes, in which 0xff and two more are
//! another size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::platform::pty::Size;
use loopsy::service::terminal::{Screen, size};

/// Twice what either screen takes, and what switches between them.
const MOST: usize = 2 * 1024 * 1024 + 64 * 1024;

fn sized(cols: u8, rows: u8) -> Option<Size> {
    size(u16::from(cols) * 2, u16::from(rows)).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let [cols, rows, step, bytes @ ..] = bytes else { return };
    let Some(size) = sized(*cols, *rows) else { return };
    let mut screen = Screen::new(size);
    let mut parts = bytes.split(|byte| *byte == 0xff);
    if let Some(part) = parts.next() {
        part.chunks(usize::from(*step).max(1)).for_each(|piece| screen.feed(piece));
    }
    for part in parts {
        if let [cols, rows, part @ ..] = part {
            if let Some(size) = sized(*cols, *rows) {
                screen.resize(size);
            }
            part.chunks(usize::from(*step).max(1)).for_each(|piece| screen.feed(piece));
        }
    }
    screen.feed(b"\x18");
    let (picture, whole) = (screen.picture(), screen.whole());
    assert!(picture.len() <= MOST && whole.len() <= MOST, "{} and {} bytes", picture.len(), whole.len());
    let mut other = Screen::new(screen.size());
    other.feed(&picture);
    // The same characters can be painted in more than one way, where half of a wide one was overwritten.
    if other.picture() != picture {
        assert_eq!(other.shown(), screen.shown());
    }
});
