//! Each key figure: how many, of how many, within which window.

use countersign_api::kpis::{KPIS, Kpi, KpiAnswer, KpiUnit, KpiWindow};
use countersign_core::state::{HourCounts, Looks, Ran, Requests, Times, Votes, bound_of};
use countersign_core::{State, Time};

use super::Policy;
use super::times::answered_within;

/// What was counted within a window.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) from: Time,
    pub(super) requests: Requests,
    beyond_mandate: u64,
    callbacks: [u64; 3],
    counts: HourCounts,
    looks: Looks,
    measured: u64,
    ran: Ran,
    remedies_taken: u64,
    steps: [u64; 3],
    verified: u64,
    votes: Votes,
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

fn add_times(sum: &mut Times, times: &Times) {
    for (place, count) in times {
        add(sum.entry(*place).or_default(), *count);
    }
}

impl Sums {
    /// Everything from one moment to another, by whole hours. What is open still waits, and as long as until now.
    pub(super) fn of(state: &State, now: Time, from: Time, to: Time) -> Sums {
        // Hours are counted whole: the one in which the window begins belongs to it, and to no other.
        let to = if to == now { Time(i64::MAX) } else { hour_of(to) };
        let mut sums = Sums {
            from: hour_of(from),
            ..Sums::default()
        };
        for (_, hour) in state.measures().hours(from).take_while(|(begins, _)| *begins < to) {
            sums.add_requests(&hour.requests);
            add(&mut sums.beyond_mandate, hour.beyond_mandate);
            let callbacks = [hour.callbacks_delivered, hour.callbacks_first, hour.callbacks_dead];
            (sums.callbacks.iter_mut().zip(callbacks)).for_each(|(sum, count)| add(sum, count));
            sums.add_looks(&hour.looks);
            add(&mut sums.measured, hour.decisions);
            sums.add_ran(&hour.ran);
            add(&mut sums.remedies_taken, hour.remedies_taken);
            let steps = [hour.steps_asked, hour.steps_missed, hour.steps_unreachable];
            (sums.steps.iter_mut().zip(steps)).for_each(|(sum, count)| add(sum, count));
            add(&mut sums.verified, hour.verified);
            sums.add_votes(&hour.votes);
        }
        for (_, hour) in state.days().hours(from).take_while(|(begins, _)| *begins < to) {
            sums.add_counts(hour);
        }
        let opened = state.approvals().values().filter_map(|approval| approval.opened);
        for opened in opened.filter(|opened| (sums.from..to).contains(opened)) {
            add(sums.requests.unanswered.entry(bound_of(now - opened)).or_default(), 1);
        }
        sums
    }

    fn add_requests(&mut self, hour: &Requests) {
        let sum = &mut self.requests;
        add_times(&mut sum.answered, &hour.answered);
        add_times(&mut sum.seen, &hour.seen);
        add_times(&mut sum.unanswered, &hour.unanswered);
        add(&mut sum.approved, hour.approved);
        add(&mut sum.asked_back, hour.asked_back);
        add(&mut sum.broken_glass, hour.broken_glass);
        add(&mut sum.edited, hour.edited);
        add(&mut sum.escalated, hour.escalated);
        add(&mut sum.expired, hour.expired);
        add(&mut sum.opened, hour.opened);
        add(&mut sum.rejected, hour.rejected);
        add(&mut sum.withdrawn, hour.withdrawn);
    }

    fn add_counts(&mut self, hour: &HourCounts) {
        let sum = &mut self.counts;
        add(&mut sum.allow, hour.allow);
        add(&mut sum.allow_with_constraints, hour.allow_with_constraints);
        add(&mut sum.deny, hour.deny);
        add(&mut sum.remediate, hour.remediate);
        add(&mut sum.require_approval, hour.require_approval);
        add(&mut sum.answered_in_time, hour.answered_in_time);
        add(&mut sum.answered_late, hour.answered_late);
    }

