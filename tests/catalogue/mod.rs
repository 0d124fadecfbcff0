//! Sweeps over THE LIST: what must hold for every operation, with no line written for any of them.

mod access;
mod documents;
mod faults;
mod input;
