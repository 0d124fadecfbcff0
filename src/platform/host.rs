//! Names and facts of this machine.
