//! Agents that want opposite things of one subject: the guard that says who prevails, and what is asked again before an
//! approval becomes a permit and before a permit is used.
//!
//! A word of an agent stands from the decision on, whatever became of it, as long as policy itself would let the agent do
//! it: who may not do something has no say in it either. It stands until its time is over, until a person rejects it, or
//! until the agent withdraws it or says something else of the same subject. Whoever prevails therefore prevails also over
//! what was permitted before and has not run yet.

mod anew;
mod positions;

use std::sync::Arc;

use countersign_policy::{Decision, Disagreement, Resolve, Snapshot};

pub use self::positions::Positions;
use self::positions::Stands;
use super::guard::{Found, Objection, Stricter, Wanted};
use super::{Ctx, OpenAction, State};
use crate::digest::DigestKey;
use crate::event::{
    ApprovalResolved, ApprovalRevised, ApprovalState, DecisionFacts, DecisionMade, Position, PositionsRead, Side,
};
use crate::ids::ActionId;
use crate::record::Record;
use crate::time::{Span, Time};

/// Subjects of one rule of which one agent wants something at a time.
const SUBJECTS_PER_AGENT: usize = 10_000;

/// The guard: an action runs only if its side prevails over what other agents want of the same subject.
pub(super) fn guard(state: &State, wanted: &Wanted<'_>, found: &mut Found) {
    for rule in wanted.live.disagreements() {
        let side = rule.side(wanted.names.tool, wanted.names.operation);
        if let Some(side) = side.map(Side::from) {
            state.look_for_opposites(rule, side, wanted, found);
        }
    }
}

/// Who wants what, as far as it matters to who prevails.
struct Asking<'a> {
    agent: &'a str,
    side: Side,
    team: Option<&'a str>,
}

/// What stands against an action.
struct Opposed<'a> {
    by: &'a Stands,
    /// Who wants the opposite.
    agent: &'a str,
    /// It does not prevail.
    loses: bool,
    why: String,
}

/// What settles a disagreement that policy leaves to people.
#[derive(Clone, Copy)]
pub(super) enum Settled {
    /// The approval of those whom a request asks, if those are among them whom the rule names.
    ByThoseAsked,
    /// What was said before this record they, or the decision, knew.
    Before(u64),
    /// The person who breaks the glass.
    ByOne,
}

impl State {
    fn look_for_opposites(&self, rule: &Disagreement, side: Side, wanted: &Wanted<'_>, found: &mut Found) {
        let deny = |code: &str, message: String| Objection {
            reason: rule.reason(code, Decision::Deny, message),
            stricter: Stricter::Deny,
        };
        let subject = match rule.subject(wanted.action) {
            Ok(values) => subject(rule, &values, wanted),
            Err(part) => {
                let message = format!("`{}` tells subjects apart by `{part}`; state it", rule.name());
                found.objections.push(deny("disagreement.no_subject", message));
                return;
            }
        };
        if self
            .positions
            .is_full(rule.name(), &subject, wanted.agent, SUBJECTS_PER_AGENT)
        {
            let message = format!(
                "`{}` wants something of {SUBJECTS_PER_AGENT} subjects already",
                wanted.agent
            );
            found.objections.push(deny("disagreement.too_many", message));
            return;
        }
        let asking = Asking {
            agent: wanted.agent,
            side,
            team: self.agents.get(wanted.agent).and_then(|agent| agent.team.as_deref()),
        };
        let opposed = self.opposed(rule, &subject, &asking, (wanted.live, wanted.now), |_| true);
        let [supporting, against] = [Side::For, Side::Against].map(|of| {
            self.positions
                .agents(rule.name(), &subject, of, wanted.now, asking.agent)
                + u32::from(of == side)
        });
        found.positions.read.push(PositionsRead {
            against,
            opposed_by: opposed.as_ref().map(|opposed| opposed.by.action_id),
            rule: rule.name().into(),
            side,
            subject: subject.clone(),
            supporting,
        });
        found.positions.taken.push(Position {
            rule: rule.name().into(),
            side,
            subject,
            until: wanted.now + Span(rule.within()),
        });
        let Some(opposed) = opposed else { return };
        let who = self.who_answer(wanted.agent, opposed.agent);
        found.positions.opposed.push(format!("{}; {who}", opposed.why));
        match rule.resolve() {
            Resolve::Escalate => found.objections.push(Objection {
                reason: rule.reason("disagreement", Decision::RequireApproval, opposed.why),
                stricter: Stricter::Ask(rule.demand()),
            }),
            Resolve::DenyWins | Resolve::Priority(_) | Resolve::Quorum(_) if opposed.loses => {
                found.objections.push(deny("disagreement", opposed.why));
            }
            Resolve::DenyWins | Resolve::Priority(_) | Resolve::Quorum(_) => {}
        }
    }

