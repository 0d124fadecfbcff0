//! What is typed for `loopsy shell` itself: a tilde at the beginning of a line, as for `ssh`.

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Send these bytes to the terminal.
    Bytes(Vec<u8>),
    /// Leave the terminal running.
    Leave,
    /// Say what can be typed.
    Help,
}

/// What [`Typed::Help`] says.
pub(super) const HELP: &str = "\r\n~.  leave the terminal, and let it run\r\n~~  type a tilde\r\n~?  this help\r\n";

/// Finds escapes in what is typed.
pub(super) struct Escapes {
    is_line_start: bool,
    has_tilde: bool,
}

impl Escapes {
    pub(super) fn new() -> Self {
        Self { is_line_start: true, has_tilde: false }
    }

    /// Takes what is typed apart.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut all = Vec::new();
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if std::mem::take(&mut self.has_tilde) {
                let command = match byte {
                    b'.' => Some(Typed::Leave),
                    b'?' => Some(Typed::Help),
                    _ => None,
                };
                if let Some(command) = command {
                    all.push(Typed::Bytes(std::mem::take(&mut out)));
                    all.push(command);
                    self.is_line_start = true;
                    continue;
                }
                out.push(b'~');
                if *byte == b'~' {
                    self.is_line_start = false;
                    continue;
                }
            } else if *byte == b'~' && self.is_line_start {
                self.has_tilde = true;
                continue;
            }
            out.push(*byte);
            self.is_line_start = matches!(byte, b'\r' | b'\n');
        }
        all.push(Typed::Bytes(out));
        all.retain(|typed| *typed != Typed::Bytes(Vec::new()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(parts: &[&str]) -> Vec<Typed> {
        let mut escapes = Escapes::new();
        parts.iter().flat_map(|part| escapes.take(part.as_bytes())).collect()
    }
    fn bytes(text: &str) -> Typed {
        Typed::Bytes(text.into())
    }

    #[test]
    fn a_tilde_counts_at_the_beginning_of_a_line_alone() {
        assert_eq!(typed(&["~."]), [Typed::Leave]);
        assert_eq!(typed(&["ls\r~", "."]), [bytes("ls\r"), Typed::Leave]);
        assert_eq!(typed(&["a~."]), [bytes("a~.")]);
        assert_eq!(typed(&["~~."]), [bytes("~.")]);
        assert_eq!(typed(&["~~", "~."]), [bytes("~"), bytes("~.")]);
        assert_eq!(typed(&["~/bin\r"]), [bytes("~/bin\r")]);
        assert_eq!(typed(&["~\r~."]), [bytes("~\r"), Typed::Leave]);
        assert_eq!(typed(&["~?~."]), [Typed::Help, Typed::Leave]);
    }
}
