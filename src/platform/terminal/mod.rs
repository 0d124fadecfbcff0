//! The terminal that this process was started from, and who reads its output.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{forget_typed, leave, reader_is_gone, set_apart};
#[cfg(windows)]
pub use windows::{forget_typed, leave, reader_is_gone, set_apart};
