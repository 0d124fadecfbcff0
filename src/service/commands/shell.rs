//! Which simple commands a line for a POSIX-like shell holds, in one pass over it.
//!
//! Every byte is read a bounded number of times and nesting is bounded, whatever the line: time is linear and the stack
//! shallow. What is not understood is an error, for which the caller has a coarser rule.

/// Deepest nesting of substitutions, subshells and quotes in one another.
const DEEPEST: usize = 32;

/// Stands in a word for what is known only when the line runs. A shell reads it as such again.
const EXPANSION: &str = "$_";

/// A word of a command, its quotes removed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// Its text; where something is expanded, [`EXPANSION`].
    pub(super) text: String,
    /// Whether nothing in it is expanded.
    pub(super) known: bool,
}

impl Word {
    /// A word that is exactly this text.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self { text: text.into(), known: true }
    }
    /// Whether it is only expanded, so that nothing may be left of it.
    pub(super) fn may_vanish(&self) -> bool {
        !self.known && self.text.replace(EXPANSION, "").is_empty()
    }
}

/// A program with its arguments, as it stands in the line.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Simple {
    /// Program first; assignments before it are left out.
    pub(super) words: Vec<Word>,
    /// Here-documents and here-strings that it reads.
    pub(super) input: Vec<String>,
}

/// The line is not understood: something is left open, or it is nested too deeply.
#[derive(Debug, PartialEq)]
pub(super) struct NotUnderstood;

type Result<T> = std::result::Result<T, NotUnderstood>;

/// Reads a line: all simple commands in it, of substitutions and functions too.
pub(super) fn read(line: &str) -> Result<Vec<Simple>> {
    let mut commands = Vec::new();
    Reader::new(line.as_bytes(), &mut commands, 0).list(End::Input)?;
    Ok(commands)
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Input,
    Parenthesis,
}

/// What words mean where they stand.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// The next word is a program or a reserved word.
    Command,
    /// After `time`: as [`Place::Command`], but options come first.
    Timed,
    /// The next words belong to the command.
    Arguments,
    /// Up to the next separator, or `do`: words of a `for`.
    Values,
    /// Up to `in`: the subject of a `case`.
    Subject,
    /// Up to `)`: a pattern of a `case`, or `esac`.
    Pattern,
    /// The name of a function.
    FunctionName,
}

struct HereDocument {
    delimiter: String,
    strips_tabs: bool,
    expands: bool,
    /// Index of the command that reads it.
    command: usize,
}

