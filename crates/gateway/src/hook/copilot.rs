//! The hooks of Copilot, in both spellings of its events.

use serde_json::{Value, json};

use super::{Event, Use, Verdict, arguments, needed, text, tool_name};

pub(super) fn read(input: &Value) -> Result<Event, String> {
    // Events in Pascal case come in the shape of Claude Code; the others name no event.
    if let Some(event) = text(input, "hook_event_name") {
        if !event.eq_ignore_ascii_case("PreToolUse") && !event.eq_ignore_ascii_case("PermissionRequest") {
            return Ok(Event::Other);
        }
        return used(input, event, "tool_name", "tool_input", "session_id");
    }
    if input.get("toolName").is_some() {
        let event = if input.get("toolResult").is_some() {
            return Ok(Event::Other);
        } else {
            "preToolUse"
        };
        return used(input, event, "toolName", "toolArgs", "sessionId");
    }
    Err("it names neither an event nor a tool".to_owned())
}

fn used(input: &Value, event: &str, tool: &str, args: &str, session: &str) -> Result<Event, String> {
    let (tool, action) = tool_name("copilot", needed(input, tool)?, "__")?;
    let used = Use {
        event: event.to_owned(),
        id: text(input, "tool_use_id")
            .or_else(|| text(input, "toolUseId"))
            .map(str::to_owned),
        tool,
        action,
        arguments: arguments(input.get(args))?,
        session: text(input, session).map(str::to_owned),
        added: Vec::new(),
        stand: None,
    };
    Ok(if event.eq_ignore_ascii_case("PermissionRequest") {
        Event::Asking(used)
    } else {
        Event::Before(used)
    })
}

pub(super) fn write(event: &str, verdict: &Verdict, grant: bool) -> String {
    if event.eq_ignore_ascii_case("PermissionRequest") {
        return match verdict {
            Verdict::Deny { reason } => {
                json!({ "behavior": "deny", "message": reason, "interrupt": false }).to_string()
            }
            Verdict::Proceed { .. } => String::new(),
        };
    }
    match verdict {
        Verdict::Deny { reason } => {
            json!({ "permissionDecision": "deny", "permissionDecisionReason": reason }).to_string()
        }
        Verdict::Proceed {
            changed: Some(arguments),
        } => json!({ "permissionDecision": "allow", "modifiedArgs": arguments }).to_string(),
        Verdict::Proceed { changed: None } if grant => json!({ "permissionDecision": "allow" }).to_string(),
        Verdict::Proceed { changed: None } => String::new(),
    }
}
