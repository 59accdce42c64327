//! Circuits: what fails too often within a time is not let through for a while; then one action tries whether it works again.
//!
//! A circuit is closed as long as nothing is known of it here. So many outcomes `failed` within the span of its limit open
//! it. While it is open every action of it is denied, and no permit from before is accepted. From `until` on one action is
//! let through, the *trial*, and the others wait for its outcome: a success closes the circuit, anything else opens it
//! again. A trial whose permit ends unused gives its place to the next one. An action that people approve becomes the trial
//! when its permit is used, every other one when it is permitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::{Decision, Key, Limit, Measure, Snapshot};
use serde::{Deserialize, Serialize};

use super::{Doing, span_text};
use crate::command::{AboutCircuit, Sealed};
use crate::event::{CircuitClosed, CircuitOpened, CircuitRead, Counted, OutcomeStatus, Trial};
use crate::ids::ActionId;
use crate::record::Draft;
use crate::refusal::{Category, Refusal};
use crate::state::guard::{Found, Objection, Stricter, Wanted};
use crate::state::{Ctx, Handled, OpenAction, State};
use crate::time::{Span, Time};

/// Circuits of one limit that may be open; of what fails beyond them each agent has one.
const OPEN_PER_LIMIT: usize = 1000;
/// A circuit that nobody tries for so long is forgotten when another one opens.
const FORGOTTEN: Span = Span::days(30);

/// Circuits that are not closed, by limit and by whose they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Circuits {
    by_limit: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Circuit>>,
}

/// A circuit that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// The action whose outcome opened it last.
    pub action_id: ActionId,
    /// Whose action that was.
    pub agent: Arc<str>,
    /// How many failures opened it first.
    pub failures: u32,
    /// Since when it is open.
    pub since: Time,
    /// The action that tried it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<ActionId>,
    /// From when on one action may try.
    pub until: Time,
}

/// Who acts with what.
#[derive(Clone, Copy)]
struct Actor<'a> {
    agent: &'a str,
    operation: &'a str,
    team: Option<&'a str>,
    tool: Option<&'a str>,
}

impl Circuits {
    /// Nothing is known of any.
    pub fn is_empty(&self) -> bool {
        self.by_limit.is_empty()
    }

    /// One that is not closed.
    pub fn get(&self, limit: &str, whose: &str) -> Option<&Circuit> {
        self.by_limit.get(limit)?.get(whose)
    }

    /// Those of a limit that are not closed, by whose they are.
    pub fn of(&self, limit: &str) -> impl Iterator<Item = (&Arc<str>, &Circuit)> {
        self.by_limit.get(limit).into_iter().flatten()
    }

    /// All that are not closed: limit, and whose it is.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let of_limit = |(limit, open)| std::iter::repeat(limit).zip(BTreeMap::keys(open));
        self.by_limit.iter().flat_map(of_limit)
    }

    fn has_opened_all(&self, limit: &str) -> bool {
        self.by_limit
            .get(limit)
            .is_some_and(|open| open.len() >= OPEN_PER_LIMIT)
    }

    fn opened(&mut self, now: Time, e: &CircuitOpened) {
        let of_limit = self.by_limit.entry(e.limit.clone()).or_default();
        of_limit.retain(|_, circuit| circuit.until + FORGOTTEN > now);
        let known = of_limit.get(&e.circuit);
        let circuit = Circuit {
            action_id: e.action_id,
            agent: e.agent.clone(),
            failures: known.map_or(e.failures, |known| known.failures),
            since: known.map_or(now, |known| known.since),
            trial: None,
            until: e.until,
        };
        of_limit.insert(e.circuit.clone(), circuit);
    }

    fn closed(&mut self, e: &CircuitClosed) {
        if let Some(of_limit) = self.by_limit.get_mut(&e.limit) {
            of_limit.remove(&e.circuit);
            if of_limit.is_empty() {
                self.by_limit.remove(&e.limit);
            }
        }
    }
}

impl State {
    /// Circuits that are not closed.
    pub fn circuits(&self) -> &Circuits {
        &self.circuits
    }

    /// The action that tries a circuit, as long as nobody knows what comes of it and it can still run.
    pub fn trial_of(&self, circuit: &Circuit, now: Time) -> Option<ActionId> {
        let id = circuit.trial?;
        let action = self.actions.get(&id).filter(|action| !action.outcome)?;
        let usable = action.permit.as_ref().is_some_and(|permit| permit.expires > now);
        (action.redeemed || usable).then_some(id)
    }

