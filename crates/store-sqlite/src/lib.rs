//! The embedded store: SQLite in WAL mode with full synchronous commits.