    /// Whether another agent wants the opposite, and who prevails then. `counts` says whose word against it does.
    ///
    /// Agents that were stopped still stand in the way of others, and lend nobody their support: that is never looser.
    fn opposed(
        &self,
        rule: &Disagreement,
        subject: &str,
        asking: &Asking<'_>,
        (live, now): (&Snapshot, Time),
        counts: impl Fn(&Stands) -> bool,
    ) -> Option<Opposed<'_>> {
        let others = || {
            let standing = self.positions.of(rule.name(), subject, now);
            standing.filter(|(agent, _)| ***agent != *asking.agent)
        };
        let opposite = |stands: &(&Arc<str>, &Stands)| stands.1.side != asking.side && counts(stands.1);
        let mut opposites: Vec<_> = others().filter(opposite).collect();
        // The last one speaks; of those who come before in the order, the first.
        opposites.sort_by_key(|(_, stands)| std::cmp::Reverse(stands.seq));
        let (agent, by) = *opposites.first()?;
        let against = asking.side == Side::Against;
        let (speaker, by, loses, how) = match rule.resolve() {
            Resolve::DenyWins => (agent, by, !against, "whoever is against it prevails".to_owned()),
            Resolve::Escalate => (agent, by, true, "a person decides".to_owned()),
            Resolve::Priority(order) => {
                let place = |agent: &str, team: Option<&str>| {
                    let at = order.iter().position(|rank| rank.is_of(agent, team));
                    at.unwrap_or(order.len())
                };
                let own = place(asking.agent, asking.team);
                let team = |agent: &Arc<str>| self.agents.get(agent).and_then(|agent| agent.team.as_deref());
                let first = opposites.iter().min_by_key(|(agent, _)| place(agent, team(agent)));
                let (agent, by) = first.copied().unwrap_or((agent, by));
                let other = place(agent, team(agent));
                let how = match own.cmp(&other) {
                    std::cmp::Ordering::Less => format!("`{}` goes before `{agent}`", asking.agent),
                    std::cmp::Ordering::Greater => format!("`{agent}` goes before `{}`", asking.agent),
                    std::cmp::Ordering::Equal => "neither goes first, and whoever is against it prevails".to_owned(),
                };
                (agent, by, own > other || own == other && !against, how)
            }
            Resolve::Quorum(agree) => {
                let supports = |(agent, stands): &(&Arc<str>, &Stands)| {
                    stands.side == asking.side
                        && !self.is_inactive(agent, Some(live))
                        && !self.killed_since(agent, stands.seq)
                };
                let same = 1 + others().filter(supports).count();
                let enough = same >= *agree as usize && same > opposites.len();
                let how = format!(
                    "{same} of {agree} agents agree, and {} want the opposite",
                    opposites.len()
                );
                (agent, by, !enough, how)
            }
        };
        let why = format!(
            "`{speaker}` asked for `{}` (`{}`) at {}, about the same {}; {how}",
            by.operation,
            by.action_id,
            by.at,
            rule.parts()
        );
        let agent = speaker;
        Some(Opposed { by, agent, loses, why })
    }

    /// Who answers for two agents, and has to come to terms with one another.
    fn who_answer(&self, one: &str, other: &str) -> String {
        let owner = |agent: &str| {
            let known = self.agents.get(agent).filter(|agent| !agent.owner.is_empty());
            known.map_or_else(|| "nobody".to_owned(), |agent| format!("`{}`", agent.owner))
        };
        let (own, theirs) = (owner(one), owner(other));
        match own == theirs {
            true => format!("{own} answers for both agents"),
            false => format!("{own} answers for `{one}`, {theirs} for `{other}`"),
        }
    }

    /// Why an action that wants this may not run now: what another agent wants prevails, or a person has to decide about it.
    fn outvoted(&self, action: &OpenAction, wants: &[Position], settled: Settled, ctx: &Ctx<'_>) -> Option<String> {
        let live = ctx.live?;
        wants.iter().find_map(|position| {
            let rule = live.disagreement(&position.rule)?;
            let asking = Asking {
                agent: &action.agent,
                side: position.side,
                team: self.agents.get(&action.agent).and_then(|agent| agent.team.as_deref()),
            };
            let people = *rule.resolve() == Resolve::Escalate;
            let open = |stands: &Stands| match settled {
                Settled::ByThoseAsked => true,
                Settled::Before(seq) => !people || stands.seq > seq,
                Settled::ByOne => !people,
            };
            let opposed = self.opposed(rule, &position.subject, &asking, (live, ctx.now), open)?;
            match settled {
                Settled::ByThoseAsked if people => {
                    let asks = self.asks_for(&[rule.demand()], action.asked_by(), &action.slots, &action.tracks, ctx);
                    let why = || format!("{}, and this request does not ask those who do", opposed.why);
                    (!asks).then(why)
                }
                Settled::ByThoseAsked | Settled::Before(_) | Settled::ByOne => opposed.loses.then_some(opposed.why),
            }
        })
    }

    /// Stores what an agent wants, as its decision says it.
    pub(super) fn takes_positions(&mut self, record: &Record, e: &DecisionMade) {
        let operation = match &e.remedy {
            Some(remedy) if remedy.applied => &remedy.action,
            Some(_) | None => &e.action,
        };
        for position in e.positions.iter().filter(|_| e.practice.is_none()) {
            let stands = stands(record, e.action_id, operation, position);
            self.positions.take(&e.agent, position, stands);
        }
    }

    /// Stores what an agent wants after what it asked for was changed.
    pub(super) fn revises_positions(&mut self, record: &Record, e: &ApprovalRevised) {
        let Some(action) = self.actions.get(&e.action_id).filter(|action| !action.practice) else {
            return;
        };
        for old in &action.positions {
            self.positions.withdraw(&action.agent, old, e.action_id);
        }
        for position in &e.positions {
            let stands = stands(record, e.action_id, &action.operation, position);
            self.positions.take(&action.agent, position, stands);
        }
    }

    /// An agent's word does not stand any more once a person has rejected what it asked for, or it was withdrawn.
    pub(super) fn withdraws_positions(&mut self, e: &ApprovalResolved) {
        let over = matches!(e.reason_code.as_deref(), Some("rejected" | "cancelled"));
        if !over || !matches!(e.state, ApprovalState::Rejected | ApprovalState::Cancelled) {
            return;
        }
        if let Some(action) = self.actions.get(&e.action_id) {
            for old in &action.positions {
                self.positions.withdraw(&action.agent, old, e.action_id);
            }
        }
    }
}

fn stands(record: &Record, action_id: ActionId, operation: &str, position: &Position) -> Stands {
    Stands {
        action_id,
        at: record.ts,
        operation: operation.into(),
        seq: record.seq,
        side: position.side,
        until: position.until,
    }
}

/// The subject, by a keyed digest that nobody outside can make again: where a decision is derived from its record, it is
/// the one that the record states.
fn subject(rule: &Disagreement, values: &[String], wanted: &Wanted<'_>) -> Arc<str> {
    let stated = |facts: &DecisionFacts| {
        let read = facts.positions.iter().find(|read| *read.rule == *rule.name())?;
        read.subject.starts_with("key:").then(|| read.subject.clone())
    };
    stated(wanted.facts).unwrap_or_else(|| subject_key(rule, values, wanted.digest_key))
}

fn subject_key(rule: &Disagreement, values: &[String], digest_key: &DigestKey) -> Arc<str> {
    let name = format!("disagreements/{}", rule.name());
    format!("key:{}", digest_key.window(&name, values)).into()
}
