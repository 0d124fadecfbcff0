//! Two machines at work: real processes, real sockets, real signals.

mod endings;
