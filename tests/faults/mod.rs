//! What goes wrong on purpose: sockets that lie, stall and flood, and crowds. After each the daemon still answers.

mod readers;
mod sockets;
