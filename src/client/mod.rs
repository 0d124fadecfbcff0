//! The half of HTTP that asks.
