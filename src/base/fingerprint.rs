//! What a certificate is known by: the SHA-256 of its DER encoding.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Error, Result, hash};

/// The SHA-256 of a certificate's DER encoding. Written as 64 lower-case hexadecimal digits; read in any case, with or
/// without colons between the bytes, as `openssl x509 -fingerprint -sha256` writes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = [0; 32];
        let readable = digits.len() == 64
            && bytes.iter_mut().zip(digits.chunks(2)).all(|(byte, pair)| match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => {
                    *byte = high << 4 | low;
                    true
                }
                _ => false,
            });
        readable.then_some(Self(bytes)).ok_or_else(|| {
            Error::invalid(format!("{text:?} is not a fingerprint")).hint("A SHA-256 fingerprint has 64 hexadecimal digits.")
        })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hash::hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: Error| de::Error::custom(error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_in_every_dress_and_written_in_one() {
        let plain = Fingerprint::of(b"certificate").to_string();
        let dressed: Vec<_> = plain.to_uppercase().as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
        assert_eq!(dressed.join(":").parse::<Fingerprint>().unwrap().to_string(), plain);
        for wrong in ["", "ab", &plain[1..], &format!("{plain}0"), &plain.replace('a', "g"), "é".repeat(32).as_str()] {
            assert!(wrong.parse::<Fingerprint>().is_err() || wrong == plain, "{wrong:?}");
        }
    }
}
