//! What was decided of late: decisions by the hour, which rules asked and denied by the day, the newest denials. An overview
//! is shown from it without reading the ledger, however long that is.
//!
//! Drills and canaries count like everything else: whoever reviews must not tell them apart by a number that stands still.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use countersign_policy::verdict::{Decision, Reason};
use serde::{Deserialize, Serialize};

use super::{State, day_of};
use crate::event::{ApprovalResolved, ApprovalState, DecisionMade};
use crate::ids::ActionId;
use crate::time::Time;

/// So many days are kept, today among them.
pub const COUNTED_DAYS: i64 = 15;
/// So many rules of a day are counted by name; another takes the place of the one that spoke least.
const RULES_AT_MOST: usize = 40;
/// So many denials are kept.
const DENIALS_AT_MOST: usize = 10;
/// An hour, microseconds.
pub(super) const HOUR: i64 = 3_600_000_000;

/// What happened within one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HourCounts {
    /// Allowed.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub allow: u64,
    /// Allowed within limits.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub allow_with_constraints: u64,
    /// Denied.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub deny: u64,
    /// A safer action was offered.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub remediate: u64,
    /// A person was asked.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub require_approval: u64,
    /// Requests that people answered by the time that policy wants an answer.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub answered_in_time: u64,
    /// Requests that were answered later, or by nobody.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub answered_late: u64,
}

/// How often a rule asked people or denied, within one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// How often people were asked because of it.
    pub asked: u64,
    /// How often it denied.
    pub denied: u64,
    /// The document; empty where none spoke.
    pub document: Arc<str>,
    /// Which rule of it; the reason's code where none spoke.
    pub rule: Arc<str>,
}

/// An action that policy denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The operation.
    pub action: String,
    /// Its id.
    pub action_id: ActionId,
    /// Whose.
    pub agent: Arc<str>,
    /// When.
    pub at: Time,
    /// The document that spoke; empty where none did.
    pub document: String,
    /// Which rule of it; the reason's code where none spoke.
    pub rule: String,
}

/// What was decided of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Days {
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    denials: VecDeque<Denial>,
    hours: BTreeMap<i64, HourCounts>,
    rules: BTreeMap<i64, Vec<RuleCount>>,
}

impl Days {
    /// Nothing was decided.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.denials.is_empty()
    }

    /// What happened within each hour since a moment, by its beginning; hours without anything are left out.
    pub fn hours(&self, since: Time) -> impl Iterator<Item = (Time, &HourCounts)> {
        let hours = self.hours.range(since.0.div_euclid(HOUR)..);
        hours.map(|(hour, counts)| (Time(hour.saturating_mul(HOUR)), counts))
    }

    /// What rules did in the days since that of a moment, what spoke most often first.
    pub fn rules(&self, since: Time) -> Vec<RuleCount> {
        let mut all = BTreeMap::<(Arc<str>, Arc<str>), RuleCount>::new();
        for counted in self.rules.range(day_of(since)..).flat_map(|(_, rules)| rules) {
            let name = (counted.document.clone(), counted.rule.clone());
            let sum = all.entry(name).or_insert_with(|| RuleCount {
                asked: 0,
                denied: 0,
                ..counted.clone()
            });
            sum.asked = sum.asked.saturating_add(counted.asked);
            sum.denied = sum.denied.saturating_add(counted.denied);
        }
        let mut all: Vec<RuleCount> = all.into_values().collect();
        all.sort_by_key(|rule| std::cmp::Reverse(rule.asked.saturating_add(rule.denied)));
        all
    }

    /// The newest denials, the newest first.
    pub fn denials(&self) -> impl Iterator<Item = &Denial> {
        self.denials.iter().rev()
    }

    fn hour(&mut self, now: Time) -> &mut HourCounts {
        let hour = now.0.div_euclid(HOUR);
        if !self.hours.contains_key(&hour) {
            let (first_hour, first_day) = (hour - 24 * COUNTED_DAYS + 1, day_of(now) - COUNTED_DAYS + 1);
            self.hours.retain(|hour, _| *hour >= first_hour);
            self.rules.retain(|day, _| *day >= first_day);
        }
        self.hours.entry(hour).or_default()
    }

    fn decided(&mut self, now: Time, e: &DecisionMade) {
        let hour = self.hour(now);
        let count = match e.decision {
            Decision::Allow => &mut hour.allow,
            Decision::AllowWithConstraints => &mut hour.allow_with_constraints,
            Decision::Remediate => &mut hour.remediate,
            Decision::RequireApproval => &mut hour.require_approval,
            Decision::Deny => &mut hour.deny,
        };
        *count = count.saturating_add(1);
        if !matches!(e.decision, Decision::RequireApproval | Decision::Deny) {
            return;
        }
        let spoke = e.reasons.iter().filter(|reason| reason.decision == e.decision);
        let denied = e.decision == Decision::Deny;
        let rules = self.rules.entry(day_of(now)).or_default();
        spoke.for_each(|reason| count_rule(rules, reason, denied));
        if denied {
            self.denied(now, e);
        }
    }

    fn denied(&mut self, now: Time, e: &DecisionMade) {
        let spoke = e.reasons.iter().find(|reason| reason.decision == Decision::Deny);
        let (document, rule) = spoke.map(name_of).unwrap_or_default();
        if self.denials.len() >= DENIALS_AT_MOST {
            self.denials.pop_front();
        }
        self.denials.push_back(Denial {
            action: e.action.clone(),
            action_id: e.action_id,
            agent: e.agent.clone(),
            at: now,
            document: document.to_owned(),
            rule: rule.to_owned(),
        });
    }
}

