//! Sweeps over THE LIST: what must hold for every operation, with no line written for any of them.

mod access;
mod browsers;
mod callers;
mod documents;
mod faults;
mod forwarding;
mod input;
mod sweep;
mod trail;
mod transport;
