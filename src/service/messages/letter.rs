//! What a letter looks like: ids, keys and envelopes. Pure.

use crate::api::context::ContextEntry;
use crate::api::messages::{Envelope, MessageType, Received};
use crate::base::clock::Millis;
use crate::base::{Error, Result, id};

/// Longest id, characters: a time, a name and four digits.
const ID_CHARS: usize = 96;

/// Whether a text is the id of a message: `<ms>-<sender>-<4 lower-case hexadecimal digits>`.
pub fn is_id(text: &str) -> bool {
    text.len() <= ID_CHARS
        && pieces(text).is_some_and(|(ms, host, hex)| {
            !ms.is_empty()
                && ms.bytes().all(|b| b.is_ascii_digit())
                && id::is_token(host)
                && hex.len() == 4
                && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// Time, writer and number of an id.
pub(super) fn pieces(id: &str) -> Option<(&str, &str, &str)> {
    let (ms, rest) = id.split_once('-')?;
    let (writer, number) = rest.rsplit_once('-')?;
    Some((ms, writer, number))
}

/// Refuses what is not the id of a message.
pub(super) fn check_id(what: &str, text: &str) -> Result<()> {
    if is_id(text) {
        return Ok(());
    }
    Err(Error::invalid(format!("{what}: {text:?} is not the id of a message")).hint("Ids are listed by: loopsy message inbox"))
}

/// Makes ids: each is greater than the one before, so that their order is the order of sending.
#[derive(Debug, Default)]
pub(super) struct Ids {
    last: (Millis, u16),
}

impl Ids {
    /// Whether none was made yet.
    pub(super) fn is_new(&self) -> bool {
        self.last == (0, 0)
    }
    /// Goes on after an id that was made before.
    pub(super) fn after(&mut self, id: &str) {
        let (ms, _, number) = pieces(id).unwrap_or_default();
        self.last = (ms.parse().unwrap_or(0), u16::from_str_radix(number, 16).unwrap_or(0));
    }
    /// The id of a message that is written at a time. `first` is where the count of a millisecond begins.
    pub(super) fn next(&mut self, now: Millis, first: u16, hostname: &str) -> String {
        self.last = match self.last {
            (ms, _) if now > ms => (now, first),
            (ms, u16::MAX) => (ms + 1, 0),
            (ms, number) => (ms, number + 1),
        };
        let (ms, number) = self.last;
        format!("{ms}-{}-{number:04x}", id::to_name(hostname))
    }
}

/// The key under which a recipient keeps a message.
pub(super) fn inbox_key(hostname: &str, id: &str) -> String {
    format!("inbox:{hostname}:{id}")
}

/// Recipient and id in the key of a letter; none where it is not made so.
pub(super) fn parts(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("inbox:")?.rsplit_once(':').filter(|(_, id)| is_id(id))
}

/// The letter that an entry holds, brought by `sender`.
pub fn read(entry: ContextEntry, sender: String) -> Received {
    let value = entry.value.unwrap_or_default();
    let of_key = parts(&entry.key).map(|(to, id)| (to.to_owned(), id.to_owned()));
    let (envelope, malformed) = match (serde_json::from_str::<Envelope>(&value), &of_key) {
        (Ok(envelope), Some((_, id))) if envelope.id == *id => (Some(envelope), None),
        (Ok(_), Some(_)) => (None, Some("the id in the envelope is not the one that it was delivered under".to_owned())),
        (_, None) => (None, Some("the key has no id of a message".to_owned())),
        (Err(cause), _) => (None, Some(format!("the envelope can't be read: {cause}"))),
    };
    let envelope = envelope.unwrap_or_else(|| {
        let (to, id) = of_key.unwrap_or_default();
        let kind = MessageType::Chat.name().to_owned();
        Envelope { from: sender.clone(), to, ts: entry.updated_at, id, kind, body: value, reply_to: None, subject: None }
    });
    Received { envelope, key: entry.key, received_at: entry.updated_at, sender, expires_at: entry.expires_at, malformed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1760000000000-kai-0a1b";

    fn entry(key: &str, value: &str) -> ContextEntry {
        ContextEntry { key: key.into(), value: Some(value.into()), updated_at: 7, ..ContextEntry::default() }
    }

    #[test]
    fn an_id_is_a_time_a_name_and_four_digits_and_never_a_path() {
        for good in [ID, "1-a-0000", "1760000000000-kai-laptop.local_2-ffff"] {
            assert!(is_id(good), "{good}");
        }
        let long = format!("1-{}-0a1b", "x".repeat(100));
        for bad in [
            "",
            "-",
            "--",
            "1-kai",
            "1-kai-0A1B",
            "1-kai-0a1",
            "1-kai-0a1b2",
            "x-kai-0a1b",
            "-kai-0a1b",
            "1--0a1b",
            "1-../x-0a1b",
            "1-a b-0a1b",
        ]
        .into_iter()
        .chain(["1-a:b-0a1b", "1-a/b-0a1b", "1-ä-0a1b", "1-a\0-0a1b", " 1-a-0a1b", "1-a-0a1b\n", &long])
        {
            assert!(!is_id(bad) && check_id("id", bad).is_err(), "{bad:?}");
        }
        for hostname in ["kai", "Kai's Mac", "../../x", "", "ключ", &"x".repeat(300)] {
            assert!(is_id(&Ids::default().next(1_760_000_000_000, 0xa1b, hostname)), "{hostname:?}");
        }
    }

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let mut ids = Ids::default();
        let made: Vec<_> = [(7, 0xfffe), (7, 5), (7, 5), (3, 0), (9, 1)].map(|(now, first)| ids.next(now, first, "a")).into();
        ids.after("12-b-c-00ff");
        assert_eq!(ids.next(3, 7, "a"), "12-a-0100", "nor after a restart");
        assert_eq!(made, ["7-a-fffe", "7-a-ffff", "8-a-0000", "8-a-0001", "9-a-0001"]);
    }

    #[test]
    fn a_key_says_whom_a_letter_is_for() {
        assert_eq!(parts(&inbox_key("kai", ID)), Some(("kai", ID)));
        assert_eq!(parts(&inbox_key("a:b", ID)), Some(("a:b", ID)));
        for bad in ["inbox:", "inbox:kai", "inbox:kai:", "inbox:kai:../x", "outbox:1-a-0a1b", &format!("inbox:{ID}")] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_told_and_not_dropped() {
        let envelope = format!(r#"{{"from":"eve","to":"leo","ts":5,"id":"{ID}","type":"poem","body":"hi","more":[1]}}"#);
        let key = inbox_key("leo", ID);
        let read_as = |key: &str, value: &str| read(entry(key, value), "kai".into());
        let good = read_as(&key, &envelope);
        assert_eq!((good.envelope.from.as_str(), good.envelope.kind.as_str(), good.sender.as_str()), ("eve", "poem", "kai"));
        assert_eq!((good.malformed, good.received_at), (None, 7));
        let other = envelope.replace("0a1b", "ffff");
        for bad in ["", "hello", "{}", "[1]", "null", &envelope.replace("\"hi\"", "7"), &envelope[..20], &other] {
            let letter = read_as(&key, bad);
            assert!(letter.malformed.is_some(), "{bad}");
            assert_eq!((letter.envelope.body.as_str(), letter.envelope.id.as_str(), letter.key.as_str()), (bad, ID, key.as_str()));
        }
        assert!(read_as("inbox:leo:x", &envelope).malformed.is_some());
    }
}