/// The document and the rule that spoke.
fn name_of(reason: &Reason) -> (&str, &str) {
    match reason.rule.as_str() {
        "" => (&reason.document, &reason.code),
        rule => (&reason.document, rule),
    }
}

fn count_rule(rules: &mut Vec<RuleCount>, reason: &Reason, denied: bool) {
    let (document, rule) = name_of(reason);
    let known = rules
        .iter()
        .position(|counted| &*counted.document == document && &*counted.rule == rule);
    let place = known.unwrap_or_else(|| {
        if rules.len() >= RULES_AT_MOST {
            let least = rules
                .iter()
                .enumerate()
                .min_by_key(|(_, counted)| counted.asked + counted.denied);
            let least = least.map_or(0, |(place, _)| place);
            rules.remove(least);
        }
        rules.push(RuleCount {
            asked: 0,
            denied: 0,
            document: document.into(),
            rule: rule.into(),
        });
        rules.len() - 1
    });
    if let Some(counted) = rules.get_mut(place) {
        counted.asked += u64::from(!denied);
        counted.denied += u64::from(denied);
    }
}

impl State {
    /// What was decided of late.
    pub fn days(&self) -> &Days {
        &self.days
    }

    /// Stores that something was decided. A ledger that was begun by a program which did not count comes to the same state
    /// as then, up to the seal that says that it counts.
    pub(super) fn count_decision(&mut self, now: Time, e: &DecisionMade) {
        if self.counts {
            self.days.decided(now, e);
        }
    }

    /// Stores whether people answered in time. The request is still open.
    pub(super) fn count_answer(&mut self, now: Time, e: &ApprovalResolved) {
        if !self.counts {
            return;
        }
        let Some(sla_due) = self.approvals.get(&e.approval).map(|approval| approval.sla_due) else {
            return;
        };
        // Whoever breaks the glass answers for nobody who was asked.
        let in_time = match e.state {
            ApprovalState::Approved | ApprovalState::Rejected if !e.break_glass => now <= sla_due,
            ApprovalState::Expired => false,
            ApprovalState::Approved
            | ApprovalState::Rejected
            | ApprovalState::NeedsEvidence
            | ApprovalState::Pending
            | ApprovalState::Clarifying
            | ApprovalState::Held
            | ApprovalState::Cancelled
            | ApprovalState::Invalidated
            | ApprovalState::Lapsed
            | ApprovalState::Consumed => return,
        };
        let hour = self.days.hour(now);
        let count = if in_time {
            &mut hour.answered_in_time
        } else {
            &mut hour.answered_late
        };
        *count = count.saturating_add(1);
    }
}
