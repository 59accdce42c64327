//! Which rules the bundle's own tests try, and on which side.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::stage;
use super::{Counts, Scene, data, seen, with_scene};
use crate::action::Access;
use crate::condition::{Condition, Fuel};
use crate::document::mandate::{Mandate, Permission, Scope};
use crate::document::{Place, RuleId};
use crate::snapshot::Snapshot;

/// A side of a rule that a test may try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    /// It is about the action, and its condition holds.
    Holds,
    /// It is about the action, and its condition does not hold.
    Fails,
    /// It holds, and the amount is above its bound.
    AboveMax,
}

impl Branch {
    /// As answers name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Branch::Holds => "holds",
            Branch::Fails => "does not hold",
            Branch::AboveMax => "above max_amount",
        }
    }
}

/// A rule, and which of its sides no test tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// `agent:` or `name:` of the document.
    pub document: String,
    /// Which rule, as in [`crate::Reason`].
    pub rule: String,
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// Its sides.
    pub branches: Vec<Branch>,
    /// Those that no test tries.
    pub untried: Vec<Branch>,
}

impl Tried {
    /// Whether a test shows what the rule does.
    pub fn is_tried(&self) -> bool {
        // What is never met shows what it does where it is not met.
        let telling = self.branches.first();
        telling.is_none_or(|telling| !self.untried.contains(telling))
    }
}

/// Where a rule stands: its file, line and column tell it from every other.
type At = (String, u32, u32);

fn at(place: &Place) -> At {
    (place.file.to_string(), place.line, place.column)
}

/// Every rule with its sides: gates' rules, permissions, data access and what sends an action to a person.
pub(crate) fn coverage(snapshot: &Snapshot) -> Vec<Tried> {
    let mut seen: BTreeMap<At, BTreeSet<Branch>> = BTreeMap::new();
    for case in &snapshot.tests {
        let stage = stage(snapshot, case);
        let ctx = stage.context(snapshot, case);
        let counts = Counts::most(snapshot, &case.action, &ctx);
        with_scene(snapshot, &case.action, &ctx, counts, None, |scene| {
            look(scene, &mut seen)
        });
    }
    let mut all = Vec::new();
    let two = |condition: Option<&Condition>| match condition {
        Some(_) => vec![Branch::Holds, Branch::Fails],
        None => vec![Branch::Holds],
    };
    for rule in snapshot.gates.iter().flat_map(|gate| &gate.rules) {
        all.push((&rule.id, two(rule.condition.as_ref())));
    }
    for rule in &snapshot.outputs {
        all.push((&rule.id, two(rule.condition.as_ref())));
    }
    for mandate in snapshot.mandates.values() {
        for permission in &mandate.permissions {
            let mut branches = two(permission.condition.as_ref());
            branches.extend(permission.max_amount.as_ref().map(|_| Branch::AboveMax));
            all.push((&permission.id, branches));
        }
        for entry in mandate.data.iter().flatten() {
            let closed = entry.access.is_none() || entry.scope == Scope::None;
            let met = (!closed).then_some(Branch::Holds);
            all.push((&entry.id, met.into_iter().chain([Branch::Fails]).collect()));
        }
        for escalation in &mandate.escalations {
            all.push((&escalation.id, vec![Branch::Holds, Branch::Fails]));
        }
    }
    let nothing = BTreeSet::new();
    let tried = |(id, branches): (&RuleId, Vec<Branch>)| {
        let seen = seen.get(&at(&id.place)).unwrap_or(&nothing);
        Tried {
            document: id.document.to_string(),
            rule: id.rule.to_string(),
            file: id.place.file.to_string(),
            line: id.place.line,
            untried: branches
                .iter()
                .filter(|branch| !seen.contains(branch))
                .copied()
                .collect(),
            branches,
        }
    };
    let mut all: Vec<Tried> = all.into_iter().map(tried).collect();
    all.sort_by(|a, b| (&a.file, a.line, &a.rule).cmp(&(&b.file, b.line, &b.rule)));
    all
}

fn look(scene: &Scene<'_>, seen: &mut BTreeMap<At, BTreeSet<Branch>>) {
    let mut note = |id: &RuleId, branch: Option<Branch>| {
        if let Some(branch) = branch {
            seen.entry(at(&id.place)).or_default().insert(branch);
        }
    };
    if let Some(mandate) = scene.mandate {
        of_mandate(scene, mandate, &mut note);
    }
    let subject = scene.subject();
    for gate in &scene.snapshot.gates {
        if gate.on.is_empty() || gate.on.iter().any(|selector| selector.matches(&subject)) {
            for rule in &gate.rules {
                note(&rule.id, side(rule.condition.as_ref(), scene));
            }
        }
    }
    for rule in &scene.snapshot.outputs {
        if rule.on.is_empty() || rule.on.iter().any(|selector| selector.matches(&subject)) {
            note(&rule.id, side(rule.condition.as_ref(), scene));
        }
    }
}

fn of_mandate(scene: &Scene<'_>, mandate: &Mandate, note: &mut impl FnMut(&RuleId, Option<Branch>)) {
    let (action, tool) = (scene.action.action.as_str(), scene.action.tool.as_deref());
    for permission in mandate.permissions.iter().filter(|it| it.matches(action, tool)) {
        let side = side(permission.condition.as_ref(), scene);
        note(&permission.id, side);
        note(
            &permission.id,
            above(permission, scene).filter(|_| side == Some(Branch::Holds)),
        );
    }
    let kind = scene
        .action
        .resource
        .as_ref()
        .and_then(|resource| resource.kind.as_deref());
    let needed = seen::access(scene.action, scene.tool).unwrap_or(Access::Write);
    for entry in mandate.data.iter().flatten() {
        if kind.is_some_and(|kind| entry.resource.matches(kind)) {
            let unmet = data::unmet(entry, needed, scene).is_some();
            note(&entry.id, Some(if unmet { Branch::Fails } else { Branch::Holds }));
        }
    }
    for escalation in &mandate.escalations {
        let fired = super::trigger::fires(&escalation.trigger, scene, &mut Fuel::default());
        let side = fired.ok().map(|fired| fired.map_or(Branch::Fails, |_| Branch::Holds));
        note(&escalation.id, side);
    }
}

/// What cannot be evaluated tries neither side.
fn side(condition: Option<&Condition>, scene: &Scene<'_>) -> Option<Branch> {
    let Some(condition) = condition else {
        return Some(Branch::Holds);
    };
    let truth = condition.eval(scene.facts, &mut Fuel::default()).ok()?;
    Some(if truth { Branch::Holds } else { Branch::Fails })
}

fn above(permission: &Permission, scene: &Scene<'_>) -> Option<Branch> {
    let bound = permission.max_amount.as_ref()?;
    (scene.action.amount? > bound.amount).then_some(Branch::AboveMax)
}
