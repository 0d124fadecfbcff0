//! What is on the screen of a terminal, and how it is painted for whoever comes later.

use vt100::{Callbacks, Parser};

use super::lexer::Lexer;
use super::quiet::catch;
use crate::base::text::one_line;
use crate::platform::pty::Size;

/// Most lines that are kept of what was scrolled away.
const LINES: usize = 1000;
/// Most memory for them, bytes.
const MEMORY: usize = 4 * 1024 * 1024;
/// Most bytes that paint all of it: what is above the screen as far as there is room, and colours likewise.
const PICTURE: usize = 1024 * 1024;
/// The least that the picture has: what is smaller fits no wide character, which the parser can't do without.
const LEAST: Size = Size { cols: 4, rows: 2 };
/// What a character takes.
const CHARACTER: usize = 32;
/// Most characters of a title.
const TITLE: usize = 200;

/// Ends whatever a program has begun.
const CANCEL: &[u8] = b"\x18";
/// Ends whatever a client was shown a part of, leaves the other screen, switches off what programs switch on, and clears.
const BLANK: &[u8] = b"\x18\x1b\\\x1b[?1049l\x1b[!p\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?2004l\
    \x1b[?1l\x1b>\x1b[?25h\x1b[0m\x1b[H\x1b[2J";
/// To the other screen, where the cursor of this one is kept, and back.
const OTHER: &[u8] = b"\x1b[?1049h";
/// The same for the picture alone: nothing is cleared or kept.
const LOOK_BEHIND: &[u8] = b"\x1b[?47l";
const LOOK_AGAIN: &[u8] = b"\x1b[?47h";

/// A picture of a terminal that is kept up by what its program shows.
pub struct Screen {
    parser: Parser<Title>,
    lexer: Lexer,
    size: Size,
    /// Most lines that the parser keeps.
    lines: usize,
    /// Whether it was told that the picture was lost.
    is_told: bool,
    /// What paints all of it, once nothing changes any more.
    last: Option<Vec<u8>>,
}

#[derive(Default)]
struct Title(Option<String>);

impl Callbacks for Title {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        let title = one_line(&String::from_utf8_lossy(title), TITLE);
        self.0 = Some(title).filter(|title| !title.is_empty());
    }
}

fn parser(size: Size, lines: usize, title: Title) -> Parser<Title> {
    let size = pictured(size);
    Parser::new_with_callbacks(size.rows, size.cols, lines, title)
}

/// The size of the picture of a terminal of this size.
fn pictured(size: Size) -> Size {
    Size { cols: size.cols.max(LEAST.cols), rows: size.rows.max(LEAST.rows) }
}

/// How many lines may be kept at a size.
fn lines_at(size: Size) -> usize {
    LINES.min(MEMORY / (usize::from(size.cols) * CHARACTER))
}

impl Screen {
    /// A blank one.
    pub fn new(size: Size) -> Self {
        let lines = lines_at(size);
        Self { parser: parser(size, lines, Title::default()), lexer: Lexer::new(), size, lines, is_told: false, last: None }
    }

    /// Of the terminal.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The title that the program gave the terminal.
    pub fn title(&self) -> Option<&str> {
        self.parser.callbacks().0.as_deref()
    }

    /// What stands there, and where the cursor is.
    #[cfg(fuzzing)]
    pub fn shown(&self) -> (String, (u16, u16)) {
        let screen = self.parser.screen();
        (screen.contents(), screen.cursor_position())
    }