    fn add_looks(&mut self, hour: &Looks) {
        let sum = &mut self.looks;
        add(&mut sum.canaries_caught, hour.canaries_caught);
        add(&mut sum.canaries_decided, hour.canaries_decided);
        add(&mut sum.faulty, hour.faulty);
        add(&mut sum.glass_in_time, hour.glass_in_time);
        add(&mut sum.glass_overdue, hour.glass_overdue);
        add(&mut sum.in_time, hour.in_time);
        add(&mut sum.overdue, hour.overdue);
        add(&mut sum.taken, hour.taken);
    }

    fn add_ran(&mut self, hour: &Ran) {
        let sum = &mut self.ran;
        add(&mut sum.broke_limits, hour.broke_limits);
        add(&mut sum.digest_refused, hour.digest_refused);
        add(&mut sum.failed, hour.failed);
        add(&mut sum.policy_refused, hour.policy_refused);
        add(&mut sum.redeemed, hour.redeemed);
        add(&mut sum.refused, hour.refused);
        add(&mut sum.succeeded, hour.succeeded);
        add(&mut sum.unknown, hour.unknown);
    }

    fn add_votes(&mut self, hour: &Votes) {
        let sum = &mut self.votes;
        add(&mut sum.approving, hour.approving);
        add(&mut sum.cast, hour.cast);
        add(&mut sum.late, hour.late);
        add(&mut sum.not_theirs, hour.not_theirs);
        add(&mut sum.too_fast, hour.too_fast);
    }

    /// How many of how many; `None` for what is not counted by the hour.
    fn share(&self, id: &str) -> Option<(u64, u64)> {
        let Sums {
            counts: c,
            requests: r,
            looks,
            ran,
            votes,
            ..
        } = self;
        let alone = c.allow + c.allow_with_constraints + c.remediate + c.deny;
        let all = alone + c.require_approval;
        let shown = ran.redeemed + ran.refused;
        let reported = ran.succeeded + ran.failed;
        let [delivered, first, dead] = self.callbacks;
        let [started, missed, unreachable] = self.steps;
        Some(match id {
            "decided_without_people" => (alone, all),
            "denied" => (c.deny, all),
            "remedy_offered" => (c.remediate, all),
            "remedy_taken" => (self.remedies_taken, c.remediate),
            "within_limits" => (c.allow_with_constraints, c.allow + c.allow_with_constraints),
            "proven_agents" => (self.verified, self.measured),
            "beyond_mandate" => (self.beyond_mandate, self.measured),
            "answered_in_time" => (c.answered_in_time, c.answered_in_time + c.answered_late),
            "rejected" => (r.rejected, r.approved + r.rejected),
            "edited" => (r.edited, r.approved),
            "expired" => (r.expired, r.opened),
            "escalated" => (r.escalated, r.opened),
            "asked_back" => (r.asked_back, r.opened),
            "broken_glass" => (r.broken_glass, r.opened),
            "steps_missed" => (missed, started),
            "steps_unreachable" => (unreachable, started),
            "too_fast" => (votes.too_fast, votes.approving),
            "late_votes" => (votes.late, votes.cast),
            "not_theirs" => (votes.not_theirs, votes.cast),
            "canaries_caught" => (looks.canaries_caught, looks.canaries_decided),
            "glass_looked_at" => (looks.glass_in_time, looks.glass_in_time + looks.glass_overdue),
            "looked_at" => (looks.in_time, looks.in_time + looks.overdue),
            "found_faulty" => (looks.faulty, looks.taken),
            "permits_refused" => (ran.refused, shown),
            "digest_mismatch" => (ran.digest_refused, shown),
            "policy_changed" => (ran.policy_refused, shown),
            "outcomes_known" => (reported, reported + ran.unknown),
            "failed" => (ran.failed, reported),
            "broke_limits" => (ran.broke_limits, reported),
            "callbacks_delivered" => (delivered, delivered + dead),
            "callbacks_first_try" => (first, delivered),
            _ => return None,
        })
    }

