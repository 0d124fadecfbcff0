//! How far a stream of a terminal's bytes is, and what of it would cost its picture too much.

use crate::platform::pty::Size;

/// Most bytes of a text that a program gives its terminal, such as a title: the picture's parser keeps all of it.
const LONGEST: usize = 4096;
/// Most digits of a number.
const DIGITS: usize = 3;

/// Ends a sequence without any effect.
const CANCEL: u8 = 0x18;
const ESCAPE: u8 = 0x1b;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Text, and control characters.
    Plain,
    /// After an escape character.
    Escape,
    /// In a sequence that ends with a letter, whose numbers are counts.
    Sequence,
    /// The same, but its numbers are names.
    Private,
    /// In a text that a bell may end.
    Command,
    /// In a text that only an escape sequence ends.
    Text,
}

/// Follows a stream.
pub(super) struct Lexer {
    state: State,
    /// Bytes of the text so far, or digits of the number.
    length: usize,
    /// The first number of a sequence, as far as it has come; nothing where it is no count.
    count: Option<u16>,
    /// Whether the first number is still coming.
    in_count: bool,
    /// Whether a character of several bytes has begun.
    in_character: bool,
}

impl Lexer {
    pub(super) fn new() -> Self {
        Self { state: State::Plain, length: 0, count: None, in_count: false, in_character: false }
    }

    /// Whether something else may be put in here without breaking what has begun.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Plain && !self.in_character
    }

    /// Hands the bytes on, but for what of a text is too long, and of a number too large for a picture of this size: the
    /// picture's parser does what is asked as often as is asked.
    pub(super) fn feed(&mut self, bytes: &[u8], size: Size, mut pass: impl FnMut(&[u8])) {
        let (mut begin, mut at) = (0, 0);
        while at < bytes.len() {
            if self.state == State::Plain {
                let Some(next) = bytes[at..].iter().position(|byte| *byte == ESCAPE) else { break };
                at += next;
            }
            let most = self.ends_count(bytes[at]).then(|| most(bytes[at], size)).flatten();
            let too_much = most.filter(|most| self.count > Some(*most));
            if !self.step(bytes[at]) || too_much.is_some() {
                if begin < at {
                    pass(&bytes[begin..at]);
                }
                begin = at + 1;
            }
            if let Some(most) = too_much {
                pass(&[CANCEL]);
                pass(format!("\x1b[{most}{}", char::from(bytes[at])).as_bytes());
            }
            at += 1;
        }
        if begin < bytes.len() {
            pass(&bytes[begin..]);
        }
        self.in_character = self.state == State::Plain && has_begun_character(bytes);
    }

    /// Goes on by a byte of a sequence; whether it is to be handed on.
    fn step(&mut self, byte: u8) -> bool {
        use State::{Command, Escape, Plain, Private, Sequence, Text};
        let before = self.state;
        self.state = match (before, byte) {
            (_, ESCAPE) => Escape,
            // They end whatever has begun.
            (_, CANCEL | 0x1a) => Plain,
            (Escape, b'[') => Sequence,
            (Escape, b']') => Command,
            (Escape, b'P' | b'X' | b'^' | b'_') => Text,
            (Escape, 0..=0x2f) => Escape,
            (Sequence, b'<'..=b'?') => Private,
            (Escape, _) | (Sequence | Private, 0x40..=0x7e) | (Command, 0x07) => Plain,
            (state, _) => state,
        };
        let goes_on = self.state == before && (matches!(before, Command | Text) || byte.is_ascii_digit());
        self.length = if goes_on { self.length + 1 } else { 0 };
        self.follow_count(before, byte);
        match self.state {
            Sequence => self.length <= DIGITS,
            Command | Text => self.length <= LONGEST,
            Plain | Escape | Private => true,
        }
    }

    fn follow_count(&mut self, before: State, byte: u8) {
        match (before, byte) {
            (State::Escape, _) => (self.count, self.in_count) = (Some(0), true),
            (State::Sequence, b'0'..=b'9') if self.in_count && self.length <= DIGITS => {
                self.count = self.count.map(|count| count * 10 + u16::from(byte - b'0'));
            }
            (State::Sequence, b';' | b':') => self.in_count = false,
            // What ends such a sequence has another meaning.
            (State::Sequence, b' '..=b'/') => self.count = None,
            _ => {}
        }
    }

    fn ends_count(&self, byte: u8) -> bool {
        self.state == State::Sequence && (0x40..=0x7e).contains(&byte)
    }
}

