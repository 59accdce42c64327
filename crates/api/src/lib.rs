//! Wire types of the HTTP API v1.
//!
//! Field names are `snake_case`; times RFC 3339 UTC; money a decimal string with an ISO 4217 currency; ids prefixed and
//! sortable. What an answer does not have is `null`.

pub mod action;
pub mod convert;

pub use action::*;
