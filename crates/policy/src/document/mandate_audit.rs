//! The `audit:` block of a mandate: retention, redaction, alerts. That everything is recorded is not up to it.

use std::collections::BTreeSet;

use super::Place;
use super::field::Reader;
use crate::condition::closest;
use crate::yaml::{Kind, Node};

/// Events of the ledger that `alert_on` may name: those that are about an agent.
pub const EVENTS: [&str; 16] = [
    "agent.registered",
    "agent.sighted",
    "approval.answered",
    "approval.opened",
    "approval.overdue",
    "approval.resolved",
    "approval.revised",
    "approval.voted",
    "callback.attempted",
    "callback.due",
    "credential.released",
    "decision.made",
    "outcome.reported",
    "permit.redeemed",
    "permit.refused",
    "refusals.repeated",
];

/// Kinds of data that `redact` may name.
pub const REDACT_KINDS: [&str; 8] = ["api_key", "card", "email", "iban", "jwt", "phone", "private_key", "ssn"];

/// What a mandate says about records of its agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Such as `90_days`.
    pub(crate) retention: Option<String>,
    /// Where that stands.
    pub(crate) retention_place: Option<Place>,
    /// Kinds, sorted.
    pub(crate) redact: Vec<String>,
    /// Verbs whose denied attempts raise an alert, sorted, without `_attempt`.
    pub(crate) attempts: Vec<String>,
    /// Events of the ledger that raise one, sorted.
    pub(crate) events: Vec<String>,
}

impl Audit {
    /// The alert that a denial of `action` sets off: the action's first word is one of the verbs.
    pub(crate) fn attempt(&self, action: &str) -> Option<String> {
        let verb = action.split(['_', '-', '.', ':', '/']).next().unwrap_or_default();
        self.attempts
            .iter()
            .any(|known| known == verb)
            .then(|| format!("{verb}_attempt"))
    }
}

/// Reads a map, or a list of maps, which is how the published documents write it.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Audit {
    let parts = match &node.kind {
        Kind::Map(_) => std::slice::from_ref(node),
        _ => reader.list(node).unwrap_or_default(),
    };
    let mut audit = Audit::default();
    let mut seen = BTreeSet::new();
    for part in parts {
        let Some(mut fields) = reader.fields(part, "a part of audit") else {
            continue;
        };
        for name in ["log_all_actions", "retention", "redact", "alert_on"] {
            if fields.has(name) && !seen.insert(name) {
                let message = format!("`{name}` occurs twice");
                reader.error("duplicate_key", fields.head(), message, "keep one of them");
            }
        }
        if let Some(node) = fields.get("log_all_actions")
            && reader.bool(node) == Some(false)
        {
            let help = "remove it: every action is recorded";
            reader.error("audit_off", node.span.clone(), "the audit cannot be switched off", help);
        }
        if let Some(node) = fields.get("retention") {
            audit.retention = retention(reader, node);
            audit.retention_place = Some(reader.place(node.span.clone()));
        }
        if let Some(node) = fields.get("redact") {
            audit.redact = redact(reader, node);
        }
        if let Some(node) = fields.get("alert_on") {
            alerts(reader, node, &mut audit);
        }
        fields.finish(reader);
    }
    audit
}

/// A time to keep payloads, as text.
pub(super) fn retention(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.name(node)?;
    let ok = super::compliance::retention_days(&text).is_some();
    if !ok {
        let message = format!("`{}` is not a time to keep records", text.escape_debug());
        reader.error(
            "invalid_value",
            node.span.clone(),
            message,
            "write it as `90_days`, `12_months` or `7_years`",
        );
    }
    ok.then_some(text)
}

fn redact(reader: &mut Reader<'_>, node: &Node) -> Vec<String> {
    let names: BTreeSet<String> = reader.names(node).unwrap_or_default().into_iter().collect();
    for name in names.iter().filter(|name| !REDACT_KINDS.contains(&name.as_str())) {
        let help = match closest(name, REDACT_KINDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("kinds are {}", REDACT_KINDS.join(", ")),
        };
        let message = format!("there is no kind of data `{}`", name.escape_debug());
        reader.error("unknown_kind", node.span.clone(), message, help);
    }
    names.into_iter().collect()
}

fn alerts(reader: &mut Reader<'_>, node: &Node, audit: &mut Audit) {
    let mut attempts = BTreeSet::new();
    let mut events = BTreeSet::new();
    for item in reader.list_or_one(node).unwrap_or_default() {
        let Some(text) = reader.text(item) else { continue };
        for name in text.split(',').map(str::trim) {
            if let Some(verb) = name.strip_suffix("_attempt").filter(|verb| is_verb(verb)) {
                attempts.insert(verb.to_owned());
            } else if EVENTS.contains(&name) {
                events.insert(name.to_owned());
            } else {
                let help = match closest(name, EVENTS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write `delete_attempt` for denied actions that begin with `delete`, or an event such as \
                             `outcome.reported`"
                        .to_owned(),
                };
                let message = format!("nothing is called `{}`", name.escape_debug());
                reader.error("unknown_event", item.span.clone(), message, help);
            }
        }
    }
    audit.attempts = attempts.into_iter().collect();
    audit.events = events.into_iter().collect();
}

/// A first word, as actions have one.
fn is_verb(word: &str) -> bool {
    !word.is_empty() && !word.contains(['_', '-', '.', ':', '/', ' '])
}
