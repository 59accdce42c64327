//! Narrowing: whether one action is another one with less in it, at places where less may be asked for.
//!
//! Less is what nobody can take for more. A number moves towards zero and keeps its sign: zero itself is "no limit" to
//! many a tool. A list loses members and keeps their order, a map loses members or has narrower ones, and something is
//! left of both: an empty list is "all of them" to many a filter. A text, a truth value, and what was not there cannot
//! be narrowed.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::{Action, Decimal, Value};

use crate::action::to_value;
use crate::money::parse_decimal;
use crate::refusal::Refusal;

/// The places at which `narrower` has less than `action`: JSON pointers, in order. Everything else has to be the same.
///
/// # Errors
/// `not_editable` for a change elsewhere, `not_narrower` for one that is no narrowing, `nothing_changed`.
pub fn narrowed(action: &Action, narrower: &Action, editable: &BTreeSet<String>) -> Result<Vec<String>, Refusal> {
    let look = Look {
        editable,
        found: Vec::new(),
    };
    let changed = look.over(&to_value(action), &to_value(narrower))?;
    if changed.is_empty() {
        return Err(Refusal::invalid("nothing_changed", "the action is the same as before")
            .hint("vote `approve` for what was asked, or say what is to change"));
    }
    Ok(changed)
}

/// The places at which two actions differ, however they do: JSON pointers, in order. Arguments are told one by one.
pub fn changes(before: &Action, after: &Action) -> Vec<String> {
    changes_as_kept(&to_value(before), &to_value(after))
}

/// The same of two actions as they are kept, in which redaction may have replaced anything.
pub fn changes_as_kept(before: &Value, after: &Value) -> Vec<String> {
    let mut places = Vec::new();
    differences("", before, after, &mut places);
    places
}

fn differences(path: &str, before: &Value, after: &Value, places: &mut Vec<String>) {
    if same(path, before, after) {
        return;
    }
    let (Value::Map(old), Value::Map(new)) = (before, after) else {
        places.push(path.to_owned());
        return;
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let place = below(path, name);
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => differences(&place, old, new, places),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => places.push(place),
        }
    }
}

/// The action with other values at these places; `None` takes a member away.
///
/// # Errors
/// `not_narrower` for a place where nothing is, or which has no such value.
pub fn with_changes(action: &Action, changes: &BTreeMap<String, Option<Value>>) -> Result<Action, Refusal> {
    let mut edited = action.clone();
    for (pointer, value) in changes {
        let done = if pointer == "/amount" {
            edited.amount = match value {
                Some(Value::String(text)) => Some(amount(text)?),
                Some(Value::Number(number)) => Some(*number),
                Some(_) | None => return Err(nothing_there(pointer)),
            };
            action.amount.is_some()
        } else {
            let path = pointer
                .strip_prefix("/args/")
                .map(|rest| rest.split('/').map(unescaped));
            let path: Vec<String> = path.into_iter().flatten().collect();
            put(&mut edited.args, &path, value.as_ref()).is_some()
        };
        if !done {
            return Err(nothing_there(pointer));
        }
    }
    Ok(edited)
}

fn amount(text: &str) -> Result<Decimal, Refusal> {
    parse_decimal(text).map_err(|error| {
        Refusal::invalid("invalid_amount", format!("`/amount`: {error}")).hint("write it as \"12.50\"")
    })
}

fn nothing_there(pointer: &str) -> Refusal {
    Refusal::invalid(
        "not_narrower",
        format!(
            "`{}` is no place of this action that could have this value",
            shown(pointer)
        ),
    )
    .hint("read the request again; an edit makes less of what is there, and adds nothing")
}

/// Replaces or removes what is at a path; nothing is made on the way.
fn put(target: &mut Value, path: &[String], value: Option<&Value>) -> Option<()> {
    let (name, rest) = path.split_first()?;
    let Value::Map(members) = target else { return None };
    if !rest.is_empty() {
        return put(members.get_mut(name)?, rest, value);
    }
    members.get(name)?;
    match value {
        Some(value) => drop(members.insert(name.clone(), value.clone())),
        None => drop(members.remove(name)),
    }
    Some(())
}

