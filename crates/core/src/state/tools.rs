//! Tools as they are seen: one that changes under the same name is another tool, and a person looks at it first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Handled, State};
use crate::digest::Digest;
use crate::event::{Standing, ToolApproved, ToolChanged, ToolRegistered};
use crate::record::Record;
use crate::refusal::Refusal;
use crate::time::Time;

/// Tools that an organization keeps track of.
const TOOLS_AT_MOST: usize = 10_000;

/// A tool that was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTool {
    /// Nobody approved it since it changed.
    pub changed: bool,
    /// SHA-256 of its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Digest>,
    /// SHA-256 of the schema of its arguments.
    pub schema: Digest,
    /// Since when it is as it is.
    pub since: Time,
}

/// Tools that were registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Index of the record of a tool's last change, for those that ever changed.
    changes: BTreeMap<String, u64>,
    known: BTreeMap<String, KnownTool>,
}

impl Tools {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl State {
    /// Registered tools by name.
    pub fn tools(&self) -> &BTreeMap<String, KnownTool> {
        &self.tools.known
    }

    pub(super) fn register_tool(&self, tool: ToolRegistered) -> Result<Handled, Refusal> {
        match self.tools.known.get(&tool.tool) {
            Some(known) if known.schema == tool.schema && known.description == tool.description => {
                Handled::done(Vec::new())
            }
            Some(_) => Handled::one(ToolChanged {
                description: tool.description,
                schema: tool.schema,
                tool: tool.tool,
            }),
            None if self.tools.known.len() >= TOOLS_AT_MOST => Err(Refusal::conflict(
                "too_many_tools",
                format!("{TOOLS_AT_MOST} tools are registered"),
            )),
            None => Handled::one(tool),
        }
    }

    pub(super) fn approve_tool(&self, approved: ToolApproved) -> Result<Handled, Refusal> {
        let Some(known) = self.tools.known.get(&approved.tool) else {
            return Err(Refusal::missing("registered tool", &approved.tool));
        };
        if known.schema != approved.schema {
            return Err(Refusal::conflict(
                "schema_mismatch",
                format!("the schema of `{}` is another one by now", approved.tool),
            )
            .hint("look at `GET /v1/tools` again, and approve what is there"));
        }
        if !known.changed {
            return Handled::done(Vec::new());
        }
        Handled::one(approved)
    }

    /// The tool that an action names in any way and that changed last, and whether it still waits for a person.
    pub(super) fn change_of(&self, tool: &str, operation: &str) -> Option<(&str, bool)> {
        self.changed_by(tool, operation, 0)
    }

    /// Whether a tool that an action names changed after the record at `seq`.
    pub(super) fn changed_since(&self, tool: &str, operation: &str, seq: u64) -> bool {
        self.changed_by(tool, operation, seq).is_some()
    }

    fn changed_by(&self, tool: &str, operation: &str, after: u64) -> Option<(&str, bool)> {
        let last = |name: &'_ str| name.rsplit('/').next().map(str::to_owned);
        let names = [Some(tool.to_owned()), last(tool), Some(operation.to_owned())];
        let named = |known: &String| names.contains(&Some(known.clone())) || names.contains(&last(known));
        let changes = self
            .tools
            .changes
            .iter()
            .filter(|(known, seq)| **seq > after && named(known));
        changes
            .map(|(known, seq)| {
                let open = self.tools.known.get(known).is_some_and(|tool| tool.changed);
                (open, *seq, known.as_str())
            })
            .max()
            .map(|(open, _, known)| (known, open))
    }

    pub(super) fn tool_registered(&mut self, now: Time, e: &ToolRegistered) {
        let known = KnownTool {
            changed: false,
            description: e.description,
            schema: e.schema,
            since: now,
        };
        self.tools.known.insert(e.tool.clone(), known);
    }

    pub(super) fn tool_changed(&mut self, record: &Record, e: &ToolChanged) {
        let known = KnownTool {
            changed: true,
            description: e.description,
            schema: e.schema,
            since: record.ts,
        };
        self.tools.known.insert(e.tool.clone(), known);
        self.tools.changes.insert(e.tool.clone(), record.seq);
        // What was shown with another tool shows nothing of this one.
        let of_tool = |operation: &str| {
            let rest = operation.strip_prefix(e.tool.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        };
        for standings in self.autonomy.values_mut() {
            for (_, standing) in standings.iter_mut().filter(|(operation, _)| of_tool(operation)) {
                *standing = Standing {
                    since: record.ts,
                    ..Standing::default()
                };
            }
        }
    }

    pub(super) fn tool_approved(&mut self, e: &ToolApproved) {
        if let Some(known) = self.tools.known.get_mut(&e.tool) {
            known.changed = false;
        }
    }
}
