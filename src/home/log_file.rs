//! Logs that rotate.
