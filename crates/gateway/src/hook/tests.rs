#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;

const ALL: [Dialect; 5] = [
    Dialect::Claude,
    Dialect::Codex,
    Dialect::Copilot,
    Dialect::Cursor,
    Dialect::Gemini,
];

fn used(dialect: Dialect, input: &Value) -> Use {
    match dialect.read(input).unwrap() {
        Event::Before(used) | Event::Asking(used) => used,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tool_of_a_server_has_the_same_name_whichever_host_asks() {
    let claude =
        json!({"hook_event_name": "PreToolUse", "tool_name": "mcp__files__write", "tool_input": {"path": "a"}});
    let copilot = json!({"toolName": "mcp__files__write", "toolArgs": "{\"path\": \"a\"}"});
    let cursor = json!({"hook_event_name": "beforeMCPExecution", "server_name": "files", "tool_name": "write", "tool_input": {"path": "a"}});
    let gemini = json!({
        "hook_event_name": "BeforeTool", "tool_name": "mcp_files_write", "tool_input": {"path": "a"},
        "mcp_context": {"server_name": "files", "tool_name": "write"},
    });
    let inputs = [
        (Dialect::Claude, &claude),
        (Dialect::Codex, &claude),
        (Dialect::Copilot, &copilot),
        (Dialect::Cursor, &cursor),
        (Dialect::Gemini, &gemini),
    ];
    for (dialect, input) in inputs {
        let used = used(dialect, input);
        assert_eq!(
            (used.tool.as_str(), used.action.as_str()),
            ("files/write", "write"),
            "{dialect:?}"
        );
        assert_eq!(used.arguments.get("path"), Some(&json!("a")), "{dialect:?}");
    }
}

#[test]
fn what_is_not_understood_is_denied_in_every_dialect() {
    for dialect in ALL {
        assert!(dialect.read(&json!({})).is_err(), "{dialect:?}");
        let answer: Value = serde_json::from_str(&dialect.deny("because")).unwrap();
        let (word, reason) = match dialect {
            Dialect::Claude | Dialect::Codex => (
                &answer["hookSpecificOutput"]["permissionDecision"],
                &answer["hookSpecificOutput"]["permissionDecisionReason"],
            ),
            Dialect::Copilot => (&answer["permissionDecision"], &answer["permissionDecisionReason"]),
            Dialect::Cursor => (&answer["permission"], &answer["agent_message"]),
            Dialect::Gemini => (&answer["decision"], &answer["reason"]),
        };
        assert_eq!((word, reason), (&json!("deny"), &json!("because")), "{dialect:?}");
    }
}

#[test]
fn codex_is_told_nothing_when_a_tool_may_run() {
    let proceed = Verdict::Proceed { changed: None };
    assert_eq!(Dialect::Codex.write("PreToolUse", &proceed, true), "");
}

#[test]
fn changed_arguments_reach_the_host() {
    let arguments = json!({"limit": 10}).as_object().unwrap().clone();
    for dialect in ALL {
        let verdict = Verdict::Proceed {
            changed: Some(arguments.clone()),
        };
        let event = if dialect == Dialect::Copilot {
            "preToolUse"
        } else {
            "PreToolUse"
        };
        assert!(
            dialect.write(event, &verdict, false).contains(r#"{"limit":10}"#),
            "{dialect:?}"
        );
    }
}

#[test]
fn the_user_is_still_asked_by_the_host_unless_it_is_told_to_grant() {
    let proceed = Verdict::Proceed { changed: None };
    assert_eq!(Dialect::Claude.write("PreToolUse", &proceed, false), "");
    let granted = Dialect::Claude.write("PreToolUse", &proceed, true);
    assert!(granted.contains(r#""permissionDecision":"allow""#), "{granted}");
}
