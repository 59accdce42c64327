//! Records of a route: its rules as they were frozen when a request was opened, and each step that was asked.

use std::collections::BTreeSet;

use countersign_policy::verdict::Quorum;
use countersign_policy::{Assurance, Separation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Slot, is_false, is_zero};
use crate::ids::{ActionId, ApprovalId};
use crate::time::Time;

/// Steps of people who are asked one after another; frozen when the request is opened, whatever policy says later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// How surely people have to be known to approve.
    #[serde(default, skip_serializing_if = "Assurance::is_low")]
    pub assurance: Assurance,
    /// Questions to the agent stop the clock of the step.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clarify_pauses: bool,
    /// How many questions the agent may be asked.
    pub clarify_rounds: u32,
    /// How long the agent has to answer one, seconds.
    pub clarify_s: i64,
    /// Names that are asked where a step reaches nobody; empty = the people with permission `admin`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<String>,
    /// What follows the last step.
    pub on_exhausted: Exhausted,
    /// How long before the end of a step its people are reminded, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind_before_s: Option<i64>,
    /// The route's name.
    pub route: String,
    /// Who may not decide, besides the requester.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub separation: BTreeSet<Separation>,
    /// Within what time an answer is expected, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sla_s: Option<i64>,
    /// `document#rule` that asks for it.
    pub source: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// It is asked once the step before has approved, and not when that was late.
    #[serde(default, skip_serializing_if = "is_false")]
    pub after_approval: bool,
    /// How many different teams have to be among those who approve.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_teams: u32,
    /// Names of which somebody has to be among those who approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_include: Vec<String>,
    /// How many have to say no to reject.
    pub rejections: u32,
    /// How often it is asked again before the next step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat: u32,
    /// Who has to approve.
    pub slots: Vec<Asked>,
    /// How long it is waited for them, seconds; without it until the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_s: Option<i64>,
}

impl Step {
    /// How many people have to approve.
    pub fn seats(&self) -> u32 {
        let seats = |asked: &Asked| match asked.quorum {
            Quorum::Any(count) => count.max(1),
            Quorum::All => u32::try_from(asked.names.len()).unwrap_or(u32::MAX),
        };
        self.slots.iter().map(seats).fold(0, u32::saturating_add).max(1)
    }
}

/// Who is asked for one slot of a step, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Names of people, teams, duties, schedules.
    pub names: Vec<String>,
    /// How many of them.
    pub quorum: Quorum,
}

/// What follows when the last step passed without an answer. Approving is not among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// It waits for anybody who was asked, until the deadline.
    Hold,
    /// It is refused.
    Reject,
    /// It is refused, and this operation is offered in its place.
    SafeFallback(String),
}

/// Why a step is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepReason {
    /// The step before approved.
    Approved,
    /// The request was opened, or its evidence is complete.
    Opened,
    /// The step is asked again.
    Repeated,
    /// The request is about another action now, and whoever had approved is asked again.
    Revised,
    /// The step before was not decided in time.
    TimedOut,
    /// The step before reaches nobody.
    Unreachable,
}

impl StepReason {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            StepReason::Approved => "approved",
            StepReason::Opened => "opened",
            StepReason::Repeated => "repeated",
            StepReason::Revised => "revised",
            StepReason::TimedOut => "timed_out",
            StepReason::Unreachable => "unreachable",
        }
    }
}

/// `approval.step_started`: these people are asked from now on. Who was asked before them may still answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalStepStarted {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Until when it is waited for them; without it until the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// The fallback stands in: the step itself reaches nobody.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallback: bool,
    /// The step that was asked before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// The time that the step before let pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Time>,
    /// Why.
    pub reason: StepReason,
    /// When its people are reminded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remind: Option<Time>,
    /// Who is asked.
    pub slots: Vec<Slot>,
    /// Which step, from 0.
    pub step: u32,
    /// Which track, from 0.
    pub track: u32,
}

/// `approval.step_passed`: its people have approved; no timer of the step is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalStepPassed {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Which step, from 0.
    pub step: u32,
    /// Which track, from 0.
    pub track: u32,
}

/// `approval.reminded`: the time of a step is nearly over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalReminded {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// When the time of the step is over.
    pub due: Time,
    /// Which step, from 0.
    pub step: u32,
    /// Which track, from 0.
    pub track: u32,
}

/// `approval.held`: every step let its time pass; it waits for anybody who was asked, until the deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalHeld {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// The time that the last step let pass.
    pub missed: Time,
    /// Which track, from 0.
    pub track: u32,
}

/// `approval.resumed`: the agent did not answer a question in time, and the step goes on without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalResumed {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// When the answer was due.
    pub due: Time,
}
