//! What single operators make of values: members, sums, sizes, letters and times.

use std::borrow::Cow;

use super::eval::{Scope, Valued, not, owned, pay, same_kind, value, watch_key};
use super::node::Node;
use super::syntax::Arith;
use super::time::{in_range, parse_duration, parse_timestamp};
use super::{EvalError, Fuel, arith};
use crate::value::Value;

pub(super) fn key_of<'v>(of: &'v Node, key: &str, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let absent = || EvalError::new(format!("`{key}` is absent"));
    let all = value(of, scope, fuel)?;
    watch_key(of, &all, key, scope);
    match all {
        Cow::Borrowed(Value::Map(members)) => members.get(key).map(Cow::Borrowed).ok_or_else(absent),
        Cow::Owned(Value::Map(mut members)) => members.remove(key).map(Cow::Owned).ok_or_else(absent),
        other => Err(not(of, &other, "map")),
    }
}

pub(super) fn index_of<'v>(of: &'v Node, index: &'v Node, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let all = value(of, scope, fuel)?;
    let at = value(index, scope, fuel)?;
    let place = match (&*all, &*at) {
        (Value::Map(_), Value::String(key)) => {
            let key = key.clone();
            watch_key(of, &all, &key, scope);
            return match all {
                Cow::Borrowed(map) => map.get(&key).map(Cow::Borrowed),
                Cow::Owned(map) => map.get(&key).cloned().map(Cow::Owned),
            }
            .ok_or_else(|| EvalError::new("a member of the map is absent"));
        }
        (Value::List(_), Value::Number(number)) => {
            let whole = number
                .is_integer()
                .then(|| usize::try_from(number.trunc().mantissa()).ok())
                .flatten();
            whole.ok_or_else(|| EvalError::new(format!("{number} is not a place in a list")))?
        }
        (Value::Map(_), other) => return Err(not(index, other, "string")),
        (Value::List(_), other) => return Err(not(index, other, "number")),
        (other, _) => return Err(not(of, other, "list or map")),
    };
    let outside = || EvalError::new(format!("{} has no member {place}", of.name()));
    match all {
        Cow::Borrowed(Value::List(items)) => items.get(place).map(Cow::Borrowed).ok_or_else(outside),
        Cow::Owned(Value::List(items)) => items.into_iter().nth(place).map(Cow::Owned).ok_or_else(outside),
        other => Err(not(of, &other, "list")),
    }
}

pub(super) fn chain<'v>(first: &'v Node, rest: &'v [(Arith, Node)], scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let mut total = value(first, scope, fuel)?;
    let mut left_node = first;
    for (sign, node) in rest {
        let right = value(node, scope, fuel)?;
        total = Cow::Owned(step(*sign, total, &right, (left_node, node), fuel)?);
        left_node = node;
    }
    Ok(total)
}

/// One operator of a chain. The fuel pays for what is appended, so that doubling cannot run away.
fn step(
    sign: Arith,
    left: Cow<'_, Value>,
    right: &Value,
    nodes: (&Node, &Node),
    fuel: &mut Fuel,
) -> Result<Value, EvalError> {
    if let (Value::String(_), Value::String(_)) | (Value::List(_), Value::List(_)) = (&*left, right)
        && sign == Arith::Add
    {
        pay(right, fuel)?;
        if let Cow::Borrowed(left) = &left {
            pay(left, fuel)?;
        }
    }
    Ok(match (sign, left.into_owned(), right) {
        (_, Value::Number(a), Value::Number(b)) => Value::Number(arith::numbers(sign, a, *b)?),
        (Arith::Add, Value::String(mut a), Value::String(b)) => {
            a.push_str(b);
            Value::String(a)
        }
        (Arith::Add, Value::List(mut a), Value::List(b)) => {
            a.extend(b.iter().cloned());
            Value::List(a)
        }
        (Arith::Add | Arith::Subtract, Value::Timestamp(a), Value::Duration(b))
        | (Arith::Add, Value::Duration(a), Value::Timestamp(b)) => {
            let at = in_range(arith::micros(sign, a, *b)?);
            Value::Timestamp(at.ok_or_else(|| EvalError::new("time overflow: the result is out of range"))?)
        }
        (Arith::Subtract, Value::Timestamp(a), Value::Timestamp(b))
        | (Arith::Add | Arith::Subtract, Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(arith::micros(sign, a, *b)?)
        }
        (_, Value::Number(_), other) => return Err(not(nodes.1, other, "number")),
        (_, left, right) => {
            let wanted = if same_kind(&left, right) {
                "number"
            } else {
                right.kind()
            };
            return Err(not(nodes.0, &left, wanted));
        }
    })
}

pub(super) fn size<'v>(of: &'v Node, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let length = match &*value(of, scope, fuel)? {
        Value::String(text) => {
            fuel.spend(text.len() as u64 / 64)?;
            text.chars().count()
        }
        Value::List(items) => items.len(),
        Value::Map(members) => members.len(),
        other => return Err(not(of, other, "string, list or map")),
    };
    owned(Value::Number(length.into()))
}

pub(super) fn change_case<'v>(
    of: &'v Node,
    change: fn(&str) -> String,
    scope: &Scope<'v>,
    fuel: &mut Fuel,
) -> Valued<'v> {
    let text = value(of, scope, fuel)?;
    pay(&text, fuel)?;
    match &*text {
        Value::String(text) => owned(Value::String(change(text))),
        other => Err(not(of, other, "string")),
    }
}

pub(super) fn time<'v>(node: &Node, of: &'v Node, scope: &Scope<'v>, fuel: &mut Fuel) -> Valued<'v> {
    let found = value(of, scope, fuel)?;
    let timestamp = matches!(node, Node::Timestamp(_));
    let parsed = match &*found {
        Value::Timestamp(at) if timestamp => Some(Value::Timestamp(*at)),
        Value::Duration(span) if !timestamp => Some(Value::Duration(*span)),
        Value::String(text) if text.len() > 64 => None,
        Value::String(text) if timestamp => parse_timestamp(text).map(Value::Timestamp),
        Value::String(text) => parse_duration(text).map(Value::Duration),
        other => return Err(not(of, other, "string")),
    };
    let kind = if timestamp { "timestamp" } else { "duration" };
    parsed
        .map(Cow::Owned)
        .ok_or_else(|| EvalError::new(format!("the text of {} is not a {kind}", of.name())))
}
