//! Pairing between daemons, and everybody who should not come in between.

mod program;
mod steps;
