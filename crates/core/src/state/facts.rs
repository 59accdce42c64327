//! What an evaluation reads outside the action: recorded with the decision, so that it can be derived again.

use std::collections::BTreeMap;

use countersign_policy::condition::Fuel;
use countersign_policy::{Action, Context, Decision, Hidden, Member, Snapshot, Standing, Value, Verdict};

use super::{Agent, OpenAction, State};
use crate::command::Submit;
use crate::event::{DecisionFacts, DecisionMade, Link};
use crate::redact::{is_mark, is_marked};
use crate::time::Time;

/// What a decision goes by outside its action.
pub(crate) struct Known {
    /// What the evaluation reads.
    pub(crate) facts: DecisionFacts,
    /// What of that the agents have read that handed the action on.
    pub(crate) handed: Vec<String>,
}

impl State {
    /// Evaluates an action under a snapshot, with what the ledger knows of its agent. `hidden` watches where the action is not
    /// all there.
    #[expect(clippy::too_many_arguments, reason = "each is one input of the evaluation")]
    pub(super) fn evaluate(
        &self,
        live: &Snapshot,
        agent: &str,
        action: &Action,
        facts: &DecisionFacts,
        accept_remedy: bool,
        now: Time,
        hidden: Option<&Hidden>,
    ) -> Verdict {
        let asks = Asks {
            accept_remedy,
            ..Asks::on(agent, facts, &self.currency, now)
        };
        asks.says(live, action, hidden)
    }

    /// What an evaluation reads of things outside the action.
    pub fn facts(&self, submit: &Submit, now: Time) -> DecisionFacts {
        self.known(submit, now).facts
    }

    /// The same, with what of it came with the action.
    pub(super) fn known(&self, submit: &Submit, now: Time) -> Known {
        let identity = if submit.verified { "verified" } else { "claimed" };
        let pii = submit.redact.keys().cloned().collect();
        let mut facts = self.agent_facts(&submit.agent, identity, &submit.attempt, pii);
        self.read_chain(&submit.action, &submit.agent, now, &mut facts);
        let handed = self.read_reads(submit, &mut facts);
        Known { facts, handed }
    }

    /// What an evaluation of an action that was asked for before reads of things outside it now; `stated` are labels of what
    /// its agent has read, as it says now.
    pub(super) fn facts_of_open(&self, action: &OpenAction, pii: Vec<String>, stated: &[String]) -> DecisionFacts {
        let attempt = action.attempt.as_deref().unwrap_or_default();
        let mut facts = self.agent_facts(&action.agent, &action.identity, attempt, pii);
        facts.delegation = action.delegation.iter().map(|handed| self.link(handed)).collect();
        facts.reads = self.reads_of(action, stated);
        facts.run = self.run_facts(action.run.as_deref());
        facts
    }

    pub(super) fn agent_facts(&self, agent: &str, identity: &str, attempt: &str, pii: Vec<String>) -> DecisionFacts {
        let known = self.agents.get(agent);
        let mut words = BTreeMap::from([("identity".to_owned(), identity.to_owned())]);
        if let Some(agent) = known.filter(|agent| !agent.quarantined) {
            words.insert("owner".to_owned(), agent.owner.clone());
            words.extend(agent.team.clone().map(|team| ("team".to_owned(), team)));
        }
        DecisionFacts {
            accept_remedy: false,
            agent: words,
            budgets: Vec::new(),
            circuits: Vec::new(),
            delegation: Vec::new(),
            delegation_gap: None,
            depth: None,
            failures: self.failures(agent, attempt),
            labels: known.map(|agent| agent.labels.clone()).unwrap_or_default(),
            pii,
            policy_unavailable: false,
            positions: Vec::new(),
            principal_verified: false,
            reads: Vec::new(),
            run: BTreeMap::new(),
            standing: match standing(known) {
                Standing::Active => "active",
                Standing::Quarantined => "quarantined",
                Standing::Unregistered => "unregistered",
            }
            .to_owned(),
            windows: Vec::new(),
        }
    }
}

fn standing(agent: Option<&Agent>) -> Standing {
    match agent {
        None => Standing::Unregistered,
        Some(agent) if agent.quarantined => Standing::Quarantined,
        Some(_) => Standing::Active,
    }
}

/// Every rule that a recorded decision looked at, from the snapshot that it cites, the stored form of its action and
/// the facts in its record.
pub fn explain(
    snapshot: &Snapshot,
    action: &Action,
    decision: &DecisionMade,
    currency: &str,
    at: Time,
) -> Vec<countersign_policy::Trace> {
    Asks::again(decision, currency, at).under(snapshot, |context| snapshot.explain(action, context))
}

/// The smallest changes of a recorded action that would have led to another answer; none where the snapshot alone does not
/// give the answer of the record, since then something else decided. Nothing is said that hangs on a part of the action that
/// was not kept.
pub fn counterfactuals(
    snapshot: &Snapshot,
    action: &Action,
    decision: &DecisionMade,
    currency: &str,
    at: Time,
) -> Vec<countersign_policy::Counterfactual> {
    let hidden = Hidden::new(is_mark, is_marked);
    Asks::again(decision, currency, at).under(snapshot, |context| {
        if snapshot.evaluate_stored(action, context, &hidden).decision != decision.decision {
            return Vec::new();
        }
        snapshot.counterfactuals_stored(action, context, &hidden, &mut Fuel::search())
    })
}

