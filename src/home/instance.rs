//! One daemon per home: lock, pid file, where it listens.
