//! The type checker: a tree becomes nodes to evaluate, and findings for its author.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::declare::{Declarations, Type};
use super::guard::Present;
use super::node::{Base, Node, Path};
use super::syntax::{Arith, Id, Kind, Tree};
use super::{Finding, Fuel};
use crate::value::Value;

pub(super) struct Checked {
    pub(super) node: Node,
    pub(super) findings: Vec<Finding>,
    pub(super) paths: Vec<Path>,
    pub(super) cost: u64,
}

pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) kind: Type,
}

impl Typed {
    pub(super) fn new(node: Node, kind: Type) -> Self {
        Typed { node, kind }
    }

    /// Stands in for what has a finding, so that the rest is checked too.
    pub(super) fn unknown() -> Self {
        Typed {
            node: Node::Constant(Value::Null),
            kind: Type::Any,
        }
    }

    /// The value, if it is a literal.
    pub(super) fn constant(&self) -> Option<&Value> {
        if let Node::Constant(value) = &self.node {
            Some(value)
        } else {
            None
        }
    }
}

/// A key of a path, with the place of the path that ends in it.
pub(super) type Key = (String, Range<usize>);

pub(super) struct Checker<'a> {
    pub(super) source: &'a str,
    pub(super) tree: &'a Tree,
    pub(super) declarations: &'a Declarations,
    pub(super) findings: Vec<Finding>,
    pub(super) guards: Vec<Present>,
    /// The variables of the macros around this place.
    pub(super) variables: Vec<(String, Type)>,
    pub(super) paths: Vec<Path>,
    /// Paths that have a finding for being read unguarded: one is enough.
    pub(super) reported: BTreeSet<String>,
    pub(super) cost: u64,
    /// How often this place is evaluated.
    pub(super) factor: u64,
}

pub(super) fn check(source: &str, tree: &Tree, declarations: &Declarations) -> Checked {
    let mut checker = Checker {
        source,
        tree,
        declarations,
        findings: Vec::new(),
        guards: Vec::new(),
        variables: Vec::new(),
        paths: Vec::new(),
        reported: BTreeSet::new(),
        cost: 0,
        factor: 1,
    };
    let whole = checker.expr(tree.root);
    let span = tree.get(tree.root).span.clone();
    if !Type::Bool.meets(&whole.kind) {
        let message = format!("a condition is true or false, this is {}", a(&whole.kind));
        checker
            .findings
            .push(Finding::error("wrong_type", span.clone(), message));
    }
    if checker.cost > Fuel::FULL {
        let finding = Finding::error("too_costly", span, "this condition may take too long");
        checker
            .findings
            .push(finding.help("nest fewer macros, or make their bodies smaller"));
    }
    let Checker {
        findings, paths, cost, ..
    } = checker;
    Checked {
        node: whole.node,
        findings,
        paths,
        cost,
    }
}

/// "a string", "any value".
pub(super) fn a(kind: &Type) -> String {
    match kind {
        Type::Null => "null".to_owned(),
        kind => format!("a {}", kind.name()),
    }
}

