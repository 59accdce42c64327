//! The hooks of Codex: the shape of Claude Code, of which it takes less.
//!
//! It ignores a hook that says `allow` without changed arguments, `ask`, or a field that it does not know, and then runs
//! the tool. So nothing is said when a tool may run.

use serde_json::json;

use super::{Verdict, claude};

pub(super) fn write(event: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Proceed { changed: None } => String::new(),
        Verdict::Deny { .. } if event == "PermissionRequest" => claude::asked(verdict),
        Verdict::Deny { reason } => json!({
            "hookSpecificOutput": {
                "hookEventName": event,
                "permissionDecision": "deny",
                "permissionDecisionReason": reason,
            }
        })
        .to_string(),
        Verdict::Proceed {
            changed: Some(arguments),
        } => json!({
            "hookSpecificOutput": {
                "hookEventName": event,
                "permissionDecision": "allow",
                "updatedInput": arguments,
            }
        })
        .to_string(),
    }
}
