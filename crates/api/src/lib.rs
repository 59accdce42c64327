//! Wire types of the HTTP API v1.
//!
//! Field names are `snake_case`; times RFC 3339 UTC; money a decimal string with an ISO 4217 currency; ids prefixed and
//! sortable. What an answer does not have is `null`.

pub mod action;
pub mod always_denied;
pub mod approvals;
pub mod audit;
pub mod authzen;
pub mod autonomy;
pub mod bounded;
pub mod budgets;
pub mod calls;
pub mod candidates;
pub mod channels;
pub mod convert;
pub mod credentials;
pub mod economics;
pub mod evidence_pack;
pub mod glass;
pub mod history;
pub mod inventory;
pub mod kpis;
pub mod limits;
pub mod links;
pub mod observed;
mod openapi;
pub mod operations;
pub mod organization;
pub mod overview;
pub mod policies;
pub mod practice;
pub mod problem;
pub mod registry;
pub mod retention;
pub mod reviewers;
pub mod revisions;
pub mod runs;
pub mod samples;
pub mod sessions;
pub mod simulate;
pub mod timeline;
mod unanswered;
pub mod visible;

pub use action::*;
pub use calls::{CALLS, Call};
pub use openapi::openapi;
pub use problem::Problem;
