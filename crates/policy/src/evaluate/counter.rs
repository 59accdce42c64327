//! What would have to be different for another answer: found by trying the values that rules hold actions against.
//!
//! Every answer was evaluated. What no rule mentions is not tried, so that nothing found does not mean that there is nothing.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

mod place;

use place::{Place, at, place, put};

use crate::action::Action;
use crate::condition::mentions::Against;
use crate::condition::{Condition, Fuel};
use crate::constraint::Constraints;
use crate::document::selector::Subject;
use crate::facts::Context;
use crate::hidden::Hidden;
use crate::json::to_json;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::{Decision, Verdict};

/// Most evaluations that one question may take.
const MOST_TRIED: usize = 800;
/// Most values that are tried alone, and most of them that are tried together.
const MOST_VALUES: usize = 200;
const MOST_TOGETHER: usize = 24;
/// Most things that are changed at once.
const MOST_CHANGES: usize = 3;

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    place: Place,
    /// What the action says, if it says something.
    pub from: Option<Value>,
    /// What it would have to say; `None` = nothing.
    pub to: Option<Value>,
}

/// Changes that lead to another answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterfactual {
    /// All of them together, the nearest first.
    pub changes: Vec<Change>,
    /// The answer that the changed action gets.
    pub decision: Decision,
}

impl Change {
    /// Where it is, as a JSON pointer into the action.
    pub fn pointer(&self) -> String {
        self.place.pointer()
    }

    /// In words: "`/amount` were 500 instead of 750".
    fn sentence(&self) -> String {
        let shown = |value: &Value| {
            let mut text = String::new();
            to_json(value, &mut text);
            super::one_line(&text)
        };
        let pointer = self.pointer();
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("`{pointer}` were {} instead of {}", shown(to), shown(from)),
            (None, Some(to)) => format!("`{pointer}` were {}", shown(to)),
            (_, None) => format!("`{pointer}` were not stated"),
        }
    }

    /// How far it is from what the action says: numbers by their distance, anything else further away.
    fn distance(&self) -> (u8, Decimal) {
        match (&self.from, &self.to) {
            (Some(Value::Number(from)), Some(Value::Number(to))) => {
                (0, from.checked_sub(*to).map_or(Decimal::MAX, |apart| apart.abs()))
            }
            (_, Some(_)) => (1, Decimal::ZERO),
            (_, None) => (2, Decimal::ZERO),
        }
    }
}

impl Counterfactual {
    /// The action with the changes.
    pub fn apply(&self, action: &Action) -> Option<Action> {
        let mut changed = action.clone();
        for change in &self.changes {
            put(&mut changed, &change.place, change.to.as_ref())?;
        }
        Some(changed)
    }

    /// In words: "allow, if `/amount` were 500 instead of 750".
    pub fn sentence(&self) -> String {
        let changes: Vec<String> = self.changes.iter().map(Change::sentence).collect();
        format!("{}, if {}", self.decision.as_str(), changes.join(" and "))
    }

    fn effort(&self) -> (usize, u8, Decimal) {
        let far = |(kind, sum): (u8, Decimal), change: &Change| {
            let (other, apart) = change.distance();
            (kind.max(other), sum.checked_add(apart).unwrap_or(Decimal::MAX))
        };
        let (kind, sum) = self.changes.iter().fold((0, Decimal::ZERO), far);
        (self.changes.len(), kind, sum)
    }
}

