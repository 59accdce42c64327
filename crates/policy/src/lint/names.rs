//! Names that nothing has, and bounds that nobody can tell the currency of.

use std::collections::BTreeSet;

use super::Findings;
use crate::condition::closest;
use crate::condition::mentions::{Against, Mention};
use crate::document::RuleId;
use crate::document::selector::Pattern;
use crate::facts::Root;

pub(super) fn look(findings: &mut Findings<'_>) {
    tools(findings);
    agents(findings);
    teams(findings);
    in_conditions(findings);
    currency(findings);
}

fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>, otherwise: &str) -> String {
    match closest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}

/// Tools that rules name and the catalogue does not list, where there is one.
fn tools(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    if snapshot.tools.is_empty() {
        return;
    }
    let permissions = snapshot.mandates.values().flat_map(|mandate| &mandate.permissions);
    let gates = snapshot
        .gates
        .iter()
        .flat_map(|gate| gate.on.iter().map(|on| (on.tool.as_ref(), &gate.id)));
    let outputs = (snapshot.outputs.iter()).flat_map(|rule| rule.on.iter().map(|on| (on.tool.as_ref(), &rule.id)));
    let budgets = snapshot.budgets.iter().map(|budget| (budget.which.tool(), &budget.id));
    let limits = snapshot.limits.iter().map(|limit| (limit.which.tool(), &limit.id));
    let named = permissions
        .filter(|permission| permission.allowed)
        .map(|permission| (permission.tool.as_ref(), &permission.id))
        .chain(gates)
        .chain(outputs)
        .chain(budgets)
        .chain(limits);
    for (pattern, id) in named {
        let Some(pattern) = pattern else { continue };
        // An agent that is called is a tool that no catalogue lists.
        if pattern.text().starts_with("agent/") || snapshot.tools.keys().any(|tool| pattern.matches(tool)) {
            continue;
        }
        let known = snapshot.tools.keys().map(String::as_str);
        unknown(
            findings,
            "unknown_tool",
            pattern,
            id,
            "no tool of the catalogue is called",
            known,
            "add it to `tools:`",
        );
    }
}

fn unknown<'n>(
    findings: &mut Findings<'_>,
    code: &'static str,
    pattern: &Pattern,
    id: &RuleId,
    what: &str,
    known: impl Iterator<Item = &'n str>,
    otherwise: &str,
) {
    let name = pattern.text();
    let message = format!("{what} `{name}`");
    let help = did_you_mean(&name, known, otherwise);
    findings.about(&id.place, &name, code, message, help);
}

/// Agents without a mandate, where only mandates grant; elsewhere those that look like a slip of the pen.
fn agents(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    let strict = snapshot.organization.as_ref().is_some_and(|it| it.requires_mandate());
    let of_gates = snapshot
        .gates
        .iter()
        .flat_map(|gate| gate.on.iter().map(|on| (on.agent.as_ref(), &gate.id)));
    let outputs = (snapshot.outputs.iter()).flat_map(|rule| rule.on.iter().map(|on| (on.agent.as_ref(), &rule.id)));
    let of_gates = of_gates.chain(outputs);
    let budgets = snapshot
        .budgets
        .iter()
        .map(|budget| (budget.which.agent_pattern(), &budget.id));
    let limits = snapshot
        .limits
        .iter()
        .map(|limit| (limit.which.agent_pattern(), &limit.id));
    let called = snapshot
        .mandates
        .values()
        .filter_map(|mandate| mandate.delegation.as_ref());
    let called = called.flat_map(|delegation| delegation.named().map(|pattern| (Some(pattern), &delegation.id)));
    for (pattern, id) in of_gates.chain(budgets).chain(limits).chain(called) {
        let Some(pattern) = pattern else { continue };
        if snapshot.mandates.keys().any(|agent| pattern.matches(agent)) {
            continue;
        }
        let known = || snapshot.mandates.keys().map(String::as_str);
        if strict || closest(&pattern.text(), known()).is_some() {
            unknown(
                findings,
                "unknown_agent",
                pattern,
                id,
                "no mandate is for",
                known(),
                "add a mandate for it",
            );
        }
    }
}

