//! One file per noun: each takes its arguments and the session, and answers the exit status.

pub mod api;
pub mod config;
pub mod connect;
pub mod context;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod events;
pub mod exec;
pub mod hook;
pub mod init;
pub mod key;
pub mod log_lines;
pub mod logs;
pub mod mcp;
pub mod mcp_serve;
pub mod message;
pub mod pair;
pub mod peers;
pub mod shell;
pub mod start;
pub mod status;
pub mod stop;
pub mod task;
pub mod transfer;
