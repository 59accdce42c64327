//! Whether autonomy goes as planned: it starts with people before nearly everything, and loosens by what agents show.
//!
//! The plan is what has worked for others: four fifths of what an agent does begin with a person in front of it, and within four
//! to eight weeks people have let go of 40 to 60 % of it.

use super::{State, WeekCounts};
use crate::event::Mode;
use crate::time::{Span, Time};

/// How it goes.
pub struct Plan {
    /// By the beginning of the week.
    pub weeks: Vec<(Time, WeekCounts)>,
    /// Operations of agents that have shown something.
    pub operations: u64,
    /// Those of them that run without a person before.
    pub loosened: u64,
    /// What is not as planned.
    pub findings: Vec<OffPlan>,
}

impl Plan {
    /// Of what is under the rules, so much waits for a person in the first week, percent.
    pub const START_AT_LEAST: u64 = 80;
    /// After so many weeks something has to have loosened.
    pub const WEEKS: (i64, i64) = (4, 8);
    /// Of what is under the rules, so much runs without being asked for by then, percent.
    pub const LOOSENED: (u64, u64) = (40, 60);
}

/// Something that is not as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffPlan {
    /// In the first week less than four fifths waited for a person; so much did, percent.
    StartsOpen(u64),
    /// After eight weeks nothing runs without being asked for.
    NothingLoosened,
    /// After eight weeks less runs without being asked for than planned; so much does, percent of the last week.
    LittleLoosened(u64),
}

impl OffPlan {
    /// Its name on the wire.
    pub fn code(self) -> &'static str {
        match self {
            OffPlan::StartsOpen(_) => "starts_open",
            OffPlan::NothingLoosened => "nothing_loosened",
            OffPlan::LittleLoosened(_) => "little_loosened",
        }
    }

    /// What it is, and what to do about it.
    pub fn words(self) -> String {
        match self {
            OffPlan::StartsOpen(share) => format!(
                "in the first week a person was asked before {share} % of the actions under the rules, and {} % is the \
                 plan: look at the modes that the document says",
                Plan::START_AT_LEAST
            ),
            OffPlan::NothingLoosened => format!(
                "after {} weeks a person is still asked before every action under the rules: see with `countersign autonomy show AGENT` what \
                 has been earned and not granted",
                Plan::WEEKS.1
            ),
            OffPlan::LittleLoosened(share) => format!(
                "after {} weeks {share} % of the actions under the rules run without being asked for, and {} to {} % is the plan: \
                 see with `countersign autonomy show AGENT` what has been earned and not granted",
                Plan::WEEKS.1,
                Plan::LOOSENED.0,
                Plan::LOOSENED.1
            ),
        }
    }
}

impl State {
    /// How autonomy goes, by what was decided week by week.
    pub fn plan(&self, now: Time) -> Plan {
        let weeks: Vec<(Time, WeekCounts)> = self.measures.weeks().map(|(at, counts)| (at, *counts)).collect();
        let standings = || self.autonomy.values().flat_map(|operations| operations.values());
        let findings = findings(&weeks, now);
        Plan {
            operations: standings().count() as u64,
            loosened: standings().filter(|shown| shown.mode != Mode::PreAction).count() as u64,
            weeks,
            findings,
        }
    }
}

/// The weeks since there are rules of autonomy are held against the plan; before that nobody had one.
fn findings(weeks: &[(Time, WeekCounts)], now: Time) -> Vec<OffPlan> {
    let since = weeks.iter().skip_while(|(_, counts)| !counts.has_rules());
    let ruled: Vec<_> = since.filter(|(_, counts)| counts.ruled() > 0).collect();
    let (Some((began, first)), Some((_, last))) = (ruled.first(), ruled.last()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let start = first.percent(first.restricted);
    findings.extend(
        start
            .filter(|share| *share < Plan::START_AT_LEAST)
            .map(OffPlan::StartsOpen),
    );
    if now < *began + Span::days(7 * Plan::WEEKS.1) {
        return findings;
    }
    if ruled.iter().all(|(_, counts)| counts.unasked() == 0) {
        findings.push(OffPlan::NothingLoosened);
    } else {
        let share = last.percent(last.unasked());
        findings.extend(
            share
                .filter(|share| *share < Plan::LOOSENED.0)
                .map(OffPlan::LittleLoosened),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One week after the other, in which the rules are about whatever people were asked.
    fn weeks(all: &[(u64, u64, u64)]) -> Vec<(Time, WeekCounts)> {
        let counted = |(restricted, supervised, autonomous): &(u64, u64, u64)| WeekCounts {
            by_rules: *restricted,
            restricted: *restricted,
            supervised: *supervised,
            autonomous: *autonomous,
            ..WeekCounts::default()
        };
        (0..)
            .zip(all)
            .map(|(week, counts)| (after(week), counted(counts)))
            .collect()
    }

    fn after(weeks: i64) -> Time {
        Time(0) + Span::days(7 * weeks)
    }

    #[test]
    fn four_fifths_at_the_start_are_as_planned_and_less_is_not() {
        assert_eq!(findings(&weeks(&[(80, 20, 0)]), after(0)), []);
        assert_eq!(findings(&weeks(&[(79, 20, 1)]), after(0)), [OffPlan::StartsOpen(79)]);
        // A week in which nothing was under the rules says nothing.
        assert_eq!(findings(&weeks(&[(0, 0, 0), (100, 0, 0)]), after(1)), []);
        assert_eq!(findings(&weeks(&[]), after(100)), []);
    }

    #[test]
    fn what_has_not_loosened_is_told_after_eight_weeks_and_not_before() {
        let stuck = weeks(&[(100, 0, 0), (100, 0, 0)]);
        assert_eq!(findings(&stuck, after(8) - Span(1)), []);
        assert_eq!(findings(&stuck, after(8)), [OffPlan::NothingLoosened]);
        let little = weeks(&[(100, 0, 0), (61, 20, 19)]);
        assert_eq!(findings(&little, after(8)), [OffPlan::LittleLoosened(39)]);
        assert_eq!(findings(&weeks(&[(100, 0, 0), (60, 20, 20)]), after(8)), []);
        // What had loosened and is tight again is little, not nothing.
        let again = weeks(&[(100, 0, 0), (50, 50, 0), (100, 0, 0)]);
        assert_eq!(findings(&again, after(9)), [OffPlan::LittleLoosened(0)]);
    }

    #[test]
    fn without_rules_of_autonomy_there_is_no_plan_and_with_them_it_begins_when_they_do() {
        let asked = WeekCounts {
            restricted: 100,
            ..WeekCounts::default()
        };
        let mut all = vec![(after(0), asked)];
        assert_eq!(
            findings(&all, after(100)),
            [],
            "gates ask, and no rule of autonomy does"
        );
        let ruled = WeekCounts { by_rules: 1, ..asked };
        all.push((after(20), ruled));
        assert_eq!(findings(&all, after(27)), []);
        assert_eq!(findings(&all, after(28)), [OffPlan::NothingLoosened]);
    }
}
