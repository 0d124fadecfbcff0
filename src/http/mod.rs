//! The half of HTTP that serves.
