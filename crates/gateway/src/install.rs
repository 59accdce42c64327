//! Putting Countersign in front of what a client has configured, and taking it out again: text in, text out.
//!
//! A person's configuration is theirs: comments, order, indentation and everything that is not ours stay as they are,
//! byte for byte. What was changed is told entry by entry, and the way back makes of each changed entry what it was.

mod hooks;
mod json;
mod servers;
mod toml;

pub use hooks::Hook;
pub use servers::{Change, Client, Installed, Wrapper};

/// A configuration that cannot be changed; the text says why, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub String);

/// Whether two configurations in JSON say the same, whatever their comments and spaces. Text that is none says nothing.
pub fn same(left: &str, right: &str) -> bool {
    let (left, right) = (json::value(left), json::value(right));
    left.is_some() && left == right
}

/// Whether a configuration in JSON holds nothing that a client would miss.
pub fn is_empty(text: &str) -> bool {
    match json::value(text) {
        Some(serde_json::Value::Object(fields)) => fields.iter().all(|(name, value)| match value {
            serde_json::Value::Object(inner) => inner.is_empty(),
            _ => name == "version",
        }),
        _ => text.trim().is_empty(),
    }
}
