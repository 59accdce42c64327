//! Texts in languages of others that stand in arguments: command lines, addresses, paths, SQL.
//!
//! Programs differ in how they read such texts, and an agent may choose the text so that they do. Therefore each reader knows
//! a small part of its language, the one that all programs are known to read alike, and takes out of it the one thing that
//! a condition asks for. Everything else is refused, dangerous or not, and the rule that asked denies. Readers are total, and
//! bounded in size and depth.

mod host;
mod mail;
mod path;
mod shell;
mod sql;

pub use host::host;
pub use mail::domain;
pub use path::within;
pub use shell::{commands, writes};
pub use sql::verbs;

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 65_536;

/// The most different names that are found in one text.
pub const MAX_NAMES: usize = 500;

/// Why a text does not say for sure what was asked.
///
/// The reason never has a part of the text in it: it goes into records, which keep nothing of what is to be redacted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsure(pub String);

fn unsure<T>(why: impl Into<String>) -> Result<T, Unsure> {
    Err(Unsure(why.into()))
}

/// Refuses what no reader takes: a text that is too long, or holds what ends or hides a text elsewhere.
fn plain(text: &str) -> Result<(), Unsure> {
    if text.len() > MAX_BYTES {
        return unsure(format!("it is longer than {MAX_BYTES} bytes"));
    }
    if text.contains('\0') {
        return unsure("it has a zero byte");
    }
    Ok(())
}

/// Takes a name into a list of different ones.
fn note(names: &mut Vec<String>, name: &str) -> Result<(), Unsure> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    if names.len() >= MAX_NAMES {
        return unsure(format!("it has more than {MAX_NAMES} different names"));
    }
    names.push(name.to_owned());
    Ok(())
}
