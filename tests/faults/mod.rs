//! What goes wrong on purpose: sockets that lie, stall and flood. After each the daemon still answers.

mod sockets;
