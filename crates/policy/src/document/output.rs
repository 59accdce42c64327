//! Output rules: what the result of a tool may let out.
//!
//! `outputs:` documents list them. A rule is about actions, as a gate's are; what it finds in the result of one is reported,
//! replaced in its place, or keeps the whole result back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RuleId;
use super::field::{Fields, Reader};
use super::mandate_audit::REDACT_KINDS;
use super::selector::{self, Selector};
use crate::condition::{Condition, closest};
use crate::output::{Handled, MostBytes, Outputs, Treatment, Withheld};
use crate::yaml::Node;

/// Longest result that `max_bytes` may name, and shortest.
const LONGEST: u32 = 1 << 30;

/// One output rule.
pub(crate) struct OutputRule {
    pub(crate) id: RuleId,
    /// Alternatives; empty = everything.
    pub(crate) on: Vec<Selector>,
    /// Absent = always.
    pub(crate) condition: Option<Condition>,
    /// What it asks for of a result.
    pub(crate) asks: Outputs,
}

/// What is to be done about results, as it is written.
pub(crate) struct Stated {
    kinds: BTreeMap<String, Treatment>,
    all: bool,
    max_bytes: Option<u32>,
}

impl Stated {
    /// Reads `flag`, `redact`, `withhold` and `max_bytes`.
    pub(crate) fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Stated {
        let withhold = fields.get("withhold");
        let all = withhold.is_some_and(|node| node.text() == Some("all"));
        let mut kinds: BTreeMap<String, Treatment> = BTreeMap::new();
        let lists = [
            (fields.get("flag"), Treatment::Flag),
            (fields.get("redact"), Treatment::Redact),
            (withhold.filter(|_| !all), Treatment::Withhold),
        ];
        for (node, treatment) in lists {
            let Some(node) = node else { continue };
            for kind in kinds_of(reader, node).unwrap_or_default() {
                if kinds.insert(kind.clone(), treatment).is_some() {
                    let message = format!("`{kind}` is listed twice");
                    reader.error("contradiction", node.span.clone(), message, "list it once");
                }
            }
        }
        let max_bytes = fields.get("max_bytes").and_then(|node| reader.whole(node, 1, LONGEST));
        Stated { kinds, all, max_bytes }
    }

    /// The same as what a rule asks for.
    pub(crate) fn outputs(&self, rule: &str) -> Outputs {
        let handled = |(kind, treatment): (&String, &Treatment)| {
            let handled = Handled {
                rule: rule.to_owned(),
                treatment: *treatment,
            };
            (kind.clone(), handled)
        };
        Outputs {
            kinds: self.kinds.iter().map(handled).collect(),
            max_bytes: self.max_bytes.map(|bytes| MostBytes {
                bytes,
                rule: rule.to_owned(),
            }),
            withheld: self.all.then(|| Withheld {
                rule: rule.to_owned(),
                why: "whatever it is".to_owned(),
            }),
        }
    }
}

/// Reads `outputs:`.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<OutputRule>> {
    let node = fields.get("outputs")?;
    fields.finish(reader);
    let items = reader.list(node)?;
    if items.is_empty() {
        let help = "add one, or remove the file";
        reader.error("empty", node.span.clone(), "no output rule is listed", help);
    }
    Some(items.iter().filter_map(|item| rule(reader, item)).collect())
}

fn rule(reader: &mut Reader<'_>, node: &Node) -> Option<OutputRule> {
    let mut fields = reader.fields(node, "an output rule")?;
    let place = reader.place(fields.head());
    let name = fields.need(reader, "name").and_then(|node| reader.id(node));
    let on = selector::read_on(reader, &mut fields);
    let condition = fields.get("condition").and_then(|node| reader.condition(node));
    let stated = Stated::read(reader, &mut fields);
    let says = ["flag", "redact", "withhold", "max_bytes"];
    if !says.iter().any(|name| fields.has(name)) {
        let help = "add `redact: [card]`, `withhold: [api_key]`, `flag: [email]` or `max_bytes: 100000`";
        reader.error("missing_field", fields.head(), "the rule lets everything out", help);
    }
    if stated.all && (!stated.kinds.is_empty() || stated.max_bytes.is_some()) {
        let message = "where all is withheld, nothing is left to look at";
        let help = "write `withhold: all` alone, or name what is withheld";
        reader.error("no_effect", fields.head(), message, help);
    }
    fields.finish(reader);
    let id = RuleId {
        document: Arc::from("outputs"),
        rule: name?,
        place,
    };
    Some(OutputRule {
        asks: stated.outputs(&id.source()),
        id,
        on,
        condition,
    })
}

fn kinds_of(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let items = reader.list_or_one(node)?;
    if items.is_empty() {
        let help = "list kinds, such as `card`";
        reader.error("empty", node.span.clone(), "no kind is listed", help);
    }
    let mut kinds = Vec::new();
    for item in items {
        let Some(kind) = reader.name(item) else { continue };
        if REDACT_KINDS.contains(&kind.as_str()) {
            kinds.push(kind);
            continue;
        }
        let help = match closest(&kind, REDACT_KINDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", REDACT_KINDS.join(", ")),
        };
        let message = format!("nothing that is looked for is called `{}`", kind.escape_debug());
        reader.error("unknown_value", item.span.clone(), message, help);
    }
    Some(kinds)
}
