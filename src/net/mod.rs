//! Byte streams: addresses, sockets, TLS, and a network in memory.

pub mod address;
pub mod cut;
pub mod interfaces;
pub mod memory;
pub mod multicast;
pub mod network;
pub mod socket;
pub mod tls;

pub use address::Address;
pub use network::{Listener, Network, Stream};
pub use socket::is_free;
