//! The hooks of Gemini.

use serde_json::{Value, json};

use super::{Event, Use, Verdict, arguments, needed, server_tool, text, tool_name};

pub(super) fn read(input: &Value) -> Result<Event, String> {
    let event = needed(input, "hook_event_name")?;
    if event != "BeforeTool" {
        return Ok(Event::Other);
    }
    let name = needed(input, "tool_name")?;
    let (tool, action) = match input.get("mcp_context") {
        Some(context) if context.is_object() => {
            let (server, tool) = (needed(context, "server_name")?, needed(context, "tool_name")?);
            server_tool(server, tool)?
        }
        _ => tool_name("gemini", name, "_")?,
    };
    Ok(Event::Before(Use {
        event: event.to_owned(),
        id: None,
        tool,
        action,
        arguments: arguments(input.get("tool_input"))?,
        session: text(input, "session_id").map(str::to_owned),
        added: Vec::new(),
        stand: None,
    }))
}

pub(super) fn write(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deny { reason } => json!({ "decision": "deny", "reason": reason }).to_string(),
        Verdict::Proceed {
            changed: Some(arguments),
        } => json!({
            "decision": "allow",
            "hookSpecificOutput": { "hookEventName": "BeforeTool", "tool_input": arguments },
        })
        .to_string(),
        Verdict::Proceed { changed: None } => json!({ "decision": "allow" }).to_string(),
    }
}