/// How often at most what this letter stands for has an effect, on a screen of this size.
fn most(letter: u8, size: Size) -> Option<u16> {
    match letter {
        b'L' | b'M' | b'S' | b'T' => Some(size.rows),
        b'@' | b'P' | b'X' => Some(size.cols),
        _ => None,
    }
}

/// Whether the last character of these bytes is not whole yet.
fn has_begun_character(bytes: &[u8]) -> bool {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    !last.is_empty() && std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { cols: 80, rows: 24 };

    fn passed(lexer: &mut Lexer, bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        lexer.feed(bytes, SIZE, |part| all.extend_from_slice(part));
        all
    }

    #[test]
    fn it_is_known_where_nothing_is_broken_by_putting_something_in() {
        let between = |bytes: &[u8]| {
            let mut lexer = Lexer::new();
            assert_eq!(passed(&mut lexer, bytes), bytes);
            lexer.is_between()
        };
        for whole in ["", "a", "a\x1b[1;2m", "\x1b]0;t\x07", "\x1b]0;t\x1b\\", "\x1bP1$q\x1b\\", "\x1b(B", "\x1b7", "€", "\x1b[1\x18"] {
            assert!(between(whole.as_bytes()), "{whole:?}");
        }
        for part in ["\x1b", "a\x1b[1;", "\x1b]0;t", "\x1bPx\x07", "\x1b(", "\x1b]0;t\x1b"] {
            assert!(!between(part.as_bytes()), "{part:?}");
        }
        assert!(!between(&"€".as_bytes()[..2]));
        assert!(between(b"\xff"));
    }
    #[test]
    fn of_a_text_without_end_a_part_is_passed_on_and_then_what_follows_it() {
        for (begin, end) in [("\x1b]0;", "\x07"), ("\x1b]2;", "\x1b\\"), ("\x1bP", "\x1b\\")] {
            let mut lexer = Lexer::new();
            let mut kept = passed(&mut lexer, begin.as_bytes());
            for _ in 0..1000 {
                kept.extend(passed(&mut lexer, &[b'x'; 1000]));
            }
            assert!(kept.len() <= LONGEST + begin.len() + 1, "{}", kept.len());
            assert_eq!(passed(&mut lexer, format!("xx{end}after").as_bytes()), format!("{end}after").as_bytes());
        }
    }
    #[test]
    fn a_count_is_no_larger_than_any_terminal_and_a_name_is_untouched() {
        let kept = |bytes: &str| String::from_utf8(passed(&mut Lexer::new(), bytes.as_bytes())).unwrap();
        assert_eq!(kept("\x1b[99999;12345HAB1234"), "\x1b[999;123HAB1234");
        for (letter, most) in [('L', 24), ('M', 24), ('S', 24), ('T', 24), ('@', 80), ('P', 80), ('X', 80)] {
            let same = format!("\x1b[{most};999{letter}");
            assert_eq!(kept(&same), same);
            assert_eq!(kept(&format!("a\x1b[{}{letter}b", most + 1)), format!("a\x1b[{}\x18\x1b[{most}{letter}b", most + 1));
        }
        assert_eq!(kept("\x1b[99999 @\x1b[?999L"), "\x1b[999 @\x1b[?999L");
        for same in ["\x1b[?1049h\x1b[?2004;1000l", "\x1b[38;2;255;255;255m", "\x1b[>4;1m"] {
            assert_eq!(kept(same), same);
        }
    }
    #[test]
    fn it_makes_no_difference_where_a_stream_is_cut() {
        let stream = format!("a€\x1b[12345L\x1b[7L\x1b[31mb\x1b]0;{}\x07c\x1bPq\x1b\\d", "t".repeat(2 * LONGEST));
        let whole = passed(&mut Lexer::new(), stream.as_bytes());
        for size in [1, 2, 3, 7, 100] {
            let mut lexer = Lexer::new();
            let parts: Vec<u8> = stream.as_bytes().chunks(size).flat_map(|part| passed(&mut lexer, part)).collect();
            assert_eq!(parts, whole, "{size}");
        }
    }
}
