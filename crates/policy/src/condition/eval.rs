//! The evaluator: pure, bounded by fuel, with CEL's absorption of errors in `&&` and `||`.

use std::borrow::Cow;
use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::node::{Base, Fold, Node, Path, Search};
use super::operate::{chain, change_case, index_of, key_of, size, time};
use super::syntax::{Arith, Order};
use super::texts::ask;
use super::time::part;
use super::{EvalError, Fuel, MAX_MACROS, arith};
use crate::facts::Facts;
use crate::value::Value;

/// Where names get their values: the facts, and the variables of the macros around.
#[derive(Clone, Copy)]
pub(super) struct Scope<'v> {
    facts: &'v Facts<'v>,
    variables: [Option<&'v Value>; MAX_MACROS],
}

impl<'v> Scope<'v> {
    pub(super) fn new(facts: &'v Facts<'v>) -> Self {
        Scope {
            facts,
            variables: [None; MAX_MACROS],
        }
    }

    fn with<'s>(&self, slot: usize, value: &'s Value) -> Scope<'s>
    where
        'v: 's,
    {
        let mut variables: [Option<&'s Value>; MAX_MACROS] = self.variables;
        if let Some(place) = variables.get_mut(slot) {
            *place = Some(value);
        }
        Scope {
            facts: self.facts,
            variables,
        }
    }
}

pub(super) type Valued<'v> = Result<Cow<'v, Value>, EvalError>;

/// The value at a path, `None` where any part of it is absent.
pub(super) fn lookup<'v>(path: &Path, scope: &Scope<'v>) -> Result<Option<&'v Value>, EvalError> {
    let start = match path.base {
        Base::Root(root) => scope.facts.get(root),
        Base::Variable(slot) => scope.variables.get(slot).copied().flatten(),
    };
    let Some(mut value) = start else { return Ok(None) };
    for (index, key) in path.keys.iter().enumerate() {
        if let Some(hidden) = scope.facts.hidden() {
            hidden.see_key(value, key, || prefix(path, index).replace('`', ""));
        }
        value = match value {
            Value::Map(members) => match members.get(&**key) {
                Some(member) => member,
                None => return Ok(None),
            },
            other => return Err(wrong_kind(&prefix(path, index), other, "map")),
        };
    }
    Ok(Some(value))
}

#[cold]
fn prefix(path: &Path, keys: usize) -> String {
    let root = match path.base {
        Base::Root(root) => root.name(),
        Base::Variable(_) => path.text.split(['.', '[']).next().unwrap_or_default(),
    };
    let rest = path.keys.iter().take(keys).map(|key| format!(".{key}"));
    format!("`{root}{}`", rest.collect::<String>())
}

fn read<'v>(path: &Path, scope: &Scope<'v>) -> Result<&'v Value, EvalError> {
    let value = lookup(path, scope)?.ok_or_else(|| EvalError::new(format!("`{}` is absent", path.text)))?;
    if let Some(hidden) = scope.facts.hidden() {
        hidden.see(value, || match path.base {
            Base::Root(_) => path.text.to_string(),
            Base::Variable(_) => format!("{} (a member that a macro walks over)", path.text),
        });
    }
    Ok(value)
}

/// Notes that a value and all in it are looked at.
fn watch(node: &Node, value: &Value, scope: &Scope<'_>) {
    if let Some(hidden) = scope.facts.hidden() {
        hidden.see_all(value, || node.name().replace('`', ""));
    }
}

/// Notes that a key of a value is looked for.
pub(super) fn watch_key(node: &Node, value: &Value, key: &str, scope: &Scope<'_>) {
    if let Some(hidden) = scope.facts.hidden() {
        hidden.see_key(value, key, || node.name().replace('`', ""));
    }
}

#[cold]
fn wrong_kind(name: &str, value: &Value, wanted: &str) -> EvalError {
    let kind = match value {
        Value::Null => "null".to_owned(),
        value => format!("a {}", value.kind()),
    };
    EvalError::new(format!("{name} is {kind}, not a {wanted}"))
}

