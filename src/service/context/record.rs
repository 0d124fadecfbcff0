//! An entry as it lies on the disk: a version byte, fixed numbers, then the texts.

use crate::api::context::ContextEntry;
use crate::base::clock::Millis;

/// First byte of every record; another shape gets another number.
const FORMAT: u8 = 1;
const FIXED: usize = 1 + 5 * 8 + 4;

/// The numbers of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// Revision of the store at which it was written.
    pub version: u64,
    /// When the key was first written.
    pub created_at: Millis,
    /// When it was last written.
    pub updated_at: Millis,
    /// When it ends; 0 for never.
    pub expires_at: Millis,
    /// Seconds it was given to live; 0 for no end.
    pub ttl: f64,
}

impl Head {
    /// Whether its time has ended.
    pub fn expired(&self, now: Millis) -> bool {
        self.expires_at != 0 && self.expires_at <= now
    }
}

/// An entry, borrowed from where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// The numbers.
    pub head: Head,
    /// Node id of the writer.
    pub from_node_id: &'a str,
    /// The value.
    pub value: &'a str,
}

impl<'a> Record<'a> {
    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + self.from_node_id.len() + self.value.len());
        bytes.push(FORMAT);
        for number in [self.head.version, self.head.created_at, self.head.updated_at, self.head.expires_at, self.head.ttl.to_bits()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.from_node_id.len() as u32).to_le_bytes());
        bytes.extend_from_slice(self.from_node_id.as_bytes());
        bytes.extend_from_slice(self.value.as_bytes());
        bytes
    }
    /// Reads what [`Record::encode`] wrote; nothing if it is not that.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, texts) = bytes.split_at_checked(FIXED)?;
        let number = |at: usize| Some(u64::from_le_bytes(fixed.get(1 + at * 8..9 + at * 8)?.try_into().ok()?));
        let node_len = u32::from_le_bytes(fixed.get(FIXED - 4..)?.try_into().ok()?) as usize;
        let (node, value) = texts.split_at_checked(node_len)?;
        if fixed.first() != Some(&FORMAT) {
            return None;
        }
        Some(Self {
            head: Head {
                version: number(0)?,
                created_at: number(1)?,
                updated_at: number(2)?,
                expires_at: number(3)?,
                ttl: f64::from_bits(number(4)?),
            },
            from_node_id: std::str::from_utf8(node).ok()?,
            value: std::str::from_utf8(value).ok()?,
        })
    }
    /// The entry that callers see.
    pub fn entry(&self, key: &str, with_value: bool) -> ContextEntry {
        ContextEntry {
            key: key.into(),
            value: with_value.then(|| self.value.into()),
            from_node_id: self.from_node_id.into(),
            created_at: self.head.created_at,
            updated_at: self.head.updated_at,
            ttl: (self.head.ttl != 0.0).then_some(self.head.ttl),
            expires_at: (self.head.expires_at != 0).then_some(self.head.expires_at),
            version: self.head.version,
        }
    }
}

/// What an entry counts against `context.maxBytes`.
pub(super) fn weight(key: &str, value: &str) -> u64 {
    (key.len() + value.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { version: 7, created_at: 1, updated_at: 2, expires_at: 3, ttl: 0.25 };

    #[test]
    fn a_record_comes_back_as_it_was() {
        for (from_node_id, value) in [("", ""), ("n", "v"), ("äö", "\0\u{10ffff}")] {
            let record = Record { head: HEAD, from_node_id, value };
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }
    #[test]
    fn what_is_no_record_is_refused_and_never_a_panic() {
        let good = Record { head: HEAD, from_node_id: "node", value: "value" }.encode();
        for len in 0..good.len() - "value".len() {
            assert_eq!(Record::decode(&good[..len]), None, "{len}");
        }
        let mut other = good.clone();
        other[0] = 9;
        assert_eq!(Record::decode(&other), None);
        let mut text = good;
        *text.last_mut().unwrap() = 0xff;
        assert_eq!(Record::decode(&text), None);
    }
}
