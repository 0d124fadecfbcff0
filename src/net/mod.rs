//! Byte streams: addresses, sockets, and a network in memory.
