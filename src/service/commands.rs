//! Which commands may run.
