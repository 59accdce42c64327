//! What governance comes to, counted: what became of requests by the hour in which they were opened, and what was done about
//! them, about permits and about what ran by the hour in which it was. Key figures are told from it without reading the ledger.
//!
//! What `days` counts is not counted here once more. Drills and canaries count like everything else, as there.

mod classes;
mod requests;
mod weeks;

use std::collections::BTreeMap;

use countersign_policy::verdict::Decision;
use serde::{Deserialize, Serialize};

pub use classes::ClassCount;
pub use requests::Requests;
pub use weeks::WeekCounts;
use weeks::Weeks;

use super::State;
use super::days::{COUNTED_DAYS, HOUR};
use super::observed::day_of;
use crate::event::{
    ApprovalVoted, CallbackAttempted, DecisionMade, Delivery, Event, Finding, OutcomeReported, OutcomeStatus,
    PracticeEnded, PracticeKind, ReviewClosed, ReviewKind, Verb,
};
use crate::ids::ReviewId;
use crate::record::Record;
use crate::time::{Span, Time};

/// How long something took, at most, in seconds: the bounds of what is counted together. Beyond the last one lies the rest.
pub const BOUNDS_S: [i64; 16] = [
    60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 172_800, 259_200, 604_800, 1_209_600,
];

/// How often something took how long: by the place of its bound in [`BOUNDS_S`].
pub type Times = BTreeMap<u8, u64>;

/// Votes that decide, and those of them with which something is the matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Votes {
    /// Votes that approve and count.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub approving: u64,
    /// Votes that decide, whether they count or not.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub cast: u64,
    /// Those that came after the request had ended.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub late: u64,
    /// Those of people who may not decide on it.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub not_theirs: u64,
    /// Approvals that came sooner than policy takes for reading.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub too_fast: u64,
}

/// Permits that were shown, and what came of what ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ran {
    /// Outcomes that broke a limit of the grant.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub broke_limits: u64,
    /// Permits refused as what was to run is not what was decided.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub digest_refused: u64,
    /// Outcomes that failed.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub failed: u64,
    /// Permits refused as the policy of now does not grant it.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub policy_refused: u64,
    /// Permits that were used.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub redeemed: u64,
    /// Permits that were refused, for whatever reason.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub refused: u64,
    /// Outcomes that succeeded.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub succeeded: u64,
    /// Outcomes that nobody reported.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub unknown: u64,
}

/// Looks at what has run, and canaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    /// Canaries on which somebody decided and nobody approved.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub canaries_caught: u64,
    /// Canaries on which somebody decided.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub canaries_decided: u64,
    /// Looks that found that it was not right.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub faulty: u64,
    /// Looks at broken glass in time.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub glass_in_time: u64,
    /// Looks at broken glass that nobody took in time.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub glass_overdue: u64,
    /// Looks in time, broken glass among them.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub in_time: u64,
    /// Looks that nobody took in time, broken glass among them.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub overdue: u64,
    /// Looks that were taken, in time or not.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub taken: u64,
}

/// What is measured of one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Decisions that used a grant beyond the agent's mandate.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub beyond_mandate: u64,
    /// Callbacks that were given up.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub callbacks_dead: u64,
    /// Callbacks that arrived.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub callbacks_delivered: u64,
    /// Those that arrived with the first try.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub callbacks_first: u64,
    /// Decisions.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub decisions: u64,
    /// Looks at what has run, and canaries.
    #[serde(skip_serializing_if = "is_nothing")]
    pub looks: Looks,
    /// Permits, and what came of what ran.
    #[serde(skip_serializing_if = "is_nothing")]
    pub ran: Ran,
    /// Safer actions that were taken in place of what was asked for.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub remedies_taken: u64,
    /// Requests that were opened in this hour.
    #[serde(skip_serializing_if = "is_nothing")]
    pub requests: Requests,
    /// Steps of routes whose people were asked.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub steps_asked: u64,
    /// Steps that let their time pass.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub steps_missed: u64,
    /// Steps in whose place others were asked, as they reach nobody.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub steps_unreachable: u64,
    /// Decisions about an agent that its own key had proven.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub verified: u64,
    /// Votes.
    #[serde(skip_serializing_if = "is_nothing")]
    pub votes: Votes,
}

/// What is measured of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    classes: BTreeMap<i64, Vec<ClassCount>>,
    hours: BTreeMap<i64, Measured>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    weeks: Weeks,
}

impl Measures {
    /// Nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.weeks.is_empty()
    }

    /// What is measured of each hour since a moment, by its beginning; hours without anything are left out.
    pub fn hours(&self, since: Time) -> impl Iterator<Item = (Time, &Measured)> {
        let hours = self.hours.range(since.0.div_euclid(HOUR)..);
        hours.map(|(hour, measured)| (Time(hour.saturating_mul(HOUR)), measured))
    }

    fn hour(&mut self, now: Time) -> &mut Measured {
        let hour = now.0.div_euclid(HOUR);
        if !self.hours.contains_key(&hour) {
            let (first_hour, first_day) = (hour - 24 * COUNTED_DAYS + 1, day_of(now) - COUNTED_DAYS + 1);
            self.hours.retain(|hour, _| *hour >= first_hour);
            self.classes.retain(|day, _| *day >= first_day);
        }
        self.hours.entry(hour).or_default()
    }

    /// The hour in which a request was opened, while it is kept.
    fn opened_in(&mut self, opened: Time) -> Option<&mut Requests> {
        let hour = self.hours.get_mut(&opened.0.div_euclid(HOUR))?;
        Some(&mut hour.requests)
    }
}

