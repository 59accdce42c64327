//! How much of what was decided waited for people, week by week: whether agents begin under close review, and whether that
//! loosens.

use std::collections::BTreeMap;

use countersign_policy::verdict::Decision;
use serde::{Deserialize, Serialize};

use super::{Measures, add};
use crate::event::{AutonomyChanged, DecisionMade, Mode, StandingReason};
use crate::state::observed::day_of;
use crate::time::{Span, Time};

/// So many weeks are kept, the one of now among them.
const COUNTED_WEEKS: i64 = 53;
/// The first weeks of a ledger are kept for good: what comes later is held against them.
const FIRST_WEEKS: i64 = 12;

/// What was decided within one week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeekCounts {
    /// Ran unasked, and a person looks at exceptions or a sample.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub autonomous: u64,
    /// Of those before which a person was asked, those that policy itself allows: the rules of autonomy are about them.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub by_rules: u64,
    /// Denied, or a safer action was offered.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub denied: u64,
    /// Modes that people granted.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub loosened: u64,
    /// A person was asked before.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub restricted: u64,
    /// Ran unasked, and a person looks at each afterwards.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub supervised: u64,
    /// Modes that were lost.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub tightened: u64,
    /// Ran outside the rules of autonomy: it only looks, or there are no such rules.
    #[serde(skip_serializing_if = "super::super::is_zero")]
    pub unruled: u64,
}

impl WeekCounts {
    /// What ran without a person before, by the rules of autonomy.
    pub fn unasked(&self) -> u64 {
        self.supervised.saturating_add(self.autonomous)
    }

    /// What a person was asked before, and what ran by the rules of autonomy.
    pub fn ruled(&self) -> u64 {
        self.restricted.saturating_add(self.unasked())
    }

    /// There were rules of autonomy.
    pub fn has_rules(&self) -> bool {
        self.by_rules > 0 || self.unasked() > 0
    }

    /// A part of `ruled` in percent, rounded down; nothing where there was none of it.
    pub fn percent(&self, part: u64) -> Option<u64> {
        let percent = u128::from(part) * 100 / u128::from(self.ruled()).max(1);
        u64::try_from(percent).ok().filter(|_| self.ruled() > 0)
    }

    fn decided(&mut self, e: &DecisionMade) {
        if e.decision == Decision::RequireApproval && e.acts_in.is_some() {
            add(&mut self.by_rules);
        }
        add(match (e.decision, e.acts_in.as_ref().map(|acts_in| acts_in.mode)) {
            (Decision::RequireApproval, _) => &mut self.restricted,
            (Decision::Deny, _) => &mut self.denied,
            // A remedy that was taken is an action that runs.
            (Decision::Remediate, _) if e.permit.is_none() => &mut self.denied,
            (_, Some(Mode::PostAction)) => &mut self.supervised,
            (_, Some(Mode::ExceptionOnly | Mode::PeriodicBatch)) => &mut self.autonomous,
            // In `pre_action` a person is asked.
            (_, Some(Mode::PreAction)) => &mut self.restricted,
            (_, None) => &mut self.unruled,
        });
    }
}

/// Weeks from Monday to Sunday, UTC, counted from the one with the first day of 1970.
pub(super) type Weeks = BTreeMap<i64, WeekCounts>;

/// Days from the beginning of a week's count to the first day of 1970, which was a Thursday.
const MONDAY: i64 = 3;

fn week_of(at: Time) -> i64 {
    (day_of(at) + MONDAY).div_euclid(7)
}

/// When a week begins.
fn begin_of(week: i64) -> Time {
    Time(0) + Span::days(week.saturating_mul(7) - MONDAY)
}

impl Measures {
    /// What was decided week by week, by the beginning of the week: the first weeks of the ledger and those of late; weeks
    /// without anything are left out.
    pub fn weeks(&self) -> impl Iterator<Item = (Time, &WeekCounts)> {
        self.weeks.iter().map(|(week, counts)| (begin_of(*week), counts))
    }

    fn week(&mut self, now: Time) -> &mut WeekCounts {
        let week = week_of(now);
        if !self.weeks.contains_key(&week) {
            let early = self
                .weeks
                .first_key_value()
                .map_or(week, |(first, _)| first + FIRST_WEEKS);
            self.weeks
                .retain(|known, _| *known < early || *known > week - COUNTED_WEEKS);
        }
        self.weeks.entry(week).or_default()
    }

    pub(super) fn week_decided(&mut self, now: Time, e: &DecisionMade) {
        self.week(now).decided(e);
    }

    pub(super) fn week_changed(&mut self, now: Time, e: &AutonomyChanged) {
        match e.reason {
            StandingReason::Promoted => add(&mut self.week(now).loosened),
            StandingReason::Demoted => add(&mut self.week(now).tightened),
            StandingReason::Approved
            | StandingReason::NewModel
            | StandingReason::Outcome
            | StandingReason::Rejected
            | StandingReason::Reviewed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday_at_midnight() {
        let monday: Time = "2026-11-23T00:00:00Z".parse().unwrap_or_default();
        assert_eq!(begin_of(week_of(monday)), monday);
        assert_eq!(week_of(monday - Span(1)), week_of(monday) - 1);
        assert_eq!(week_of(monday + Span::days(7) - Span(1)), week_of(monday));
    }

    #[test]
    fn the_first_weeks_stay_and_the_ones_between_go() {
        let mut measures = Measures::default();
        let start: Time = "2026-01-05T00:00:00Z".parse().unwrap_or_default();
        for week in 0..100 {
            measures.week(start + Span::days(7 * week)).restricted = 1;
        }
        let kept: Vec<i64> = measures
            .weeks()
            .map(|(at, _)| (at - start).as_seconds() / 604_800)
            .collect();
        let wanted: Vec<i64> = (0..12).chain(47..100).collect();
        assert_eq!(kept, wanted);
    }
}
