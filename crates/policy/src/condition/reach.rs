//! When a condition is true, false or an error, as far as that can be told without an action.
//!
//! What is not understood counts as possible. So "never" is certain, as long as an evaluation has fuel left.

use std::collections::BTreeSet;

use super::Condition;
use super::node::{Base, Node, Path, Search};
use super::region::{Cases, Effort, Region};
use super::syntax::Order;
use crate::facts::Root;
use crate::value::Value;

/// When a part is true, when it is false, and when it cannot be evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(crate) yes: Cases,
    pub(crate) no: Cases,
    pub(crate) error: Cases,
}

impl Condition {
    /// When it holds.
    pub(crate) fn outlook(&self, effort: &Effort) -> Outlook {
        outlook(&self.node, effort)
    }

    /// The same of the operands of the outermost `&&`, each with its text.
    pub(crate) fn outlooks(&self, effort: &Effort) -> Vec<(&str, Outlook)> {
        let nodes: Vec<&Node> = match &self.node {
            Node::And(nodes) => nodes.iter().collect(),
            node => vec![node],
        };
        let text = |range: &std::ops::Range<usize>| self.source.get(range.clone()).unwrap_or_default();
        let texts = self.operands.iter().map(text);
        texts.zip(nodes.into_iter().map(|node| outlook(node, effort))).collect()
    }
}

/// The name of a root, or of a member of one.
pub(crate) fn part(root: Root, keys: &[&str]) -> String {
    let mut name = root.name().to_owned();
    for key in keys {
        // No key of a condition holds this, and so no two paths have one name.
        name.push('\0');
        name.push_str(key);
    }
    name
}

/// What a path can be at all.
fn declared(root: Root, keys: &[&str]) -> Region {
    let words = |words: &[&str]| Region::text_of(words.iter().map(|word| (*word).to_owned()), true);
    match (root, keys) {
        (Root::Amount | Root::EstimatedCost | Root::Confidence, []) => Region::numbers().or_absent(),
        (Root::Env | Root::Currency, []) => Region::texts().or_absent(),
        (Root::Action, []) => Region::texts(),
        (Root::Access, []) => words(&["read", "write"]),
        (Root::Tool, ["risk"]) => words(&["R0", "R1", "R2", "R3", "R4"]).or_absent(),
        (Root::Tool, ["tier"]) => words(&crate::document::tools::TIERS).or_absent(),
        (Root::Tool, ["id" | "class"]) | (Root::Resource, ["type" | "id" | "owner"]) | (Root::Principal, ["id"]) => {
            Region::texts().or_absent()
        }
        (Root::Tool, ["reversible"]) | (Root::Principal, ["verified"]) => Region {
            absent: true,
            yes: true,
            no: true,
            ..Region::none()
        },
        _ => Region::all(),
    }
}

fn cases(path: &Path, region: Region) -> Cases {
    let Base::Root(root) = path.base else {
        // A variable of a macro is many values, of which nothing is known here.
        return Cases::maybe();
    };
    let keys: Vec<&str> = path.keys.iter().map(|key| &**key).collect();
    match region.meet(&declared(root, &keys)) {
        Some(region) => Cases::of(&part(root, &keys), region),
        None => Cases::never(),
    }
}

/// A part by what it may be: a path by its name, anything else by how it is written.
fn about(node: &Node, region: Region) -> Cases {
    match node {
        Node::Read(path) => cases(path, region),
        // The same expression has the same value wherever it stands.
        node => Cases::of(&format!("={node:?}"), region),
    }
}

/// True in one region, false in another, and an error everywhere else.
fn split(of: impl Fn(Region) -> Cases, yes: Region, no: Region) -> Outlook {
    let either = |left: bool, right: bool| !left && !right;
    let error = Region {
        absent: either(yes.absent, no.absent),
        null: either(yes.null, no.null),
        yes: either(yes.yes, no.yes),
        no: either(yes.no, no.no),
        numbers: Region::all()
            .numbers
            .filter(|_| yes.numbers.is_none() && no.numbers.is_none()),
        texts: Region::all()
            .texts
            .filter(|_| yes.texts.is_none() && no.texts.is_none()),
        other: either(yes.other, no.other),
        broken: either(yes.broken, no.broken),
    };
    Outlook {
        yes: of(yes),
        no: of(no),
        error: of(error),
    }
}