#[cold]
pub(super) fn not(node: &Node, value: &Value, wanted: &str) -> EvalError {
    wrong_kind(&node.name(), value, wanted)
}

/// Whether a condition, or a part that is true or false, holds.
pub(super) fn truth(node: &Node, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
    fuel.spend(1)?;
    match node {
        Node::PathIs(path, text, negated) => match read(path, scope)? {
            Value::String(found) => Ok((**found == **text) != *negated),
            Value::Null => Ok(*negated),
            other => Err(wrong_kind(&format!("`{}`", path.text), other, "string")),
        },
        Node::PathCompares(path, order, number) => match (read(path, scope)?, order) {
            (Value::Number(found), order) => Ok(holds(*order, found.cmp(number))),
            (Value::Null, Order::Equal) => Ok(false),
            (Value::Null, Order::NotEqual) => Ok(true),
            (other, _) => Err(wrong_kind(&format!("`{}`", path.text), other, "number")),
        },
        Node::PathOneOf(path, texts) => match read(path, scope)? {
            Value::String(found) => Ok(texts.iter().any(|text| **text == **found)),
            Value::Null => Ok(false),
            other => Err(wrong_kind(&format!("`{}`", path.text), other, "string")),
        },
        Node::Has(path) => Ok(lookup(path, scope)?.is_some()),
        Node::HasKey(of, key) => {
            let of_value = value(of, scope, fuel)?;
            watch_key(of, &of_value, key, scope);
            match &*of_value {
                Value::Map(members) => Ok(members.contains_key(&**key)),
                other => Err(not(of, other, "map")),
            }
        }
        Node::Not(inner) => Ok(!truth(inner, scope, fuel)?),
        Node::And(nodes) => absorb(nodes.iter().map(|node| truth(node, scope, fuel)), false),
        Node::Or(nodes) => absorb(nodes.iter().map(|node| truth(node, scope, fuel)), true),
        Node::If(parts) => {
            let [test, then, other] = &**parts;
            if truth(test, scope, fuel)? {
                truth(then, scope, fuel)
            } else {
                truth(other, scope, fuel)
            }
        }
        Node::Compare(order, left, right) => compare(*order, left, right, scope, fuel),
        Node::In(item, list) => member(item, list, scope, fuel),
        Node::Search(search, subject, sought) => find(*search, subject, sought, scope, fuel),
        Node::Fold(fold @ (Fold::All | Fold::Exists | Fold::ExistsOne), slot, list, body) => {
            quantify(*fold, *slot, list, body, scope, fuel)
        }
        _ => match &*value(node, scope, fuel)? {
            Value::Bool(truth) => Ok(*truth),
            other => Err(not(node, other, "bool")),
        },
    }
}

/// `&&` and `||`: a result equal to `decisive` decides, whatever the others are; else the first error stands.
fn absorb(results: impl Iterator<Item = Result<bool, EvalError>>, decisive: bool) -> Result<bool, EvalError> {
    let mut error = None;
    for result in results {
        match result {
            Ok(truth) if truth == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(e) => error = error.or(Some(e)),
        }
    }
    error.map_or(Ok(!decisive), Err)
}

fn holds(order: Order, ordering: Ordering) -> bool {
    match order {
        Order::Less => ordering.is_lt(),
        Order::LessEqual => ordering.is_le(),
        Order::Greater => ordering.is_gt(),
        Order::GreaterEqual => ordering.is_ge(),
        Order::Equal => ordering.is_eq(),
        Order::NotEqual => ordering.is_ne(),
    }
}

/// What the comparison or copy of a value costs.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / 64,
        Value::List(items) => items.iter().map(weight).fold(1, u64::saturating_add),
        Value::Map(members) => {
            let members = members
                .iter()
                .map(|(key, member)| key.len() as u64 / 64 + weight(member));
            members.fold(1, u64::saturating_add)
        }
        _ => 1,
    }
}