/// Teams that own or are named, where the organization lists its teams.
fn teams(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    let Some(organization) = &snapshot.organization else {
        return;
    };
    let known: BTreeSet<&str> = (organization.names.iter())
        .filter(|(_, kind)| **kind == "teams")
        .map(|(name, _)| name.as_str())
        .collect();
    if known.is_empty() {
        return;
    }
    let owners = snapshot.mandates.values().filter_map(|mandate| {
        let team = mandate.owner()?.strip_prefix("team:")?;
        Some((team, format!("team:{team}"), &mandate.id))
    });
    let budgets = snapshot
        .budgets
        .iter()
        .filter_map(|budget| budget.which.team().map(|team| (team, team.to_owned(), &budget.id)));
    let limits = snapshot
        .limits
        .iter()
        .filter_map(|limit| limit.which.team().map(|team| (team, team.to_owned(), &limit.id)));
    for (team, words, id) in owners
        .chain(budgets)
        .chain(limits)
        .filter(|(team, ..)| !known.contains(team))
    {
        let message = format!("the organization has no team `{team}`");
        let help = did_you_mean(team, known.iter().copied(), "add it to the organization's `teams:`");
        findings.about(&id.place, &words, "unknown_team", message, help);
    }
}

/// Classes, tools, teams and agents that conditions compare with and nobody has.
fn in_conditions(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    let tools = || {
        snapshot
            .tools
            .values()
            .flat_map(|tool| [Some(tool), tool.tainted.as_deref()])
            .flatten()
    };
    let classes: BTreeSet<&str> = tools().filter_map(|tool| tool.class.as_deref()).collect();
    let names: BTreeSet<&str> = snapshot.tools.keys().map(String::as_str).collect();
    let teams: BTreeSet<&str> = (snapshot.organization.iter().flat_map(|it| &it.names))
        .filter(|(_, kind)| **kind == "teams")
        .map(|(name, _)| name.as_str())
        .collect();
    let agents: BTreeSet<&str> = snapshot.mandates.keys().map(String::as_str).collect();
    for (condition, place) in snapshot.conditions() {
        for Mention { root, keys, against } in condition.mentions() {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let (code, what, known) = match (root, keys.as_slice()) {
                (Root::Tool, ["class"]) => ("unknown_class", "no tool of the catalogue is of class", &classes),
                (Root::Tool, ["id"]) if !names.is_empty() => {
                    ("unknown_tool", "no tool of the catalogue is called", &names)
                }
                (Root::Agent, ["team"]) if !teams.is_empty() => {
                    ("unknown_team", "the organization has no team", &teams)
                }
                (Root::Agent, ["id"]) => ("unknown_agent", "no mandate is for", &agents),
                _ => continue,
            };
            let Against::Values(values) = against else { continue };
            for word in values
                .iter()
                .filter_map(|value| value.as_str())
                .filter(|word| !known.contains(word))
            {
                let near = closest(word, known.iter().copied());
                if code == "unknown_agent" && near.is_none() {
                    continue;
                }
                let help = did_you_mean(word, near.into_iter(), "mend the name, or define it");
                findings.about_within(place, condition.source(), word, code, format!("{what} `{word}`"), help);
            }
        }
    }
}

/// Bounds without a currency, in an organization that does not say which is its own.
fn currency(findings: &mut Findings<'_>) {
    let snapshot = findings.snapshot;
    if snapshot.organization.as_ref().is_some_and(|it| it.currency().is_some()) {
        return;
    }
    for permission in snapshot.mandates.values().flat_map(|mandate| &mandate.permissions) {
        let bare = permission.max_amount.as_ref().filter(|bound| bound.currency.is_none());
        let Some(bound) = bare else { continue };
        let message = format!("`max_amount: {bound}` is in no currency that the documents name");
        let help = format!("write `{bound} EUR`, or add `currency:` to the organization's document");
        findings.about(&permission.id.place, "max_amount", "no_currency", message, help);
    }
}
