//! Whether autonomy goes as planned: it starts with people before nearly everything, and loosens by what agents show.
//!
//! The plan is what has worked for others: four fifths of what an agent does begin with a person in front of it, and within four
//! to eight weeks people have let go of 40 to 60 % of it.

use super::{State, WeekCounts};
use crate::event::Mode;
use crate::time::Time;

/// Of what is under the rules, so much waits for a person in the first week, percent.
pub const START_AT_LEAST: u64 = 80;
/// After so many weeks something has to have loosened.
pub const WEEKS: (i64, i64) = (4, 8);
/// Of what is under the rules, so much runs without being asked for by then, percent.
pub const LOOSENED: (u64, u64) = (40, 60);

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
                "in the first week a person was asked before {share} % of the actions under the rules, and {START_AT_LEAST} % is the \
                 plan: look at the modes that the document says"
            ),
            OffPlan::NothingLoosened => format!(
                "after {} weeks a person is still asked before every action: see with `countersign autonomy show AGENT` what \
                 has been earned and not granted",
                WEEKS.1
            ),
            OffPlan::LittleLoosened(share) => format!(
                "after {} weeks {share} % of the actions under the rules run without being asked for, and {} to {} % is the plan: \
                 see with `countersign autonomy show AGENT` what has been earned and not granted",
                WEEKS.1, LOOSENED.0, LOOSENED.1
            ),
        }
    }
}

/// A share in percent, rounded down; nothing of nothing.
pub fn share_of(part: u64, whole: u64) -> Option<u64> {
    u64::try_from(u128::from(part) * 100 / u128::from(whole).max(1))
        .ok()
        .filter(|_| whole > 0)
}

impl State {
    /// How autonomy goes, by what was decided week by week.
    pub fn plan(&self, now: Time) -> Plan {
        let weeks: Vec<(Time, WeekCounts)> = self.measures.weeks().map(|(at, counts)| (at, *counts)).collect();
        let standings = || self.autonomy.values().flat_map(|operations| operations.values());
        let findings = findings(&weeks, self.measures.weeks_since_first(now));
        Plan {
            operations: standings().count() as u64,
            loosened: standings().filter(|shown| shown.mode != Mode::PreAction).count() as u64,
            weeks,
            findings,
        }
    }
}

fn findings(weeks: &[(Time, WeekCounts)], since_first: i64) -> Vec<OffPlan> {
    let ruled = || {
        weeks
            .iter()
            .map(|(_, counts)| counts)
            .filter(|counts| counts.ruled() > 0)
    };
    let mut findings = Vec::new();
    let start = ruled()
        .next()
        .and_then(|first| share_of(first.restricted, first.ruled()));
    findings.extend(start.filter(|share| *share < START_AT_LEAST).map(OffPlan::StartsOpen));
    if since_first < WEEKS.1 {
        return findings;
    }
    let Some(last) = ruled().next_back() else {
        return findings;
    };
    let unasked = last.supervised.saturating_add(last.autonomous);
    if ruled().all(|counts| counts.restricted == counts.ruled()) {
        findings.push(OffPlan::NothingLoosened);
    } else {
        let share = share_of(unasked, last.ruled()).filter(|share| *share < LOOSENED.0);
        findings.extend(share.map(OffPlan::LittleLoosened));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weeks(all: &[(u64, u64, u64)]) -> Vec<(Time, WeekCounts)> {
        let counted = |(restricted, supervised, autonomous): &(u64, u64, u64)| WeekCounts {
            restricted: *restricted,
            supervised: *supervised,
            autonomous: *autonomous,
            ..WeekCounts::default()
        };
        all.iter().map(|week| (Time(0), counted(week))).collect()
    }

    #[test]
    fn four_fifths_at_the_start_are_as_planned_and_less_is_not() {
        assert_eq!(findings(&weeks(&[(80, 20, 0)]), 0), []);
        assert_eq!(findings(&weeks(&[(79, 20, 1)]), 0), [OffPlan::StartsOpen(79)]);
        // A week in which nothing was under the rules says nothing.
        assert_eq!(findings(&weeks(&[(0, 0, 0), (100, 0, 0)]), 1), []);
        assert_eq!(findings(&weeks(&[]), 100), []);
    }

    #[test]
    fn what_has_not_loosened_is_told_after_eight_weeks_and_not_before() {
        let stuck = weeks(&[(100, 0, 0), (100, 0, 0)]);
        assert_eq!(findings(&stuck, 7), []);
        assert_eq!(findings(&stuck, 8), [OffPlan::NothingLoosened]);
        let little = weeks(&[(100, 0, 0), (61, 20, 19)]);
        assert_eq!(findings(&little, 8), [OffPlan::LittleLoosened(39)]);
        assert_eq!(findings(&weeks(&[(100, 0, 0), (60, 20, 20)]), 8), []);
        // What had loosened and is tight again is little, not nothing.
        let again = weeks(&[(100, 0, 0), (50, 50, 0), (100, 0, 0)]);
        assert_eq!(findings(&again, 9), [OffPlan::LittleLoosened(0)]);
    }
}