/// For each other answer that was found the smallest change that leads to it, the loosest answer first. `hidden` knows what
/// stands for values that were not kept: nothing that hangs on one of them is said. No evaluation begins without fuel.
pub(crate) fn counterfactuals(
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Vec<Counterfactual> {
    let Some(verdict) = known(snapshot, action, ctx, hidden, fuel) else {
        return Vec::new();
    };
    let mut search = Search {
        snapshot,
        action,
        ctx,
        before: verdict.decision,
        broken: is_broken(&verdict),
        left: MOST_TRIED,
        hidden,
        fuel,
        best: BTreeMap::new(),
    };
    let mut changes = candidates(snapshot, action, ctx);
    changes.truncate(MOST_VALUES);
    for change in &changes {
        search.try_out(vec![change.clone()]);
    }
    changes.truncate(MOST_TOGETHER);
    for size in 2..=MOST_CHANGES {
        if search.is_loosened() {
            break;
        }
        search.combine(&changes, &mut Vec::new(), size);
    }
    search.best.into_values().collect()
}

/// What is said of an action, if that hangs on nothing that was not kept.
fn known(
    snapshot: &Snapshot,
    action: &Action,
    ctx: &Context<'_>,
    hidden: Option<&Hidden>,
    fuel: &mut Fuel,
) -> Option<Verdict> {
    if fuel.left() == 0 {
        return None;
    }
    // Each gets what an evaluation gets, so that what it says is what would be said.
    let mut own = Fuel::default();
    let watching = hidden.map(Hidden::anew);
    let verdict = super::evaluate_with(snapshot, action, ctx, watching.as_ref(), &mut own);
    fuel.lose(Fuel::FULL - own.left());
    watching
        .is_none_or(|watching| watching.read().is_empty())
        .then_some(verdict)
}

fn is_broken(verdict: &Verdict) -> bool {
    verdict.reasons.iter().any(|reason| reason.code == "condition_error")
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    action: &'a Action,
    ctx: &'a Context<'a>,
    before: Decision,
    /// Something could not be evaluated.
    broken: bool,
    /// Evaluations that may still be done.
    left: usize,
    hidden: Option<&'a Hidden>,
    /// What all of them together may still take.
    fuel: &'a mut Fuel,
    best: BTreeMap<Decision, Counterfactual>,
}

impl Search<'_> {
    /// Nothing is looser than an allowance: then any other answer will do.
    fn is_loosened(&self) -> bool {
        match self.before {
            Decision::Allow => !self.best.is_empty(),
            before => self.best.keys().next().is_some_and(|best| *best < before),
        }
    }

    fn try_out(&mut self, changes: Vec<Change>) {
        if self.left == 0 || self.fuel.left() == 0 {
            return;
        }
        self.left -= 1;
        let mut found = Counterfactual {
            changes,
            decision: self.before,
        };
        let Some(changed) = found.apply(self.action) else {
            return;
        };
        let Some(verdict) = known(self.snapshot, &changed, self.ctx, self.hidden, self.fuel) else {
            return;
        };
        found.decision = verdict.decision;
        // That a value of the wrong kind is denied tells nobody what to do.
        if found.decision == self.before || (is_broken(&verdict) && !self.broken) {
            return;
        }
        let known = self.best.get(&found.decision);
        if known.is_none_or(|known| found.effort() < known.effort()) {
            self.best.insert(found.decision, found);
        }
    }

    /// Every choice of so many changes in different places.
    fn combine(&mut self, rest: &[Change], chosen: &mut Vec<Change>, size: usize) {
        if chosen.len() == size {
            return self.try_out(chosen.clone());
        }
        for (at, change) in rest.iter().enumerate() {
            if self.left == 0 || self.fuel.left() == 0 || chosen.iter().any(|other| other.place == change.place) {
                continue;
            }
            chosen.push(change.clone());
            self.combine(rest.get(at + 1..).unwrap_or_default(), chosen, size);
            chosen.pop();
        }
    }
}

/// What might be tried, each once: near values first.
fn candidates(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>) -> Vec<Change> {
    let mut tried = Tried {
        action,
        found: BTreeMap::new(),
        asked_for: BTreeSet::new(),
    };
    let mandate = snapshot.mandate(ctx.agent_id);
    for permission in mandate.iter().flat_map(|mandate| &mandate.permissions) {
        if permission.matches(&action.action, action.tool.as_deref()) {
            tried.condition(permission.condition.as_ref());
            tried.constraints(&permission.constraints);
            if let Some(bound) = &permission.max_amount {
                tried.bound(Place::Amount, bound.amount);
                tried.text(Place::Currency, bound.currency.as_deref().unwrap_or(ctx.currency));
            }
        }
    }
    if let Some(mandate) = mandate {
        for environment in mandate.environments.iter().flatten() {
            tried.text(Place::Env, environment);
        }
        for escalation in &mandate.escalations {
            tried.condition(escalation.trigger.condition());
        }
        if mandate.data.is_some() {
            tried.belonging();
        }
    }
    gates(snapshot, action, ctx, &mut tried);
    tried.changes()
}

/// What gates hold actions against that may be about this one, whatever its environment and its resource.
fn gates(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>, tried: &mut Tried<'_>) {
    let subject = Subject {
        agent: ctx.agent_id,
        action: &action.action,
        tool: action.tool.as_deref(),
        env: None,
        resource: None,
        class: None,
    };
    let candidates = snapshot
        .gate_index
        .candidates(subject.agent, subject.tool, subject.action);
    for gate in candidates.into_iter().filter_map(|at| snapshot.gates.get(at)) {
        for entry in &gate.on {
            let named = crate::document::selector::Selector {
                env: None,
                resource: None,
                class: None,
                ..entry.clone()
            };
            if named.matches(&subject) {
                let exact = |pattern: &Option<crate::document::selector::Pattern>| {
                    pattern.as_ref().and_then(|pattern| pattern.exact().map(str::to_owned))
                };
                exact(&entry.env).iter().for_each(|env| tried.text(Place::Env, env));
                exact(&entry.resource)
                    .iter()
                    .for_each(|kind| tried.text(Place::ResourceType, kind));
            }
        }
        for rule in &gate.rules {
            tried.condition(rule.condition.as_ref());
            tried.constraints(&rule.constraints);
        }
    }
}

