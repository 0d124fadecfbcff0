//! Pairing between daemons, and everybody who should not come in between.

mod lost;
mod middle;
mod program;
mod steps;
mod tls;
mod wire;
