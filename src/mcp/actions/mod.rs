//! What the tools do, one file per noun.

pub mod context;
pub mod execute;
pub mod messages;
pub mod peers;
pub mod tasks;
pub mod transfer;
