//! Drills and canaries that are asked without anybody asking for one: `practice:` of the organization's document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::Reader;
use super::schedule::Calendar;
use super::tests::value;
use crate::condition::closest;
use crate::value::Value;
use crate::yaml::Node;

/// One day, microseconds.
const DAY: i64 = 86_400_000_000;
/// The longest time between two of a cadence.
const LONGEST: i64 = 366 * DAY;
/// Most cadences of an organization, and most actions of one.
const MOST: usize = 20;

/// How often a drill or a canary is asked, and of which action. Spans are microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cadence {
    /// Its name.
    pub name: Arc<str>,
    /// Made to be rejected.
    pub canary: bool,
    /// One within each of these spans.
    pub every: i64,
    /// In whose name.
    pub agent: String,
    /// The actions of which one is drawn, as an agent would write them; at least one.
    pub actions: Vec<Value>,
    /// The calendar in whose hours it is asked; at any hour without one.
    pub hours: Option<Arc<str>>,
}

pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    calendars: &BTreeMap<String, Calendar>,
) -> Option<BTreeMap<Arc<str>, Cadence>> {
    let entries = reader.entries(node, "practice")?;
    if entries.len() > MOST {
        let message = format!("an organization has {MOST} cadences at most");
        let help = "let one draw from several `actions`";
        reader.error("too_large", node.span.clone(), message, help);
        return None;
    }
    let mut cadences = BTreeMap::new();
    for (key, node) in entries {
        if let Some(name) = reader.id(key) {
            cadences.extend(cadence(reader, &name, node, calendars).map(|cadence| (name, cadence)));
        }
    }
    Some(cadences)
}

fn cadence(
    reader: &mut Reader<'_>,
    name: &Arc<str>,
    node: &Node,
    calendars: &BTreeMap<String, Calendar>,
) -> Option<Cadence> {
    let mut fields = reader.fields(node, "how often something is practised")?;
    let kind = fields.need(reader, "kind");
    let canary = kind.and_then(|node| reader.word(node, &[("canary", true), ("drill", false)]));
    let every = fields.need(reader, "every").and_then(|node| span(reader, node));
    let agent = fields.need(reader, "agent").and_then(|node| reader.name(node));
    let actions = fields.need(reader, "actions").and_then(|node| actions(reader, node));
    let hours = match fields.get("hours") {
        Some(node) => Some(hours(reader, node, calendars)?),
        None => None,
    };
    fields.finish(reader);
    Some(Cadence {
        name: Arc::clone(name),
        canary: canary?,
        every: every?,
        agent: agent?,
        actions: actions?,
        hours,
    })
}

fn span(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let span = reader.duration(node)?;
    if !(DAY..=LONGEST).contains(&span) {
        let message = "one is asked every 1 to 366 days";
        reader.error("invalid_value", node.span.clone(), message, "write it as in `30d`");
        return None;
    }
    Some(span)
}

fn actions(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Value>> {
    let items = reader.list(node)?;
    if !(1..=MOST).contains(&items.len()) {
        let message = format!("an action is drawn from 1 to {MOST}");
        let help = "add `- { action: refund, amount: \"42\", currency: USD }`";
        reader.error("empty", node.span.clone(), message, help);
        return None;
    }
    let mut actions = Vec::new();
    for item in items {
        reader.fields(item, "an action")?;
        actions.push(value(reader, item)?);
    }
    Some(actions)
}

fn hours(reader: &mut Reader<'_>, node: &Node, calendars: &BTreeMap<String, Calendar>) -> Option<Arc<str>> {
    let name = reader.name(node)?;
    if calendars.contains_key(&name) {
        return Some(Arc::from(name));
    }
    let help = match closest(&name, calendars.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add it to `calendars:`".to_owned(),
    };
    let message = format!("no document defines the calendar `{name}`");
    reader.error("unknown_name", node.span.clone(), message, help);
    None
}
