//! Routes of the organization's document: who is asked, in which order, and within what time.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;
pub use super::editable::Edits;
use crate::verdict::Quorum;

pub(crate) mod read;

/// A route: who is asked, in which order, within what time. Spans are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// At least one.
    pub steps: Vec<Step>,
    /// Soft limit: measured, reminded.
    pub sla: Option<i64>,
    /// Hard limit.
    pub deadline: Option<i64>,
    /// How long an approval may wait to be redeemed; at most 24 hours.
    pub valid_for: Option<i64>,
    /// How long before the end of a step people are reminded.
    pub remind_before: Option<i64>,
    /// What happens after the last step.
    pub on_exhausted: Exhausted,
    /// Who may not decide; the requester is always one of them.
    pub separation: BTreeSet<Separation>,
    /// Names asked when a step can reach nobody; empty: the admins.
    pub fallback: Vec<String>,
    /// How people have to have signed in to decide.
    pub assurance: Assurance,
    /// Questions to the agent.
    pub clarify: Clarify,
    /// What whoever decides may narrow.
    pub edits: Edits,
    /// The calendar in whose hours alone the soft limit runs.
    pub calendar: Option<Arc<str>>,
    /// `on_exhausted` is written out.
    pub(crate) says_exhausted: bool,
    pub(crate) place: Place,
}

/// One step of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// All have to be filled, each person in one place; at least one.
    pub slots: Vec<StepSlot>,
    /// How long it takes; `None`: until the deadline.
    pub within: Option<i64>,
    /// When it is asked.
    pub when: When,
    /// How often it is asked again before the next one.
    pub repeat: u32,
    /// How many distinct teams the voters have to come from.
    pub min_teams: u32,
    /// Names, one of whose people has to be among the voters.
    pub must_include: Vec<String>,
    /// So many rejections reject.
    pub rejections: u32,
}

/// People to choose from, and how many it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSlot {
    /// Alternatives; at least one.
    pub names: Vec<String>,
    /// How many of their people.
    pub quorum: Quorum,
}

/// What happens when every step has passed undecided. There is no way to approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// It is rejected.
    Reject,
    /// It waits for the deadline.
    Hold,
    /// It is rejected, and this safer action is offered.
    SafeFallback(String),
}

/// Who may not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Separation {
    /// On whose behalf the action is.
    Requester,
    /// Who owns the agent.
    AgentOwner,
    /// Who is of the agent's team.
    SameTeam,
}

/// How people have to have signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// Any way.
    #[default]
    Low,
    /// With a second factor.
    Mfa,
    /// With a key that cannot be phished.
    Webauthn,
}

impl Assurance {
    /// Whether any way will do.
    pub fn is_low(&self) -> bool {
        *self == Assurance::Low
    }
}

/// When a step is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The step before was not decided in time.
    Timeout,
    /// The step before has approved.
    Approved,
}

/// Questions to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clarify {
    /// How long an answer may take, in microseconds.
    pub within: i64,
    /// How many questions a request may have.
    pub rounds: u32,
    /// The step's time stands still meanwhile.
    pub pauses: bool,
}

impl Route {
    /// Every name that the route asks; names that are asked twice occur twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().flat_map(|step| {
            let slots = step.slots.iter().flat_map(|slot| &slot.names);
            slots.chain(&step.must_include)
        });
        steps.chain(&self.fallback).map(String::as_str)
    }
}
