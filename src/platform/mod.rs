//! The operating system: the only floor with `cfg` of a system and with `unsafe`.

pub mod autostart;
pub mod disk;
pub mod files;
pub mod firewall;
pub mod holder;
pub mod host;
pub mod memory;
pub mod modes;
pub mod opener;
pub mod pid;
pub mod process;
pub mod pty;
pub mod signals;
pub mod terminal;
