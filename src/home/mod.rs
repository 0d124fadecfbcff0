//! The data directory.

pub mod config;
pub mod config_file;
pub mod identity;
pub mod instance;
pub mod json_file;
pub mod log_file;
pub mod settings;
pub mod trust;
