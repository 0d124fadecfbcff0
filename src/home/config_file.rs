//! `config.yaml`: read with line and column, patched without losing comments.
