//! Every rule that was looked at, and why it matched or did not.

use super::tally::{holds, one_line};
use super::trigger::{fires, why_not};
use super::{Counts, Scene, data, seen, with_scene};
use crate::action::{Access, Action};
use crate::condition::{Condition, Fuel};
use crate::document::RuleId;
use crate::document::mandate::Mandate;
use crate::document::selector::Selector;
use crate::facts::Context;
use crate::snapshot::Snapshot;
use crate::verdict::Decision;

/// What came of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `agent:` or `name:` of the document.
    pub document: String,
    /// Which rule, as in [`crate::Reason`].
    pub rule: String,
    /// Line in the document, from 1.
    pub line: u32,
    /// Column in the document, from 1.
    pub column: u32,
    /// It is about this action.
    pub selected: bool,
    /// It is about this action and its condition holds (or cannot be evaluated, which denies).
    pub matched: bool,
    /// What it asks for when it matches.
    pub asked: Decision,
    /// One sentence.
    pub why: String,
    /// What the condition read: path and value as JSON, or `absent`.
    pub values: Vec<(String, String)>,
}

pub(crate) fn explain(snapshot: &Snapshot, action: &Action, ctx: &Context<'_>) -> Vec<Trace> {
    // Where what the agent has read raises the tool, that is what is shown: it is what makes the answer stricter.
    let counts = Counts::most(snapshot, action, ctx);
    with_scene(snapshot, action, ctx, counts, None, |scene| {
        let mut traces = Vec::new();
        if let Some(mandate) = scene.mandate {
            of_mandate(scene, mandate, &mut traces);
        }
        of_gates(scene, &mut traces);
        of_outputs(scene, &mut traces);
        let key = |trace: &Trace| (trace.document.clone(), trace.line, trace.column);
        traces.sort_by_key(key);
        traces
    })
}

fn trace(
    scene: &Scene<'_>,
    id: &RuleId,
    asked: Decision,
    miss: Option<String>,
    condition: Option<&Condition>,
) -> Trace {
    let mut trace = Trace {
        document: id.document.to_string(),
        rule: id.rule.to_string(),
        line: id.place.line,
        column: id.place.column,
        selected: miss.is_none(),
        matched: false,
        asked,
        why: String::new(),
        values: Vec::new(),
    };
    if let Some(miss) = miss {
        trace.why = miss;
        return trace;
    }
    let Some(condition) = condition else {
        trace.matched = true;
        trace.why = holds(None);
        return trace;
    };
    let explanation = condition.explain(scene.facts);
    trace.values = explanation.values;
    match (explanation.failed, explanation.error) {
        (Some(failed), _) => trace.why = format!("`{}` is false", one_line(&failed)),
        (None, Some((part, error))) => {
            trace.matched = true;
            trace.asked = Decision::Deny;
            trace.why = format!("`{}` cannot be evaluated: {error}", one_line(&part));
        }
        (None, None) => {
            trace.matched = true;
            trace.why = holds(Some(condition));
        }
    }
    trace
}

fn of_mandate(scene: &Scene<'_>, mandate: &Mandate, traces: &mut Vec<Trace>) {
    let (action, tool) = (scene.action.action.as_str(), scene.action.tool.as_deref());
    for permission in &mandate.permissions {
        let asked = permission.decision();
        let miss = (!permission.matches(action, tool)).then(|| "it is about another action or tool".to_owned());
        traces.push(trace(scene, &permission.id, asked, miss, permission.condition.as_ref()));
    }
    let kind = scene
        .action
        .resource
        .as_ref()
        .and_then(|resource| resource.kind.as_deref());
    let needed = seen::access(scene.action, scene.tool).unwrap_or(Access::Write);
    for entry in mandate.data.iter().flatten() {
        let about = kind.is_some_and(|kind| entry.resource.matches(kind));
        let miss = (!about).then(|| "it is about another type of resource".to_owned());
        let mut one = trace(scene, &entry.id, Decision::Allow, miss, None);
        if about {
            one.why = "scope and access of the resource are met".to_owned();
            if let Some((_, why)) = data::unmet(entry, needed, scene) {
                one.asked = Decision::Deny;
                one.why = why.to_owned();
            }
        }
        traces.push(one);
    }
    for escalation in &mandate.escalations {
        let condition = escalation.trigger.condition();
        let mut one = trace(scene, &escalation.id, Decision::RequireApproval, None, condition);
        if condition.is_none() {
            let fired = fires(&escalation.trigger, scene, &mut Fuel::default());
            one.matched = matches!(fired, Ok(Some(_)));
            one.why = match fired {
                Ok(Some(fired)) => fired.message,
                Ok(None) => why_not(&escalation.trigger).to_owned(),
                Err(error) => error,
            };
        }
        traces.push(one);
    }
}

/// Why no entry of `on` selects the action, if none does.
fn unselected(scene: &Scene<'_>, on: &[Selector]) -> Option<String> {
    let subject = scene.subject();
    if on.is_empty() || on.iter().any(|selector| selector.matches(&subject)) {
        return None;
    }
    let misses = on.iter().filter_map(|selector| selector.mismatch(&subject));
    let keys: Vec<String> = misses
        .enumerate()
        .map(|(at, key)| format!("on[{at}] by `{key}`"))
        .collect();
    Some(format!("no entry of `on` matches: {}", keys.join(", ")))
}

fn of_gates(scene: &Scene<'_>, traces: &mut Vec<Trace>) {
    for gate in &scene.snapshot.gates {
        let miss = unselected(scene, &gate.on);
        for rule in &gate.rules {
            traces.push(trace(
                scene,
                &rule.id,
                rule.decision,
                miss.clone(),
                rule.condition.as_ref(),
            ));
        }
    }
}

/// What a result may let out is a limit that travels with a grant.
fn of_outputs(scene: &Scene<'_>, traces: &mut Vec<Trace>) {
    for rule in &scene.snapshot.outputs {
        let miss = unselected(scene, &rule.on);
        let asked = Decision::AllowWithConstraints;
        let mut one = trace(scene, &rule.id, asked, miss, rule.condition.as_ref());
        if one.matched {
            let does = match one.asked == asked {
                true => rule.asks.words(),
                false => "withhold all".to_owned(),
            };
            one.why = format!("{}; of the result: {does}", one.why);
        }
        one.asked = asked;
        traces.push(one);
    }
}
