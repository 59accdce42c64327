//! What the gates say.

use super::mandate::applies;
use super::tally::{Tally, holds};
use super::{Remedies, Scene, offer, reported};
use crate::condition::{Condition, Fuel};
use crate::document::RuleId;
use crate::document::gate::{Gate, Rule};
use crate::document::rule::Approvers;
use crate::verdict::Decision;

pub(super) fn weigh(scene: &Scene<'_>, remedies: Remedies, fuel: &mut Fuel, tally: &mut Tally) {
    let subject = scene.subject();
    for at in scene
        .snapshot
        .gate_index
        .candidates(subject.agent, subject.tool, subject.action)
    {
        let Some(gate) = scene.snapshot.gates.get(at) else {
            continue;
        };
        if let Some(hidden) = scene.hidden {
            for selector in &gate.on {
                selector.watch(&subject, hidden);
            }
        }
        if !gate.on.is_empty() && !gate.on.iter().any(|selector| selector.matches(&subject)) {
            continue;
        }
        let mut holding = Vec::new();
        for rule in &gate.rules {
            if applies(&rule.id, rule.condition.as_ref(), scene, fuel, tally) {
                let speaks = weigh_rule(scene, gate, rule, remedies, tally);
                holding.extend((speaks && gate.unanimous.is_some()).then_some(rule));
            }
        }
        if let Some(id) = &gate.unanimous {
            conflict(id, gate, holding, tally);
        }
    }
}

/// Rules of a gate that must agree say different things: nothing runs until whoever answers for it has looked. What grants
/// within limits agrees with what grants.
fn conflict(id: &RuleId, gate: &Gate, mut holding: Vec<&Rule>, tally: &mut Tally) {
    let says = |rule: &Rule| match rule.decision {
        Decision::AllowWithConstraints => Decision::Allow,
        other => other,
    };
    // In any order of the rules it is one sentence.
    holding.sort_by_key(|rule| (rule.decision, rule.id.rule.clone()));
    if holding
        .windows(2)
        .all(|pair| matches!(pair, [one, other] if says(one) == says(other)))
    {
        return;
    }
    let told: Vec<_> = (holding.iter())
        .map(|rule| format!("`{}` says `{}`", rule.id.rule, rule.decision.as_str()))
        .collect();
    let owner = gate.owner.as_ref().map(|owner| format!("; `{owner}` answers for them"));
    let message = format!("rules disagree: {}{}", told.join(", "), owner.unwrap_or_default());
    tally.deny(Some(id), "rules_conflict", message);
    tally.alert("rules_conflict");
}

/// Takes in what a rule says whose condition holds. Returns whether it says something: a remedy that changes nothing does not.
fn weigh_rule(scene: &Scene<'_>, gate: &Gate, rule: &Rule, remedies: Remedies, tally: &mut Tally) -> bool {
    let id = &rule.id;
    let message = rule.message.clone().unwrap_or_else(|| holds(rule.condition.as_ref()));
    tally.constrain(id, &rule.constraints, scene);
    if rule.evidence_required {
        tally.require_evidence();
    }
    match rule.decision {
        Decision::Deny => tally.deny(Some(id), "rule", message),
        Decision::RequireApproval => {
            tally.say(Some(id), "rule", Decision::RequireApproval, message);
            tally.demand(id, &rule.approvers);
            grant(scene, gate, rule, tally);
        }
        Decision::Remediate => return remediate(scene, rule, message, remedies, tally),
        Decision::Allow | Decision::AllowWithConstraints => {
            tally.say(Some(id), "rule", rule.decision, message);
            grant(scene, gate, rule, tally);
        }
    }
    true
}

/// A gate grants to agents without a mandate, and beyond a mandate only where it says so.
fn grant(scene: &Scene<'_>, gate: &Gate, rule: &Rule, tally: &mut Tally) {
    match (scene.mandate, rule.beyond_mandate) {
        (None, _) => tally.grant(false),
        (Some(_), true) => tally.grant_beyond(),
        (Some(_), false) => return,
    }
    let subject = scene.subject();
    // Of several entries that match, one that rests on nothing reported is enough.
    let matching = gate.on.iter().filter(|selector| selector.matches(&subject));
    let least = matching
        .map(|selector| selector.reported().collect::<Vec<_>>())
        .min_by_key(Vec::len);
    tally.rests_on(least.unwrap_or_default());
    let reads = rule.condition.as_ref().map(Condition::reads).unwrap_or_default();
    let verified = scene.ctx.principal_verified;
    tally.rests_on(reads.iter().filter(|path| reported(path, verified)).map(String::as_str));
}

fn remediate(scene: &Scene<'_>, rule: &Rule, message: String, remedies: Remedies, tally: &mut Tally) -> bool {
    let id = &rule.id;
    let Some(remedy) = &rule.remedy else { return false };
    match (offer(id, remedy, scene), remedies) {
        (Ok(None), _) => return false,
        (Ok(Some(offer)), Remedies::Offered) => {
            tally.say(Some(id), "rule", Decision::Remediate, message);
            tally.offer(offer);
        }
        (Ok(Some(_)), Remedies::Off) => {
            let message = "the alternative would have to be changed again";
            tally.say(Some(id), "remedies_differ", Decision::RequireApproval, message);
            tally.demand(id, &Approvers::default_route());
        }
        (Err(pointer), _) => {
            tally.deny(
                Some(id),
                "remedy_failed",
                format!("`{pointer}` of the remedy leads nowhere in this action"),
            );
        }
    }
    true
}