/// The place of how long something took.
pub fn bound_of(span: Span) -> u8 {
    let place = BOUNDS_S.iter().position(|bound| span <= Span::seconds(*bound));
    u8::try_from(place.unwrap_or(BOUNDS_S.len())).unwrap_or(u8::MAX)
}

fn is_nothing<T: Default + PartialEq>(counts: &T) -> bool {
    *counts == T::default()
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

fn add_if(count: &mut u64, is_so: bool) {
    if is_so {
        add(count);
    }
}

impl State {
    /// What is measured of late.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Measures what a record says, before it is folded in: what it ends is still open.
    pub(super) fn measure(&mut self, record: &Record) {
        if !self.counts {
            return;
        }
        let now = record.ts;
        match &record.event {
            Event::DecisionMade(e) => {
                self.measures.hour(now).decided(e);
                self.measures.week_decided(now, e);
            }
            Event::AutonomyChanged(e) => self.measures.week_changed(now, e),
            Event::ApprovalOpened(_) => add(&mut self.measures.hour(now).requests.opened),
            Event::ApprovalViewed(e) => self.request_seen(now, e.approval),
            Event::ApprovalStepStarted(e) => self.step_started(now, e),
            Event::ApprovalHeld(_) => add(&mut self.measures.hour(now).steps_missed),
            Event::ApprovalVoted(e) => {
                self.measures.hour(now).votes.cast(e);
                self.request_asked_back(e);
            }
            Event::ApprovalResolved(e) => self.request_ended(now, e),
            Event::PermitRedeemed(_) => add(&mut self.measures.hour(now).ran.redeemed),
            Event::PermitRefused(e) => self.measures.hour(now).ran.refused(&e.reason),
            Event::OutcomeReported(e) => self.measures.hour(now).ran.ended(e),
            Event::PracticeEnded(e) => self.measures.hour(now).looks.practised(e),
            Event::ReviewClosed(e) => self.look_taken(now, e),
            Event::ReviewOverdue(e) => self.look_overdue(now, e.review),
            Event::CallbackAttempted(e) => self.measures.hour(now).called_back(e),
            _ => {}
        }
    }

    fn is_of_glass(&self, review: ReviewId) -> bool {
        let review = self.reviews.get(&review);
        review.is_some_and(|review| review.kind == ReviewKind::BreakGlass)
    }

    fn look_taken(&mut self, now: Time, e: &ReviewClosed) {
        let is_of_glass = self.is_of_glass(e.review);
        let looks = &mut self.measures.hour(now).looks;
        add(&mut looks.taken);
        add_if(&mut looks.faulty, e.finding == Finding::Faulty);
        add_if(&mut looks.in_time, !e.late);
        add_if(&mut looks.glass_in_time, !e.late && is_of_glass);
    }

    fn look_overdue(&mut self, now: Time, review: ReviewId) {
        let is_of_glass = self.is_of_glass(review);
        let looks = &mut self.measures.hour(now).looks;
        add(&mut looks.overdue);
        add_if(&mut looks.glass_overdue, is_of_glass);
    }
}

impl Measured {
    fn decided(&mut self, e: &DecisionMade) {
        add(&mut self.decisions);
        add_if(&mut self.beyond_mandate, e.beyond_mandate);
        let is_taken = e.remedy.as_ref().is_some_and(|remedy| remedy.applied);
        add_if(&mut self.remedies_taken, e.decision == Decision::Remediate && is_taken);
        let identity = e.facts.agent.get("identity").map(String::as_str);
        add_if(&mut self.verified, identity == Some("verified"));
    }

    fn called_back(&mut self, e: &CallbackAttempted) {
        match e.result {
            Delivery::Delivered => {
                add(&mut self.callbacks_delivered);
                add_if(&mut self.callbacks_first, e.attempt == 1);
            }
            Delivery::Dead => add(&mut self.callbacks_dead),
            Delivery::Retrying | Delivery::Resent => {}
        }
    }
}

impl Votes {
    fn cast(&mut self, e: &ApprovalVoted) {
        if !matches!(e.verb, Verb::Approve | Verb::Reject | Verb::Edit) {
            return;
        }
        add(&mut self.cast);
        let approves = e.counted && e.verb.decision() == Verb::Approve;
        add_if(&mut self.approving, approves);
        add_if(&mut self.too_fast, approves && e.too_fast);
        match e.not_counted.as_deref() {
            Some("late" | "expired") => add(&mut self.late),
            Some("not_eligible" | "self_approval") => add(&mut self.not_theirs),
            Some(_) | None => {}
        }
    }
}

impl Ran {
    fn refused(&mut self, reason: &str) {
        add(&mut self.refused);
        add_if(&mut self.digest_refused, reason == "digest_mismatch");
        add_if(&mut self.policy_refused, reason == "policy_changed");
    }

    fn ended(&mut self, e: &OutcomeReported) {
        add(match e.status {
            OutcomeStatus::Succeeded => &mut self.succeeded,
            OutcomeStatus::Failed => &mut self.failed,
            OutcomeStatus::Unknown => &mut self.unknown,
        });
        add_if(&mut self.broke_limits, !e.violations.is_empty());
    }
}

impl Looks {
    fn practised(&mut self, e: &PracticeEnded) {
        if e.kind != PracticeKind::Canary || e.answers.is_empty() {
            return;
        }
        add(&mut self.canaries_decided);
        let is_caught = e.answers.iter().all(|answer| answer.verb != Verb::Approve);
        add_if(&mut self.canaries_caught, is_caught);
    }
}
