//! Processes: a guard that leaves no orphan, and what is asked of it.