/// One level of a line: what is between two parentheses, or all.
struct Level {
    place: Place,
    current: Simple,
    /// How many `case` are open.
    cases: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    commands: &'a mut Vec<Simple>,
    here: Vec<HereDocument>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], commands: &'a mut Vec<Simple>, depth: usize) -> Self {
        Self { bytes, at: 0, depth, commands, here: Vec::new() }
    }
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
    fn looks_at(&self, text: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(text)
    }
    fn next(&mut self) -> Result<u8> {
        let byte = self.peek().ok_or(NotUnderstood)?;
        self.at += 1;
        Ok(byte)
    }
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(NotUnderstood);
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }
    /// Reads other text at the next level, into the same commands.
    fn within<T>(&mut self, bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(NotUnderstood);
        }
        read(&mut Reader::new(bytes, self.commands, self.depth + 1))
    }

    fn list(&mut self, end: End) -> Result<()> {
        let mut level = Level { place: Place::Command, current: Simple::default(), cases: 0 };
        loop {
            self.skip_blanks();
            let Some(byte) = self.peek() else {
                self.flush(&mut level);
                return if end == End::Input { Ok(()) } else { Err(NotUnderstood) };
            };
            match byte {
                b')' if level.place == Place::Pattern => {
                    self.at += 1;
                    level.place = Place::Command;
                }
                b'(' | b'|' if level.place == Place::Pattern => self.at += 1,
                b')' => {
                    self.at += 1;
                    self.flush(&mut level);
                    return if end == End::Parenthesis { Ok(()) } else { Err(NotUnderstood) };
                }
                b'(' => self.parenthesis(&mut level)?,
                b'#' => self.skip_line(),
                b'\n' => {
                    self.at += 1;
                    self.separate(&mut level, false);
                    self.here_documents()?;
                }
                b';' | b'|' | b'&' => self.operator(&mut level)?,
                b'<' | b'>' => self.redirection(&mut level)?,
                _ => self.take_word(&mut level)?,
            }
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.looks_at(b"\\\n") => self.at += 2,
                _ => return,
            }
        }
    }
    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn flush(&mut self, level: &mut Level) {
        let command = std::mem::take(&mut level.current);
        if !command.words.is_empty() {
            self.commands.push(command);
        }
    }

    /// The end of a command. A `case` goes on with its next pattern after `;;`.
    fn separate(&mut self, level: &mut Level, ends_clause: bool) {
        self.flush(level);
        level.place = match level.place {
            Place::Subject | Place::Pattern | Place::FunctionName => level.place,
            _ if ends_clause && level.cases > 0 => Place::Pattern,
            _ => Place::Command,
        };
    }

    fn operator(&mut self, level: &mut Level) -> Result<()> {
        if self.looks_at(b"&>") {
            self.at += 1;
            return self.redirection(level);
        }
        let from = self.at;
        while matches!(self.peek(), Some(b';' | b'|' | b'&')) && !self.looks_at(b"&>") {
            self.at += 1;
        }
        let operator = &self.bytes[from..self.at];
        let ends_clause = operator.starts_with(b";;") || operator.starts_with(b";&");
        self.separate(level, ends_clause);
        Ok(())
    }

    fn parenthesis(&mut self, level: &mut Level) -> Result<()> {
        let defines = level.current.words.len() == 1 || level.place == Place::Command && level.current.words.is_empty();
        self.at += 1;
        if defines && self.ends_at_once() {
            // `name ()`: what follows is the body.
            level.current.words.clear();
            level.place = Place::Command;
            return Ok(());
        }
        if self.looks_at(b"(") && level.current.words.is_empty() && self.is_arithmetic(self.at + 1)? {
            return self.arithmetic();
        }
        self.nested(|reader| reader.list(End::Parenthesis))
    }
    fn ends_at_once(&mut self) -> bool {
        let start = self.at;
        self.skip_blanks();
        let ends = self.looks_at(b")");
        self.at = if ends { self.at + 1 } else { start };
        ends
    }

    fn redirection(&mut self, level: &mut Level) -> Result<()> {
        if self.looks_at(b"<(") || self.looks_at(b">(") {
            self.at += 2;
            level.current.words.push(Word { text: EXPANSION.into(), known: false });
            return self.nested(|reader| reader.list(End::Parenthesis));
        }
        let from = self.at;
        while matches!(self.peek(), Some(b'<' | b'>')) && self.at - from < 3 {
            self.at += 1;
        }
        let operator = &self.bytes[from..self.at];
        let strips_tabs = operator == b"<<" && self.looks_at(b"-");
        if strips_tabs || matches!(self.peek(), Some(b'&' | b'|')) {
            self.at += 1;
        }
        self.skip_blanks();
        if self.looks_at(b"<(") || self.looks_at(b">(") {
            self.at += 2;
            return self.nested(|reader| reader.list(End::Parenthesis));
        }
        let start = self.at;
        let target = self.word()?;
        match operator {
            b"<<" => {
                let expands = !self.bytes[start..self.at].iter().any(|byte| b"'\"\\".contains(byte));
                let command = self.commands.len();
                self.here.push(HereDocument { delimiter: target.text, strips_tabs, expands, command });
            }
            b"<<<" => level.current.input.push(target.text),
            _ => {}
        }
        Ok(())
    }

    /// The bodies of the here-documents that the line just ended has announced.
    fn here_documents(&mut self) -> Result<()> {
        for document in std::mem::take(&mut self.here) {
            let mut body = Vec::new();
            while self.at < self.bytes.len() {
                let start = self.at;
                self.skip_line();
                let mut line = &self.bytes[start..self.at];
                self.at = (self.at + 1).min(self.bytes.len());
                while document.strips_tabs && line.first() == Some(&b'\t') {
                    line = &line[1..];
                }
                if line == document.delimiter.as_bytes() {
                    break;
                }
                body.extend_from_slice(line);
                body.push(b'\n');
            }
            if document.expands {
                self.within(&body, |reader| reader.expansions())?;
            }
            if let Some(command) = self.commands.get_mut(document.command) {
                command.input.push(String::from_utf8_lossy(&body).into_owned());
            }
        }
        Ok(())
    }

    fn take_word(&mut self, level: &mut Level) -> Result<()> {
        let start = self.at;
        let word = self.word()?;
        let raw = &self.bytes[start..self.at];
        if raw.is_empty() {
            return Err(NotUnderstood);
        }
        let plain = word.known && raw == word.text.as_bytes();
        if plain && raw.iter().all(u8::is_ascii_digit) && matches!(self.peek(), Some(b'<' | b'>')) {
            return Ok(());
        }
        match level.place {
            Place::Arguments => level.current.words.push(word),
            Place::Timed if plain && raw.starts_with(b"-") => {}
            Place::Command | Place::Timed => self.first_word(level, word, raw, plain)?,
            Place::Values if plain && raw == b"do" => level.place = Place::Command,
            Place::Values => {}
            Place::Subject if plain && raw == b"in" => level.place = Place::Pattern,
            Place::Subject => {}
            Place::Pattern if plain && raw == b"esac" => {
                level.cases = level.cases.saturating_sub(1);
                level.place = Place::Command;
            }
            Place::Pattern => {}
            Place::FunctionName => {
                self.skip_blanks();
                if self.looks_at(b"(") {
                    self.at += 1;
                    self.ends_at_once();
                }
                level.place = Place::Command;
            }
        }
        Ok(())
    }

    fn first_word(&mut self, level: &mut Level, word: Word, raw: &[u8], plain: bool) -> Result<()> {
        level.place = match raw {
            b"if" | b"then" | b"elif" | b"else" | b"while" | b"until" | b"do" | b"!" | b"{" | b"}" | b"fi" | b"done" | b"coproc"
                if plain =>
            {
                Place::Command
            }
            b"time" if plain => Place::Timed,
            b"for" | b"select" if plain => Place::Values,
            b"function" if plain => Place::FunctionName,
            b"case" if plain => {
                level.cases += 1;
                Place::Subject
            }
            b"esac" if plain => {
                level.cases = level.cases.saturating_sub(1);
                Place::Command
            }
            b"[[" if plain => {
                self.test()?;
                Place::Arguments
            }
            _ if is_assignment(raw) => {
                if raw.ends_with(b"=") && self.looks_at(b"(") {
                    self.at += 1;
                    self.array()?;
                }
                Place::Command
            }
            _ => {
                level.current.words.push(word);
                Place::Arguments
            }
        };
        Ok(())
    }

    /// The words of `[[ … ]]`, none of which is a command.
    fn test(&mut self) -> Result<()> {
        loop {
            self.skip_blanks();
            match self.peek().ok_or(NotUnderstood)? {
                b'(' | b')' | b'<' | b'>' | b'&' | b'|' | b';' | b'\n' => self.at += 1,
                _ if self.word()?.text == "]]" => return Ok(()),
                _ => {}
            }
        }
    }

    /// The words of `name=( … )`, likewise.
    fn array(&mut self) -> Result<()> {
        loop {
            self.skip_blanks();
            match self.peek().ok_or(NotUnderstood)? {
                b')' => {
                    self.at += 1;
                    return Ok(());
                }
                b'#' => self.skip_line(),
                b'(' | b'<' | b'>' | b'&' | b'|' | b';' | b'\n' => self.at += 1,
                _ => drop(self.word()?),
            }
        }
    }
}

/// `name=`, `name+=` or `name[…]=` at the start of a word.
pub(super) fn is_assignment(raw: &[u8]) -> bool {
    let name = raw.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if name == 0 || raw[0].is_ascii_digit() {
        return false;
    }
    let rest = &raw[name..];
    rest.starts_with(b"=") || rest.starts_with(b"+=") || rest.starts_with(b"[") && rest.windows(2).any(|pair| pair == b"]=")
}

mod word;

#[cfg(test)]
mod tests;
