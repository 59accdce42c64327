//! The hook in the configuration of a coding agent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject};

use super::{Unfit, json};
use crate::hook::Dialect;

/// The command that answers a host's hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Whose hook it is.
    pub dialect: Dialect,
    /// The command line for a shell.
    pub command: String,
    /// How long the host is told to wait.
    pub within: Duration,
}

/// By this a command in a configuration is known as ours: the program's name stands before it, in whatever folder.
const OURS: &str = "hook --dialect";

impl Hook {
    /// Where a host's hooks lie, below the home of the user or below the project.
    pub fn place(dialect: Dialect, home: &Path, project: &Path) -> PathBuf {
        match dialect {
            Dialect::Claude => project.join(".claude/settings.json"),
            Dialect::Codex => home.join(".codex/hooks.json"),
            Dialect::Copilot => project.join(".github/hooks/countersign.json"),
            Dialect::Cursor => project.join(".cursor/hooks.json"),
            Dialect::Gemini => home.join(".gemini/settings.json"),
        }
    }

    /// The configuration with the hook in it, once.
    ///
    /// # Errors
    /// The text is no configuration with hooks.
    pub fn install(&self, text: &str) -> Result<String, Unfit> {
        let without = Hook::uninstall(self.dialect, text)?;
        let (root, object) = json::object(&without)?;
        if matches!(self.dialect, Dialect::Copilot | Dialect::Cursor) && object.get("version").is_none() {
            object.append("version", 1_u64.into());
        }
        let hooks = object
            .object_value_or_create("hooks")
            .ok_or_else(|| Unfit("its `hooks` are not an object".to_owned()))?;
        for event in events(self.dialect) {
            let list = hooks
                .array_value_or_create(event)
                .ok_or_else(|| Unfit(format!("its `hooks.{event}` is not a list")))?;
            list.append(self.entry());
            list.ensure_multiline();
        }
        Ok(root.to_string() + if without.is_empty() { "\n" } else { "" })
    }

    /// The configuration without the hook.
    ///
    /// # Errors
    /// The text is no configuration with hooks.
    pub fn uninstall(dialect: Dialect, text: &str) -> Result<String, Unfit> {
        let (root, object) = json::object(text)?;
        let Some(hooks) = object.object_value("hooks") else {
            return Ok(text.to_owned());
        };
        let mut changed = false;
        for event in events(dialect) {
            let Some(list) = hooks.array_value(event) else { continue };
            changed |= without_ours(&list);
            if let Some(property) = hooks.get(event).filter(|_| changed && list.elements().is_empty()) {
                property.remove();
            }
        }
        if !changed {
            return Ok(text.to_owned());
        }
        if let Some(property) = object.get("hooks").filter(|_| hooks.properties().is_empty()) {
            property.remove();
        }
        Ok(root.to_string())
    }

    /// The entry in the host's own words. Where a host can be told what a hook that fails means, it is told.
    fn entry(&self) -> CstInputValue {
        let command = || self.command.clone().into();
        let seconds = || CstInputValue::from(self.within.as_secs());
        let ms = || CstInputValue::from(u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX));
        match self.dialect {
            Dialect::Claude => matched(fields([
                ("type", "command".into()),
                ("command", command()),
                ("timeout", seconds()),
                ("onFailure", "block".into()),
            ])),
            Dialect::Codex => matched(fields([
                ("type", "command".into()),
                ("command", command()),
                ("timeout", seconds()),
            ])),
            Dialect::Gemini => matched(fields([
                ("type", "command".into()),
                ("command", command()),
                ("timeout", ms()),
            ])),
            Dialect::Copilot => fields([
                ("type", "command".into()),
                ("bash", command()),
                ("timeoutSec", seconds()),
            ]),
            Dialect::Cursor => fields([
                ("command", command()),
                ("timeout", seconds()),
                ("failClosed", true.into()),
            ]),
        }
    }
}

/// The events that are answered. Where the host tells what came of a tool, its outcome is reported.
fn events(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Claude => &["PreToolUse", "PostToolUse", "PostToolUseFailure"],
        Dialect::Codex => &["PreToolUse"],
        Dialect::Copilot | Dialect::Cursor => &["preToolUse"],
        Dialect::Gemini => &["BeforeTool"],
    }
}

/// A hook for every tool.
fn matched(hook: CstInputValue) -> CstInputValue {
    fields([("matcher", "*".into()), ("hooks", CstInputValue::Array(vec![hook]))])
}

fn fields<const N: usize>(fields: [(&str, CstInputValue); N]) -> CstInputValue {
    CstInputValue::Object(fields.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// Removes what is ours from a list of hooks, and groups that are empty then; whether there was any.
fn without_ours(list: &CstArray) -> bool {
    let mut changed = false;
    for element in list.elements() {
        let Some(entry) = element.as_object() else { continue };
        if is_ours(&entry) {
            CstNode::from(entry).remove();
            changed = true;
            continue;
        }
        let Some(inner) = entry.array_value("hooks") else {
            continue;
        };
        let ours: Vec<_> = inner
            .elements()
            .into_iter()
            .filter_map(|hook| hook.as_object())
            .filter(is_ours)
            .collect();
        changed |= !ours.is_empty();
        let all = ours.len() == inner.elements().len();
        if all && !ours.is_empty() {
            CstNode::from(entry).remove();
        } else {
            ours.into_iter().for_each(CstObject::remove);
        }
    }
    changed
}

fn is_ours(entry: &CstObject) -> bool {
    ["command", "bash"].iter().any(|name| {
        let text = entry
            .get(name)
            .and_then(|field| field.value()?.as_string_lit()?.decoded_value().ok());
        text.is_some_and(|command| is_our_command(&command))
    })
}

/// Whether a command line answers a hook by us.
pub(super) fn is_our_command(line: &str) -> bool {
    let before = line.split_once(OURS).map(|(before, _)| before.trim_end());
    before.is_some_and(|program| program.trim_end_matches(['\'', '"']).ends_with("countersign"))
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
