//! Small words from outside: names, addresses, fingerprints, codes, times. What is read and written is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::api::node::check_protocol;
use loopsy::api::wire::{path_text, segment};
use loopsy::base::kin::SessionName;
use loopsy::base::{Code, Fingerprint, base64url, id, text, units};
use loopsy::mcp::resources::Place;
use loopsy::net::Address;

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(base64url::decode(&base64url::encode(bytes)).unwrap(), bytes);
    let word = &*String::from_utf8_lossy(bytes);

    let encoded = segment(word);
    assert!(!encoded.contains(['/', '?', '#', ' ']) && encoded != "." && encoded != "..");
    assert_eq!(path_text("it", &encoded).unwrap(), word);
    assert!(path_text("it", word).map_or_else(|error| error.code == Code::InvalidRequest, |_| true));

    if let Some(decoded) = base64url::decode(word) {
        assert_eq!(base64url::encode(&decoded), word);
    }
    if let Ok(print) = word.parse::<Fingerprint>() {
        assert_eq!(print.to_string().parse::<Fingerprint>().unwrap(), print);
    }
    if let Ok(address) = Address::parse(word, 19532) {
        assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
    }
    if let Ok(name) = word.parse::<SessionName>() {
        assert_eq!(name.as_str(), word);
    }
    id::check_name("it", &id::to_name(word)).unwrap();

    let shown = text::one_line(word, 40);
    assert!(shown.chars().count() <= 41 && !shown.contains(char::is_control));
    assert_eq!(text::printable(&text::printable(word)), text::printable(word));
    if word.len() < 100 {
        let _ = text::closest(word, ["allowedPaths", "deniedPaths", "a"]);
    }
    let _ = (units::parse_duration(word), check_protocol("kai", word), Place::of(word), Place::of(&format!("loopsy://{word}")));
});
