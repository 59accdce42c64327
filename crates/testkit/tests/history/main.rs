//! Random histories, derived again and held against a second model.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod ended;
mod oracle;
mod replay;
mod steps;
