//! The API over a real port and the in-memory store.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod approvals;
mod authoring;
mod authzen;
mod autonomy;
mod bad_input;
mod budgets;
mod candidates;
mod connections;
mod credentials;
mod delegation;
mod document;
mod flow;
mod glass;
mod idempotency;
mod inventory;
mod limits;
mod links;
mod log;
mod logs;
mod observed;
mod operations;
mod overview;
mod permissions;
mod practice;
mod published;
mod retention;
mod reviewers;
mod revisions;
mod runs;
mod schedules;
mod sessions;
mod slack;
mod support;
mod tried;
mod witness;
