//! Key figures: what governance comes to, each with its unit, its window, and what it is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod known;

pub use known::KPIS;

/// In what a key figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KpiUnit {
    /// So many of 1,000, rounded down.
    PerMille,
    /// Seconds, rounded up to the next bound that is counted by.
    Seconds,
}

/// Of which time a key figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KpiWindow {
    /// Requests that were opened within the window that was asked for, and what became of them since.
    Opened,
    /// What happened within the window that was asked for.
    Happened,
    /// As it stands now.
    Now,
    /// The last 30 days.
    ThirtyDays,
}

/// A key figure that is told: what it is called and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Kpi {
    /// A stable word.
    pub id: &'static str,
    /// What it is about: `decisions`, `people`, `review`, `effects` or `reach`.
    pub group: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// In what it is told.
    pub unit: KpiUnit,
    /// Of which time it is.
    pub window: KpiWindow,
    /// What it means: this of that.
    pub about: &'static str,
}

/// A key figure as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KpiAnswer {
    /// A stable word.
    pub id: String,
    /// What it is about: `decisions`, `people`, `review`, `effects` or `reach`.
    pub group: String,
    /// What it is called.
    pub name: String,
    /// What it means: this of that.
    pub about: String,
    /// In what it is told.
    pub unit: KpiUnit,
    /// Of which time it is.
    pub window: KpiWindow,
    /// The figure; absent where there is nothing that it could be of, which is never the same as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// How many it is. Of a time: how many requests have it.
    pub numerator: u64,
    /// Of how many. Of a time: of how many requests, those without an answer among them.
    pub denominator: u64,
    /// The same figure of the window before, where that is asked for and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// It differs from the window before by more than 2 of 100 and by more than chance explains (z above 3).
    pub moved: bool,
    /// Why it cannot be told, or why nothing found means little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// How many requests took how long.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KpiTimes {
    /// Up to so many seconds, and longer than the bound before; absent: longer than all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_s: Option<u64>,
    /// Approved or rejected after that long.
    pub answered: u64,
    /// Ended without an answer of people after that long, or open for that long and unanswered.
    pub unanswered: u64,
    /// Looked at for the first time after that long.
    pub seen: u64,
}

/// What became of the requests that were opened within one hour.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KpiRequests {
    /// When the hour began.
    pub from: String,
    /// All of them.
    pub opened: u64,
    /// Approved as they were.
    pub approved: u64,
    /// Narrowed, then approved.
    pub edited: u64,
    /// Rejected.
    pub rejected: u64,
    /// Ended without an answer.
    pub expired: u64,
    /// Let through by one person in place of those who were asked.
    pub broken_glass: u64,
    /// Ended by something else: withdrawn, stopped, another policy.
    pub withdrawn: u64,
}

/// What people decided about one class of tools.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KpiClass {
    /// The class; the tool where the catalogue gives it none.
    pub class: String,
    /// Approved, narrowed ones among them.
    pub approved: u64,
    /// Narrowed, then approved.
    pub edited: u64,
    /// Rejected.
    pub rejected: u64,
}

/// Key figures.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KpisAnswer {
    /// Where the window begins.
    pub from: String,
    /// Where it ends: now.
    pub to: String,
    /// So many records were counted.
    pub as_of_seq: u64,
    /// The figures, by group.
    pub kpis: Vec<KpiAnswer>,
    /// How long requests took that were opened within the window.
    pub times: Vec<KpiTimes>,
    /// What became of them, by the hour in which they were opened, oldest first; hours without any are left out.
    pub requests: Vec<KpiRequests>,
    /// What people decided within the days of the window (UTC), by class of tools, the most first; 20 at most.
    pub classes: Vec<KpiClass>,
}
