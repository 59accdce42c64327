//! The console's pages over the real API, engine and an in-memory store, asked for as a browser asks.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod agents;
mod audit;
mod before;
mod budgets;
mod callbacks;
mod hostile;
mod inbox;
mod kill;
mod overview;
mod playground;
mod policies;
mod runs;
mod settings;
mod sign_in;
mod stand;
