//! What a machine announces of itself: what is believed can be shown and called.
//!
//! Input: the instance, the host and the addresses, in lines of their own; the words, a line each.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use loopsy::base::{id, text};
use loopsy::service::discovery::read;
use loopsy_fuzz::words;

fuzz_target!(|bytes: &[u8]| {
    let (instance, rest) = words(bytes);
    let (host, rest) = words(rest);
    let (addresses, rest) = words(rest);
    let addresses: Vec<String> = addresses.split(' ').map(str::to_owned).collect();
    let all = String::from_utf8_lossy(rest);
    let told: HashMap<String, String> =
        all.split('\n').filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect();
    let Some(sighting) = read(&instance, &host, 19532, &addresses, &told) else { return };
    assert!(id::is_node_id(&sighting.node_id) && !sighting.addresses.is_empty() && sighting.capabilities.len() <= 64);
    id::check_name("it", &sighting.hostname).unwrap();
    for word in sighting.capabilities.iter().chain([&sighting.platform, &sighting.version]) {
        assert!(text::printable(word) == *word && word.chars().count() <= 64);
    }
});
