//! The hooks of Claude Code, whose shape others took over.

use serde_json::{Value, json};

use super::{Event, Use, Verdict, arguments, needed, text, tool_name};

pub(super) fn read(input: &Value, host: &str) -> Result<Event, String> {
    let event = needed(input, "hook_event_name")?;
    match event {
        "PreToolUse" | "PermissionRequest" => {
            let (tool, action) = tool_name(host, needed(input, "tool_name")?, "__")?;
            let used = Use {
                event: event.to_owned(),
                id: text(input, "tool_use_id").map(str::to_owned),
                tool,
                action,
                arguments: arguments(input.get("tool_input"))?,
                session: text(input, "session_id").map(str::to_owned),
                added: Vec::new(),
                stand: None,
            };
            Ok(if event == "PreToolUse" {
                Event::Before(used)
            } else {
                Event::Asking(used)
            })
        }
        "PostToolUse" | "PostToolUseFailure" => Ok(match text(input, "tool_use_id") {
            Some(id) => Event::After {
                id: id.to_owned(),
                error: (event == "PostToolUseFailure")
                    .then(|| text(input, "error").unwrap_or("the tool failed").to_owned()),
            },
            None => Event::Other,
        }),
        _ => Ok(Event::Other),
    }
}

pub(super) fn write(event: &str, verdict: &Verdict, grant: bool) -> String {
    if event == "PermissionRequest" {
        return asked(verdict);
    }
    let mut specific = json!({ "hookEventName": event });
    let fields = match verdict {
        Verdict::Deny { reason } => json!({ "permissionDecision": "deny", "permissionDecisionReason": reason }),
        // Changed arguments are taken with a grant alone.
        Verdict::Proceed {
            changed: Some(arguments),
        } => json!({
            "permissionDecision": "allow",
            "permissionDecisionReason": "allowed by policy, with other arguments",
            "updatedInput": arguments,
        }),
        Verdict::Proceed { changed: None } if grant => {
            json!({ "permissionDecision": "allow", "permissionDecisionReason": "allowed by policy" })
        }
        // Silence: what the host itself asks its user still counts.
        Verdict::Proceed { changed: None } => return String::new(),
    };
    if let (Some(specific), Value::Object(fields)) = (specific.as_object_mut(), fields) {
        specific.extend(fields);
    }
    json!({ "hookSpecificOutput": specific }).to_string()
}

/// The answer to an event before the user is asked.
pub(super) fn asked(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deny { reason } => json!({
            "hookSpecificOutput": {
                "hookEventName": "PermissionRequest",
                "decision": { "behavior": "deny", "message": reason },
            }
        })
        .to_string(),
        Verdict::Proceed { .. } => String::new(),
    }
}
