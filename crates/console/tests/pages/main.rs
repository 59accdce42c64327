//! The console's pages over the real API, engine and an in-memory store, asked for as a browser asks.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod agents;
mod budgets;
mod hostile;
mod inbox;
mod kill;
mod runs;
mod playground;
mod policies;
mod audit;
mod callbacks;
mod hostile;
mod inbox;
mod overview;
mod settings;
mod sign_in;
mod stand;
