//! Random histories, derived again and held against a second model.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod disagreements;
mod ended;
mod oracle;
mod replay;
mod revised;
mod simulated;
mod steps;
