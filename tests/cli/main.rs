//! The command line as people use it: the real program, a home of its own, exit statuses and words.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that can't go on fails")]

mod lifecycle;
mod program;
mod settings;

pub use program::Program;
