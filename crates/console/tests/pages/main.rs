//! The console's pages over the real API, engine and an in-memory store, asked for as a browser asks.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod hostile;
mod inbox;
mod playground;
mod policies;
mod sign_in;
mod stand;
