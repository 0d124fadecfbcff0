//! Words: quotes, escapes, expansions.

use super::{EXPANSION, End, NotUnderstood, Reader, Result, Word};

/// A word while it is read.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    expands: bool,
}

impl Draft {
    fn expansion(&mut self) {
        self.expands = true;
        self.bytes.extend_from_slice(EXPANSION.as_bytes());
    }
}

impl Reader<'_> {
    /// Reads up to the next blank or operator.
    pub(super) fn word(&mut self) -> Result<Word> {
        let mut draft = Draft::default();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' => {
                    self.at += 1;
                    // A backslash before a line's end joins the lines; at the very end it is a character.
                    match self.peek() {
                        Some(b'\n') => self.at += 1,
                        Some(escaped) => {
                            draft.bytes.push(escaped);
                            self.at += 1;
                        }
                        None => draft.bytes.push(b'\\'),
                    }
                }
                b'\'' => {
                    self.at += 1;
                    self.single_quoted(&mut draft.bytes)?;
                }
                b'"' => {
                    self.at += 1;
                    self.double_quoted(&mut draft)?;
                }
                b'$' => self.dollar(&mut draft)?,
                b'`' => self.back_quoted(&mut draft)?,
                _ => {
                    draft.bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        Ok(Word { text: String::from_utf8_lossy(&draft.bytes).into_owned(), known: !draft.expands })
    }

    fn single_quoted(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        loop {
            match self.next()? {
                b'\'' => return Ok(()),
                byte => bytes.push(byte),
            }
        }
    }

    fn double_quoted(&mut self, draft: &mut Draft) -> Result<()> {
        loop {
            match self.peek().ok_or(NotUnderstood)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.next()? {
                        b'\n' => {}
                        escaped @ (b'"' | b'\\' | b'$' | b'`') => draft.bytes.push(escaped),
                        other => draft.bytes.extend([b'\\', other]),
                    }
                }
                b'$' if self.looks_at(b"$'") || self.looks_at(b"$\"") => {
                    draft.bytes.push(b'$');
                    self.at += 1;
                }
                b'$' => self.dollar(draft)?,
                b'`' => self.back_quoted(draft)?,
                byte => {
                    draft.bytes.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// What a dollar sign begins.
    fn dollar(&mut self, draft: &mut Draft) -> Result<()> {
        self.at += 1;
        match self.peek() {
            Some(b'\'') => {
                self.at += 1;
                return self.ansi_quoted(&mut draft.bytes);
            }
            Some(b'"') => {
                self.at += 1;
                return self.double_quoted(draft);
            }
            Some(b'(') => {
                self.at += 1;
                if self.looks_at(b"(") && self.is_arithmetic(self.at + 1)? {
                    self.arithmetic()?;
                } else {
                    self.nested(|reader| reader.list(End::Parenthesis))?;
                }
            }
            Some(b'{') => {
                self.at += 1;
                self.nested(Self::parameter)?;
            }
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    self.at += 1;
                }
            }
            Some(b'0'..=b'9' | b'?' | b'!' | b'#' | b'@' | b'*' | b'$' | b'-') => self.at += 1,
            _ => {
                draft.bytes.push(b'$');
                return Ok(());
            }
        }
        draft.expansion();
        Ok(())
    }

    /// The inside of `${ … }`.
    fn parameter(&mut self) -> Result<()> {
        let mut ignored = Draft::default();
        loop {
            match self.peek().ok_or(NotUnderstood)? {
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.next()?;
                }
                b'"' => {
                    self.at += 1;
                    self.double_quoted(&mut ignored)?;
                }
                b'$' => self.dollar(&mut ignored)?,
                b'`' => self.back_quoted(&mut ignored)?,
                _ => self.at += 1,
            }
            ignored.bytes.clear();
        }
    }

    /// Commands in back quotes; inside of them a backslash keeps `\`, `` ` `` and `$` for the next level.
    fn back_quoted(&mut self, draft: &mut Draft) -> Result<()> {
        self.at += 1;
        let mut inside = Vec::new();
        loop {
            match self.next()? {
                b'`' => break,
                b'\\' => match self.next()? {
                    escaped @ (b'\\' | b'`' | b'$') => inside.push(escaped),
                    other => inside.extend([b'\\', other]),
                },
                byte => inside.push(byte),
            }
        }
        self.within(&inside, |reader| reader.list(End::Input))?;
        draft.expansion();
        Ok(())
    }

    /// `$'…'`, with its escapes.
    fn ansi_quoted(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        loop {
            match self.next()? {
                b'\'' => return Ok(()),
                b'\\' => {
                    let escape = self.next()?;
                    self.ansi_escape(escape, bytes);
                }
                byte => bytes.push(byte),
            }
        }
    }

    fn ansi_escape(&mut self, escape: u8, bytes: &mut Vec<u8>) {
        let code = match escape {
            b'x' => self.number(16, 2),
            b'u' => self.number(16, 4),
            b'U' => self.number(16, 8),
            b'0'..=b'7' => {
                self.at -= 1;
                self.number(8, 3)
            }
            b'n' => u32::from(b'\n'),
            b't' => u32::from(b'\t'),
            other => u32::from(other),
        };
        let mut utf8 = [0; 4];
        bytes.extend_from_slice(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8).as_bytes());
    }

    fn number(&mut self, base: u32, most: usize) -> u32 {
        let mut value: u32 = 0;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(base)) else { break };
            value = value.wrapping_mul(base).wrapping_add(digit);
            self.at += 1;
        }
        value
    }

    /// Whether the double parenthesis whose inside starts at `from` is arithmetic: it ends in a double one.
    pub(super) fn is_arithmetic(&self, from: usize) -> Result<bool> {
        Ok(self.bytes.get(self.arithmetic_end(from)?) == Some(&b')'))
    }

    /// Reads arithmetic, of which the second parenthesis is next: its substitutions are commands.
    pub(super) fn arithmetic(&mut self) -> Result<()> {
        let from = self.at + 1;
        let end = self.arithmetic_end(from)?;
        let bytes = self.bytes;
        self.within(&bytes[from..end - 1], |reader| reader.expansions())?;
        self.at = end + 1;
        Ok(())
    }

    /// Where the inner parenthesis that is open at `from` has been closed.
    fn arithmetic_end(&self, from: usize) -> Result<usize> {
        let mut open = 1;
        for (at, byte) in self.bytes.iter().enumerate().skip(from) {
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok(at + 1);
            }
        }
        Err(NotUnderstood)
    }

    /// Reads text of which only the substitutions matter, to its end.
    pub(super) fn expansions(&mut self) -> Result<()> {
        let mut ignored = Draft::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at += 2,
                b'$' if self.looks_at(b"$(") || self.looks_at(b"${") => self.dollar(&mut ignored)?,
                b'`' => self.back_quoted(&mut ignored)?,
                _ => self.at += 1,
            }
            ignored.bytes.clear();
        }
        Ok(())
    }
}
