//! Policies of others, made into documents: rule lists of Cordum and of the Agent Governance Toolkit, decision tables.
//!
//! Theirs decide by the first rule that matches, ours by the strictest. So each rule gets what the earlier and looser ones did not
//! take, and then both orders lead to the same answer. What cannot be said is left out and listed; where that could let something
//! through which the original stops, it is marked.

use std::collections::BTreeSet;

use crate::verdict::Decision;
use crate::yaml::{self, Node};

mod agt;
mod cordum;
mod emit;
mod table;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A policy document of the Agent Governance Toolkit: `rules:` with `condition: { field, operator, value }`.
    Agt,
    /// A safety policy of Cordum: `rules:` with `match:` and `decision:`.
    Cordum,
    /// A decision table: comma-separated, a row of names, then one row for each rule; the first that matches decides.
    Table,
}

/// What came of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The gate, as YAML; `None` where nothing could be converted.
    pub gate: Option<String>,
    /// What could not be, by line.
    pub left: Vec<Left>,
}

/// Something that could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Line of the original, from 1; 0 where it is about the whole.
    pub line: u32,
    /// Which rule or field.
    pub what: String,
    /// Why not, in one sentence.
    pub why: String,
    /// Without it something may be let through that the original stops or sends to a person.
    pub loosens: bool,
}

impl Imported {
    /// Whether what was converted may let something through that the original does not.
    pub fn loosens(&self) -> bool {
        self.left.iter().any(|left| left.loosens)
    }
}

/// One rule of a list of which the first that matches decides.
pub(crate) struct Row {
    line: u32,
    name: String,
    /// What has to hold, all of it; each part can be evaluated whatever the action says, as far as kinds allow.
    parts: Vec<String>,
    decision: Decision,
    message: Option<String>,
    approvers: Vec<String>,
    constraints: Vec<(&'static str, String)>,
}

/// Converts a text. `name` is what the gate is called.
///
/// # Errors
/// One sentence, if the text is not of that form at all.
pub fn import(kind: Foreign, name: &str, file: &str, text: &str) -> Result<Imported, String> {
    match kind {
        Foreign::Table => table::read(text).map(|read| emit::gate(name, read)),
        Foreign::Agt => document(file, text)
            .and_then(|node| agt::read(&node, text))
            .map(|read| emit::gate(name, read)),
        Foreign::Cordum => document(file, text)
            .and_then(|node| cordum::read(&node, text))
            .map(|read| emit::gate(name, read)),
    }
}

/// What a text seems to be.
pub fn recognized(file: &str, text: &str) -> Option<Foreign> {
    let last = file.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if last == "csv" {
        return Some(Foreign::Table);
    }
    let node = yaml::read(file, text).ok()?;
    let rules = node.member("rules").and_then(Node::items)?;
    let has = |name: &str| rules.iter().any(|rule| rule.member(name).is_some());
    if has("match") {
        Some(Foreign::Cordum)
    } else if has("condition") && rules.iter().any(|rule| rule.member("action").is_some()) {
        Some(Foreign::Agt)
    } else {
        None
    }
}

/// What was read of a list: rows in the order in which they are tried, what becomes of the rest, and what was left out.
pub(crate) struct Read {
    rows: Vec<Row>,
    otherwise: Decision,
    left: Vec<Left>,
}

fn document(file: &str, text: &str) -> Result<Node, String> {
    yaml::read(file, text).map_err(|problem| format!("line {}: {}", problem.line, problem.message))
}

fn keys(node: &Node) -> Vec<&str> {
    node.members().map(|(key, _)| key).collect()
}

/// A list of texts, or one.
fn texts(node: &Node) -> Option<Vec<&str>> {
    match node.items() {
        Some(items) => items.iter().map(Node::text).collect(),
        None => node.text().map(|text| vec![text]),
    }
}

fn line(node: &Node, text: &str) -> u32 {
    let before = text.get(..node.span.start).unwrap_or_default();
    u32::try_from(before.matches('\n').count())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// A text as a literal of a condition.
fn literal(text: &str) -> String {
    let mut quoted = String::from("'");
    for letter in text.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// Names that a condition may have behind a dot.
fn is_plain(name: &str) -> bool {
    let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    name.starts_with(first) && name.chars().all(|letter| first(letter) || letter.is_ascii_digit())
}

/// `root.a.b`, with what is no plain name in brackets.
fn member(root: &str, path: &str) -> String {
    let parts = path.split('.').map(|part| match is_plain(part) {
        true => format!(".{part}"),
        false => format!("[{}]", literal(part)),
    });
    format!("{root}{}", parts.collect::<String>())
}

/// A name as rules have one, made of any text.
fn id(text: &str, taken: &mut BTreeSet<String>) -> String {
    let fine =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '.' | '-');
    let lower = text.trim().to_lowercase();
    let mut name: String = lower
        .chars()
        .map(|letter| if fine(letter) { letter } else { '-' })
        .take(100)
        .collect();
    if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        name.insert(0, 'r');
    }
    let mut unique = name.clone();
    let mut count = 1;
    while !taken.insert(unique.clone()) {
        count += 1;
        unique = format!("{name}-{count}");
    }
    unique
}
