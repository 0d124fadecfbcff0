//! Output that is kept in bounded memory: its head and its tail.

use std::collections::VecDeque;

/// Keeps the first and the last half of what it is given.
pub(super) struct Capture {
    head: Vec<u8>,
    head_limit: usize,
    tail: VecDeque<u8>,
    tail_limit: usize,
    left_out: u64,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let head_limit = limit.div_ceil(2);
        Self { head: Vec::new(), head_limit, tail: VecDeque::new(), tail_limit: limit - head_limit, left_out: 0 }
    }

    /// Takes in the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (self.head_limit - self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let skip = rest.len().saturating_sub(self.tail_limit);
        let over = (self.tail.len() + rest.len() - skip).saturating_sub(self.tail_limit);
        self.tail.drain(..over);
        self.tail.extend(&rest[skip..]);
        self.left_out += (skip + over) as u64;
    }

    /// Whether anything was left out.
    pub(super) fn truncated(&self) -> bool {
        self.left_out > 0
    }

    /// All as text; where bytes were left out, a line says how many. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn into_text(mut self) -> String {
        if self.left_out == 0 {
            self.head.extend(self.tail);
            return String::from_utf8(self.head).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        }
        // A character that was cut in two is left out whole.
        let begun = begun_at_end(&self.head);
        self.head.truncate(self.head.len() - begun);
        let ended = self.tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        self.tail.drain(..ended);
        let left_out = self.left_out + (begun + ended) as u64;
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(self.tail.make_contiguous()));
        format!("{head}\n[... {left_out} bytes left out ...]\n{tail}")
    }
}

/// How many bytes at the end are the beginning of an unfinished character.
fn begun_at_end(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: usize, pieces: &[&[u8]]) -> (String, bool) {
        let mut capture = Capture::new(limit);
        pieces.iter().for_each(|piece| capture.push(piece));
        let truncated = capture.truncated();
        (capture.into_text(), truncated)
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(kept(6, &[b"abc", b"def"]), ("abcdef".into(), false));
        assert_eq!(kept(0, &[]), (String::new(), false));
        assert_eq!(kept(9, &["a€".as_bytes(), b"b"]).0, "a€b");
    }
    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        assert_eq!(kept(4, &[b"ab", b"cdefgh", b"ij"]), ("ab\n[... 6 bytes left out ...]\nij".into(), true));
        assert_eq!(kept(4, &[b"abcdefghij"]).0, "ab\n[... 6 bytes left out ...]\nij");
        assert_eq!(kept(0, &[b"abc"]), ("\n[... 3 bytes left out ...]\n".into(), true));
    }
    #[test]
    fn a_character_at_the_cut_is_left_out_whole() {
        let text = "a€€€€b";
        assert_eq!(kept(6, &[text.as_bytes()]).0, "a\n[... 12 bytes left out ...]\nb");
    }
    #[test]
    fn memory_is_bounded() {
        let mut capture = Capture::new(1000);
        for _ in 0..1000 {
            capture.push(&[0; 65_536]);
        }
        assert!(capture.head.capacity() + capture.tail.capacity() < 4096);
    }
}
