//! What goes wrong on purpose: sockets that lie, stall and flood, and crowds, after which the daemon still answers; and answers
//! that lie.

mod answers;
mod readers;
mod sockets;
