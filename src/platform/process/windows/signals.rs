//! Signals: known by name alone, since programs here can only be ended.

/// Numbers and names of the common signals.
pub(in crate::platform::process) const NAMES: &[(i32, &str)] =
    &[(1, "SIGHUP"), (2, "SIGINT"), (3, "SIGQUIT"), (9, "SIGKILL"), (15, "SIGTERM")];
/// What a tree that is to end is said to have been ended by.
pub(super) const TERM: i32 = 15;
/// What a tree that is killed is said to have been ended by.
pub(super) const KILL: i32 = 9;