    /// The guard: every circuit that the action belongs to has to be closed, or waits for one to try.
    pub(super) fn look_at_circuit(&self, limit: &Limit, doing: &Doing<'_>, wanted: &Wanted<'_>, found: &mut Found) {
        found.online = true;
        let whose = self.circuit_of(
            limit,
            Actor {
                agent: doing.agent,
                operation: doing.operation,
                team: doing.team,
                tool: doing.tool,
            },
        );
        let Some(circuit) = self.circuits.get(limit.name(), &whose) else {
            return;
        };
        let trial = self.trial_of(circuit, wanted.now);
        match self.not_yet(limit, &whose, circuit, wanted.now) {
            Some(why) => found.objections.push(Objection {
                reason: limit.reason("breaker_open", Decision::Deny, why),
                stricter: Stricter::Deny,
            }),
            None => found.trials.push(trial_at(limit, &whose)),
        }
        found.circuits.push(CircuitRead {
            circuit: whose,
            limit: limit.name().clone(),
            trial,
            until: circuit.until,
        });
    }

    /// Why nothing more is let through, in a sentence; nothing where one action may try.
    fn not_yet(&self, limit: &Limit, whose: &str, circuit: &Circuit, now: Time) -> Option<String> {
        let opened = format!(
            "{} failures within {} opened circuit `{whose}`",
            circuit.failures,
            span_text(limit.within())
        );
        if circuit.until > now {
            return Some(format!("{opened}; it may be tried again at {}", circuit.until));
        }
        let trial = self.trial_of(circuit, now)?;
        Some(format!("{opened}, and `{trial}` tries whether it works again"))
    }

    /// Whose circuit an action belongs to.
    fn circuit_of(&self, limit: &Limit, doing: Actor<'_>) -> Arc<str> {
        let named = |key: &Key| {
            let name = match key {
                Key::Agent => doing.agent,
                Key::Team => doing.team.unwrap_or_default(),
                Key::Tool => doing.tool.unwrap_or(doing.operation),
                Key::Action => doing.operation,
                // Policy allows only the others.
                Key::Env | Key::Run | Key::Parent | Key::Principal | Key::Part(_) => return None,
            };
            Some(format!("{}:{name}", key.text()))
        };
        let names: Vec<String> = limit.keys().iter().filter_map(named).collect();
        let whose = match names.is_empty() {
            true => "organization".to_owned(),
            false => names.join(","),
        };
        // One that is open holds for everybody whom it is about, however many windows they have opened.
        if self.circuits.get(limit.name(), &whose).is_some() {
            return whose.into();
        }
        if self.circuits.has_opened_all(limit.name()) {
            return super::rest_of(doing.agent).into();
        }
        self.or_rest(limit, whose, doing.agent)
    }

