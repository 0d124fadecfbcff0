//! The half of HTTP that asks.

pub mod connector;
pub mod fan_out;
pub mod files;
pub mod forward;
pub mod link;
pub mod local;
pub mod probe;
pub mod raw;
pub mod receive;
pub mod socket;

pub use link::Link;
