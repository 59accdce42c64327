//! Seven ways in which governance fails while everything seems to run, each with what the state shows of it.

use countersign_policy::Snapshot;

use super::State;
use crate::time::{Span, Time};

/// Examples that are named of one failure mode.
const EXAMPLES: usize = 10;
/// A source that was not heard of for so long is silent.
const SILENT: Span = Span::days(1);

/// A way in which governance fails, and what there is of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureMode {
    /// Its name.
    pub mode: &'static str,
    /// What is looked for.
    pub detector: &'static str,
    /// How often it was found.
    pub found: usize,
    /// Some of what was found.
    pub examples: Vec<String>,
    /// What is missing for looking; without it nothing found means little.
    pub blind: Option<&'static str>,
}

impl FailureMode {
    fn of(mode: &'static str, detector: &'static str, found: Vec<String>) -> FailureMode {
        FailureMode {
            mode,
            detector,
            found: found.len(),
            examples: found.into_iter().take(EXAMPLES).collect(),
            blind: None,
        }
    }

    fn blind(mut self, is: bool, why: &'static str) -> FailureMode {
        self.blind = is.then_some(why);
        self
    }
}

impl State {
    /// The seven failure modes as they stand.
    pub fn governance_health(&self, live: Option<&Snapshot>, now: Time) -> Vec<FailureMode> {
        let organization = live.and_then(Snapshot::organization);
        let rules = organization.and_then(|organization| organization.autonomy());
        let theatre = organization.and_then(|organization| organization.theatre());
        vec![
            FailureMode::of(
                "over_trust",
                "looks at what has run that nobody took in time",
                self.looks_overdue(),
            )
            .blind(
                rules.is_none(),
                "the live policy has no rules of autonomy, so nobody is asked to look",
            ),
            FailureMode::of(
                "over_permission",
                "grants of registered agents' mandates that were not used for 30 days",
                self.unused_grants(live, now),
            )
            .blind(
                live.is_none_or(|live| live.mandates().next().is_none()),
                "the live policy has no mandate",
            ),
            FailureMode::of(
                "approval_theatre",
                "reviewers who are suspended, or whose votes are conspicuous by `theatre:`",
                self.conspicuous(live, now),
            )
            .blind(theatre.is_none(), "the live policy has no `theatre:`"),
            FailureMode::of(
                "no_timeout",
                "open requests past their target, and those whose steps have all let their time pass",
                self.late_requests(),
            ),
            FailureMode::of(
                "fragmented_evidence",
                "alerts about outcomes that nobody reported, and callbacks and notices that did not arrive",
                self.lost_evidence(),
            ),
            FailureMode::of(
                "third_party_blind_spots",
                "calls that were seen elsewhere and had no permit, and sources that were not heard of for a day",
                self.blind_spots(now),
            )
            .blind(
                self.coverage(now).since.is_none(),
                "no source tells what is called elsewhere",
            ),
            FailureMode::of(
                "multi_agent",
                "agents that act or are seen and that nobody registered, and circuits that failures have opened",
                self.loose_agents(),
            ),
        ]
    }

    fn looks_overdue(&self) -> Vec<String> {
        let overdue = self.reviews.iter().filter(|(_, review)| review.overdue);
        overdue
            .map(|(id, review)| format!("{id}: {} of {}", review.operation, review.agent))
            .collect()
    }

    fn unused_grants(&self, live: Option<&Snapshot>, now: Time) -> Vec<String> {
        let agents = live
            .into_iter()
            .flat_map(|live| live.mandates().map(|mandate| mandate.agent()));
        let mut found = Vec::new();
        for agent in agents {
            let granted = self.access_review(agent, live, now).unwrap_or_default();
            for grant in granted.into_iter().filter(|grant| grant.unused) {
                let tool = grant.tool.as_deref().unwrap_or("any tool");
                let action = grant.action.as_deref().unwrap_or("any operation");
                found.push(format!("{agent}: {tool}, {action} ({}:{})", grant.file, grant.line));
            }
        }
        found
    }

    fn conspicuous(&self, live: Option<&Snapshot>, now: Time) -> Vec<String> {
        let rules = live.and_then(|live| live.organization()?.theatre());
        let is_flagged = |user: &str| rules.is_some_and(|rules| !self.reviewers.flags(user, rules, now).is_empty());
        let people = self.reviewers.people(now).into_iter();
        people
            .filter(|user| self.reviewers.suspended.contains_key(*user) || is_flagged(user))
            .cloned()
            .collect()
    }

    fn late_requests(&self) -> Vec<String> {
        let held = |tracks: &[super::OpenTrack]| tracks.iter().any(|track| track.held);
        let late = (self.approvals.iter()).filter(|(_, approval)| approval.overdue || held(&approval.tracks));
        late.map(|(id, _)| id.to_string()).collect()
    }

    fn lost_evidence(&self) -> Vec<String> {
        let unknown = self.alerts.values().filter(|alert| alert.name == "outcome_unknown");
        let unknown = unknown.map(|alert| alert.summary.clone());
        let dead = self.deliveries.iter().filter(|(_, pending)| pending.dead);
        let dead = dead.map(|(id, pending)| format!("{id} about {}", pending.action_id));
        let untold = self.notices.iter().filter(|(_, pending)| pending.dead);
        let untold = untold.map(|(id, pending)| format!("{id} by {}", pending.channel));
        unknown.chain(dead).chain(untold).collect()
    }

    fn blind_spots(&self, now: Time) -> Vec<String> {
        let coverage = self.coverage(now);
        let outside = coverage.pairs.iter().filter(|pair| pair.outside() > 0);
        let outside = outside.map(|pair| format!("{} with {}: {} calls", pair.agent, pair.tool, pair.outside()));
        let silent = coverage.sources.iter().filter(|(_, source)| source.at + SILENT <= now);
        let silent = silent.map(|(name, source)| format!("source {name} is silent since {}", source.at));
        outside.chain(silent).collect()
    }

    fn loose_agents(&self) -> Vec<String> {
        let strangers = self.agents.iter().filter(|(_, agent)| agent.quarantined);
        let strangers = strangers.map(|(id, _)| format!("{id} is not registered"));
        let open = self.circuits.all();
        let open = open.map(|(limit, whose)| format!("circuit {whose} of {limit} is open"));
        strangers.chain(open).collect()
    }
}
