//! Policy documents, conditions and their evaluation.
//!
//! This crate knows no clock, no people and no storage: everything that a decision depends on is an argument.
//! It neither panics nor blocks, and the same inputs give the same verdict on every machine.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod action;
mod check;
pub mod condition;
pub mod constraint;
pub mod diff;
mod document;
mod evaluate;
pub mod facts;
pub mod foreign;
mod hidden;
pub mod import;
pub mod json;
mod lint;
mod meaning;
pub mod output;
pub mod problem;
mod reading;
pub mod snapshot;
pub mod value;
pub mod verdict;
pub mod yaml;

/// The JSON Schema (draft 7) of policy documents, for editors: what it refuses does not load.
pub const DOCUMENT_SCHEMA: &str = include_str!("../schema/policy.schema.json");

pub use action::{Access, Action, Resource};
pub use document::compliance::{FLOOR_DAYS, PACKS, Pack, retention_days};
pub use document::mandate_audit::{EVENTS as ALERT_EVENTS, REDACT_KINDS};
pub use document::tools::is_read_label;
pub use document::{
    Assurance, AtCap, AutonomyRules, BreakGlass, Budget, Cadence, Calendar, Catalogued, Clarify, DefaultRoute,
    Disagreement, Edits, Estimate, Exhausted, Grant, Hours, Key, Layer, Limit, Mandate, Measure, Of, Organization, Per,
    PolicyChanges, Rank, Rates, Resolve, Response, ReviewMode, Route, Schedule, Separation, Side, StatedMode, Step,
    StepSlot, Theatre, Threshold, TwoPerson, Unit, When, as_compared, is_time_zone, time_zone,
};
pub use evaluate::complete_evidence;
pub use evaluate::counter::{Change, Counterfactual};
pub use evaluate::coverage::{Branch, Tried};
pub use evaluate::explain::Trace;
pub use facts::{Context, Facts, Member, OUTSIDE, Root, Standing};
pub use hidden::Hidden;
pub use output::Outputs;
pub use problem::{Problem, Severity};
pub use reading::ExplainedTest;
pub use rust_decimal::Decimal;
pub use snapshot::{FailOpen, Snapshot, TestResult};
pub use value::Value;
pub use verdict::{Decision, Demand, Reason, Remedy, Verdict};
