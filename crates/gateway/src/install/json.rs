//! JSON with comments, changed in place.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;

use super::Unfit;
use super::servers::{Change, Entry, Installed, Start};

/// How long a client waits for a call, in milliseconds.
const PATIENCE: &str = "timeout";

/// What clients read: comments and trailing commas, and nothing else that is not JSON.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// What a text says, without its comments.
pub(super) fn value(text: &str) -> Option<Value> {
    CstRootNode::parse(text, &options()).ok()?.to_serde_value()
}

/// The text as a tree, and its outermost object, which is made where there is nothing.
pub(super) fn object(text: &str) -> Result<(CstRootNode, CstObject), Unfit> {
    let root = CstRootNode::parse(text, &options()).map_err(|error| Unfit(format!("it is not JSON: {error}")))?;
    let object = root
        .object_value_or_create()
        .ok_or_else(|| Unfit("it is JSON, but not an object".to_owned()))?;
    Ok((root, object))
}

/// Changes the servers below `key`.
pub(super) fn edit_servers(
    text: &str,
    key: &str,
    mut turn: impl FnMut(&Entry) -> Result<(Start, Change), Change>,
) -> Result<Installed, Unfit> {
    let (root, object) = object(text)?;
    let servers = object
        .object_value(key)
        .ok_or_else(|| Unfit(format!("it has no servers: there is no object `{key}` in it")))?;
    let mut changes = BTreeMap::new();
    for property in servers.properties() {
        let (Some(name), Some(fields)) = (property.decoded_name(), property.object_value()) else {
            continue;
        };
        let change = match turn(&entry(name.clone(), &fields)) {
            Ok((start, change)) => {
                set(&fields, "command", start.command.into());
                set(&fields, "args", start.args.into());
                if let Some(patience) = start.patience {
                    let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                    set(&fields, PATIENCE, ms.into());
                }
                change
            }
            Err(change) => change,
        };
        if changes.insert(name.clone(), change).is_some() {
            return Err(Unfit(format!("it names the server `{name}` twice")));
        }
    }
    Ok(Installed {
        text: root.to_string(),
        changes,
    })
}

/// Gives unwrapped servers back what installing changed besides their commands: how long the client waits, and arguments
/// where there were none. Nothing if there is nothing to give back.
pub(super) fn restore_servers(text: &str, before: &str, key: &str, names: &[&str]) -> Option<String> {
    let (root, object) = object(text).ok()?;
    let servers = object.object_value(key)?;
    let before = value(before)?;
    for name in names {
        let (Some(fields), Some(was)) = (servers.object_value(name), before.get(key)?.get(name)) else {
            continue;
        };
        let now = fields.to_serde_value().unwrap_or_default();
        if !rest_is_same(&now, was, PATIENCE) {
            continue;
        }
        if let (Some(args), None) = (fields.get("args"), was.get("args")) {
            args.remove();
        }
        match (fields.get(PATIENCE), was.get(PATIENCE)) {
            (Some(field), None) => field.remove(),
            (Some(field), Some(Value::Number(ms))) => field.set_value(CstInputValue::Number(ms.to_string())),
            (Some(_) | None, _) => {}
        }
    }
    Some(root.to_string())
}

/// Whether two servers say the same besides what installing changes: how long the client waits, and that there are no
/// arguments.
pub(super) fn rest_is_same(left: &Value, right: &Value, patience: &str) -> bool {
    let rest = |server: &Value| {
        let mut fields = server.as_object().cloned().unwrap_or_default();
        fields.remove(patience);
        if fields.get("args").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            fields.remove("args");
        }
        fields
    };
    rest(left) == rest(right)
}

fn entry(name: String, fields: &CstObject) -> Entry {
    let field = |name: &str| fields.get(name)?.value()?.to_serde_value();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let args = match field("args") {
        Some(args) => args.as_array().and_then(|args| args.iter().map(text).collect()),
        None => Some(Vec::new()),
    };
    Entry {
        name,
        command: field("command").as_ref().and_then(text),
        args,
        patience: field(PATIENCE).and_then(|ms| ms.as_u64()).map(Duration::from_millis),
    }
}

/// Sets a field where it stands, or at the end.
pub(super) fn set(fields: &CstObject, name: &str, value: CstInputValue) {
    match fields.get(name) {
        Some(field) => field.set_value(value),
        None => {
            fields.append(name, value);
        }
    }
}
