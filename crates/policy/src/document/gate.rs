//! Gates: rules that cut across agents.

use std::sync::Arc;

use super::RuleId;
use super::field::{Fields, Reader};
use super::remedy::Alternative;
use super::rule::{Approvers, distinct, rule_id};
use super::selector::{self, Selector};
use crate::condition::Condition;
use crate::constraint::Constraints;
use crate::verdict::Decision;
use crate::yaml::Node;

/// A document with `name:` and `rules:`.
pub(crate) struct Gate {
    pub(crate) id: RuleId,
    /// Alternatives; empty = everything.
    pub(crate) on: Vec<Selector>,
    pub(crate) rules: Vec<Rule>,
    /// Where its rules must not say different things of one action: the place that says so.
    pub(crate) unanimous: Option<RuleId>,
    /// Who answers for it, and is told where they do.
    pub(crate) owner: Option<String>,
}

/// Condition and decision.
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    /// Absent = always.
    pub(crate) condition: Option<Condition>,
    pub(crate) decision: Decision,
    pub(crate) approvers: Approvers,
    pub(crate) constraints: Constraints,
    pub(crate) evidence_required: bool,
    pub(crate) remedy: Option<Alternative>,
    pub(crate) message: Option<String>,
    pub(crate) beyond_mandate: bool,
}

pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Gate> {
    let node = fields.need(reader, "name");
    let name: Option<Arc<str>> = node.and_then(|node| reader.id(node));
    let place = reader.place(node.map_or_else(|| fields.head(), |node| node.span.clone()));
    let on = selector::read_on(reader, &mut fields);
    if let Some(node) = fields.get("description") {
        reader.text(node);
    }
    let document = name.clone().unwrap_or_else(|| Arc::from(""));
    let owner = fields.get("owner").and_then(|node| reader.name(node));
    let unanimous = fields.get("on_conflict").and_then(|node| {
        let denies = reader.word(node, &[("strictest", false), ("deny", true)])?;
        denies.then(|| RuleId {
            document: document.clone(),
            rule: Arc::from("on_conflict"),
            place: reader.place(node.span.clone()),
        })
    });
    let mut rules = Vec::new();
    if let Some(node) = fields.need(reader, "rules") {
        let items = reader.list(node).unwrap_or_default();
        if items.is_empty() {
            reader.error(
                "empty",
                node.span.clone(),
                "the gate has no rules",
                "add one, or remove the file",
            );
        }
        for (index, item) in items.iter().enumerate() {
            rules.extend(rule(reader, &document, item, index));
        }
    }
    fields.finish(reader);
    distinct(reader, rules.iter().map(|rule| &rule.id));
    let id = RuleId {
        document,
        rule: Arc::from("on"),
        place,
    };
    name.map(|_| Gate {
        id,
        on,
        rules,
        unanimous,
        owner,
    })
}

/// A decision in any case, with `-` or `_`.
pub(crate) fn decision(reader: &mut Reader<'_>, node: &Node) -> Option<Decision> {
    let written = node.text().and_then(Decision::written);
    written.or_else(|| reader.word(node, &Decision::ALL.map(|decision| (decision.as_str(), decision))))
}

fn rule(reader: &mut Reader<'_>, document: &Arc<str>, node: &Node, index: usize) -> Option<Rule> {
    let mut fields = reader.fields(node, "a rule")?;
    let id = rule_id(reader, &mut fields, document, "rules", index);
    let condition = fields.get("condition").and_then(|node| reader.condition(node));
    let decision = fields.need(reader, "decision").and_then(|node| decision(reader, node));
    let asks = decision == Some(Decision::RequireApproval);
    // Where the decision itself is wrong, what depends on it is not held against the author as well.
    let approvers = Approvers::read(reader, &mut fields, asks || decision.is_none());
    let constraints = fields.get("constraints");
    let remedy = fields.get("remedy");
    let evidence = fields.get("evidence_required");
    let beyond = fields.get("beyond_mandate");
    let unused = |reader: &mut Reader<'_>, name: &str, node: Option<&Node>, help: &str| {
        if let Some(node) = node {
            let message = format!("`{name}` has no effect with this decision");
            reader.error("no_effect", node.span.clone(), message, help);
        }
    };
    match decision {
        Some(Decision::Deny) => {
            unused(reader, "constraints", constraints, "remove it: nothing is granted");
            unused(reader, "beyond_mandate", beyond, "remove it: a denial always counts");
        }
        Some(Decision::Remediate) => {
            unused(
                reader,
                "constraints",
                constraints,
                "put it into a rule of its own, for the alternative",
            );
            unused(
                reader,
                "beyond_mandate",
                beyond,
                "put it into a rule of its own, for the alternative",
            );
            if remedy.is_none() {
                let help = "say what to change: `remedy: { set: { /args/dry_run: true } }`";
                reader.error("missing_field", fields.head(), "`remediate` needs a `remedy`", help);
            }
        }
        Some(Decision::AllowWithConstraints) if constraints.is_none() => {
            let help = "name the constraints, or write `allow`";
            reader.error("missing_field", fields.head(), "`constraints` is missing", help);
        }
        _ => {}
    }
    if decision.is_some_and(|decision| decision != Decision::Remediate) {
        unused(reader, "remedy", remedy, "write `decision: remediate`, or remove it");
    }
    if decision.is_some() && !asks {
        unused(
            reader,
            "evidence_required",
            evidence,
            "evidence is for reviewers: use it with `require_approval`",
        );
    }
    let constraints = constraints
        .and_then(|node| Constraints::read(reader, node))
        .unwrap_or_default();
    let decision = match decision {
        // An allow that has constraints is what it says.
        Some(Decision::Allow) if !constraints.is_empty() => Some(Decision::AllowWithConstraints),
        decision => decision,
    };
    let remedy = remedy.and_then(|node| Alternative::read(reader, node));
    let evidence_required = evidence.and_then(|node| reader.bool(node)).unwrap_or(false);
    let beyond_mandate = beyond.and_then(|node| reader.bool(node)).unwrap_or(false);
    if let Some(node) = beyond.filter(|_| beyond_mandate) {
        reader.warn(
            "beyond_mandate",
            node.span.clone(),
            "this rule grants what mandates do not",
            "make sure that it selects as little as it can",
        );
    }
    let message = fields.get("message").and_then(|node| reader.text(node));
    fields.finish(reader);
    let (decision, approvers) = (decision?, approvers?);
    Some(Rule {
        id,
        condition,
        decision,
        approvers,
        constraints,
        evidence_required,
        remedy,
        message,
        beyond_mandate,
    })
}
