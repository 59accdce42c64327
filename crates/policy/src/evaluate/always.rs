//! Operations that an agent is denied whatever else it says: known from the names alone.
//!
//! It is for those who show an agent its tools. Only what is certain counts: a condition may hold or not, and what an action
//! is about may be anything, so that neither denies here, and neither takes a grant away.

use super::mandate::ceiling;
use super::tally::Tally;
use super::{Scene, by_name, chain};
use crate::action::Action;
use crate::document::Mandate;
use crate::document::selector::Subject;
use crate::facts::{Context, Facts};
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::verdict::Decision;

/// Whether the evaluation denies every action of this agent that has tool, operation and environment of this one.
pub(crate) fn denies(snapshot: &Snapshot, agent: &str, action: &Action) -> bool {
    let nothing = Value::Null;
    let ctx = Context {
        pii: &nothing,
        currency: "",
        ..Context::bare(agent, &nothing)
    };
    let facts = Facts::default();
    let scene = Scene {
        snapshot,
        action,
        ctx: &ctx,
        mandate: snapshot.mandates.get(agent),
        tool: super::catalogued(snapshot, action),
        facts: &facts,
        hidden: None,
    };
    by_names(&scene) || by_a_rule(&scene) || !may_be_granted(&scene)
}

/// The agent has no mandate where it needs one, not the tier or the clearance, or acts where it may not.
fn by_names(scene: &Scene<'_>) -> bool {
    let mut tally = Tally::default();
    by_name(scene, &mut tally);
    if let Some(mandate) = scene.mandate {
        ceiling(scene, mandate, &mut tally);
    }
    // What nothing was said of counts as denied.
    tally.has_spoken() && tally.decision() == Decision::Deny
}

/// A rule without a condition denies.
fn by_a_rule(scene: &Scene<'_>) -> bool {
    let (operation, tool) = (scene.action.action.as_str(), scene.action.tool.as_deref());
    let permissions = scene.mandate.map(|mandate| mandate.permissions.as_slice());
    let forbids = permissions
        .unwrap_or_default()
        .iter()
        .any(|permission| !permission.allowed && permission.condition.is_none() && permission.matches(operation, tool));
    forbids
        || gates(scene).any(|(gate, certain)| {
            let mut rules = gate.rules.iter();
            certain && rules.any(|rule| rule.decision == Decision::Deny && rule.condition.is_none())
        })
}

/// Whether anything may grant it, send it to a person, or make another action of it.
fn may_be_granted(scene: &Scene<'_>) -> bool {
    let (operation, tool) = (scene.action.action.as_str(), scene.action.tool.as_deref());
    let by_mandate = |mandate: &Mandate| {
        let called = chain::callee(scene.action).zip(mandate.delegation.as_ref());
        let mut permissions = mandate.permissions.iter();
        mandate.out_of_scope.is_some()
            || called.is_some_and(|(called, own)| own.may_call(called))
            || permissions.any(|permission| permission.allowed && permission.matches(operation, tool))
    };
    let by_gate = || {
        let mut rules = gates(scene).flat_map(|(gate, _)| &gate.rules);
        rules.any(|rule| match rule.decision {
            Decision::Deny => false,
            Decision::Remediate => true,
            Decision::Allow | Decision::AllowWithConstraints | Decision::RequireApproval => {
                scene.mandate.is_none() || rule.beyond_mandate
            }
        })
    };
    scene.mandate.is_some_and(by_mandate) || by_gate()
}

/// The gates that may speak about it, and whether they certainly do: what it is about is not known.
fn gates<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = (&'a crate::document::gate::Gate, bool)> {
    let subject: Subject<'a> = scene.subject();
    let index = &scene.snapshot.gate_index;
    let candidates = index.candidates(subject.agent, subject.tool, subject.action);
    let found = candidates.into_iter().filter_map(|at| scene.snapshot.gates.get(at));
    found.filter_map(move |gate| {
        let mut matching = gate
            .on
            .iter()
            .filter(|selector| selector.may_match(&subject))
            .peekable();
        let speaks = gate.on.is_empty() || matching.peek().is_some();
        let certain = gate.on.is_empty() || matching.any(|selector| selector.resource.is_none());
        speaks.then_some((gate, certain))
    })
}
