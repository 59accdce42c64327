//! What a reviewer may narrow: pointers to places of an action.

use std::collections::BTreeSet;

use super::field::{Fields, Reader};
use crate::yaml::Node;

/// How many places one rule or route may name.
const MOST: usize = 32;

/// What a route says of edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Places of the action that whoever decides may narrow: JSON pointers, sorted.
    pub pointers: Vec<String>,
    /// An edited action takes somebody else's approval as well; left out: where the tool's risk is `R3` or `R4`.
    pub requires_second: Option<bool>,
    /// Votes for an action stand for what a reviewer narrowed it to.
    pub keeps_votes: bool,
}

impl Edits {
    /// Reads `editable`, `edit_requires_second` and `edit_keeps_votes`.
    pub(crate) fn read(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Edits> {
        let pointers = match fields.get("editable") {
            Some(node) => read(reader, node),
            None => Some(Vec::new()),
        };
        let mut switch = |name| match fields.get(name) {
            Some(node) => reader.bool(node).map(Some),
            None => Some(None),
        };
        let (second, keeps) = (switch("edit_requires_second"), switch("edit_keeps_votes"));
        Some(Edits {
            pointers: pointers?,
            requires_second: second?,
            keeps_votes: keeps?.unwrap_or(false),
        })
    }
}

/// Reads `editable:`, a list of pointers to the amount and to arguments; sorted, without duplicates.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let items = reader.list_or_one(node)?;
    if !(1..=MOST).contains(&items.len()) {
        let message = format!("`editable` names from 1 to {MOST} places");
        let help = "name some, such as `/amount`, or leave it out: then nothing is edited";
        reader.error("empty", node.span.clone(), message, help);
    }
    let mut pointers = BTreeSet::new();
    for item in items {
        let text = reader.text(item)?;
        if !points_at_what_may_shrink(&text) {
            let message = format!("`{}` is no place that a reviewer may narrow", text.escape_debug());
            let help = "write `/amount`, or a place below the arguments, such as `/args/limit`";
            reader.error("invalid_pointer", item.span.clone(), message, help);
        }
        pointers.insert(text);
    }
    Some(pointers.into_iter().collect())
}

/// `/amount`, or `/args/…` as RFC 6901 has it.
fn points_at_what_may_shrink(text: &str) -> bool {
    let escaped = |part: &str| {
        let mut rest = part.split('~').skip(1);
        rest.all(|after| after.starts_with('0') || after.starts_with('1'))
    };
    let within = text.strip_prefix("/args/");
    text == "/amount" || within.is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && escaped(part)))
}
