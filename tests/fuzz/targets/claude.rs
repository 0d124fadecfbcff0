//! What Claude Code says, a line each, and what people answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loopsy_fuzz::agent::talk("claude", bytes));
