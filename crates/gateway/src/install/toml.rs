//! TOML, changed in place.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use toml_edit::{Array, DocumentMut, Item, TableLike, value};

use super::servers::{Change, Entry, Installed, Start};
use super::{Unfit, json};

/// How long a client waits for a call, in seconds.
const PATIENCE: &str = "tool_timeout_sec";

/// Changes the servers below `mcp_servers`.
pub(super) fn edit_servers(
    text: &str,
    mut turn: impl FnMut(&Entry) -> Result<(Start, Change), Change>,
) -> Result<Installed, Unfit> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| Unfit(format!("it is not TOML: {}", error.message())))?;
    let servers = document
        .get_mut("mcp_servers")
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| Unfit("it has no servers: there is no table `mcp_servers` in it".to_owned()))?;
    let mut changes = BTreeMap::new();
    for (name, item) in servers.iter_mut() {
        let name = name.get().to_owned();
        let Some(fields) = item.as_table_like_mut() else {
            continue;
        };
        let change = match turn(&entry(name.clone(), fields)) {
            Ok((start, change)) => {
                set(fields, "command", value(start.command));
                set(fields, "args", value(start.args.into_iter().collect::<Array>()));
                if let Some(patience) = start.patience {
                    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
                    set(fields, PATIENCE, value(seconds));
                }
                change
            }
            Err(change) => change,
        };
        changes.insert(name, change);
    }
    Ok(Installed {
        text: document.to_string(),
        changes,
    })
}

/// As [`json::restore_servers`].
pub(super) fn restore_servers(text: &str, before: &str, names: &[&str]) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let before: DocumentMut = before.parse().ok()?;
    let servers = document.get_mut("mcp_servers")?.as_table_like_mut()?;
    let were = before.get("mcp_servers")?.as_table_like()?;
    for name in names {
        let (Some(now), Some(was)) = (servers.get_mut(name), were.get(name)) else {
            continue;
        };
        let same = json::rest_is_same(&plain(now), &plain(was), PATIENCE);
        let (Some(fields), Some(was), true) = (now.as_table_like_mut(), was.as_table_like(), same) else {
            continue;
        };
        if was.get("args").is_none() {
            fields.remove("args");
        }
        match was.get(PATIENCE) {
            Some(seconds) => set(fields, PATIENCE, seconds.clone()),
            None => drop(fields.remove(PATIENCE)),
        }
    }
    Some(document.to_string())
}

/// What a text says, without its comments and its order.
pub(super) fn said(text: &str) -> Option<Value> {
    let document: DocumentMut = text.parse().ok()?;
    Some(plain(document.as_item()))
}

fn plain(item: &Item) -> Value {
    let table = |fields: &dyn TableLike| {
        let fields = fields.iter().map(|(name, item)| (name.to_owned(), plain(item)));
        Value::Object(fields.collect())
    };
    match item {
        Item::None => Value::Null,
        Item::Table(fields) => table(fields),
        Item::ArrayOfTables(tables) => tables.iter().map(|fields| table(fields)).collect(),
        Item::Value(toml_edit::Value::InlineTable(fields)) => table(fields),
        Item::Value(toml_edit::Value::Array(items)) => {
            let items = items.iter().map(|value| plain(&Item::Value(value.clone())));
            items.collect()
        }
        Item::Value(toml_edit::Value::String(text)) => text.value().as_str().into(),
        Item::Value(toml_edit::Value::Integer(number)) => (*number.value()).into(),
        Item::Value(toml_edit::Value::Float(number)) => (*number.value()).into(),
        Item::Value(toml_edit::Value::Boolean(flag)) => (*flag.value()).into(),
        Item::Value(toml_edit::Value::Datetime(time)) => time.value().to_string().into(),
    }
}

fn entry(name: String, fields: &dyn TableLike) -> Entry {
    let text = |item: &toml_edit::Value| item.as_str().map(str::to_owned);
    let args = match fields.get("args") {
        Some(args) => args.as_array().and_then(|args| args.iter().map(text).collect()),
        None => Some(Vec::new()),
    };
    let seconds = fields.get(PATIENCE);
    let seconds = seconds.and_then(|item| {
        item.as_integer()
            .or_else(|| item.as_float().map(|seconds| seconds as i64))
    });
    Entry {
        name,
        command: fields.get("command").and_then(Item::as_str).map(str::to_owned),
        args,
        patience: seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
    }
}

/// Sets a field where it stands, with the comments around it, or at the end.
fn set(fields: &mut dyn TableLike, name: &str, new: Item) {
    let decor = fields.get(name).and_then(Item::as_value).map(|old| old.decor().clone());
    fields.insert(name, new);
    if let (Some(decor), Some(new)) = (decor, fields.get_mut(name).and_then(Item::as_value_mut)) {
        *new.decor_mut() = decor;
    }
}