    /// After how long, of how many requests and of which; `None` for what is no time.
    fn time(&self, id: &str) -> Option<(Option<u64>, u64, u64)> {
        let Requests {
            answered,
            unanswered,
            seen,
            ..
        } = &self.requests;
        let nothing = Times::new();
        let (times, without, per_mille) = match id {
            "decision_time_median" => (answered, unanswered, 500),
            "decision_time_p95" => (answered, unanswered, 950),
            "answer_time_p95" => (answered, &nothing, 950),
            "first_look_median" => (seen, &nothing, 500),
            _ => return None,
        };
        let sum = |times: &Times| times.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let (with, all) = (sum(times), sum(times) + sum(without));
        Some((answered_within(times, without, per_mille), with, all))
    }
}

fn hour_of(at: Time) -> Time {
    const HOUR: i64 = 3_600_000_000;
    Time(at.0.div_euclid(HOUR).saturating_mul(HOUR))
}

fn per_mille((numerator, denominator): (u64, u64)) -> Option<u64> {
    let share = (u128::from(numerator) * 1000).checked_div(u128::from(denominator))?;
    u64::try_from(share).ok()
}

/// Whether a share differs from another by more than 2 of 100 and by more than chance explains: |z| above 3 of the test for
/// two shares, in whole numbers.
fn has_moved((x, n): (u64, u64), (x0, n0): (u64, u64)) -> bool {
    if n == 0 || n0 == 0 || x > n || x0 > n0 {
        return false;
    }
    let [x, n, x0, n0] = [x, n, x0, n0].map(u128::from);
    // z² = (x·n0 − x0·n)²·N ÷ (n·n0·X·(N − X)); both sides are divided by what keeps them within their bounds.
    let (hits, all) = (x + x0, n + n0);
    let apart = (x * n0).abs_diff(x0 * n);
    let is_far = apart > n * n0 / 50;
    let by_chance = |apart: u128| {
        let left = apart.checked_mul(apart)?.checked_mul(all)?;
        let right = n
            .checked_mul(n0)?
            .checked_mul(hits)?
            .checked_mul(all - hits)?
            .checked_mul(9)?;
        Some(left <= right)
    };
    // Of so many that the numbers do not fit, whatever is far apart is no chance.
    is_far && !by_chance(apart).unwrap_or(false)
}

/// All figures, with those of the window before.
pub(super) fn figures(state: &State, now: Time, policy: Policy, here: &Sums, before: Option<&Sums>) -> Vec<KpiAnswer> {
    let stands = Stands::of(state, now, policy);
    let figure = |kpi: &Kpi| {
        let mut answer = KpiAnswer {
            id: kpi.id.to_owned(),
            group: kpi.group.to_owned(),
            name: kpi.name.to_owned(),
            about: kpi.about.to_owned(),
            unit: kpi.unit,
            window: kpi.window,
            value: None,
            numerator: 0,
            denominator: 0,
            before: None,
            moved: false,
            missing: stands.missing(kpi.id).map(str::to_owned),
        };
        match kpi.unit {
            KpiUnit::Seconds => {
                let (value, with, all) = here.time(kpi.id).unwrap_or_default();
                (answer.value, answer.numerator, answer.denominator) = (value, with, all);
                answer.before = before.and_then(|before| before.time(kpi.id)?.0);
                if value.is_none() && all > 0 {
                    answer.missing = Some("too few of them have it yet".to_owned());
                }
            }
            KpiUnit::PerMille => {
                let is_now = matches!(kpi.window, KpiWindow::Now | KpiWindow::ThirtyDays);
                let share = if is_now {
                    stands.share(kpi.id)
                } else {
                    here.share(kpi.id)
                };
                let share = share.unwrap_or_default();
                let earlier = before.and_then(|before| before.share(kpi.id));
                (answer.numerator, answer.denominator) = share;
                answer.value = per_mille(share);
                answer.before = earlier.and_then(per_mille);
                answer.moved = earlier.is_some_and(|earlier| has_moved(share, earlier));
            }
        }
        answer
    };
    KPIS.iter().map(figure).collect()
}

