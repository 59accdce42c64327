//! Putting Countersign in front of what a client has configured, and taking it out again: text in, text out.
//!
//! A person's configuration is theirs: comments, order, indentation and everything that is not ours stay as they are,
//! byte for byte. What was changed is told entry by entry, and the way back makes of each changed entry what it was.

mod hooks;
mod json;
mod servers;
mod toml;

use serde_json::Value;

pub use hooks::Hook;
pub use servers::{Change, Client, Installed, Wrapper};

/// A configuration that cannot be changed; the text says why, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub String);

/// Whether two configurations say the same, whatever their comments and spaces. Text that is none says nothing.
pub fn same(left: &str, right: &str) -> bool {
    let (left, right) = (said(left), said(right));
    left.is_some() && left == right
}

/// Whether anything in a configuration is ours: a wrapped server, or a hook.
pub fn has_ours(text: &str) -> bool {
    said(text).is_some_and(|value| holds_ours(&value))
}

fn said(text: &str) -> Option<Value> {
    json::value(text).or_else(|| toml::said(text))
}

fn holds_ours(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            let command = fields.get("command").and_then(Value::as_str);
            let args = fields.get("args").and_then(Value::as_array);
            let args: Vec<String> = (args.into_iter().flatten().filter_map(Value::as_str))
                .map(str::to_owned)
                .collect();
            command.is_some_and(|command| servers::wrapped(command, &args).is_some()) || fields.values().any(holds_ours)
        }
        Value::Array(items) => items.iter().any(holds_ours),
        Value::String(text) => hooks::is_our_command(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a configuration in JSON holds nothing that a client would miss.
pub fn is_empty(text: &str) -> bool {
    match json::value(text) {
        Some(Value::Object(fields)) => fields.iter().all(|(name, value)| match value {
            Value::Object(inner) => inner.is_empty(),
            _ => name == "version",
        }),
        _ => text.trim().is_empty(),
    }
}
