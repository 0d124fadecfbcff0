//! Loopsy: one binary that lets coding agents, and the people who run them, use all of their machines as one.
//!
//! This is the map; `ARCHITECTURE.md` says which floor may import from which.

pub mod api;
pub mod base;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod dashboard;
pub mod disk;
pub mod fleet;
pub mod home;
pub mod http;
pub mod mcp;
pub mod net;
pub mod platform;
pub mod service;
