//! What a client says over a WebSocket while its command runs: frames as they come, and control messages in them.
//!
//! Input: messages, each with a byte for its kind and one for its length; from kind 0xff on bytes as they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loopsy_fuzz::daemon::{MACHINE, frame};

const COMMAND: &str = r#"{"type":"start","command":"cat","openStdin":true,"timeout":2000}"#;

fuzz_target!(|bytes: &[u8]| {
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let [kind, length, behind @ ..] = rest {
        if *kind == 0xff {
            frames.extend_from_slice(&rest[1..]);
            break;
        }
        let (content, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        frames.extend(frame(*kind, content));
        rest = behind;
    }
    assert!(MACHINE.run(COMMAND, &frames).starts_with(b"HTTP/1.1 101 "));
});
