//! Parts that permissions and rules share: approvers, and the id of a rule.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::field::{Fields, Reader};
use super::{Place, RuleId, editable};
use crate::verdict::{Demand, Quorum};
use crate::yaml::Node;

/// Who has to approve, as one rule says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Approvers {
    /// Sorted, without duplicates; empty = the default route.
    pub(crate) names: Vec<String>,
    pub(crate) quorum: Quorum,
    pub(crate) places: Vec<(String, Place)>,
    /// Places of the action that whoever decides may narrow.
    pub(crate) editable: Vec<String>,
}

impl Approvers {
    /// What a rule demands of people.
    pub(crate) fn demand(&self, of: &RuleId) -> Demand {
        Demand {
            editable: self.editable.clone(),
            names: self.names.clone(),
            quorum: self.quorum,
            source: of.source(),
        }
    }

    /// Nobody in particular.
    pub(crate) fn default_route() -> Self {
        Approvers {
            names: Vec::new(),
            quorum: Quorum::Any(1),
            places: Vec::new(),
            editable: Vec::new(),
        }
    }

    /// Reads `approvers`, `require`, `quorum` and `editable`; `wanted` is whether the rule ever asks anybody.
    pub(crate) fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>, wanted: bool) -> Option<Approvers> {
        let nodes = (fields.get("approvers"), fields.get("require"), fields.get("quorum"));
        let edits = fields.get("editable");
        for (name, node) in [
            ("approvers", nodes.0),
            ("require", nodes.1),
            ("quorum", nodes.2),
            ("editable", edits),
        ] {
            if let Some(node) = node.filter(|_| !wanted) {
                let message = format!("`{name}` has no effect here: nothing asks for an approval");
                reader.error(
                    "no_effect",
                    node.span.clone(),
                    message,
                    "ask for an approval, or remove it",
                );
            }
        }
        let mut approvers = Approvers::default_route();
        if let Some(node) = nodes.0 {
            let items: &[Node] = reader.list_or_one(node)?;
            for item in items {
                let name = reader.name(item)?;
                approvers.places.push((name, reader.place(item.span.clone())));
            }
            if items.is_empty() {
                reader.error(
                    "empty",
                    node.span.clone(),
                    "nobody is named",
                    "name somebody, or remove the field",
                );
            }
        }
        let names: BTreeSet<String> = approvers.places.iter().map(|(name, _)| name.clone()).collect();
        approvers.names = names.into_iter().collect();
        if let Some(node) = nodes.1 {
            let all = reader.word(node, &[("all", true), ("any", false)])?;
            if all {
                approvers.quorum = Quorum::All;
            }
            if all && nodes.2.is_some() {
                let help = "keep one of them: `quorum` is how many out of all names, `all` is one of each";
                reader.error(
                    "contradiction",
                    node.span.clone(),
                    "`require: all` and `quorum` exclude each other",
                    help,
                );
            }
            if all && approvers.names.is_empty() {
                let message = "`require: all` needs names";
                reader.error("missing_field", node.span.clone(), message, "add `approvers:`");
            }
        }
        if let Some(node) = nodes.2 {
            approvers.quorum = Quorum::Any(reader.count(node)?);
        }
        if let Some(node) = edits {
            approvers.editable = editable::read(reader, node)?;
        }
        Some(approvers)
    }
}

/// The id of the rule at `index` of a list called `list`, or its own `name`.
pub(crate) fn rule_id(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    document: &Arc<str>,
    list: &str,
    index: usize,
) -> RuleId {
    let place = reader.place(fields.head());
    let named = fields.get("name").and_then(|node| reader.id(node));
    let rule = named.unwrap_or_else(|| Arc::from(format!("{list}[{index}]")));
    RuleId {
        document: Arc::clone(document),
        rule,
        place,
    }
}

/// Two rules of one document must not have one name.
pub(crate) fn distinct<'r>(reader: &mut Reader<'_>, ids: impl Iterator<Item = &'r RuleId>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(&id.rule) {
            let message = format!("two rules are called `{}`", id.rule);
            reader.error("duplicate_name", id.place.span.clone(), message, "rename one of them");
        }
    }
}
