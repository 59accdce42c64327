//! The compact form that is evaluated: paths are resolved, literals are values, the common comparisons are one node.

use rust_decimal::Decimal;

use super::syntax::{Arith, Order};
use super::texts::Question;
use super::time::Part;
use crate::facts::Root;
use crate::value::Value;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Root(Root),
    /// The variable of the macro at that nesting.
    Variable(usize),
}

/// A root or a variable, and the keys that lead on from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) base: Base,
    pub(super) keys: Box<[Box<str>]>,
    /// As it is written, such as `args.to`.
    pub(super) text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Debug)]
pub(super) enum Node {
    Constant(Value),
    Read(Path),
    /// A key of something that is not a path.
    Key(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Chain(Box<Node>, Vec<(Arith, Node)>),
    Compare(Order, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
    Has(Path),
    HasKey(Box<Node>, Box<str>),
    Size(Box<Node>),
    Search(Search, Box<Node>, Box<Node>),
    Lower(Box<Node>),
    Upper(Box<Node>),
    Part(Part, Box<Node>),
    Timestamp(Box<Node>),
    Duration(Box<Node>),
    /// What is asked of a text in another language.
    Ask(Question, Vec<Node>),
    /// A macro over a list or the keys of a map; the body sees the member as the variable of that nesting.
    Fold(Fold, usize, Box<Node>, Box<Node>),
    /// `path == 'text'`, negated for `!=`.
    PathIs(Path, Box<str>, bool),
    /// `path < number` and so on.
    PathCompares(Path, Order, Decimal),
    /// `path in ['a', 'b']`.
    PathOneOf(Path, Box<[Box<str>]>),
}

impl Node {
    /// How messages name the value of this node.
    pub(super) fn name(&self) -> String {
        match self {
            Node::Read(path) => format!("`{}`", path.text),
            Node::Key(_, key) => format!("`{key}`"),
            Node::Constant(Value::String(text)) => format!("'{text}'"),
            Node::Constant(Value::Number(number)) => format!("`{number}`"),
            Node::Size(of) => format!("the size of {}", of.name()),
            Node::Index(of, _) => format!("a member of {}", of.name()),
            Node::Lower(of) | Node::Upper(of) => of.name(),
            _ => "an operand".to_owned(),
        }
    }
}
