//! Byte streams: addresses, sockets, and a network in memory.

pub mod address;
pub mod memory;
pub mod network;
pub mod socket;

pub use address::Address;
pub use network::{Listener, Network, Stream};
