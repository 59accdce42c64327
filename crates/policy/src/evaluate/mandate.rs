//! What the agent's own mandate says.

use super::tally::{Tally, holds, one_line};
use super::trigger::fires;
use super::{Scene, chain, data, reported};
use crate::condition::{Condition, Fuel};
use crate::document::mandate::{Mandate, Permission};
use crate::document::rule::Approvers;
use crate::document::tools::TIERS;
use crate::document::{RuleId, field::Money};
use crate::verdict::Decision;

pub(super) fn weigh(scene: &Scene<'_>, mandate: &Mandate, fuel: &mut Fuel, tally: &mut Tally) {
    ceiling(scene, mandate, tally);
    data::weigh(scene, mandate, tally);
    let (action, tool) = (scene.action.action.as_str(), scene.action.tool.as_deref());
    let index = scene.snapshot.permission_index.get(mandate.agent());
    for at in index
        .map(|index| index.candidates("", tool, action))
        .unwrap_or_default()
    {
        let Some(permission) = mandate.permissions.get(at) else {
            continue;
        };
        if permission.matches(action, tool)
            && applies(&permission.id, permission.condition.as_ref(), scene, fuel, tally)
        {
            weigh_permission(scene, permission, tally);
        }
    }
    if let Some((called, own)) = chain::callee(scene.action).zip(mandate.delegation.as_ref())
        && own.may_call(called)
    {
        let message = format!("the mandate lets the agent call `{called}`");
        tally.say(Some(&own.id), "may_call", Decision::Allow, message);
        tally.grant(false);
    }
    for escalation in &mandate.escalations {
        let id = &escalation.id;
        match fires(&escalation.trigger, scene, fuel) {
            Ok(None) => {}
            Ok(Some(fired)) => {
                tally.say(Some(id), fired.code, Decision::RequireApproval, fired.message);
                tally.demand(id, &Approvers::default_route());
                tally.escalated(mandate);
            }
            Err(message) => tally.deny(Some(id), "condition_error", message),
        }
    }
}

/// Whether the condition holds; one that cannot be evaluated denies.
pub(super) fn applies(
    id: &RuleId,
    condition: Option<&Condition>,
    scene: &Scene<'_>,
    fuel: &mut Fuel,
    tally: &mut Tally,
) -> bool {
    let Some(condition) = condition else { return true };
    match condition.eval(scene.facts, fuel) {
        Ok(truth) => truth,
        Err(error) => {
            let message = format!("`{}` cannot be evaluated: {error}", one_line(condition.source()));
            tally.deny(Some(id), "condition_error", message);
            false
        }
    }
}

/// Tier and environments, which hold whatever grants.
pub(super) fn ceiling(scene: &Scene<'_>, mandate: &Mandate, tally: &mut Tally) {
    let wanted = scene.tool.and_then(|tool| tool.tier);
    if let (Some(tier), Some(wanted)) = (mandate.tier, wanted)
        && tier < wanted
    {
        let name = |rank: usize| TIERS.get(rank).copied().unwrap_or_default();
        let message = format!("the tool needs tier `{}`, the agent has `{}`", name(wanted), name(tier));
        tally.deny(Some(&mandate.id), "tier", message);
    }
    if let Some(environments) = &mandate.environments {
        if let Some(hidden) = scene.hidden {
            hidden.see_text(scene.action.env.as_deref(), "env");
        }
        match &scene.action.env {
            None => tally.deny(Some(&mandate.id), "environment", "the action names no environment"),
            Some(env) if !environments.contains(env) => {
                tally.deny(
                    Some(&mandate.id),
                    "environment",
                    "the environment is not one of the mandate's",
                );
            }
            Some(_) => tally.rests_on(["env"]),
        }
    }
}

fn weigh_permission(scene: &Scene<'_>, permission: &Permission, tally: &mut Tally) {
    let id = &permission.id;
    if !permission.allowed {
        let message = match &permission.condition {
            Some(condition) => format!("the mandate forbids it: {}", holds(Some(condition))),
            None => "the mandate forbids it".to_owned(),
        };
        tally.deny(Some(id), "rule", message);
        return;
    }
    tally.grant(permission.offline);
    let verified = scene.ctx.principal_verified;
    let reads = permission.condition.as_ref().map(Condition::reads).unwrap_or_default();
    tally.rests_on(reads.iter().filter(|path| reported(path, verified)).map(String::as_str));
    tally.constrain(id, &permission.constraints, scene);
    let message = match &permission.condition {
        Some(condition) => format!("the mandate allows it: {}", holds(Some(condition))),
        None => "the mandate allows it".to_owned(),
    };
    if permission.requires_review {
        tally.say(
            Some(id),
            "rule",
            Decision::RequireApproval,
            "the mandate asks for a review",
        );
        tally.demand(id, &permission.approvers);
    } else if permission.constraints.is_empty() {
        tally.say(Some(id), "rule", Decision::Allow, message);
    } else {
        tally.say(Some(id), "rule", Decision::AllowWithConstraints, message);
    }
    if let Some(bound) = &permission.max_amount {
        weigh_bound(scene, permission, bound, tally);
    }
}

fn weigh_bound(scene: &Scene<'_>, permission: &Permission, bound: &Money, tally: &mut Tally) {
    let id = &permission.id;
    tally.rests_on(["amount"]);
    let Some(amount) = scene.action.amount else {
        tally.deny(
            Some(id),
            "bound_missing",
            format!("`max_amount: {bound}` cannot be checked without an amount"),
        );
        return;
    };
    let wanted = bound.currency.as_deref().unwrap_or(scene.ctx.currency);
    let given = scene.action.currency.as_deref().unwrap_or(scene.ctx.currency);
    if wanted != given {
        let message = format!("`max_amount: {bound}` is in {wanted}, and there is no rate for the action's currency");
        tally.deny(Some(id), "currency_mismatch", message);
        return;
    }
    if amount > bound.amount {
        tally.say(
            Some(id),
            "over_max",
            permission.over_max,
            format!("{amount} is above `max_amount: {bound}`"),
        );
        if permission.over_max == Decision::RequireApproval {
            tally.demand(id, &permission.approvers);
        }
    }
}