fn outlook(node: &Node, effort: &Effort) -> Outlook {
    match node {
        Node::Constant(Value::Bool(truth)) => {
            let (mut yes, mut no) = (Cases::maybe(), Cases::never());
            if !truth {
                std::mem::swap(&mut yes, &mut no);
            }
            let error = Cases::never();
            Outlook { yes, no, error }
        }
        Node::Not(inner) => {
            let Outlook { yes, no, error } = outlook(inner, effort);
            Outlook {
                yes: no,
                no: yes,
                error,
            }
        }
        Node::And(nodes) => all(nodes.iter().map(|node| outlook(node, effort)), effort),
        Node::Or(nodes) => {
            // Neither of them is true where all of them are false.
            let turned = nodes.iter().map(|node| {
                let Outlook { yes, no, error } = outlook(node, effort);
                Outlook {
                    yes: no,
                    no: yes,
                    error,
                }
            });
            let Outlook { yes, no, error } = all(turned, effort);
            Outlook {
                yes: no,
                no: yes,
                error,
            }
        }
        Node::If(parts) => {
            let [test, then, other] = &**parts;
            let (test, then, other) = (outlook(test, effort), outlook(then, effort), outlook(other, effort));
            Outlook {
                yes: test.yes.and(&then.yes, effort).or(test.no.and(&other.yes, effort)),
                no: test.yes.and(&then.no, effort).or(test.no.and(&other.no, effort)),
                error: test
                    .error
                    .or(test.yes.and(&then.error, effort))
                    .or(test.no.and(&other.error, effort)),
            }
        }
        Node::PathIs(path, text, negated) => {
            let equal = Region::text_of([text.to_string()], true);
            let differs = Region::text_of([text.to_string()], false).or_null();
            let (yes, no) = if *negated { (differs, equal) } else { (equal, differs) };
            split(|region| cases(path, region), yes, no)
        }
        Node::PathCompares(path, order, number) => {
            compared(|region| cases(path, region), *order, &Value::Number(*number))
        }
        Node::PathOneOf(path, texts) => {
            let of = |within| Region::text_of(texts.iter().map(ToString::to_string), within);
            split(|region| cases(path, region), of(true), of(false).or_null())
        }
        Node::Has(path) => {
            let there = Region {
                absent: false,
                broken: false,
                ..Region::all()
            };
            split(|region| cases(path, region), there, Region::none().or_absent())
        }
        Node::Compare(order, left, right) => match (&**left, &**right) {
            (of, Node::Constant(value)) => compared(|region| about(of, region), *order, value),
            (Node::Constant(value), of) => compared(|region| about(of, region), turned(*order), value),
            _ => truth(node),
        },
        Node::In(item, list) => match &**list {
            Node::Constant(Value::List(members)) => member(node, item, members),
            _ => truth(node),
        },
        Node::Search(search, of, sought) => match &**sought {
            Node::Constant(Value::String(sought)) => {
                let texts = |so| match search {
                    Search::StartsWith => Region::starting(sought.clone(), so),
                    Search::EndsWith => Region::ending(sought.clone(), so),
                    Search::Contains => Region::containing(sought.clone(), so),
                };
                split(|region| about(of, region), texts(true), texts(false))
            }
            _ => truth(node),
        },
        node => truth(node),
    }
}

/// Any part that is true or false.
fn truth(node: &Node) -> Outlook {
    let so = |truth| Region {
        yes: truth,
        no: !truth,
        ..Region::none()
    };
    split(|region| about(node, region), so(true), so(false))
}

/// `&&` over parts: an error of one is absorbed where another is false.
fn all(parts: impl Iterator<Item = Outlook>, effort: &Effort) -> Outlook {
    let mut sum = Outlook {
        yes: Cases::maybe(),
        no: Cases::never(),
        error: Cases::never(),
    };
    for part in parts {
        let error = sum.error.and(&part.yes.clone().or(part.error.clone()), effort);
        sum.error = error.or(sum.yes.and(&part.error, effort));
        sum.yes = sum.yes.and(&part.yes, effort);
        sum.no = sum.no.or(part.no);
    }
    sum
}

fn turned(order: Order) -> Order {
    match order {
        Order::Less => Order::Greater,
        Order::LessEqual => Order::GreaterEqual,
        Order::Greater => Order::Less,
        Order::GreaterEqual => Order::LessEqual,
        Order::Equal | Order::NotEqual => order,
    }
}

fn opposite(order: Order) -> Order {
    match order {
        Order::Less => Order::GreaterEqual,
        Order::LessEqual => Order::Greater,
        Order::Greater => Order::LessEqual,
        Order::GreaterEqual => Order::Less,
        Order::Equal => Order::NotEqual,
        Order::NotEqual => Order::Equal,
    }
}

/// A part against a literal.
fn compared(of: impl Fn(Region) -> Cases, order: Order, value: &Value) -> Outlook {
    let equality = matches!(order, Order::Equal | Order::NotEqual);
    let (mut yes, mut no) = match value {
        Value::Number(number) => (Region::number(order, *number), Region::number(opposite(order), *number)),
        Value::String(text) if equality => {
            let texts = |within| Region::text_of([text.clone()], within);
            (texts(order == Order::Equal), texts(order != Order::Equal))
        }
        Value::Bool(truth) if equality => {
            let is = *truth == (order == Order::Equal);
            let so = |truth| Region {
                yes: truth,
                no: !truth,
                ..Region::none()
            };
            (so(is), so(!is))
        }
        // Whatever it is, it is true, false or an error.
        _ => {
            let maybe = Cases::maybe;
            return Outlook {
                yes: maybe(),
                no: maybe(),
                error: maybe(),
            };
        }
    };
    if equality {
        // `null` equals nothing else and differs from everything else.
        if order == Order::NotEqual { &mut yes } else { &mut no }.null = true;
    }
    split(of, yes, no)
}

/// `x in [literals]`, where all of them are of one kind.
fn member(node: &Node, item: &Node, members: &[Value]) -> Outlook {
    let texts: Option<Vec<String>> = members.iter().map(|it| it.as_str().map(str::to_owned)).collect();
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        let of = |within| Region::text_of(texts.iter().cloned(), within);
        return split(|region| about(item, region), of(true), of(false).or_null());
    }
    let number = |member: &Value| match member {
        Value::Number(number) => Some(*number),
        _ => None,
    };
    let numbers: Option<BTreeSet<_>> = members.iter().map(number).collect();
    if let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
        let of = |within| Region::number_of(numbers.clone(), within);
        return split(|region| about(item, region), of(true), of(false).or_null());
    }
    truth(node)
}
