//! The hooks of Cursor.

use serde_json::{Map, Value, json};

use super::{Event, Use, Verdict, arguments, needed, server_tool, text};

pub(super) fn read(input: &Value) -> Result<Event, String> {
    let event = needed(input, "hook_event_name")?;
    let (tool, action, arguments) = match event {
        "beforeShellExecution" => {
            let mut map = Map::new();
            map.insert("command".to_owned(), needed(input, "command")?.into());
            if let Some(cwd) = text(input, "cwd") {
                map.insert("cwd".to_owned(), cwd.into());
            }
            ("cursor/Shell".to_owned(), "Shell".to_owned(), map)
        }
        "beforeReadFile" => {
            let mut map = Map::new();
            map.insert("file_path".to_owned(), needed(input, "file_path")?.into());
            ("cursor/Read".to_owned(), "Read".to_owned(), map)
        }
        "beforeMCPExecution" => {
            let name = needed(input, "tool_name")?;
            let server = text(input, "server_name").unwrap_or("mcp");
            let (tool, action) = server_tool(server, name)?;
            (tool, action, arguments(input.get("tool_input"))?)
        }
        "preToolUse" => {
            let name = needed(input, "tool_name")?;
            let arguments = arguments(input.get("tool_input"))?;
            match name.strip_prefix("MCP:") {
                Some(tool) => (format!("mcp/{tool}"), tool.to_owned(), arguments),
                None => (format!("cursor/{name}"), name.to_owned(), arguments),
            }
        }
        _ => return Ok(Event::Other),
    };
    Ok(Event::Before(Use {
        event: event.to_owned(),
        id: text(input, "tool_use_id").map(|id| format!("{event}:{id}")),
        tool,
        action,
        arguments,
        session: text(input, "conversation_id").map(str::to_owned),
        added: Vec::new(),
        stand: None,
    }))
}

pub(super) fn write(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deny { reason } => {
            json!({ "permission": "deny", "user_message": reason, "agent_message": reason }).to_string()
        }
        Verdict::Proceed {
            changed: Some(arguments),
        } => json!({ "permission": "allow", "updated_input": arguments }).to_string(),
        Verdict::Proceed { changed: None } => json!({ "permission": "allow" }).to_string(),
    }
}
