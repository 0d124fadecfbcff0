//! Pairing: two machines that never met come to trust each other.

pub mod agreement;
pub mod calling;
pub mod crypto;
#[cfg(test)]
mod tests;
pub mod waiting;
