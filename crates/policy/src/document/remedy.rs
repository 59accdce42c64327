//! Remedies: how a safer action is made from the one asked for.

use rust_decimal::Decimal;

use super::field::Reader;
use crate::action::{Action, Resource};
use crate::hidden::Hidden;
use crate::value::Value;
use crate::yaml::{Kind, Node, decimal};

/// Fields of an action that a remedy may change as a whole.
const WHOLE: [&str; 6] = ["action", "amount", "currency", "env", "estimated_cost", "tool"];
/// Fields whose members a remedy may change.
const PARTS: [&str; 3] = ["args", "labels", "resource"];

/// One change: a JSON pointer (RFC 6901), and the new value or none to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    pointer: String,
    path: Vec<String>,
    value: Option<Value>,
}

/// What a rule offers instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    /// By pointer.
    changes: Vec<Change>,
    /// Countersign may put it in place of the original, if the caller accepts that.
    pub(crate) apply: bool,
}

impl Alternative {
    pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Alternative> {
        let mut fields = reader.fields(node, "a remedy")?;
        let mut changes = Vec::new();
        if let Some(Node {
            kind: Kind::Map(entries),
            ..
        }) = fields.get("set")
        {
            for (key, value) in entries {
                let path = pointer(reader, key);
                match value.value() {
                    Ok(new) => {
                        fits(reader, value, path.as_deref(), &new);
                        changes.extend(path.map(|path| change(key, path, Some(new))));
                    }
                    Err(bad) => {
                        let help = "write a decimal number, or put it into quotes";
                        reader.error(
                            "invalid_value",
                            bad.span.clone(),
                            "this number has no exact value",
                            help,
                        );
                    }
                }
            }
        } else if let Some(node) = fields.get("set") {
            reader.fields(node, "pointers and values");
        }
        if let Some(node) = fields.get("remove") {
            for key in reader.list_or_one(node).unwrap_or_default() {
                let path = pointer(reader, key);
                if path
                    .as_deref()
                    .is_some_and(|path| matches!(path, [root] if root == "action"))
                {
                    let help = "set another one instead";
                    reader.error(
                        "invalid_pointer",
                        key.span.clone(),
                        "an action without a name is none",
                        help,
                    );
                }
                changes.extend(path.map(|path| change(key, path, None)));
            }
        }
        let apply = fields.get("apply").and_then(|node| reader.bool(node)).unwrap_or(false);
        fields.finish(reader);
        changes.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        for pair in changes.windows(2) {
            if let [a, b] = pair
                && (b.pointer == a.pointer || b.pointer.starts_with(&format!("{}/", a.pointer)))
            {
                let message = format!("`{}` and `{}` change the same thing", a.pointer, b.pointer);
                reader.error("contradiction", node.span.clone(), message, "keep one of them");
            }
        }
        if changes.is_empty() {
            let help = "add `set: { /args/dry_run: true }` or `remove: [/args/force]`";
            reader.error("empty", node.span.clone(), "the remedy changes nothing", help);
            return None;
        }
        Some(Alternative { changes, apply })
    }

    /// The pointers, sorted.
    pub(crate) fn pointers(&self) -> Vec<String> {
        self.changes.iter().map(|change| change.pointer.clone()).collect()
    }

    /// Notes what [`Alternative::of`] and a comparison of its result with `action` look at.
    pub(crate) fn watch(&self, action: &Action, hidden: &Hidden) {
        for change in &self.changes {
            let Some((root, rest)) = change.path.split_first() else {
                continue;
            };
            let resource = action.resource.as_ref();
            let (at, rest): (Option<&Value>, &[String]) = match (root.as_str(), rest) {
                ("args", rest) => (Some(&action.args), rest),
                ("labels", rest) => (action.labels.as_ref(), rest),
                ("resource", [field, rest @ ..]) if field == "labels" => {
                    (resource.and_then(|resource| resource.labels.as_ref()), rest)
                }
                _ => (None, &[]),
            };
            let text = match (root.as_str(), rest) {
                ("tool", _) => action.tool.as_deref(),
                ("action", _) => Some(action.action.as_str()),
                ("env", _) => action.env.as_deref(),
                ("resource", _) => match change.path.get(1).map(String::as_str) {
                    Some("type") => resource.and_then(|resource| resource.kind.as_deref()),
                    Some("id") => resource.and_then(|resource| resource.id.as_deref()),
                    Some("owner") => resource.and_then(|resource| resource.owner.as_deref()),
                    _ => None,
                },
                _ => None,
            };
            let path = || change.pointer.trim_start_matches('/').replace('/', ".");
            if change.value.is_some() {
                hidden.see_text(text, &path());
            }
            if let Some(at) = at {
                watch_place(at, rest, change.value.is_some(), hidden, &path);
            }
        }
    }

    /// The alternative to `action`; the error is the pointer that leads nowhere.
    pub(crate) fn of(&self, action: &Action) -> Result<Action, String> {
        let mut alternative = action.clone();
        for change in &self.changes {
            put(&mut alternative, change).ok_or_else(|| change.pointer.clone())?;
        }
        Ok(alternative)
    }
}

