//! The contract of a ledger store, an in-memory store, and the conformance suite that every store runs.
