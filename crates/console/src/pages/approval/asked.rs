//! What is asked, in a few words each, and what the agent says for itself.

use countersign_api::ApprovalAnswer;
use serde_json::Value;

use super::{Fact, fact};
use crate::api::Slashed;
use crate::messages;
use crate::pages::runs;
use crate::said::{Html, said, value};
use crate::visit::Visit;

/// What it is about, in a few words each.
pub(super) fn facts(visit: &Visit, answer: &ApprovalAnswer) -> Vec<Fact> {
    let text = |name: &str| answer.stored.get(name).and_then(Value::as_str);
    let mut facts = vec![fact("Agent", agent(visit, &answer.action.agent))];
    for (member, words) in messages::GONE {
        if answer.stored.get(member).is_some() {
            facts.push(fact("What it was", said(words)));
        }
    }
    if let Some(amount) = text("amount") {
        let amount = format!("{amount} {}", text("currency").unwrap_or_default());
        facts.push(fact("Amount", said(amount.trim())));
    }
    if let Some(resource) = answer.stored.get("resource") {
        facts.push(fact("Target", value(resource)));
    }
    for (name, member) in [
        ("Environment", "env"),
        ("Access", "access"),
        ("Expected to cost", "estimated_cost"),
        ("For", "principal"),
    ] {
        if let Some(shown) = answer.stored.get(member).filter(|shown| !shown.is_null()) {
            facts.push(fact(name, value(shown)));
        }
    }
    if let Some(run) = text("run") {
        facts.push(fact("Run", link(visit.may("run"), &runs::href(run), run)));
    }
    for (name, limit) in &answer.action.constraints {
        facts.push(fact(&format!("Only within {name}"), value(limit)));
    }
    facts
}

/// The agent, with the way to what is known of it.
fn agent(visit: &Visit, id: &str) -> Html {
    link(visit.may("agents"), &format!("/agents/{}", Slashed(id)), id)
}

/// A name that others chose, with the way to its page for whoever may see that.
fn link(may: bool, href: &str, name: &str) -> Html {
    let name = said(name);
    if may {
        // An address of ours holds nothing that ends it.
        Html::of_ours(format!("<a href=\"{href}\">{name}</a>"))
    } else {
        name
    }
}

/// What the agent says for itself: the evidence by its parts, and what else it says and nobody runs.
pub(super) fn evidence(answer: &ApprovalAnswer) -> Vec<Fact> {
    let mut facts = match answer.stored.get("evidence") {
        Some(Value::Object(parts)) => parts.iter().map(|(name, part)| fact(name, value(part))).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => vec![fact("evidence", value(other))],
    };
    for (name, member) in [
        ("how sure it is", "confidence"),
        ("sources that disagree", "conflicts"),
        ("model", "model"),
        ("labels", "labels"),
    ] {
        let shown = answer.stored.get(member).filter(|shown| !shown.is_null());
        facts.extend(shown.map(|shown| fact(name, value(shown))));
    }
    facts
}
