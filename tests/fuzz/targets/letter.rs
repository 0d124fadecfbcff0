//! A message as it lies in the store, whoever has put it there.
//!
//! Input: the key in a line of its own; the value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::api::context::ContextEntry;
use loopsy::service::messages::{is_id, read};
use loopsy_fuzz::words;

fuzz_target!(|bytes: &[u8]| {
    let (key, value) = words(bytes);
    let value = String::from_utf8_lossy(value).into_owned();
    let entry = ContextEntry {
        key,
        value: Some(value.clone()),
        from_node_id: "id-leo".into(),
        created_at: 1,
        updated_at: 1,
        ttl: None,
        expires_at: None,
        version: 1,
    };
    let received = read(entry, "leo".into());
    assert_eq!(received.sender, "leo");
    match received.malformed {
        None => assert!(is_id(&received.envelope.id)),
        Some(_) => assert_eq!((received.envelope.from.as_str(), received.envelope.body), ("leo", value)),
    }
});