/// Copying and comparing containers is paid for; walking them to find out costs less than the work itself.
pub(super) fn pay(value: &Value, fuel: &mut Fuel) -> Result<(), EvalError> {
    match value {
        Value::String(_) | Value::List(_) | Value::Map(_) => fuel.spend(weight(value)),
        _ => Ok(()),
    }
}

pub(super) fn same_kind(left: &Value, right: &Value) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

fn compare(order: Order, left: &Node, right: &Node, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
    let (a, b) = (value(left, scope, fuel)?, value(right, scope, fuel)?);
    watch(left, &a, scope);
    watch(right, &b, scope);
    pay(&a, fuel)?;
    pay(&b, fuel)?;
    if matches!(order, Order::Equal | Order::NotEqual) {
        let null = matches!((&*a, &*b), (Value::Null, _) | (_, Value::Null));
        if !null && !same_kind(&a, &b) {
            return Err(not(left, &a, b.kind()));
        }
        return Ok((a == b) == (order == Order::Equal));
    }
    let ordering = match (&*a, &*b) {
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Number(_) | Value::String(_) | Value::Timestamp(_) | Value::Duration(_), other) => {
            return Err(not(right, other, a.kind()));
        }
        (other, _) => return Err(not(left, other, "number, string or time")),
    };
    Ok(holds(order, ordering))
}

fn member(item: &Node, list: &Node, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
    let (sought, all) = (value(item, scope, fuel)?, value(list, scope, fuel)?);
    watch(item, &sought, scope);
    watch(list, &all, scope);
    match (&*sought, &*all) {
        (_, Value::List(items)) => {
            let mut comparable = items.is_empty() || *sought == Value::Null;
            for candidate in items {
                fuel.spend(1)?;
                let same = same_kind(candidate, &sought);
                comparable |= same || *candidate == Value::Null;
                if same {
                    pay(candidate, fuel)?;
                    if *candidate == *sought {
                        return Ok(true);
                    }
                }
            }
            let kind = items.first().map_or("value", Value::kind);
            if comparable {
                Ok(false)
            } else {
                Err(not(item, &sought, kind))
            }
        }
        (Value::String(key), Value::Map(members)) => Ok(members.contains_key(key)),
        (other, Value::Map(_)) => Err(not(item, other, "string")),
        (_, other) => Err(not(list, other, "list")),
    }
}

fn find(search: Search, subject: &Node, sought: &Node, scope: &Scope<'_>, fuel: &mut Fuel) -> Result<bool, EvalError> {
    let (text, part) = (value(subject, scope, fuel)?, value(sought, scope, fuel)?);
    match (&*text, &*part) {
        (Value::String(text), Value::String(part)) => {
            fuel.spend((text.len() as u64 + part.len() as u64) / 64)?;
            Ok(match search {
                Search::StartsWith => text.starts_with(part.as_str()),
                Search::EndsWith => text.ends_with(part.as_str()),
                Search::Contains => text.contains(part.as_str()),
            })
        }
        (Value::String(_), other) => Err(not(sought, other, "string")),
        (other, _) => Err(not(subject, other, "string")),
    }
}

/// Notes that the members of a list or the keys of a map are walked over.
fn watch_members(node: &Node, all: &Value, scope: &Scope<'_>) {
    if let (Some(hidden), Value::Map(map)) = (scope.facts.hidden(), all) {
        hidden.see_keys(map, || node.name().replace('`', ""));
    }
}

/// The members that a macro walks over: those of a list, or the keys of a map.
fn members<'v>(node: &Node, all: &'v Value, fuel: &mut Fuel) -> Result<Cow<'v, [Value]>, EvalError> {
    match all {
        Value::List(items) => Ok(Cow::Borrowed(items)),
        Value::Map(members) => {
            fuel.spend(members.keys().map(|key| 1 + key.len() as u64 / 64).sum())?;
            Ok(Cow::Owned(
                members.keys().map(|key| Value::from(key.as_str())).collect(),
            ))
        }
        other => Err(not(node, other, "list")),
    }
}

