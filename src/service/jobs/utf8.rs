//! Text out of bytes that come in pieces.

/// Decodes UTF-8 piece by piece, so that no character breaks where a piece ends. What truly is not UTF-8 becomes
/// U+FFFD, exactly as if all had been decoded at once.
#[derive(Default)]
pub struct Decoder {
    /// The beginning of a character whose end is still to come: at most three bytes.
    begun: Vec<u8>,
}

impl Decoder {
    /// Takes in the next bytes and answers all text that is certain.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() + 4);
        if self.begun.is_empty() {
            self.decode(bytes, &mut text);
        } else {
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(bytes);
            self.decode(&whole, &mut text);
        }
        text
    }

    /// The end of the bytes: a character that was begun stays unfinished.
    pub fn finish(&mut self) -> String {
        if std::mem::take(&mut self.begun).is_empty() { String::new() } else { char::REPLACEMENT_CHARACTER.into() }
    }

    fn decode(&mut self, mut rest: &[u8], text: &mut String) {
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => return text.push_str(valid),
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            match error.error_len() {
                Some(wrong) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[wrong..];
                }
                None => return self.begun.extend_from_slice(after),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut decoder = Decoder::default();
        let mut text: String = pieces.into_iter().map(|piece| decoder.push(piece)).collect();
        text.push_str(&decoder.finish());
        text
    }

    /// known fault 44
    #[test]
    fn no_character_breaks_wherever_the_pieces_end() {
        let text = "aä€😀\u{fffd}z";
        for size in 1..=text.len() {
            assert_eq!(in_pieces(text.as_bytes().chunks(size)), text);
        }
    }
    #[test]
    fn what_is_not_text_is_marked_and_nothing_is_held_back_for_ever() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"a\xf0\x9f"), "a");
        assert_eq!(decoder.push(b"b"), "\u{fffd}b");
        assert_eq!(decoder.push(b"\xe2\x82"), "");
        assert_eq!(decoder.finish(), "\u{fffd}");
        assert_eq!(decoder.finish(), "");
    }
    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0xc0..=0xf5_u8, 0x80..=0xbf_u8], 0..64), size in 1_usize..9) {
            prop_assert_eq!(in_pieces(bytes.chunks(size)), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
