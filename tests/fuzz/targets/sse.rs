//! A stream of events from another machine: the same events whatever the pieces; what is written is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy::api::sse::{Reader, write_failure};
use loopsy::base::{Error, Failure};

fuzz_target!(|bytes: &[u8]| {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = Reader::default().feed(bytes).unwrap();
    let mut reader = Reader::default();
    let pieces: Vec<_> = bytes.chunks(usize::from(*size).max(1)).flat_map(|piece| reader.feed(piece).unwrap()).collect();
    assert_eq!(whole, pieces);

    let said = Error::invalid(String::from_utf8_lossy(bytes));
    let read = Reader::default().feed(&write_failure(&said)).unwrap();
    assert_eq!((read.len(), read[0].event.as_str()), (1, "failure"));
    assert_eq!(serde_json::from_slice::<Failure>(&read[0].data).unwrap().error.message, said.message);
});
