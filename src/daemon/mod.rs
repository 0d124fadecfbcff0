//! The daemon: its services, and one `Serve` for each operation.
