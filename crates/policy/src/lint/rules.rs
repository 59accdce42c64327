//! Rules that never speak, that another one always outdoes, or that leave nothing to grant.

use super::speaks::Speaks;
use super::{Findings, Ground};
use crate::condition::reach::part;
use crate::condition::region::{Cases, Region};
use crate::constraint::Constraints;
use crate::document::mandate::Mandate;
use crate::document::tools::TIERS;
use crate::evaluate::one_line;
use crate::facts::Root;
use crate::verdict::{ConstraintValue, Decision};

pub(super) fn look(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    let ground = Ground::of(snapshot);
    let gates: Vec<Speaks<'_>> = snapshot
        .gates
        .iter()
        .flat_map(|gate| Speaks::of_gate(gate, &ground))
        .collect();
    for rule in &gates {
        never(findings, rule, &ground);
    }
    among(findings, &gates, &gates, &ground);
    for rule in &snapshot.outputs {
        never(findings, &Speaks::of_output(rule, &ground), &ground);
    }
    for mandate in snapshot.mandates.values() {
        let own = Speaks::of_mandate(mandate, &ground);
        for rule in &own {
            if never(findings, rule, &ground) && rule.permits {
                outside(findings, mandate, rule, &ground);
            }
        }
        among(findings, &own, &own, &ground);
        among(findings, &own, &gates, &ground);
    }
    if ground.effort.is_spent()
        && let Some(id) = snapshot
            .gate_ids()
            .chain(snapshot.mandates.values().map(|mandate| &mandate.id))
            .next()
    {
        let message = "there are too many rules to hold all of them against each other".to_owned();
        let help = "give gates an `on:`, so that fewer rules can be about the same action".to_owned();
        findings.at(&id.place, "looked_at_in_part", message, help);
    }
}

/// Reports a rule that never speaks, or whose condition never fails. Returns whether it may speak.
fn never(findings: &mut Findings<'_>, rule: &Speaks<'_>, ground: &Ground) -> bool {
    let place = &rule.id.place;
    if rule.selects.is_never() {
        let message = format!(
            "`{}` is about nothing: no action is what `on` or the rule selects",
            rule.id.rule
        );
        findings.at(
            place,
            "unreachable",
            message,
            "mend what it selects, or remove it".to_owned(),
        );
        return false;
    }
    let Some(condition) = rule.condition else { return true };
    if rule.holds.is_never() {
        let (words, message) = why_never(rule, ground);
        let (code, help) = match rule.fails.is_never() {
            true => ("unreachable", "change one of them, or remove the rule"),
            false => (
                "never_true",
                "change one of them, or remove the rule: it can only deny, where a value is of another kind",
            ),
        };
        findings.about(place, &words, code, message, help.to_owned());
        return false;
    }
    let outlook = condition.outlook(&ground.effort);
    if outlook.no.within(&ground.world).is_never() && !condition.reads().is_empty() {
        let message = format!("`{}` is never false", one_line(condition.source()));
        let help = "mend the condition, or leave it out if the rule always applies";
        findings.about(place, condition.source(), "never_false", message, help.to_owned());
    }
    true
}

/// The part of a condition that cannot hold, and what keeps it from that.
fn why_never(rule: &Speaks<'_>, ground: &Ground) -> (String, String) {
    let condition = rule
        .condition
        .map(|condition| condition.outlooks(&ground.effort))
        .unwrap_or_default();
    let mut before: Vec<(&str, Cases)> = Vec::new();
    for (text, outlook) in condition {
        let yes = outlook.yes.within(&ground.world);
        let shown = one_line(text);
        if yes.is_never() {
            return (text.to_owned(), format!("`{shown}` can never hold"));
        }
        if rule.selects.and(&yes, &ground.effort).is_never() {
            return (
                text.to_owned(),
                format!("`{shown}` never holds for what the rule is about"),
            );
        }
        if let Some((other, _)) = before
            .iter()
            .find(|(_, other)| other.and(&yes, &ground.effort).is_never())
        {
            let other = one_line(other);
            return (text.to_owned(), format!("`{other}` and `{shown}` can never both hold"));
        }
        before.push((text, yes));
    }
    let source = rule.condition.map(|condition| condition.source()).unwrap_or_default();
    (source.to_owned(), format!("`{}` can never hold", one_line(source)))
}

/// Holds rules against others that may outdo them.
fn among(findings: &mut Findings<'_>, rules: &[Speaks<'_>], others: &[Speaks<'_>], ground: &Ground) {
    for rule in rules.iter().filter(|rule| !rule.holds.is_never()) {
        for other in others {
            if !ground.effort.spend(1) {
                return;
            }
            let stricter = outdoes(rule, other);
            let limited = [rule.constraints, other.constraints]
                .iter()
                .all(|known| known.is_some_and(|known| !known.is_empty()));
            if std::ptr::eq(rule.id, other.id) || !(stricter || limited) {
                continue;
            }
            if stricter && rule.holds.and(&other.silent, &ground.effort).is_never() {
                shadowed(findings, rule, other, ground);
                break;
            }
            if limited && leave_nothing(findings, rule, other, ground) {
                break;
            }
        }
    }
}

