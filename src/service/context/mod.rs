//! The context store: durable, ordered, watched.
