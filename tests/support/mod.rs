//! What the tests stand on.

pub mod raw;
pub mod sim;
