//! The console's pages over the real API, engine and an in-memory store, asked for as a browser asks.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod audit;
mod callbacks;
mod hostile;
mod inbox;
mod overview;
mod settings;
mod sign_in;
mod stand;