fn quantify(
    fold: Fold,
    slot: usize,
    list: &Node,
    body: &Node,
    scope: &Scope<'_>,
    fuel: &mut Fuel,
) -> Result<bool, EvalError> {
    let all = value(list, scope, fuel)?;
    watch_members(list, &all, scope);
    let members = members(list, &all, fuel)?;
    let mut results = members
        .iter()
        .map(|member| truth(body, &scope.with(slot, member), fuel));
    match fold {
        Fold::All => absorb(results, false),
        Fold::Exists => absorb(results, true),
        _ => {
            let count = results.try_fold(0usize, |count, result| Ok(count + usize::from(result?)))?;
            Ok(count == 1)
        }
    }
}

/// The value of any part.
pub(super) fn value<'v>(node: &'v Node, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let value = compute(node, scope, fuel)?;
    if let Some(hidden) = scope.facts.hidden() {
        hidden.see(&value, || node.name().replace('`', ""));
    }
    Ok(value)
}

fn compute<'v>(node: &'v Node, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    fuel.spend(1)?;
    match node {
        Node::Constant(value) => Ok(Cow::Borrowed(value)),
        Node::Read(path) => read(path, scope).map(Cow::Borrowed),
        Node::Key(of, key) => key_of(of, key, scope, fuel),
        Node::Index(of, index) => index_of(of, index, scope, fuel),
        Node::List(nodes) => {
            let mut items = Vec::with_capacity(nodes.len());
            for node in nodes {
                let item = value(node, scope, fuel)?;
                pay(&item, fuel)?;
                items.push(item.into_owned());
            }
            Ok(Cow::Owned(Value::List(items)))
        }
        Node::Negate(inner) => match &*value(inner, scope, fuel)? {
            Value::Number(number) => owned(Value::Number(Decimal::ZERO - number)),
            Value::Duration(span) => {
                arith::micros(Arith::Subtract, 0, *span).map(|span| Cow::Owned(Value::Duration(span)))
            }
            other => Err(not(inner, other, "number")),
        },
        Node::Chain(first, rest) => chain(first, rest, scope, fuel),
        Node::If(parts) => {
            let [test, then, other] = &**parts;
            if truth(test, scope, fuel)? {
                value(then, scope, fuel)
            } else {
                value(other, scope, fuel)
            }
        }
        Node::Size(of) => size(of, scope, fuel),
        Node::Lower(of) => change_case(of, str::to_ascii_lowercase, scope, fuel),
        Node::Upper(of) => change_case(of, str::to_ascii_uppercase, scope, fuel),
        Node::Part(wanted, of) => match &*value(of, scope, fuel)? {
            Value::Timestamp(at) => owned(Value::Number(part(*at, *wanted).into())),
            other => Err(not(of, other, "timestamp")),
        },
        Node::Timestamp(of) | Node::Duration(of) => time(node, of, scope, fuel),
        Node::Ask(question, texts) => ask(*question, texts, scope, fuel),
        Node::Fold(fold @ (Fold::Filter | Fold::Map), slot, list, body) => {
            collect(*fold, *slot, list, body, scope, fuel)
        }
        _ => truth(node, scope, fuel).map(|truth| Cow::Owned(Value::Bool(truth))),
    }
}

pub(super) fn owned<'v>(value: Value) -> Valued<'v> {
    Ok(Cow::Owned(value))
}

fn collect<'v>(
    fold: Fold,
    slot: usize,
    list: &'v Node,
    body: &'v Node,
    scope: &Scope<'v>,
    fuel: &mut Fuel,
) -> Valued<'v> {
    let all = value(list, scope, fuel)?;
    watch_members(list, &all, scope);
    let members = members(list, &all, fuel)?;
    let mut kept = Vec::new();
    for member in members.iter() {
        let inner = scope.with(slot, member);
        if fold == Fold::Map {
            let item = value(body, &inner, fuel)?;
            pay(&item, fuel)?;
            kept.push(item.into_owned());
        } else if truth(body, &inner, fuel)? {
            pay(member, fuel)?;
            kept.push(member.clone());
        }
    }
    Ok(Cow::Owned(Value::List(kept)))
}
