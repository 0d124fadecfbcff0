//! All tests that use the program as a whole; one binary, because linking it is what costs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that can't go on fails")]

mod agents;
mod browser;
mod catalogue;
mod cli;
mod dashboard;
mod e2e;
mod faults;
mod fleet;
mod letters;
mod mcp;
mod pairing;
mod property;
mod release;
mod service;
mod sim;
mod support;
mod tasks;
mod terminal;
mod upgrade;
mod wire;