    /// Takes in what the program shows.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { parser, lexer, size, .. } = self;
        let fed = catch(|| lexer.feed(bytes, pictured(*size), |part| parser.process(part)));
        self.or_blank(fed);
    }

    /// Takes on another size.
    pub fn resize(&mut self, size: Size) {
        if lines_at(size) < self.lines {
            self.keep_fewer(lines_at(size));
        }
        self.size = size;
        let Size { cols, rows } = pictured(size);
        let resized = catch(|| {
            if self.lexer.is_between() {
                self.first(|parser| scroll_into(parser, rows));
            }
            self.parser.screen_mut().set_size(rows, cols);
        });
        self.or_blank(resized);
    }

    /// Keeps fewer lines from now on, which the parser can't: another paints what this one has.
    fn keep_fewer(&mut self, lines: usize) {
        self.feed(CANCEL);
        let (whole, title) = (self.whole(), std::mem::take(self.parser.callbacks_mut()));
        self.lines = lines;
        self.parser = parser(self.size, lines, title);
        self.feed(&whole);
    }

    /// What paints the picture as it is now, over whatever a client has.
    pub fn picture(&mut self) -> Vec<u8> {
        self.painted(false)
    }

    /// The same with what was scrolled away, for a client that has nothing yet.
    pub fn whole(&mut self) -> Vec<u8> {
        self.painted(true)
    }

    /// Nothing will change any more: keeps what paints it, which takes less memory by far.
    pub fn freeze(&mut self) {
        self.last = Some(self.whole());
        self.parser = Parser::new_with_callbacks(1, 1, 0, Title::default());
    }

    fn painted(&mut self, with_lines: bool) -> Vec<u8> {
        if let Some(last) = &self.last {
            return last.clone();
        }
        let painted = catch(|| self.paint(with_lines));
        self.or_blank(painted).unwrap_or_else(|| BLANK.to_vec())
    }

    /// Where the parser has failed, which hostile bytes might make it do, the picture is blank from then on.
    fn or_blank<T>(&mut self, outcome: Option<T>) -> Option<T> {
        if outcome.is_none() {
            if !std::mem::replace(&mut self.is_told, true) {
                tracing::warn!("the picture of a terminal was lost; it begins anew, as often as that happens");
            }
            (self.parser, self.lexer) = (parser(self.size, self.lines, Title::default()), Lexer::new());
        }
        outcome
    }

    fn paint(&mut self, with_lines: bool) -> Vec<u8> {
        let mut out = BLANK.to_vec();
        let is_other = self.parser.screen().alternate_screen();
        if !is_other || self.lexer.is_between() {
            self.first(|parser| paint_first(parser, &mut out, with_lines));
        }
        if is_other {
            out.extend_from_slice(OTHER);
            out.extend(state(self.parser.screen()));
        }
        out
    }

    /// Does something with the screen below the other one, where that is shown. To be called between sequences.
    fn first(&mut self, work: impl FnOnce(&mut Parser<Title>)) {
        if !self.parser.screen().alternate_screen() {
            return work(&mut self.parser);
        }
        self.parser.process(LOOK_BEHIND);
        work(&mut self.parser);
        self.parser.process(LOOK_AGAIN);
    }
}

/// The screen that has lines above it.
fn paint_first(parser: &mut Parser<Title>, out: &mut Vec<u8>, with_lines: bool) {
    let state = state(parser.screen());
    let begun = out.len();
    if with_lines {
        paint_lines(parser.screen_mut(), PICTURE.saturating_sub(state.len()), out);
    }
    if out.len() > begun {
        // Up and away, so that the picture is painted below them.
        let (rows, _) = parser.screen().size();
        out.extend(std::iter::repeat_n(b'\n', usize::from(rows) - 1));
    }
    out.extend(state);
}

/// What paints a screen: with all its colours, unless that is too much.
fn state(screen: &vt100::Screen) -> Vec<u8> {
    let state = screen.state_formatted();
    if state.len() <= PICTURE {
        return state;
    }
    let mut plain = screen.input_mode_formatted();
    let (_, cols) = screen.size();
    for (row, text) in (1..).zip(screen.rows(0, cols)) {
        plain.extend(format!("\x1b[{row}H{text}").into_bytes());
    }
    plain.extend(screen.cursor_state_formatted());
    plain
}

/// Paints what is above the screen, as much of the newest as there is room for.
fn paint_lines(screen: &mut vt100::Screen, room: usize, out: &mut Vec<u8>) {
    screen.set_scrollback(usize::MAX);
    let all = screen.scrollback();
    let (mut newest, mut bytes, mut done) = (Vec::new(), 0, 0);
    while done < all && bytes <= room {
        let lines = lines_above(screen, done, all);
        done += lines.len();
        for line in lines.into_iter().rev() {
            bytes += line.len();
            if bytes > room {
                break;
            }
            newest.push(line);
        }
    }
    screen.set_scrollback(0);
    newest.into_iter().rev().for_each(|line| out.extend(line));
}

/// Paints a screenful of lines above those that are done, of all that there are.
fn lines_above(screen: &mut vt100::Screen, done: usize, all: usize) -> Vec<Vec<u8>> {
    let (rows, cols) = screen.size();
    let above = all.min(done + usize::from(rows));
    screen.set_scrollback(above);
    let mut lines: Vec<_> = screen.rows_formatted(0, cols).take(above - done).collect();
    for (row, line) in (0..).zip(&mut lines) {
        line.extend_from_slice(if screen.row_wrapped(row) { b"\x1b[m" } else { b"\x1b[m\r\n" });
    }
    lines
}

