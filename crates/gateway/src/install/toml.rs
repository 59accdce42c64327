//! TOML, changed in place.

use std::collections::BTreeMap;
use std::time::Duration;

use toml_edit::{Array, DocumentMut, Item, TableLike, value};

use super::Unfit;
use super::servers::{Change, Entry, Installed, Start};

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
                    set(fields, "tool_timeout_sec", value(seconds));
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

fn entry(name: String, fields: &dyn TableLike) -> Entry {
    let text = |item: &toml_edit::Value| item.as_str().map(str::to_owned);
    let args = match fields.get("args") {
        Some(args) => args.as_array().and_then(|args| args.iter().map(text).collect()),
        None => Some(Vec::new()),
    };
    let seconds = fields.get("tool_timeout_sec");
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
