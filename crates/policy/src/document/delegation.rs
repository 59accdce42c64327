//! `delegation:` of a mandate: whom the agent may call, and who may call it.

use std::sync::Arc;

use super::RuleId;
use super::field::Reader;
use super::selector::Pattern;
use crate::yaml::Node;

/// Agents that act for one another, at most.
const DEPTH_AT_MOST: u32 = 8;

/// Whom an agent may call, and who may call it.
pub(crate) struct Delegation {
    pub(crate) id: RuleId,
    may_call: Vec<Pattern>,
    /// `None` = whoever may call it by its own mandate.
    may_be_called_by: Option<Vec<Pattern>>,
    /// How many agents one after the other act for it.
    pub(crate) depth: usize,
    /// It does nothing of its own accord.
    pub(crate) only_called: bool,
}

impl Delegation {
    pub(crate) fn may_call(&self, agent: &str) -> bool {
        self.may_call.iter().any(|pattern| pattern.matches(agent))
    }

    /// Every agent that it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &Pattern> {
        self.may_call.iter().chain(self.may_be_called_by.iter().flatten())
    }

    pub(crate) fn may_be_called_by(&self, agent: &str) -> bool {
        let by = self.may_be_called_by.as_ref();
        by.is_none_or(|by| by.iter().any(|pattern| pattern.matches(agent)))
    }
}

pub(crate) fn read(reader: &mut Reader<'_>, document: &Arc<str>, node: &Node) -> Option<Delegation> {
    let id = RuleId {
        document: Arc::clone(document),
        rule: Arc::from("delegation"),
        place: reader.place(node.span.clone()),
    };
    let mut fields = reader.fields(node, "delegation")?;
    let may_call = fields.get("may_call").map(|node| patterns(reader, node));
    let may_be_called_by = fields.get("may_be_called_by").map(|node| patterns(reader, node));
    let depth = fields.get("depth");
    if let Some(node) = depth.filter(|_| may_call.is_none()) {
        let help = "add `may_call:`, or remove it";
        let message = "`depth` has no effect without `may_call`";
        reader.error("no_effect", node.span.clone(), message, help);
    }
    let depth = depth.and_then(|node| reader.whole(node, 1, DEPTH_AT_MOST)).unwrap_or(1);
    let only_called = fields.get("only_called").and_then(|node| reader.bool(node));
    fields.finish(reader);
    Some(Delegation {
        id,
        may_call: may_call.unwrap_or_default(),
        may_be_called_by,
        depth: usize::try_from(depth).unwrap_or(1),
        only_called: only_called.unwrap_or(false),
    })
}

/// A pattern that cannot be read is reported, and matches nobody.
fn patterns(reader: &mut Reader<'_>, node: &Node) -> Vec<Pattern> {
    let items = reader.list(node).unwrap_or_default();
    items.iter().filter_map(|item| Pattern::read(reader, item)).collect()
}
