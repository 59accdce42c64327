//! Disagreements: agents that want opposite things of one subject within a time, and who prevails.
//!
//! `disagreements:` documents list them. An operation is for or against something that is done to a subject; what names the
//! subject is a part of the action, such as `args.order_id`.

use std::sync::Arc;

use super::RuleId;
use super::field::{Fields, Reader};
use super::limit::part;
use super::rule::Approvers;
use super::selector::Pattern;
use crate::action::Action;
use crate::verdict::{Decision, Demand, Reason};
use crate::yaml::Node;

/// Longest time, and shortest, for which an agent's word stands.
const LONGEST: i64 = 366 * 86_400_000_000;
const SHORTEST: i64 = 1_000_000;
/// Parts that name a subject together.
const PARTS: usize = 4;

/// What an operation wants of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That it is done.
    For,
    /// That it is not done.
    Against,
}

/// Who prevails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// Whoever is against it.
    DenyWins,
    /// Whoever stands before the other in the list; between equals, whoever is against it.
    Priority(Vec<Rank>),
    /// The side that so many agents are on, and more than on the other.
    Quorum(u32),
    /// A person decides.
    Escalate,
}

/// A place in the order of priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank(Who);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Team(String),
    Agent(Pattern),
}

impl Rank {
    /// Whether an agent has it.
    pub fn is_of(&self, agent: &str, team: Option<&str>) -> bool {
        match &self.0 {
            Who::Team(name) => team == Some(name),
            Who::Agent(pattern) => pattern.matches(agent),
        }
    }
}

/// One rule about disagreements.
pub struct Disagreement {
    pub(crate) id: RuleId,
    tool: Option<Pattern>,
    subject: Vec<Vec<String>>,
    in_favour: Vec<Pattern>,
    against: Vec<Pattern>,
    within: i64,
    resolve: Resolve,
    pub(crate) approvers: Approvers,
}

impl Disagreement {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.id.rule
    }

    /// What an operation wants, where the rule is about it.
    pub fn side(&self, tool: Option<&str>, operation: &str) -> Option<Side> {
        let of_tool = |of: &Pattern| tool.is_some_and(|tool| of.matches(tool));
        if !self.tool.as_ref().is_none_or(of_tool) {
            return None;
        }
        let among = |list: &[Pattern]| list.iter().any(|pattern| pattern.matches(operation));
        match () {
            () if among(&self.against) => Some(Side::Against),
            () if among(&self.in_favour) => Some(Side::For),
            () => None,
        }
    }

    /// What names the subject of an action, part by part, or the part that the action does not state.
    pub fn subject(&self, action: &Action) -> Result<Vec<String>, String> {
        let value = |path: &Vec<String>| part(action, path).ok_or_else(|| path.join("."));
        self.subject.iter().map(value).collect()
    }

    /// The parts that name the subject, as they are written.
    pub fn parts(&self) -> String {
        let names: Vec<String> = self
            .subject
            .iter()
            .map(|path| format!("`{}`", path.join(".")))
            .collect();
        names.join(", ")
    }

    /// How long an agent's word stands, in microseconds: one at `t` stands until just before `t` + this.
    pub fn within(&self) -> i64 {
        self.within
    }

    /// Who prevails.
    pub fn resolve(&self) -> &Resolve {
        &self.resolve
    }

    /// What it says about an action, as a reason.
    pub fn reason(&self, code: &str, decision: Decision, message: String) -> Reason {
        self.id.reason(code, decision, message)
    }

    /// Who decides, where a person does.
    pub fn demand(&self) -> Demand {
        self.approvers.demand(&self.id)
    }
}

/// Reads `disagreements:`.
pub(crate) fn read(reader: &mut Reader<'_>, mut fields: Fields<'_>) -> Option<Vec<Disagreement>> {
    let node = fields.get("disagreements")?;
    fields.finish(reader);
    let items = reader.list(node)?;
    if items.is_empty() {
        let help = "add one, or remove the file";
        reader.error("empty", node.span.clone(), "no disagreement is listed", help);
    }
    Some(items.iter().filter_map(|item| disagreement(reader, item)).collect())
}

