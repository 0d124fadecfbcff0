//! Pseudo-terminals: programs that have a terminal of their own, on whose other side the daemon sits.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use super::process::Control;

pub use system::{Input, Output, start};

/// How large a terminal is, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// A program that was started in a terminal.
pub struct Started {
    /// Process id.
    pub pid: u32,
    /// What it is told, and its size.
    pub input: Input,
    /// What it shows.
    pub output: Output,
    /// Its fate.
    pub control: Control,
}