/// Every rule that a snapshot looks at for an action that is not asked for, and, where `searches`, the smallest changes of it
/// that lead to another answer than `said`; none where the snapshot alone does not give that answer.
///
/// Holds values of the action as it was received: for whoever sent them alone.
pub fn imagined(
    snapshot: &Snapshot,
    submit: &Submit,
    facts: &DecisionFacts,
    said: Decision,
    currency: &str,
    at: Time,
    searches: bool,
) -> (Vec<countersign_policy::Trace>, Vec<countersign_policy::Counterfactual>) {
    let asks = Asks {
        accept_remedy: submit.accept_remedy,
        ..Asks::on(&submit.agent, facts, currency, at)
    };
    asks.under(snapshot, |context| {
        let action = &submit.action;
        let rules = snapshot.explain(action, context);
        let same = searches && snapshot.evaluate(action, context).decision == said;
        let otherwise = same.then(|| snapshot.counterfactuals(action, context));
        (rules, otherwise.unwrap_or_default())
    })
}

/// What a snapshot says of a recorded action, whoever decided it then: policy alone, on the facts in its record. `hidden`
/// notes what was read of what was not kept.
pub(crate) fn judge(
    snapshot: &Snapshot,
    action: &Action,
    decision: &DecisionMade,
    currency: &str,
    at: Time,
    hidden: &Hidden,
) -> Verdict {
    on_recorded_facts(action, decision, currency, at, Some(hidden), |says| says(snapshot))
}

/// The same for several snapshots, one after the other: `work` is given what each says. `hidden` may be left out where all of
/// the action was kept.
pub(crate) fn on_recorded_facts<T>(
    action: &Action,
    decision: &DecisionMade,
    currency: &str,
    at: Time,
    hidden: Option<&Hidden>,
    work: impl FnOnce(&dyn Fn(&Snapshot) -> Verdict) -> T,
) -> T {
    let asks = Asks::again(decision, currency, at);
    work(&|snapshot| asks.says(snapshot, action, hidden))
}

/// Asks snapshots about an action, on the facts of one decision.
struct Asks<'r> {
    accept_remedy: bool,
    agent: &'r str,
    at: Time,
    /// The organization's, where a snapshot says nothing else.
    currency: &'r str,
    facts: &'r DecisionFacts,
    values: FactValues,
}

impl<'r> Asks<'r> {
    fn on(agent: &'r str, facts: &'r DecisionFacts, currency: &'r str, at: Time) -> Self {
        Asks {
            accept_remedy: facts.accept_remedy,
            agent,
            at,
            currency,
            facts,
            values: FactValues::of(agent, facts),
        }
    }

    /// As it was asked for a decision that is recorded.
    fn again(decision: &'r DecisionMade, currency: &'r str, at: Time) -> Self {
        Asks::on(&decision.agent, &decision.facts, currency, at)
    }

    /// What a snapshot says. `hidden` watches where the action is not all there.
    fn says(&self, snapshot: &Snapshot, action: &Action, hidden: Option<&Hidden>) -> Verdict {
        self.under(snapshot, |context| match hidden {
            None => snapshot.evaluate(action, context),
            Some(hidden) => snapshot.evaluate_stored(action, context, hidden),
        })
    }

    /// Works with everything that an evaluation under a snapshot reads outside the action.
    fn under<T>(&self, snapshot: &Snapshot, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let organization = snapshot.organization();
        let currency = organization.and_then(|organization| organization.currency());
        let chain = self.values.members(self.facts);
        work(&Context {
            agent_id: self.agent,
            standing: named(&self.facts.standing),
            chain: &chain,
            agent: &self.values.agent,
            principal_verified: self.facts.principal_verified,
            pii: &self.values.pii,
            counters: Some(&self.values.counters),
            reads: &self.values.reads,
            run: self.values.run.as_ref(),
            now: self.at.0,
            currency: currency.unwrap_or(self.currency),
            accept_remedy: self.accept_remedy,
        })
    }
}

/// Facts of a record as the values that conditions compute with.
struct FactValues {
    agent: Value,
    /// Of each agent of the chain.
    chain: Vec<Value>,
    counters: Value,
    pii: Value,
    reads: Vec<String>,
    run: Option<Value>,
}

impl FactValues {
    fn of(agent: &str, facts: &DecisionFacts) -> FactValues {
        let pii = Value::List(facts.pii.iter().map(|kind| Value::from(kind.as_str())).collect());
        FactValues {
            agent: agent_value(agent, &facts.agent, &facts.labels),
            chain: (facts.delegation.iter())
                .map(|link| agent_value(&link.id, &link.agent, &link.labels))
                .collect(),
            counters: Value::Map(BTreeMap::from([(
                "failures".to_owned(),
                Value::Number(facts.failures.into()),
            )])),
            pii,
            reads: facts.reads.clone(),
            run: (!facts.run.is_empty()).then(|| Value::Map(texts(&facts.run))),
        }
    }

    fn members<'a>(&'a self, facts: &'a DecisionFacts) -> Vec<Member<'a>> {
        let chain = facts.delegation.iter().zip(&self.chain);
        let member = |(link, agent): (&'a Link, &'a Value)| Member {
            id: &link.id,
            standing: named(&link.standing),
            agent,
        };
        chain.map(member).collect()
    }
}

/// A standing by its name in a record.
fn named(standing: &str) -> Standing {
    match standing {
        "active" => Standing::Active,
        "quarantined" => Standing::Quarantined,
        _ => Standing::Unregistered,
    }
}

/// What conditions see as `agent`.
fn agent_value(id: &str, words: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> Value {
    let mut map = texts(words);
    map.insert("id".to_owned(), Value::from(id));
    map.insert("labels".to_owned(), Value::Map(texts(labels)));
    Value::Map(map)
}

fn texts(map: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let text = |(name, word): (&String, &String)| (name.clone(), Value::from(word.as_str()));
    map.iter().map(text).collect()
}
