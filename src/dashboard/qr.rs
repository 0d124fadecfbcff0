//! A link as a picture that a phone reads.

use qrcode::{EcLevel, QrCode};
use serde::Serialize;

/// A QR code, without the margin of four that it needs around it.
#[derive(Debug, Serialize)]
pub struct Picture {
    /// Modules on each side.
    pub size: usize,
    /// One row of modules each, from the top; `1` is dark.
    pub rows: Vec<String>,
}

impl Picture {
    /// Of a text; none where it is too long.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let colours = code.to_colors();
        let row = |row: &[qrcode::Color]| row.iter().map(|colour| colour.select('1', '0')).collect();
        Some(Self { size: code.width(), rows: colours.chunks(code.width()).map(row).collect() })
    }
    /// As lines for a terminal of either brightness: two rows in one line of half blocks, with the margin.
    pub fn lines(&self) -> Vec<String> {
        const MARGIN: isize = 2;
        let is_dark = |row: isize, column: isize| {
            let found = usize::try_from(row).ok().and_then(|row| self.rows.get(row)?.as_bytes().get(usize::try_from(column).ok()?));
            found == Some(&b'1')
        };
        let size = self.size as isize;
        let line = |row: isize| {
            let halves = (-MARGIN..size + MARGIN).map(|column| match (is_dark(row, column), is_dark(row + 1, column)) {
                (true, true) => ' ',
                (true, false) => '▄',
                (false, true) => '▀',
                (false, false) => '█',
            });
            // White on black, whatever the terminal's colours are.
            format!("\x1b[97;40m{}\x1b[0m", halves.collect::<String>())
        };
        (-MARGIN..size + MARGIN).step_by(2).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_square_with_its_three_marks() {
        let picture = Picture::of(&format!("https://192.168.1.5:19540/#link={}", "0123456789abcdef".repeat(4))).unwrap();
        assert!(picture.rows.len() == picture.size && picture.rows.iter().all(|row| row.len() == picture.size));
        assert!(picture.rows[0].starts_with("11111110") && picture.rows[0].ends_with("01111111"));
        assert!(picture.rows[picture.size - 1].starts_with("11111110"));
        let lines = picture.lines();
        assert!(lines.len() == (picture.size + 5) / 2 && lines[1].contains("██ ▄▄▄▄▄ "), "{}", lines.join("\n"));
        assert!(Picture::of(&"x".repeat(10_000)).is_none());
    }
}
