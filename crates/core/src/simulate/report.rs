//! What a simulation found, in tables of bounded size. Reports of two parts of a ledger add up to that of both.

use std::collections::BTreeMap;

use countersign_policy::{Decision, Demand};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Changed, Simulated};
use crate::event::DecisionMade;
use crate::record::Record;
use crate::replay::Gap;

/// Changes that are listed one by one: the first ones.
pub const LISTED: usize = 1000;
/// Names that one table has. What has another name is counted under `OTHERS`.
pub const NAMES: usize = 1000;
/// Where what has no line of its own is counted.
const OTHERS: &str = "(others)";

/// What changed of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Decisions that would be less strict.
    pub loosened: u64,
    /// Decisions that would be stricter.
    pub tightened: u64,
    /// The same decisions in other terms: who is asked, within which limits.
    pub terms: u64,
}

impl Group {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.loosened + self.tightened + self.terms
    }

    fn add(&mut self, other: Group) {
        self.loosened += other.loosened;
        self.tightened += other.tightened;
        self.terms += other.terms;
    }
}

/// How often somebody whom rules name would be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asking {
    /// Actions about which they would not be asked any more.
    pub no_longer: u64,
    /// Actions about which they would be asked besides.
    pub newly: u64,
}

/// One action that would be decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Index of its decision.
    pub index: u64,
    /// When it was decided.
    pub time: String,
    /// The action.
    pub action_id: String,
    /// Who acted.
    pub agent: String,
    /// The tool.
    pub tool: Option<String>,
    /// The operation.
    pub action: String,
    /// Money that moves, decimal text.
    pub amount: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// The environment.
    pub env: Option<String>,
    /// On whose behalf.
    pub principal: Option<String>,
    /// What is decided without the candidate.
    pub from: Decision,
    /// What would be decided.
    pub to: Decision,
    /// `document#rule` that makes the difference.
    pub rule: String,
    /// What it says.
    pub message: String,
}

/// Why actions cannot be derived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unknown {
    /// What is not there, such as `args.card`, `payload`, `snapshot`.
    pub field: String,
    /// Why.
    pub why: String,
    /// How many actions lack it.
    pub actions: u64,
    /// Index of the first one.
    pub first: u64,
}

/// What a simulation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Decisions that were looked at.
    pub decisions: u64,
    /// Those of which the candidate says the same.
    pub same: u64,
    /// Those that never came to policy: a kill switch, a pause, an agent that is not active.
    pub above_policy: u64,
    /// Those that would be decided otherwise, or in other terms.
    pub changed: Group,
    /// Those of which nobody can say.
    pub not_derivable: u64,
    /// Those that the candidate denies because a condition cannot be evaluated.
    pub erred: u64,
    /// What becomes of decisions, such as `allow to deny`.
    pub flips: BTreeMap<String, u64>,
    /// What changes, by agent.
    pub by_agent: BTreeMap<String, Group>,
    /// The same by the agents' team.
    pub by_team: BTreeMap<String, Group>,
    /// The same by `document#rule` that makes the difference.
    pub by_rule: BTreeMap<String, Group>,
    /// The same by operation.
    pub by_action: BTreeMap<String, Group>,
    /// The same by the order of magnitude of the amount, such as `USD 100 to 1000`.
    pub by_amount: BTreeMap<String, Group>,
    /// The same by the person on whose behalf the agents acted.
    pub by_principal: BTreeMap<String, Group>,
    /// Whom rules ask: teams, duties, routes, people.
    pub approvers: BTreeMap<String, Asking>,
    /// The first changes, one by one.
    pub listed: Vec<Change>,
    /// What was not there, and why.
    pub unknown: Vec<Unknown>,
}

impl Report {
    /// Whether a candidate would not decide everything that was looked at exactly so, or nobody can say.
    pub fn is_spotless(&self) -> bool {
        self.changed.all() == 0 && self.not_derivable == 0
    }

    /// Counts what became of a decision. `redact` is for what is listed.
    pub(super) fn count(
        &mut self,
        record: &Record,
        decision: &DecisionMade,
        simulated: Simulated,
        redact: &dyn Fn(&str) -> String,
    ) {
        self.decisions += 1;
        match simulated {
            Simulated::Same { erred } => {
                self.same += 1;
                self.erred += u64::from(erred);
            }
            Simulated::AbovePolicy => {
                self.same += 1;
                self.above_policy += 1;
            }
            Simulated::NotDerivable(gaps) => {
                self.not_derivable += 1;
                for gap in gaps {
                    self.lack(gap, 1, record.seq);
                }
            }
            Simulated::Changed(changed) => self.change(record, decision, &changed, redact),
        }
    }

    fn lack(&mut self, gap: Gap, actions: u64, first: u64) {
        let room = self.unknown.len() < NAMES;
        let known = (self.unknown.iter_mut()).find(|known| known.field == gap.field && known.why == gap.why);
        match known {
            Some(known) => {
                known.actions += actions;
                known.first = known.first.min(first);
            }
            None if room => self.unknown.push(Unknown {
                field: gap.field,
                why: gap.why,
                actions,
                first,
            }),
            None => {}
        }
    }