struct Look<'a> {
    editable: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl Look<'_> {
    fn over(mut self, before: &Value, after: &Value) -> Result<Vec<String>, Refusal> {
        self.at("", Some(before), Some(after))?;
        Ok(self.found)
    }

    fn at(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) -> Result<(), Refusal> {
        match (before, after) {
            (None, None) => return Ok(()),
            (Some(before), Some(after)) if same(path, before, after) => return Ok(()),
            (Some(_) | None, Some(_) | None) => {}
        }
        // A member that is not there any more is less of the map that held it, so that map has to be editable.
        if self.editable.contains(path) && after.is_some() {
            let narrower = before
                .zip(after)
                .is_some_and(|(before, after)| is_narrower(path, before, after));
            if !narrower {
                return Err(wider(path));
            }
            self.found.push(path.to_owned());
            return Ok(());
        }
        if let (Some(Value::Map(old)), Some(Value::Map(new))) = (before, after) {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            return names
                .into_iter()
                .try_for_each(|name| self.at(&below(path, name), old.get(name), new.get(name)));
        }
        Err(self.elsewhere(path))
    }

    fn elsewhere(&self, path: &str) -> Refusal {
        let detail = format!("`{}` may not be edited", shown(path));
        let places: Vec<String> = self.editable.iter().map(|place| format!("`{place}`")).collect();
        let hint = if places.is_empty() {
            "no rule or route of this request lists anything as `editable`; reject it, and say what would be right"
                .into()
        } else {
            format!("what may be narrowed is {}", places.join(", "))
        };
        Refusal::invalid("not_editable", detail).hint(hint)
    }
}

fn wider(path: &str) -> Refusal {
    Refusal::invalid(
        "not_narrower",
        format!(
            "what is wanted at `{}` is not less than what was asked for",
            shown(path)
        ),
    )
    .hint(
        "a number goes towards zero and not to it, lists and maps lose members and not all of them; \
             whoever wants something else rejects, and the agent asks anew",
    )
}

/// Whether a value is less than another one, and not the same.
fn is_narrower(path: &str, before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => is_nearer_to_zero(*before, *after),
        // An amount is text on the wire.
        (Value::String(before), Value::String(after)) if path == "/amount" => {
            let read = |text: &String| text.parse::<Decimal>().ok();
            (read(before).zip(read(after))).is_some_and(|(before, after)| is_nearer_to_zero(before, after))
        }
        (Value::List(before), Value::List(after)) => {
            // Each member is one of those before, in their order.
            let mut left = before.iter();
            !after.is_empty() && after.len() < before.len() && after.iter().all(|item| left.any(|old| old == item))
        }
        (Value::Map(before), Value::Map(after)) => {
            let kept = |(name, new): (&String, &Value)| {
                let old = before.get(name);
                old.is_some_and(|old| old == new || is_narrower("", old, new))
            };
            !after.is_empty() && before != after && after.iter().all(kept)
        }
        _ => false,
    }
}

fn is_nearer_to_zero(before: Decimal, after: Decimal) -> bool {
    let same_sign = before.is_sign_negative() == after.is_sign_negative();
    same_sign && !after.is_zero() && after.abs() < before.abs()
}

/// Whether two values are the same; of amounts the worth counts, not how they are written.
fn same(path: &str, before: &Value, after: &Value) -> bool {
    if let ("/amount", Value::String(before), Value::String(after)) = (path, before, after) {
        let read = |text: &String| text.parse::<Decimal>().ok();
        return before == after || read(before).is_some_and(|before| Some(before) == read(after));
    }
    before == after
}

fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// A place as messages show it: the names in it are foreign.
fn shown(path: &str) -> String {
    let short: String = path.chars().take(80).collect();
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
