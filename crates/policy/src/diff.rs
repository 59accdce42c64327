//! What is different between two snapshots, in sentences that a reviewer reads: by document, rule and field.
//!
//! The documents are held against each other as they are written, so nothing that a document says is left out: what has no
//! words of its own is told by its field, with what it was and what it is.

mod pair;
mod shown;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::pair::Paired;
use crate::snapshot::Snapshot;
use crate::yaml::{self, Node, Source};

/// What part of a policy a difference is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What one agent may do.
    Mandate,
    /// Rules that cut across agents.
    Gate,
    /// The tool catalogue.
    Tools,
    /// Who decides, routes, schedules, strict rules.
    Organization,
    /// What may be spent.
    Budgets,
    /// How often something may be done.
    Limits,
    /// Agents that want opposite things.
    Disagreements,
    /// What results may let out.
    Outputs,
    /// What currencies are worth.
    Rates,
    /// Example actions.
    Tests,
}

/// Which way a difference goes, where its words alone tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is granted, or fewer are asked.
    Looser,
    /// Less is granted, or more are asked.
    Stricter,
    /// It depends on the action.
    Depends,
}

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Where.
    pub part: Part,
    /// `agent:` or `name:` of the document, or the name of the budget, limit, tool, route.
    pub document: String,
    /// Which way it goes.
    pub direction: Direction,
    /// What is different, in a sentence.
    pub sentence: String,
    /// `document#rule` by which reasons name it before; empty where it is new.
    pub before: String,
    /// The same after; empty where it is gone.
    pub after: String,
    /// It may change what is decided beside the documents' own answer, at which a simulation does not look: budgets, limits,
    /// strict rules of the organization, who is reached by a name.
    pub outside: bool,
}

/// What is different in `after`, in the order of parts, documents and rules.
pub fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let (old, new) = (Written::of(before), Written::of(after));
    let mut found = Vec::new();
    for (subject, paired) in join(&old.mandates, &new.mandates) {
        words::mandate(subject, paired, &mut found);
    }
    for (subject, paired) in join(&old.gates, &new.gates) {
        words::gate(subject, paired, &mut found);
    }
    for (part, old, new) in [
        (Part::Tools, &old.tools, &new.tools),
        (Part::Organization, &old.organization, &new.organization),
        (Part::Budgets, &old.budgets, &new.budgets),
        (Part::Limits, &old.limits, &new.limits),
        (Part::Disagreements, &old.disagreements, &new.disagreements),
        (Part::Outputs, &old.outputs, &new.outputs),
        (Part::Rates, &old.rates, &new.rates),
        (Part::Tests, &old.tests, &new.tests),
    ] {
        for (subject, paired) in join(old, new) {
            words::entry(part, subject, paired, &mut found);
        }
    }
    found
}

/// The documents of a snapshot as they are written, by what they are about.
#[derive(Default)]
struct Written {
    mandates: BTreeMap<String, Node>,
    gates: BTreeMap<String, Node>,
    tools: BTreeMap<String, Node>,
    organization: BTreeMap<String, Node>,
    budgets: BTreeMap<String, Node>,
    limits: BTreeMap<String, Node>,
    disagreements: BTreeMap<String, Node>,
    outputs: BTreeMap<String, Node>,
    rates: BTreeMap<String, Node>,
    tests: BTreeMap<String, Node>,
}

impl Written {
    fn of(snapshot: &Snapshot) -> Written {
        let mut written = Written::default();
        for (name, bytes) in snapshot.files() {
            // A snapshot was loaded from them, so they can be read.
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            if let Ok(root) = yaml::parse(&Source::new(name, text)) {
                written.take(root);
            }
        }
        written
    }

    fn take(&mut self, root: Node) {
        let text = |name: &str| root.member(name).and_then(Node::text).map(str::to_owned);
        if let Some(agent) = text("agent") {
            self.mandates.insert(agent, root);
        } else if root.member("organization").is_some() {
            for (key, value) in root.members() {
                self.organization.insert(key.to_owned(), value.clone());
            }
        } else if let Some(tools) = root.member("tools") {
            self.tools
                .extend(tools.members().map(|(name, tool)| (name.to_owned(), tool.clone())));
        } else if let Some(list) = root.member("tests") {
            named(list, &mut self.tests);
        } else if let Some(list) = root.member("budgets") {
            named(list, &mut self.budgets);
        } else if let Some(list) = root.member("limits") {
            named(list, &mut self.limits);
        } else if let Some(list) = root.member("disagreements") {
            named(list, &mut self.disagreements);
        } else if let Some(list) = root.member("outputs") {
            named(list, &mut self.outputs);
        } else if let Some(rates) = root.member("rates") {
            self.rates
                .extend(rates.members().map(|(name, rate)| (name.to_owned(), rate.clone())));
        } else if let Some(name) = text("name") {
            self.gates.insert(name, root);
        }
    }
}

/// The items of a list; what is no list is a list of itself.
fn items(node: &Node) -> &[Node] {
    node.items().unwrap_or(std::slice::from_ref(node))
}

/// The items of a list by their `name`, or by their place where they have none.
fn named(list: &Node, into: &mut BTreeMap<String, Node>) {
    for item in items(list) {
        let name = item.member("name").and_then(Node::text);
        let name = name.map_or_else(|| format!("[{}]", into.len()), str::to_owned);
        into.insert(name, item.clone());
    }
}

/// What stands under each name on either side.
fn join<'n>(
    old: &'n BTreeMap<String, Node>,
    new: &'n BTreeMap<String, Node>,
) -> impl Iterator<Item = (&'n str, Paired<'n>)> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| {
        let paired = Paired::of(old.get(name), new.get(name))?;
        (!paired.same()).then_some((name.as_str(), paired))
    })
}