/// Values to try, by place.
struct Tried<'a> {
    action: &'a Action,
    found: BTreeMap<Place, Vec<Option<Value>>>,
    /// Places of which rules ask whether they are there.
    asked_for: BTreeSet<Place>,
}

impl Tried<'_> {
    fn value(&mut self, place: Place, value: Option<Value>) {
        let values = self.found.entry(place).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    fn text(&mut self, place: Place, text: &str) {
        self.value(place, Some(Value::from(text)));
    }

    /// A number, and its neighbours on both sides.
    fn bound(&mut self, place: Place, number: Decimal) {
        let money = matches!(place, Place::Amount | Place::EstimatedCost | Place::Confidence);
        let scale = number.normalize().scale().max(if money { 2 } else { 0 });
        let step = Decimal::try_new(1, scale).unwrap_or(Decimal::ONE);
        for value in [Some(number), number.checked_sub(step), number.checked_add(step)]
            .into_iter()
            .flatten()
        {
            self.value(place.clone(), Some(Value::Number(value)));
        }
    }

    fn constraints(&mut self, constraints: &Constraints) {
        for (name, value) in constraints.values() {
            let place = match name.as_str() {
                "allowed_currencies" => Place::Currency,
                "environments" => Place::Env,
                "max_amount" => Place::Amount,
                "max_cost" => Place::EstimatedCost,
                _ => continue,
            };
            match value {
                crate::verdict::ConstraintValue::List(items) => {
                    items.iter().for_each(|it| self.text(place.clone(), it))
                }
                crate::verdict::ConstraintValue::Text(text) => {
                    let number = text.split(' ').next().and_then(crate::json::decimal);
                    if let Some(number) = number {
                        self.bound(place, number);
                    }
                }
                crate::verdict::ConstraintValue::Flag(_) => {}
            }
        }
    }

    /// The resource belongs to the principal.
    fn belonging(&mut self) {
        if let Some(principal) = &self.action.principal {
            self.text(Place::ResourceOwner, principal);
        }
        let owner = self
            .action
            .resource
            .as_ref()
            .and_then(|resource| resource.owner.as_ref());
        if let Some(owner) = owner {
            self.text(Place::Principal, owner);
        }
    }

    fn condition(&mut self, condition: Option<&Condition>) {
        for mention in condition.map(Condition::mentions).unwrap_or_default() {
            if let Some(place) = place(&mention) {
                self.mention(place, mention.against);
            }
        }
    }

    fn mention(&mut self, place: Place, against: Against) {
        let now = at(self.action, &place);
        match against {
            Against::Values(values) => {
                for value in values {
                    match value {
                        Value::Number(number) => self.bound(place.clone(), number),
                        Value::Bool(_) => {
                            self.value(place.clone(), Some(Value::Bool(true)));
                            self.value(place.clone(), Some(Value::Bool(false)));
                        }
                        value => self.value(place.clone(), Some(value)),
                    }
                }
            }
            Against::Bound(number) => self.bound(place.clone(), number),
            Against::Piece(piece) => {
                if let Some(Value::String(text)) = &now {
                    self.text(place.clone(), &format!("{text}{piece}"));
                    self.text(place.clone(), &format!("{piece}{text}"));
                }
                self.text(place.clone(), &piece);
            }
            Against::Presence => {
                let number = matches!(place, Place::Amount | Place::EstimatedCost | Place::Confidence);
                if now.is_none() && !number {
                    self.asked_for.insert(place.clone());
                }
            }
        }
        if now.is_some() {
            self.value(place, None);
        }
    }

    fn changes(mut self) -> Vec<Change> {
        // Any text will do where no rule says which.
        for place in std::mem::take(&mut self.asked_for) {
            if !self.found.contains_key(&place) {
                self.text(place, "stated");
            }
        }
        let action = self.action;
        let mut changes: Vec<Change> = Vec::new();
        for (place, values) in self.found {
            let from = at(action, &place);
            for to in values.into_iter().filter(|to| *to != from) {
                let place = place.clone();
                let from = from.clone();
                changes.push(Change { place, from, to });
            }
        }
        changes.sort_by(|a, b| a.distance().cmp(&b.distance()).then_with(|| a.place.cmp(&b.place)));
        changes
    }
}
