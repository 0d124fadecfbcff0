//! The terminal that this process was started from, and who reads its output.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{Raw, Resizes, forget_typed, leave, reader_is_gone, set_apart, size};
#[cfg(windows)]
pub use windows::{Raw, Resizes, forget_typed, leave, reader_is_gone, set_apart, size};