impl Checker<'_> {
    pub(super) fn error(&mut self, code: &'static str, span: Range<usize>, message: String, help: Option<String>) {
        let finding = Finding::error(code, span, message);
        self.findings.push(Finding { help, ..finding });
    }

    pub(super) fn span(&self, id: Id) -> Range<usize> {
        self.tree.get(id).span.clone()
    }

    /// The source of an expression, short enough for a message.
    pub(super) fn text(&self, id: Id) -> String {
        let text = self.source.get(self.span(id)).unwrap_or_default();
        match text.char_indices().nth(40) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        }
    }

    pub(super) fn expr(&mut self, id: Id) -> Typed {
        self.cost = self.cost.saturating_add(self.factor);
        let tree = self.tree;
        match &tree.get(id).kind {
            Kind::Literal(value) => Typed::new(Node::Constant(value.clone()), kind_of(value)),
            Kind::Name(_) | Kind::Field { .. } | Kind::Index { .. } => self.read(id, false),
            Kind::List(items) => self.list(items),
            Kind::Not(inner) => {
                let before = self.findings.len();
                let node = self.truth(*inner, "!");
                // After a mistake inside, `!env == 'x'` is not also a comparison of a bool and a string.
                let kind = if self.findings.len() > before {
                    Type::Any
                } else {
                    Type::Bool
                };
                Typed::new(Node::Not(Box::new(node)), kind)
            }
            Kind::Negate(inner) => self.negate(*inner),
            Kind::And(ids) => Typed::new(Node::And(self.operands(ids, true)), Type::Bool),
            Kind::Or(ids) => Typed::new(Node::Or(self.operands(ids, false)), Type::Bool),
            Kind::Chain { first, rest } => self.chain(*first, rest),
            Kind::Compare { order, left, right } => self.compare(id, *order, *left, *right),
            Kind::In { item, list } => self.membership(*item, *list),
            Kind::If { test, then, other } => self.choice(*test, *then, *other),
            Kind::Call {
                base,
                name,
                name_span,
                args,
            } => self.call(id, *base, name, name_span, args),
        }
    }

    /// An operand that has to be true or false.
    pub(super) fn truth(&mut self, id: Id, operator: &str) -> Node {
        let typed = self.expr(id);
        if !Type::Bool.meets(&typed.kind) {
            let message = format!(
                "`{operator}` takes true or false, `{}` is {}",
                self.text(id),
                a(&typed.kind)
            );
            let help = match operator {
                "!" => Some("to negate a comparison write `!=`, or `!(…)` around it".to_owned()),
                _ => Some(format!("compare it: `{} == …`", self.text(id))),
            };
            self.error("wrong_type", self.span(id), message, help);
        }
        typed.node
    }

    fn list(&mut self, items: &[Id]) -> Typed {
        let typed: Vec<Typed> = items.iter().map(|item| self.expr(*item)).collect();
        let mut kinds = typed.iter().map(|typed| &typed.kind);
        let first = kinds.next().cloned().unwrap_or(Type::Any);
        let member = if kinds.all(|kind| *kind == first) {
            first
        } else {
            Type::Any
        };
        let kind = Type::List(Arc::new(member));
        let constants: Option<Vec<Value>> = typed.iter().map(|typed| typed.constant().cloned()).collect();
        match constants {
            Some(values) => Typed::new(Node::Constant(Value::List(values)), kind),
            None => Typed::new(Node::List(typed.into_iter().map(|typed| typed.node).collect()), kind),
        }
    }

    fn negate(&mut self, inner: Id) -> Typed {
        let typed = self.expr(inner);
        let kind = if typed.kind == Type::Duration {
            Type::Duration
        } else {
            Type::Number
        };
        if !kind.meets(&typed.kind) {
            let message = format!("`-` takes a number, `{}` is {}", self.text(inner), a(&typed.kind));
            self.error("wrong_type", self.span(inner), message, None);
        }
        let kind = if typed.kind == Type::Any { Type::Any } else { kind };
        Typed::new(Node::Negate(Box::new(typed.node)), kind)
    }

    /// The operands of `&&` (`truth`) or `||`: each sees what those before it prove present.
    fn operands(&mut self, ids: &[Id], truth: bool) -> Vec<Node> {
        let outside = self.guards.len();
        let mut nodes = Vec::new();
        for id in ids {
            nodes.push(self.truth(*id, if truth { "&&" } else { "||" }));
            let implied = self.implied(*id, truth);
            self.guards.extend(implied);
        }
        self.guards.truncate(outside);
        nodes
    }

    fn choice(&mut self, test: Id, then: Id, other: Id) -> Typed {
        let node = self.truth(test, "?:");
        let mut branch = |id, truth| {
            let outside = self.guards.len();
            let implied = self.implied(test, truth);
            self.guards.extend(implied);
            let typed = self.expr(id);
            self.guards.truncate(outside);
            typed
        };
        let (left, right) = (branch(then, true), branch(other, false));
        if !left.kind.meets(&right.kind) {
            let message = format!("`?:` chooses between {} and {}", a(&left.kind), a(&right.kind));
            self.error("wrong_type", self.span(then).start..self.span(other).end, message, None);
        }
        let kind = if left.kind == right.kind { left.kind } else { Type::Any };
        Typed::new(Node::If(Box::new([node, left.node, right.node])), kind)
    }

    fn chain(&mut self, first: Id, rest: &[(Arith, Id)]) -> Typed {
        let head = self.expr(first);
        let mut kind = head.kind;
        let mut nodes = Vec::new();
        for (arith, id) in rest {
            let right = self.expr(*id);
            match arith_type(*arith, &kind, &right.kind) {
                Some(result) => kind = result,
                None => {
                    let sign = arith_sign(*arith);
                    let message = format!("{} `{sign}` {} has no meaning", a(&kind), a(&right.kind));
                    let span = self.span(first).start..self.span(*id).end;
                    self.error("wrong_type", span, message, None);
                    kind = Type::Any;
                }
            }
            nodes.push((*arith, right.node));
        }
        Typed::new(Node::Chain(Box::new(head.node), nodes), kind)
    }

    /// The root or variable that a chain of names and literal keys starts from, and the keys.
    pub(super) fn path_of(&self, id: Id) -> Option<(Base, Vec<Key>)> {
        let expr = self.tree.get(id);
        let (inner, key) = match &expr.kind {
            Kind::Name(name) => return Some((self.base_named(name)?, Vec::new())),
            Kind::Field { base, name } => (*base, name.clone()),
            Kind::Index { base, index } => match &self.tree.get(*index).kind {
                Kind::Literal(Value::String(key)) => (*base, key.clone()),
                _ => return None,
            },
            _ => return None,
        };
        let (base, mut keys) = self.path_of(inner)?;
        keys.push((key, expr.span.clone()));
        Some((base, keys))
    }
}

fn kind_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        _ => Type::Any,
    }
}

pub(super) fn arith_sign(arith: Arith) -> &'static str {
    match arith {
        Arith::Add => "+",
        Arith::Subtract => "-",
        Arith::Multiply => "*",
        Arith::Divide => "/",
        Arith::Remainder => "%",
    }
}

/// The type of `left arith right`, if it has a meaning.
fn arith_type(arith: Arith, left: &Type, right: &Type) -> Option<Type> {
    use Type::{Any, Duration, List, Number, String, Timestamp};
    Some(match (arith, left, right) {
        (_, Number, Number) => Number,
        (Arith::Add, String, String | Any) | (Arith::Add, Any, String) => String,
        (Arith::Add, List(a), List(b)) => List(if a == b { a.clone() } else { Arc::new(Any) }),
        (Arith::Add, List(_), Any) | (Arith::Add, Any, List(_)) => List(Arc::new(Any)),
        (Arith::Add, Timestamp, Duration | Any)
        | (Arith::Add, Duration | Any, Timestamp)
        | (Arith::Subtract, Timestamp, Duration) => Timestamp,
        (Arith::Subtract, Timestamp, Timestamp) | (Arith::Add | Arith::Subtract, Duration, Duration) => Duration,
        (Arith::Subtract, Timestamp, Any)
        | (Arith::Subtract, Any, Timestamp)
        | (Arith::Add | Arith::Subtract, Duration, Any)
        | (Arith::Add | Arith::Subtract, Any, Duration)
        | (Arith::Add | Arith::Subtract, Any, Any) => Any,
        (_, Number | Any, Number | Any) => Number,
        _ => return None,
    })
}
