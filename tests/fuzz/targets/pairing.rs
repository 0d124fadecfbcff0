//! The handshake of two machines that know one code, with somebody in between who changes one field of one message: no keys
//! come of it. What the other machine says of itself, and boxes that were not sealed by it.
//!
//! Input: a byte for the message; the field, and what is put into it, in lines of their own; what the sealed box holds.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use loopsy::base::{Fingerprint, base64url, clock};
use loopsy::home::Home;
use loopsy::home::certificate::{Certificate, load_or_create};
use loopsy::service::pairing::agreement::{Card, Sealed};
use loopsy::service::pairing::calling::Calling;
use loopsy::service::pairing::crypto::Introduction;
use loopsy::service::pairing::papers::{Papers, is_proved};
use loopsy::service::pairing::waiting::Waiting;
use loopsy_fuzz::words;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

static CERTIFICATE: LazyLock<Certificate> =
    LazyLock::new(|| load_or_create(&Home::at(tempfile::tempdir().unwrap().path()), "kai", clock::now()).unwrap());

/// Who is in between: which message it changes, and how.
struct Middle {
    message: u8,
    field: String,
    value: String,
    has_meddled: bool,
}

impl Middle {
    /// The message as it arrives; nothing where it can't be read any more.
    fn pass<T: Serialize + DeserializeOwned>(&mut self, number: u8, message: T) -> Option<T> {
        let mut fields = serde_json::to_value(&message).unwrap();
        match fields.get_mut(&self.field) {
            Some(value) if self.message % 5 == number => {
                let new = if value.is_string() { Value::from(self.value.as_str()) } else { serde_json::from_str(&self.value).ok()? };
                self.has_meddled = *value != new;
                *value = new;
                serde_json::from_value(fields).ok()
            }
            _ => Some(message),
        }
    }
}

fn handshake(middle: &mut Middle, content: &[u8]) -> Option<()> {
    let me = Card {
        node_id: "id-kai".into(),
        hostname: "kai".into(),
        port: 19532,
        platform: "linux".into(),
        cert_fingerprint: Fingerprint::of(b"kai"),
        capabilities: Vec::new(),
        certificate: None,
        proof: None,
    };
    let now = Instant::now();
    let mut kai = Waiting::start(me, Papers::of(&CERTIFICATE).unwrap(), now).unwrap();
    let leo = Introduction { node_id: "id-leo".into(), hostname: "leo".into() };
    let (leo, initiate) = Calling::begin(leo, &kai.code().clone()).unwrap();
    let initiated = kai.initiate(now, &middle.pass(0, initiate)?).ok()?;
    let (leo, exchange) = leo.initiated(&middle.pass(1, initiated)?).ok()?;
    let session = exchange.session_id.clone();
    let exchanged = kai.exchange(now, HERE, &middle.pass(2, exchange)?).ok()?;
    let leo = leo.exchanged(&middle.pass(3, exchanged)?).ok()?;
    assert!(!middle.has_meddled, "{} was changed to {:?}, and nobody saw it", middle.field, middle.value);
    assert_eq!(kai.agreed()?.0.digits(), leo.digits());

    kai.confirm(now, true).unwrap();
    let text = String::from_utf8_lossy(content);
    assert!(kai.finish(now, &session, &text).is_err() && kai.finish(now, &session, &base64url::encode(content)).is_err());
    assert!(kai.cancelled(now, &session, &text).is_err());
    assert!(kai.to_write().is_none());
    let sealed = serde_json::from_slice::<Sealed>(content).ok()?;
    kai.finish(now, &session, &leo.seal(&sealed).unwrap()).ok()?;
    let told = kai.to_write()?;
    assert_eq!((told.card.node_id.as_str(), told.card.hostname.as_str(), told.is_proved), ("id-leo", "leo", false));
    None
}

fuzz_target!(|bytes: &[u8]| {
    let Some((message, rest)) = bytes.split_first() else { return };
    let (field, rest) = words(rest);
    let (value, content) = words(rest);
    assert!(!is_proved(&value, &Fingerprint::of(b"kai"), b"challenge", &field));
    handshake(&mut Middle { message: *message, field, value, has_meddled: false }, content);
});