    fn change(&mut self, record: &Record, decision: &DecisionMade, changed: &Changed, redact: &dyn Fn(&str) -> String) {
        let group = Group {
            loosened: u64::from(changed.to < changed.from),
            tightened: u64::from(changed.to > changed.from),
            terms: u64::from(changed.to == changed.from),
        };
        self.changed.add(group);
        self.erred += u64::from(changed.erred);
        let flip = format!("{} to {}", changed.from.as_str(), changed.to.as_str());
        *self.flips.entry(flip).or_default() += 1;
        let rule = rule_of(changed);
        add(&mut self.by_agent, &decision.agent, group);
        add(&mut self.by_action, &decision.action, group);
        add(&mut self.by_rule, &rule, group);
        if let Some(team) = &decision.team {
            add(&mut self.by_team, team, group);
        }
        if let Some(magnitude) = magnitude(decision) {
            add(&mut self.by_amount, &magnitude, group);
        }
        if let Some(principal) = &changed.action.principal {
            add(&mut self.by_principal, principal, group);
        }
        self.ask(&changed.asked, &changed.asks);
        if self.listed.len() < LISTED {
            self.listed.push(Change {
                index: record.seq,
                time: record.ts.to_string(),
                action_id: decision.action_id.to_string(),
                agent: decision.agent.to_string(),
                tool: decision.tool.clone(),
                action: decision.action.clone(),
                amount: decision.amount.clone(),
                currency: decision.currency.clone(),
                env: decision.env.clone(),
                principal: changed.action.principal.clone(),
                from: changed.from,
                to: changed.to,
                rule,
                message: (changed.reason.as_ref()).map_or_else(String::new, |reason| redact(&reason.message)),
            });
        }
    }

    fn ask(&mut self, asked: &[Demand], asks: &[Demand]) {
        let names = |demands: &[Demand]| -> std::collections::BTreeSet<String> {
            let named = demands.iter().flat_map(|demand| match demand.names.is_empty() {
                true => vec!["(default route)".to_owned()],
                false => demand.names.clone(),
            });
            named.collect()
        };
        let (asked, asks) = (names(asked), names(asks));
        for name in asks.difference(&asked) {
            line(&mut self.approvers, name).newly += 1;
        }
        for name in asked.difference(&asks) {
            line(&mut self.approvers, name).no_longer += 1;
        }
    }

    /// Adds what was found in another part of the ledger, which follows this one.
    pub fn absorb(&mut self, other: Report) {
        self.decisions += other.decisions;
        self.same += other.same;
        self.above_policy += other.above_policy;
        self.changed.add(other.changed);
        self.not_derivable += other.not_derivable;
        self.erred += other.erred;
        for (flip, count) in other.flips {
            *self.flips.entry(flip).or_default() += count;
        }
        let tables = [
            (&mut self.by_agent, other.by_agent),
            (&mut self.by_team, other.by_team),
            (&mut self.by_rule, other.by_rule),
            (&mut self.by_action, other.by_action),
            (&mut self.by_amount, other.by_amount),
            (&mut self.by_principal, other.by_principal),
        ];
        for (ours, theirs) in tables {
            for (name, group) in theirs {
                add(ours, &name, group);
            }
        }
        for (name, asking) in other.approvers {
            let line = line(&mut self.approvers, &name);
            line.newly += asking.newly;
            line.no_longer += asking.no_longer;
        }
        let room = LISTED.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
        for unknown in other.unknown {
            let gap = Gap::new(&unknown.field, unknown.why);
            self.lack(gap, unknown.actions, unknown.first);
        }
    }
}

fn add(table: &mut BTreeMap<String, Group>, name: &str, group: Group) {
    line(table, name).add(group);
}

/// The line of a name; of a full table that of the others.
fn line<'t, T: Default>(table: &'t mut BTreeMap<String, T>, name: &str) -> &'t mut T {
    let name = if table.len() < NAMES || table.contains_key(name) {
        name
    } else {
        OTHERS
    };
    table.entry(name.to_owned()).or_default()
}

fn rule_of(changed: &Changed) -> String {
    match &changed.reason {
        None => String::new(),
        Some(reason) if reason.document.is_empty() => reason.code.clone(),
        Some(reason) => format!("{}#{}", reason.document, reason.rule),
    }
}

/// The power of ten below an amount and the one above it, with the currency.
fn magnitude(decision: &DecisionMade) -> Option<String> {
    let amount: Decimal = decision.amount.as_ref()?.parse().ok()?;
    let currency = decision.currency.as_deref().unwrap_or("amount");
    let whole = amount.abs().trunc();
    if whole.is_zero() {
        return Some(format!("{currency} below 1"));
    }
    let digits = u32::try_from(whole.to_string().len()).unwrap_or(u32::MAX);
    let zeros = |count: u32| "0".repeat(usize::try_from(count.min(28)).unwrap_or(28));
    Some(format!("{currency} 1{} to 1{}", zeros(digits - 1), zeros(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_full_counts_the_rest_together() {
        let mut table = BTreeMap::new();
        let one = Group {
            loosened: 1,
            ..Group::default()
        };
        for number in 0..NAMES + 5 {
            add(&mut table, &format!("agent-{number:05}"), one);
        }
        add(&mut table, "agent-00000", one);
        assert_eq!(table.len(), NAMES + 1);
        assert_eq!(table.get(OTHERS).map(|group| group.loosened), Some(5));
        assert_eq!(table.get("agent-00000").map(|group| group.loosened), Some(2));
    }
}