/// What stands now, whatever the window.
struct Stands {
    governed: (u64, u64),
    registered: (u64, u64),
    reviewed: (u64, u64),
    policy: Policy,
    has_source: bool,
}

impl Stands {
    fn of(state: &State, now: Time, policy: Policy) -> Stands {
        let coverage = state.coverage(now);
        let sum = |of: &dyn Fn(&countersign_core::state::Covered) -> u64| {
            coverage.pairs.iter().map(of).fold(0, u64::saturating_add)
        };
        let observed = sum(&|pair| pair.observed);
        let covered = sum(&|pair| pair.governed.min(pair.observed));
        let agents = state.agents().values();
        let (mut known, mut registered, mut reviewed) = (0, 0, 0);
        for agent in agents {
            known += 1;
            registered += u64::from(!agent.quarantined);
            reviewed += u64::from(!agent.quarantined && !agent.review_overdue);
        }
        Stands {
            governed: (covered, observed),
            registered: (registered, known),
            reviewed: (reviewed, registered),
            policy,
            has_source: coverage.since.is_some(),
        }
    }

    fn share(&self, id: &str) -> Option<(u64, u64)> {
        Some(match id {
            "governed" => self.governed,
            "agents_registered" => self.registered,
            "agents_reviewed" => self.reviewed,
            "rules_tested" => self.policy.tested,
            _ => return None,
        })
    }

    fn missing(&self, id: &str) -> Option<&'static str> {
        match id {
            "governed" if !self.has_source => Some("no source tells what is called elsewhere"),
            "too_fast" if !self.policy.has_theatre => {
                Some("the live policy has no `theatre:`, so no vote is measured against a time for reading")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_figure_is_told_from_something() {
        let sums = Sums::default();
        let stands = Stands {
            governed: (0, 0),
            registered: (0, 0),
            reviewed: (0, 0),
            policy: Policy {
                tested: (0, 0),
                has_theatre: false,
            },
            has_source: false,
        };
        for kpi in KPIS {
            let told = match (kpi.unit, kpi.window) {
                (KpiUnit::Seconds, _) => sums.time(kpi.id).is_some(),
                (KpiUnit::PerMille, KpiWindow::Now | KpiWindow::ThirtyDays) => stands.share(kpi.id).is_some(),
                (KpiUnit::PerMille, KpiWindow::Opened | KpiWindow::Happened) => sums.share(kpi.id).is_some(),
            };
            assert!(told, "{}", kpi.id);
        }
    }

    #[test]
    fn a_share_has_moved_where_neither_chance_nor_a_trifle_explains_it() {
        assert!(has_moved((100, 1000), (20, 1000)));
        assert!(has_moved((20, 1000), (100, 1000)), "a drop as loudly as a rise");
        assert!(
            !has_moved((10, 100), (2, 100)),
            "far apart, and of so few that chance explains it"
        );
        assert!(
            !has_moved((30_000, 1_000_000), (20_000, 1_000_000)),
            "no chance, and a trifle"
        );
        assert!(!has_moved((1, 1), (0, 0)));
        assert!(!has_moved((5, 5), (7, 7)), "all of both");
        assert!(has_moved((u64::MAX / 2, u64::MAX), (0, u64::MAX)));
    }

    #[test]
    fn of_nothing_there_is_no_share() {
        assert_eq!(per_mille((0, 0)), None);
        assert_eq!(per_mille((0, 7)), Some(0));
        assert_eq!(per_mille((2, 3)), Some(666));
    }
}
