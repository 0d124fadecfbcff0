//! The node id that survives restarts.
