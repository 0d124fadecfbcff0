//! What a daemon can be asked, each operation described once, on its own request type.

pub mod audit;
pub mod caller;
pub mod context;
pub mod events;
pub mod execute;
pub mod fleet;
pub mod messages;
pub mod node;
pub mod openapi;
pub mod operation;
pub mod pairing;
pub mod peers;
pub mod sse;
pub mod tasks;
pub mod terminal;
pub mod transfer;
pub mod wire;

pub use caller::Caller;
pub use operation::*;