    /// Limits on failures that are about an open action, each with whose circuit it is.
    fn circuits_of<'a>(&'a self, action: &'a OpenAction, live: &'a Snapshot) -> Vec<(&'a Limit, i64, Arc<str>)> {
        if live.limits().is_empty() {
            return Vec::new();
        }
        let team = self.agents.get(&action.agent).and_then(|agent| agent.team.as_deref());
        let tool = action.named_tool();
        let limits = live.limits_of(&action.agent, team, tool, &action.operation);
        let circuit = |limit: &'a Limit| {
            let Measure::Failures(open_for) = limit.measure() else {
                return None;
            };
            let doing = Actor {
                agent: &action.agent,
                operation: &action.operation,
                team,
                tool,
            };
            Some((limit, open_for, self.circuit_of(limit, doing)))
        };
        limits.filter_map(circuit).collect()
    }

    /// What a permit tries that is about to be used, or why it may not be used now.
    pub(in crate::state) fn tries(
        &self,
        id: ActionId,
        action: &OpenAction,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Trial>, Refusal> {
        let mut trials = Vec::new();
        for (limit, _, whose) in ctx.live.map(|live| self.circuits_of(action, live)).unwrap_or_default() {
            let open = self.circuits.get(limit.name(), &whose);
            let Some(circuit) = open.filter(|circuit| circuit.trial != Some(id)) else {
                continue;
            };
            if let Some(why) = self.not_yet(limit, &whose, circuit, ctx.now) {
                let detail = format!("limit `{}`: {why}", limit.name());
                return Err(Refusal::new(Category::Throttled, "breaker_open", detail)
                    .hint("use the permit when it may be tried, or ask for a new decision then"));
            }
            trials.push(trial_at(limit, &whose));
        }
        Ok(trials)
    }

    /// What an outcome does to circuits: failures that count from now on, and circuits that open or close. What never used
    /// its permit here shows nothing of what it is about, and where the live policy cannot be had nobody knows what that is.
    pub(in crate::state) fn after_outcome(
        &self,
        id: ActionId,
        action: &OpenAction,
        status: OutcomeStatus,
        ctx: &mut Ctx<'_>,
    ) -> (Vec<Counted>, Vec<Draft>) {
        let (mut counted, mut events) = (Vec::new(), Vec::new());
        let live = ctx.live.filter(|_| action.redeemed);
        for (limit, open_for, whose) in live.map(|live| self.circuits_of(action, live)).unwrap_or_default() {
            let opened = |failures: u32, trial: bool| CircuitOpened {
                action_id: id,
                agent: action.agent.clone(),
                circuit: whose.clone(),
                failures,
                limit: limit.name().clone(),
                trial,
                until: ctx.now + Span(open_for),
            };
            match self.circuits.get(limit.name(), &whose) {
                Some(circuit) if circuit.trial == Some(id) => events.push(match status {
                    OutcomeStatus::Succeeded => Draft::observed(CircuitClosed {
                        action_id: Some(id),
                        circuit: whose,
                        limit: limit.name().clone(),
                    }),
                    OutcomeStatus::Failed | OutcomeStatus::Unknown => Draft::observed(opened(1, true)),
                }),
                // It was let through before the circuit opened.
                Some(_) => {}
                None if status == OutcomeStatus::Failed => {
                    let span = Span(limit.within());
                    let holds = self.window_holds(limit.name(), &whose, span, ctx.now, None);
                    let failures = holds.count.saturating_add(1);
                    if limit.count().is_some_and(|most| failures >= most) {
                        let opened = opened(failures, false);
                        let summary = format!(
                            "limit `{}`: {failures} failures within {} opened circuit `{whose}`; it may be tried again at {}",
                            limit.name(),
                            span_text(limit.within()),
                            opened.until
                        );
                        events.push(Draft::observed(opened));
                        events.extend(self.alert("breaker_open", summary, Some(&action.agent), Some(id), ctx));
                    } else {
                        counted.push(Counted {
                            amount: None,
                            beyond: false,
                            from: ctx.now,
                            limit: limit.name().clone(),
                            repeats: false,
                            until: ctx.now + span,
                            window: whose,
                        });
                    }
                }
                None => {}
            }
        }
        (counted, events)
    }

    /// A person says that what an open circuit is about works again.
    pub(in crate::state) fn close_circuit(&self, ask: AboutCircuit, why: Option<Sealed>) -> Result<Handled, Refusal> {
        if self.circuits.get(&ask.limit, &ask.circuit).is_none() {
            let detail = format!("circuit `{}` of limit `{}` is not open", ask.circuit, ask.limit);
            return Err(Refusal::new(Category::Missing, "not_found", detail)
                .hint("`GET /v1/limits` shows which circuits are open"));
        }
        let closed = CircuitClosed {
            action_id: None,
            circuit: ask.circuit,
            limit: ask.limit,
        };
        Handled::done(vec![Draft::observed(closed).with_payload(why)])
    }

    /// Stores that a circuit is open. Failures from before do not count once it is closed.
    pub(in crate::state) fn circuit_opened(&mut self, now: Time, e: &CircuitOpened) {
        self.windows.close(&e.limit, &e.circuit);
        self.circuits.opened(now, e);
    }

    /// Stores that a circuit is closed.
    pub(in crate::state) fn circuit_closed(&mut self, e: &CircuitClosed) {
        self.circuits.closed(e);
    }

    /// Stores which circuits an action tries.
    pub(in crate::state) fn tried_by(&mut self, id: ActionId, trials: &[Trial]) {
        for tried in trials {
            let of_limit = self.circuits.by_limit.get_mut(&tried.limit);
            if let Some(circuit) = of_limit.and_then(|circuits| circuits.get_mut(&tried.circuit)) {
                circuit.trial = Some(id);
            }
        }
    }
}

fn trial_at(limit: &Limit, whose: &Arc<str>) -> Trial {
    Trial {
        circuit: whose.clone(),
        limit: limit.name().clone(),
    }
}
