//! Signals to this process.
