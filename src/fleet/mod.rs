//! The sessions of a machine: found, started and stopped, by people and by daemons alike.

pub mod launch;
mod sessions;
pub mod stop;

pub use sessions::{find, named, start, stop_all, survey};
