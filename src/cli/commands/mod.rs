//! One file per noun: each takes its arguments and the session, and answers the exit status.

pub mod config;
pub mod daemon;
pub mod init;
pub mod key;
pub mod log_lines;
pub mod logs;
pub mod shell;
pub mod start;
pub mod status;
pub mod stop;
