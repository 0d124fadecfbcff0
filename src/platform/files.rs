//! Files that are private, written whole, and opened without following links.