/// Reports constraints of two rules that leave nothing in common, where one of them never applies without the other.
fn leave_nothing(findings: &mut Findings<'_>, rule: &Speaks<'_>, other: &Speaks<'_>, ground: &Ground) -> bool {
    let apart = apart(findings, rule, other);
    let alone = rule
        .holds
        .and(&other.silent.clone().or(other.fails.clone()), &ground.effort);
    if apart.is_empty() || !alone.is_never() {
        return false;
    }
    let message = format!(
        "wherever `{}` applies, `{}` applies too, and they leave nothing of `{}` between them: it is denied",
        rule.id.source(),
        other.id.source(),
        apart.join("`, `")
    );
    let help = "give both something in common, or keep them apart by their conditions".to_owned();
    findings.at(&rule.id.place, "never_together", message, help);
    true
}

/// Whether what the other one says stands wherever both speak, whatever this one says.
fn outdoes(rule: &Speaks<'_>, other: &Speaks<'_>) -> bool {
    match (rule.decision, other.decision) {
        (Decision::Deny, _) => false,
        (_, Decision::Deny) => true,
        // An approval grants what the allowance grants, and asks a person besides.
        (Decision::Allow, Decision::RequireApproval) => {
            let conflict = rule.unanimous && rule.id.document == other.id.document;
            !conflict && rule.agent.is_none() && other.agent.is_none() && (other.beyond || !rule.beyond)
        }
        (_, _) => false,
    }
}

fn shadowed(findings: &mut Findings<'_>, rule: &Speaks<'_>, other: &Speaks<'_>, ground: &Ground) {
    let place = &other.id.place;
    let at = format!("{}, line {}", place.file, place.line);
    let source = other.id.source();
    // Where the rule would deny by an error, the other one has to deny as well, or it does have an effect.
    let spared = match other.decision {
        Decision::Deny => other.silent.clone(),
        _ => other.silent.clone().or(other.holds.clone()),
    };
    let wholly = rule.fails.and(&spared, &ground.effort).is_never();
    if rule.permits {
        let message = format!("what `{}` allows, `{source}` always denies", rule.id.source());
        let help = format!("change either; the denial is in {at}");
        findings.at(&rule.id.place, "always_denied", message, help);
    } else if wholly {
        let message = format!(
            "`{}` has no effect: wherever it applies, `{source}` is stricter",
            rule.id.source()
        );
        let help = format!("narrow the other one, in {at}, or remove this one");
        findings.at(&rule.id.place, "shadowed", message, help);
    }
}

/// The kinds of constraints of which two rules leave nothing.
fn apart(findings: &Findings<'_>, rule: &Speaks<'_>, other: &Speaks<'_>) -> Vec<&'static str> {
    let (Some(own), Some(theirs)) = (rule.constraints, other.constraints) else {
        return Vec::new();
    };
    let organization = findings.snapshot.organization.as_ref();
    match organization.and_then(|it| it.currency()) {
        Some(currency) => own.clone().merge(theirs, currency),
        // An amount that names no currency is in that of the ledger, which the documents do not know. So only what holds
        // whichever of those that are named it is, and if it is another one.
        None => {
            let mut found = own.clone().merge(theirs, "XXX");
            for currency in currencies(own).into_iter().chain(currencies(theirs)) {
                let there = own.clone().merge(theirs, &currency);
                found.retain(|kind| there.contains(kind));
            }
            found
        }
    }
}

/// The currencies that constraints name.
fn currencies(constraints: &Constraints) -> Vec<String> {
    let named = |(_, value): (_, ConstraintValue)| match value {
        ConstraintValue::List(items) => items,
        ConstraintValue::Text(text) => text
            .split_once(' ')
            .map(|(_, unit)| unit.to_owned())
            .into_iter()
            .collect(),
        ConstraintValue::Flag(_) => Vec::new(),
    };
    constraints.values().into_iter().flat_map(named).collect()
}

/// What a mandate allows outside of its own bounds.
fn outside(findings: &mut Findings<'_>, mandate: &Mandate, rule: &Speaks<'_>, ground: &Ground) {
    if let Some(environments) = &mandate.environments {
        let env = Cases::of(
            &part(Root::Env, &[]),
            Region::text_of(environments.iter().cloned(), true),
        );
        if rule.holds.and(&env, &ground.effort).within(&ground.world).is_never() {
            let message = format!("`{}` holds in none of the mandate's environments", rule.id.source());
            let help = "add the environment to `environments:`, or mend the condition".to_owned();
            findings.at(&rule.id.place, "always_denied", message, help);
        }
    }
    let permission = mandate
        .permissions
        .iter()
        .find(|permission| std::ptr::eq(&permission.id, rule.id));
    let tool = permission.and_then(|permission| permission.tool.as_ref()?.exact());
    let Some(tool) = tool.and_then(|tool| findings.snapshot.tools.get(tool)) else {
        return;
    };
    let name = |rank: usize| TIERS.get(rank).copied().unwrap_or_default();
    let lacks = match (tool.tier, mandate.tier, tool.clearance) {
        (Some(wanted), Some(has), _) if has < wanted => {
            format!("tier `{}`, and the agent has `{}`", name(wanted), name(has))
        }
        (_, _, Some(wanted)) if mandate.clearance.unwrap_or(0) < wanted => {
            format!(
                "clearance {wanted}, and the agent has {}",
                mandate.clearance.unwrap_or(0)
            )
        }
        _ => return,
    };
    let message = format!("the tool `{}` needs {lacks}: it is always denied", tool.name);
    let help = "raise what the agent has, or remove the permission".to_owned();
    findings.at(&rule.id.place, "always_denied", message, help);
}