/// Where a screen is to be lower than its cursor's place, what is at the top is scrolled away, as terminals do, instead of
/// what is at the bottom being cut off.
fn scroll_into(parser: &mut Parser<Title>, rows: u16) {
    let (row, _) = parser.screen().cursor_position();
    let over = (row + 1).saturating_sub(rows);
    if over > 0 {
        parser.process(format!("\x1b[{over}S\x1b[{over}A").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { cols: 20, rows: 5 };

    fn shown(bytes: &[&[u8]]) -> Screen {
        let mut screen = Screen::new(SIZE);
        bytes.iter().for_each(|part| screen.feed(part));
        screen
    }

    /// All lines, those above included.
    fn text(screen: &mut Screen) -> Vec<String> {
        let mut out = Vec::new();
        let vt = screen.parser.screen_mut();
        vt.set_scrollback(usize::MAX);
        for above in (1..=vt.scrollback()).rev() {
            vt.set_scrollback(above);
            out.extend(vt.rows(0, SIZE.cols).next());
        }
        vt.set_scrollback(0);
        out.extend(vt.rows(0, SIZE.cols));
        out
    }

    fn assert_same(one: &mut Screen, other: &mut Screen, what: &str) {
        assert_eq!(text(one), text(other), "{what}");
        let (a, b) = (one.parser.screen(), other.parser.screen());
        assert_eq!(a.state_formatted(), b.state_formatted(), "{what}");
        assert_eq!((a.cursor_position(), a.alternate_screen()), (b.cursor_position(), b.alternate_screen()), "{what}");
    }

    const STORIES: [&str; 8] = [
        "",
        "one\r\ntwo",
        "\x1b[31mred\x1b[0m \x1b[1;4mloud\r\n\x1b[7mback",
        "a line that is longer than the terminal is wide, by far",
        "wide: 漢字漢字漢字漢字漢字漢字漢字",
        "\x1b[?2004h\x1b[?1h\x1b=\x1b[?1003h\x1b[?1006h\x1b[?25lmodes",
        "below\x1b[?1049h\x1b[2J\x1b[Habove\x1b[3;5Hhere",
        "\x1b[10;10H\x1b[5mcorner\x1b[1;1H",
    ];

    #[test]
    fn whoever_comes_later_sees_the_same() {
        for story in STORIES {
            for lines in [0, 3, 4, 5, 6, 40] {
                let before: String = (0..lines).map(|n| format!("line {n} \x1b[3{}mcolour\x1b[m\r\n", n % 8)).collect();
                let mut first = shown(&[before.as_bytes(), story.as_bytes()]);
                let painted = first.whole();
                let mut later = shown(&[b"something else\x1b[?1049h\x1b[5;5H", b"\x1b]0;begun", &painted]);
                // It had something above the picture, which stays there.
                let mut fresh = shown(&[&painted]);
                assert_same(&mut first, &mut fresh, &format!("{lines} {story:?}"));
                assert_eq!(first.parser.screen().contents(), later.parser.screen().contents(), "{story:?}");
                later.feed(&first.picture());
                assert_eq!(first.parser.screen().state_formatted(), later.parser.screen().state_formatted(), "{story:?}");
            }
        }
    }
    #[test]
    fn the_last_picture_stays() {
        let mut screen = shown(&[b"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\nlast"]);
        let whole = screen.whole();
        screen.freeze();
        assert_eq!(screen.whole(), whole);
        assert_eq!(text(&mut shown(&[&screen.whole()])).first().unwrap(), "1");
    }
    #[test]
    fn what_is_below_the_other_screen_comes_back_when_the_program_leaves_it() {
        let mut first = shown(&[b"1\r\n2\r\n3\r\n4\r\n5\r\n6\r\nbelow\x1b[?1049h\x1b[Habove"]);
        let mut later = shown(&[&first.whole()]);
        assert_same(&mut first, &mut later, "above");
        for screen in [&mut first, &mut later] {
            screen.feed(b"\x1b[?1049l!");
        }
        assert_same(&mut first, &mut later, "below");
        assert!(text(&mut later).contains(&"below!".to_owned()));
    }
    #[test]
    fn a_screen_that_gets_lower_keeps_what_is_at_its_bottom() {
        for story in ["1\r\n2\r\n3\r\n4\r\n5", "1\r\n2\r\n3\r\n4\r\n5\x1b[?1049h"] {
            let mut screen = shown(&[story.as_bytes()]);
            screen.resize(Size { rows: 2, ..SIZE });
            screen.feed(b"\x1b[?47l");
            assert_eq!(screen.parser.screen().contents(), "4\n5");
            assert_eq!(text(&mut screen), ["1", "2", "3", "4", "5"]);
        }
        let mut short = shown(&[b"1\r\n2"]);
        short.resize(Size { rows: 3, ..SIZE });
        assert_eq!(short.parser.screen().contents(), "1\n2");
    }
    #[test]
    fn a_sequence_that_has_begun_is_not_broken_by_looking() {
        let mut screen = shown(&[b"low\x1b[?1049h\x1b[2;2H\x1b[3"]);
        screen.whole();
        screen.feed(b"1mred");
        let cell = screen.parser.screen().cell(1, 1).unwrap();
        assert_eq!((cell.contents(), cell.fgcolor()), ("r", vt100::Color::Idx(1)));
    }
    #[test]
    fn a_title_is_kept_short_and_harmless() {
        let title = |bytes: &[u8]| shown(&[bytes]).title().map(str::to_owned);
        assert_eq!(title(b"\x1b]0;build\x07"), Some("build".into()));
        assert_eq!(title(b"\x1b]2;\x07"), None);
        let long = title(format!("\x1b]0;{}\x07", "x".repeat(10_000)).as_bytes()).unwrap();
        assert_eq!(long.chars().count(), TITLE + 1);
    }
    #[test]
    fn no_size_and_no_bytes_bring_it_down() {
        let mut seed = 7_u32;
        let mut dice = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        let mut screen = Screen::new(SIZE);
        for turn in 0..3000 {
            let words =
                ["\x1b[", "\x1b]", "\x1bP", "\x07", "9999", ";", "H", "S", "T", "L", "M", "P", "X", "@", "r", "J", "K", "漢", "\u{300}"];
            let bytes: String = (0..20).map(|_| words[dice() as usize % words.len()]).collect();
            screen.feed(bytes.as_bytes());
            screen.feed(&[dice() as u8, dice() as u8]);
            if turn % 10 == 0 {
                screen.resize(Size { cols: (dice() % 40 + 1) as u16, rows: (dice() % 12 + 1) as u16 });
                assert!(!screen.whole().is_empty() && !screen.picture().is_empty());
            }
        }
    }
    /// Rows of which every character has colours of its own.
    fn colourful(rows: u32) -> String {
        let colours = |row, col| format!("\x1b[38;2;{};{row};100;48;2;{};200;100mX", 100 + col % 156, 100 + col % 99);
        (0..rows).map(|row| (0..499).map(|col| colours(100 + row % 99, col)).collect::<String>() + "\x1b[m\r\n").collect()
    }
    fn assert_seen_alike(screen: &mut Screen) {
        let mut later = Screen::new(screen.size());
        later.feed(&screen.whole());
        assert_eq!(screen.parser.screen().contents(), later.parser.screen().contents());
        assert_eq!(screen.parser.screen().cursor_position(), later.parser.screen().cursor_position());
    }
    #[test]
    fn a_picture_is_bounded_whatever_the_size_was_and_has_the_newest() {
        let mut screen = Screen::new(SIZE);
        screen.resize(Size { cols: 500, rows: 10 });
        assert_eq!(screen.lines, 262);
        screen.feed(colourful(60).as_bytes());
        screen.feed(b"the newest");
        let whole = screen.whole().len();
        assert!((PICTURE / 2..PICTURE + 1024).contains(&whole), "{whole}");
        assert_seen_alike(&mut screen);
        screen.resize(Size { cols: 500, rows: 130 });
        screen.feed(colourful(131).as_bytes());
        screen.feed(b"the newest");
        assert!(screen.whole().len() < PICTURE);
        assert_seen_alike(&mut screen);
    }
    #[test]
    fn a_terminal_that_gets_wide_keeps_its_newest_lines_in_bounded_memory() {
        let mut screen = Screen::new(SIZE);
        (0..1200).for_each(|n| screen.feed(format!("\x1b]0;title\x07line {n}\r\n").as_bytes()));
        screen.feed(b"\x1b[2;");
        screen.resize(Size { cols: 400, rows: 5 });
        assert_eq!(screen.title(), Some("title"));
        let lines = text(&mut screen);
        assert_eq!((lines.len(), lines[lines.len() - 2].as_str()), (327 + 5, "line 1199"));
    }
    #[test]
    fn a_terminal_of_a_column_has_a_picture_too() {
        for size in [Size { cols: 1, rows: 1 }, Size { cols: 2, rows: 1 }, Size { cols: 1, rows: 30 }] {
            let mut screen = Screen::new(size);
            screen.feed("漢字".repeat(20).as_bytes());
            screen.resize(Size { cols: 1, rows: 2 });
            screen.feed("漢字".repeat(20).as_bytes());
            assert!(!screen.is_told, "{size:?}");
            assert_eq!(screen.size(), Size { cols: 1, rows: 2 });
        }
    }
}
