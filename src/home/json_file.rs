//! Small JSON files, written whole.