fn disagreement(reader: &mut Reader<'_>, node: &Node) -> Option<Disagreement> {
    let mut fields = reader.fields(node, "a disagreement")?;
    let place = reader.place(fields.head());
    let name = fields.need(reader, "name").and_then(|node| reader.id(node));
    let tool = fields.get("tool").and_then(|node| Pattern::read(reader, node));
    let subject = fields.need(reader, "subject").and_then(|node| subject(reader, node));
    let in_favour = fields.need(reader, "for").and_then(|node| operations(reader, node));
    let against = fields.need(reader, "against");
    let others = against.and_then(|node| operations(reader, node));
    if let (Some(node), Some(first), Some(second)) = (against, &in_favour, &others)
        && let Some(both) = second.iter().find(|pattern| first.contains(pattern))
    {
        let message = format!("`{}` is for and against", both.text());
        reader.error("contradiction", node.span.clone(), message, "list it once");
    }
    let within = fields.need(reader, "within").and_then(|node| within(reader, node));
    let resolve = resolve(reader, &mut fields);
    let asks = resolve == Some(Resolve::Escalate);
    let approvers = Approvers::read(reader, &mut fields, asks);
    fields.finish(reader);
    let id = RuleId {
        document: Arc::from("disagreements"),
        rule: name?,
        place,
    };
    Some(Disagreement {
        id,
        tool,
        subject: subject?,
        in_favour: in_favour?,
        against: others?,
        within: within?,
        resolve: resolve?,
        approvers: approvers?,
    })
}

fn subject(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Vec<String>>> {
    let items = reader.list_or_one(node)?;
    if items.is_empty() || items.len() > PARTS {
        let message = format!("a subject is named by 1 to {PARTS} parts of the action");
        reader.error("invalid_value", node.span.clone(), message, "write `args.order_id`");
    }
    let mut parts = Vec::new();
    for item in items {
        let text = reader.text(item)?;
        let path: Vec<String> = text.split('.').map(str::to_owned).collect();
        let known = matches!(text.as_str(), "resource.type" | "resource.id" | "resource.owner");
        let of_args = path.first().is_some_and(|root| root == "args") && (2..=9).contains(&path.len());
        if !(known || of_args && path.iter().all(|name| !name.is_empty())) {
            let message = format!("`{}` names no subject", text.escape_debug());
            let help = "one of `resource.type`, `resource.id`, `resource.owner`, or `args.NAME`";
            reader.error("unknown_value", item.span.clone(), message, help);
            return None;
        }
        parts.push(path);
    }
    Some(parts)
}

fn operations(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Pattern>> {
    let items = reader.list_or_one(node)?;
    if items.is_empty() {
        let help = "list operations, such as `refund`";
        reader.error("empty", node.span.clone(), "no operation is listed", help);
    }
    items.iter().map(|item| Pattern::read(reader, item)).collect()
}

fn within(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let within = reader.duration(node)?;
    if !(SHORTEST..=LONGEST).contains(&within) {
        let message = "an agent's word stands for a second at least and a year at most";
        let help = "write a span from `1s` to `366d`";
        reader.error("invalid_value", node.span.clone(), message, help);
    }
    Some(within)
}

/// `resolve`, with `order` for priority and `agree` for a quorum.
fn resolve(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Resolve> {
    let words = [
        ("deny_wins", 'd'),
        ("priority", 'p'),
        ("quorum", 'q'),
        ("escalate", 'e'),
    ];
    let word = match fields.get("resolve") {
        Some(node) => reader.word(node, &words)?,
        None => 'd',
    };
    let (order, agree) = (fields.get("order"), fields.get("agree"));
    for (name, node, of) in [("order", order, 'p'), ("agree", agree, 'q')] {
        if let Some(node) = node.filter(|_| word != of) {
            let strategy = if of == 'p' { "priority" } else { "quorum" };
            let message = format!("`{name}` has no effect here");
            let help = format!("write `resolve: {strategy}`, or remove it");
            reader.error("no_effect", node.span.clone(), message, help);
        }
    }
    let missing = |reader: &mut Reader<'_>, fields: &Fields<'_>, message: &str, help: &str| {
        reader.error("missing_field", fields.head(), message, help);
        None
    };
    match (word, order, agree) {
        ('p', None, _) => {
            let help = "add `order: [team:risk, refund-bot]`, the first one first";
            missing(reader, fields, "`resolve: priority` needs an order", help)
        }
        ('p', Some(node), _) => {
            let ranks = reader.list_or_one(node)?.iter().map(|item| rank(reader, item));
            ranks.collect::<Option<Vec<Rank>>>().map(Resolve::Priority)
        }
        ('q', _, None) => {
            let help = "add `agree: 2`";
            missing(reader, fields, "`resolve: quorum` needs how many agents agree", help)
        }
        ('q', _, Some(node)) => reader.whole(node, 2, 100).map(Resolve::Quorum),
        ('e', ..) => Some(Resolve::Escalate),
        _deny_wins => Some(Resolve::DenyWins),
    }
}

fn rank(reader: &mut Reader<'_>, node: &Node) -> Option<Rank> {
    let text = reader.text(node)?;
    Some(Rank(match text.strip_prefix("team:") {
        Some(team) => Who::Team(team.to_owned()),
        None => Who::Agent(Pattern::read(reader, node)?),
    }))
}
