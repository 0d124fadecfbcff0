//! The Node version's `context.json`, and the records of the store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::service::context::{Record, parse_import};

const NOW: u64 = 1_700_000_000_000;

fuzz_target!(|bytes: &[u8]| {
    for (key, entry) in parse_import(bytes, NOW).map(|(entries, _)| entries).unwrap_or_default() {
        assert!((1..=256).contains(&key.chars().count()) && !key.contains('\0'));
        let record = entry.record();
        assert!(!record.head.expired(NOW));
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
    if let Some(record) = Record::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
});