fn change(key: &Node, path: Vec<String>, value: Option<Value>) -> Change {
    Change {
        pointer: key.text().unwrap_or_default().to_owned(),
        path,
        value,
    }
}

fn pointer(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let text = reader.name(node)?;
    let path: Option<Vec<String>> = text.strip_prefix('/').map(|rest| {
        rest.split('/')
            .map(|p| p.replace("~1", "/").replace("~0", "~"))
            .collect()
    });
    let known = path.as_deref().is_some_and(|path| match path {
        [root] => WHOLE.contains(&root.as_str()),
        [root, field] if root == "resource" => ["type", "id", "owner"].contains(&field.as_str()),
        [root, field, _, ..] if root == "resource" => field == "labels",
        [root, ..] => PARTS.contains(&root.as_str()) && root != "resource",
        [] => false,
    });
    if !known {
        let message = format!("`{}` points at nothing that a remedy may change", text.escape_debug());
        let help = "known: /args/…, /labels/…, /resource/type|id|owner|labels/…, /action, /tool, /env, /amount, \
                    /currency, /estimated_cost";
        reader.error("invalid_pointer", node.span.clone(), message, help);
    }
    path.filter(|_| known)
}

/// The new value has the type of the field.
fn fits(reader: &mut Reader<'_>, node: &Node, path: Option<&[String]>, value: &Value) {
    let Some([root, rest @ ..]) = path else { return };
    let wanted = match (root.as_str(), rest) {
        ("amount" | "estimated_cost", []) if number(value).is_none() => "a number",
        ("action" | "tool" | "env" | "currency", []) | ("resource", [_])
            if value.as_str().is_none_or(|text| text.trim().is_empty()) =>
        {
            "text"
        }
        _ => return,
    };
    let message = format!("expected {wanted}, found {}", node.kind_name());
    reader.error("wrong_type", node.span.clone(), message, "write it as that");
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(*number),
        Value::String(text) => decimal(text),
        _ => None,
    }
}

/// Makes one change; `None` where the path leads through something that is no map or list.
fn put(action: &mut Action, change: &Change) -> Option<()> {
    let (root, rest) = change.path.split_first()?;
    let text = || change.value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let amount = || change.value.as_ref().and_then(number);
    match (root.as_str(), rest) {
        ("action", []) => action.action = text()?,
        ("tool", []) => action.tool = text(),
        ("env", []) => action.env = text(),
        ("currency", []) => action.currency = text(),
        ("amount", []) => action.amount = amount(),
        ("estimated_cost", []) => action.estimated_cost = amount(),
        ("args", path) => place(&mut action.args, path, &change.value)?,
        ("labels", path) => within(&mut action.labels, path, &change.value)?,
        ("resource", [field, path @ ..]) => {
            if action.resource.is_none() && change.value.is_none() {
                return Some(());
            }
            let resource = action.resource.get_or_insert_with(Resource::default);
            match field.as_str() {
                "type" => resource.kind = text(),
                "id" => resource.id = text(),
                "owner" => resource.owner = text(),
                _ => within(&mut resource.labels, path, &change.value)?,
            }
        }
        _ => return None,
    }
    Some(())
}

/// Notes what a change at `path` looks at. What is replaced is compared; what is removed is not.
fn watch_place(at: &Value, path: &[String], replaces: bool, hidden: &Hidden, name: &impl Fn() -> String) {
    let Some((key, rest)) = path.split_first() else {
        if replaces {
            hidden.see_all(at, name);
        }
        return;
    };
    hidden.see_key(at, key, name);
    let next = match at {
        Value::Map(map) => map.get(key),
        Value::List(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
        _ => None,
    };
    if let Some(next) = next {
        watch_place(next, rest, replaces, hidden, name);
    }
}

fn within(slot: &mut Option<Value>, path: &[String], value: &Option<Value>) -> Option<()> {
    if slot.is_none() && value.is_none() {
        return Some(());
    }
    place(slot.get_or_insert_with(|| Value::Map(Default::default())), path, value)
}

/// Sets or removes a member; maps on the way are made where they are missing.
fn place(target: &mut Value, path: &[String], value: &Option<Value>) -> Option<()> {
    let (key, rest) = path.split_first()?;
    match target {
        Value::Map(map) if rest.is_empty() => {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
            Some(())
        }
        Value::Map(map) => {
            if value.is_none() && !map.contains_key(key) {
                return Some(());
            }
            let next = map.entry(key.clone()).or_insert_with(|| Value::Map(Default::default()));
            place(next, rest, value)
        }
        Value::List(items) => {
            let index: usize = key.parse().ok()?;
            match (rest.is_empty(), value) {
                (true, Some(value)) => *items.get_mut(index)? = value.clone(),
                (true, None) if index < items.len() => {
                    items.remove(index);
                }
                (true, None) => {}
                (false, _) => place(items.get_mut(index)?, rest, value)?,
            }
            Some(())
        }
        _ => None,
    }
}
