//! What a condition holds its paths against: the values at which its answer may change.

use std::collections::BTreeSet;

use super::Condition;
use super::node::{Base, Node, Path, Search};
use super::syntax::Order;
use crate::facts::Root;
use crate::value::Value;

/// A path, and what it is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) root: Root,
    pub(crate) keys: Vec<String>,
    pub(crate) against: Against,
}

/// What a path is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// One of these values.
    Values(Vec<Value>),
    /// A number that is a bound.
    Bound(rust_decimal::Decimal),
    /// A text that it begins with, ends with or contains.
    Piece(String),
    /// Whether it is there, or what it is as a whole.
    Presence,
}

impl Condition {
    /// Every path that begins at a root, with what it is held against; each once.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mut found = Vec::new();
        walk(&self.node, &mut found);
        let mut seen = BTreeSet::new();
        found.retain(|mention| seen.insert(format!("{mention:?}")));
        found
    }
}

fn note(path: &Path, against: Against, found: &mut Vec<Mention>) {
    if let Base::Root(root) = path.base {
        let keys = path.keys.iter().map(ToString::to_string).collect();
        found.push(Mention { root, keys, against });
    }
}

fn note_node(node: &Node, against: Against, found: &mut Vec<Mention>) {
    match node {
        Node::Read(path) => note(path, against, found),
        // What is made of a text keeps its letters: the text itself is the value to try.
        Node::Lower(of) | Node::Upper(of) => note_node(of, against, found),
        node => walk(node, found),
    }
}

fn compared(order: Order, value: &Value) -> Against {
    match (order, value) {
        (Order::Equal | Order::NotEqual, value) => Against::Values(vec![value.clone()]),
        (_, Value::Number(number)) => Against::Bound(*number),
        (_, _) => Against::Presence,
    }
}

fn walk(node: &Node, found: &mut Vec<Mention>) {
    match node {
        Node::Constant(_) => {}
        Node::Read(path) => {
            note(
                path,
                Against::Values(vec![Value::Bool(true), Value::Bool(false)]),
                found,
            );
        }
        Node::Has(path) => note(path, Against::Presence, found),
        Node::PathIs(path, text, _) => note(path, Against::Values(vec![Value::from(&**text)]), found),
        Node::PathCompares(path, order, number) => note(path, compared(*order, &Value::Number(*number)), found),
        Node::PathOneOf(path, texts) => {
            let texts = texts.iter().map(|text| Value::from(&**text)).collect();
            note(path, Against::Values(texts), found);
        }
        Node::Compare(order, left, right) => match (&**left, &**right) {
            (of, Node::Constant(value)) | (Node::Constant(value), of) => note_node(of, compared(*order, value), found),
            (left, right) => {
                walk(left, found);
                walk(right, found);
            }
        },
        Node::In(item, list) => match (&**item, &**list) {
            (of, Node::Constant(Value::List(members))) => note_node(of, Against::Values(members.clone()), found),
            (Node::Constant(item), Node::Read(path)) => {
                note(path, Against::Values(vec![Value::List(vec![item.clone()])]), found);
            }
            (item, list) => {
                walk(item, found);
                walk(list, found);
            }
        },
        Node::Search(Search::StartsWith | Search::EndsWith | Search::Contains, of, sought) => match &**sought {
            Node::Constant(Value::String(sought)) => note_node(of, Against::Piece(sought.clone()), found),
            sought => {
                walk(of, found);
                walk(sought, found);
            }
        },
        Node::Not(of) | Node::Negate(of) | Node::Key(of, _) | Node::HasKey(of, _) => walk(of, found),
        Node::Size(of) | Node::Lower(of) | Node::Upper(of) | Node::Part(_, of) => walk(of, found),
        Node::Timestamp(of) | Node::Duration(of) => walk(of, found),
        Node::Index(of, index) => {
            walk(of, found);
            walk(index, found);
        }
        Node::List(nodes) | Node::And(nodes) | Node::Or(nodes) | Node::Ask(_, nodes) => {
            nodes.iter().for_each(|node| walk(node, found));
        }
        Node::Chain(first, rest) => {
            walk(first, found);
            rest.iter().for_each(|(_, node)| walk(node, found));
        }
        Node::If(parts) => parts.iter().for_each(|node| walk(node, found)),
        Node::Fold(_, _, list, body) => {
            walk(list, found);
            walk(body, found);
        }
    }
}
