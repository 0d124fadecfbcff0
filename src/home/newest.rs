//! The newest lines of a log, read from its end: the log may be large, and what is wanted of it small.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::log_file::rotated;

/// How much is read at a time, bytes.
const BLOCK: u64 = 64 * 1024;
/// Most that is read in all, bytes.
const MOST: u64 = 8 * 1024 * 1024;

/// The newest whole lines of a log and its older copies, oldest first: `count` of them, fewer where there are not so many or
/// where they would be more than 8 MiB. Blocks.
///
/// # Errors
/// What the system says about a file that is there and can't be read.
pub fn newest(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let (mut found, mut budget) = (Vec::new(), MOST);
    for number in 0.. {
        let file = if number == 0 { File::open(path) } else { File::open(rotated(path, number)) };
        let file = match file {
            // Right after a rotation the log itself may not be there yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && number == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            file => file?,
        };
        let mut lines = last_lines(file, count - found.len(), &mut budget)?;
        lines.append(&mut found);
        found = lines;
        if found.len() >= count || budget == 0 {
            break;
        }
    }
    Ok(found)
}

fn last_lines(mut file: File, count: usize, budget: &mut u64) -> io::Result<Vec<String>> {
    let mut start = file.seek(SeekFrom::End(0))?;
    let mut text = Vec::new();
    let breaks = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    // One break more than lines: what comes before it may be the end of a line only.
    while start > 0 && *budget > 0 && breaks(&text) <= count {
        let size = BLOCK.min(start).min(*budget);
        start -= size;
        *budget -= size;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        (&mut file).take(size).read_to_end(&mut block)?;
        block.append(&mut text);
        text = block;
    }
    // A line that is being written has no end yet.
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().collect();
    if start > 0 && !lines.is_empty() {
        lines.remove(0);
    }
    Ok(lines[lines.len().saturating_sub(count)..].iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::log_file::Rotating;

    #[test]
    fn the_newest_lines_come_whole_and_in_order_out_of_older_copies_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        assert!(newest(&path, 5).unwrap().is_empty());
        let mut log = Rotating::open(&path, 300_000, 9).unwrap();
        let line = |number: usize| format!("{number:06} {}", "x".repeat(number % 2000));
        let all: Vec<String> = (0..2000).map(line).collect();
        all.iter().for_each(|line| log.append(format!("{line}\n").as_bytes()).unwrap());
        assert!(rotated(&path, 2).exists());
        for count in [0, 1, 2, 99, 1000] {
            assert_eq!(newest(&path, count).unwrap(), all[all.len() - count..], "{count}");
        }
        log.append(b"half a line").unwrap();
        assert_eq!(newest(&path, 1).unwrap(), all[1999..]);
        std::fs::remove_file(&path).unwrap();
        assert!(!newest(&path, 1).unwrap().is_empty());
    }
    #[test]
    fn a_huge_log_is_read_within_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Rotating::open(&path, u64::MAX, 0).unwrap();
        log.append(&vec![b'x'; MOST as usize + 10]).unwrap();
        log.append(b"\nlast\n").unwrap();
        assert_eq!(newest(&path, 10).unwrap(), ["last"]);
    }
}
