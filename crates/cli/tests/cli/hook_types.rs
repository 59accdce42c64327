//! Questions and answers of hooks, held against the types that vendors publish.
//!
//! Claude Code's are in its agent SDK, Gemini's in its core, both with what a hook is asked and answers; Copilot's SDK has what
//! a hook answers. Codex and Cursor publish no types in a registry: Codex takes Claude Code's shape, of which it takes less.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::hooks::{ask, question};
use crate::mcp::Shop;
use crate::packages;

const IMPORTS: &str = "
import type { PermissionRequestHookInput, PreToolUseHookInput, SyncHookJSONOutput } from './anthropic-ai-claude-agent-sdk/sdk';
import type { PreToolUseHookOutput } from './github-copilot-sdk/dist/types';
import type { BeforeToolInput, BeforeToolOutput, HookOutput } from './google-gemini-cli-core/dist/src/hooks/types';
";

/// What the compiler says of values of these types, given as JSON; nothing where all is well.
fn compile(place: &Path, name: &str, values: &[(&str, String)]) -> String {
    let mut source = IMPORTS.to_owned();
    for (at, (kind, value)) in values.iter().enumerate() {
        let _ = writeln!(source, "export const value{at}: {kind} = {value};");
    }
    let file = place.join(name);
    std::fs::write(&file, source).expect("a file");
    let output = Command::new("node")
        .arg(place.join("typescript/lib/tsc.js"))
        .args(["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext"])
        .args(["--moduleResolution", "bundler", "--target", "es2022"])
        .arg(&file)
        .output()
        .expect("node is there");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What hosts ask, and what they are told in each case.
fn values(shop: &Shop) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    for (dialect, asked, told) in [
        ("claude", Some("PreToolUseHookInput"), "SyncHookJSONOutput"),
        ("codex", None, "SyncHookJSONOutput"),
        ("copilot", None, "PreToolUseHookOutput"),
        ("gemini", Some("BeforeToolInput"), "HookOutput"),
    ] {
        for (tool, input, more) in [
            ("drop_table", json!({ "name": "t" }), [].as_slice()),
            ("look_up", json!({ "order": "all" }), &[]),
            ("look_up", json!({ "order": "1" }), &["--grant"]),
            ("refund", json!({ "order": "1", "amount": 700 }), &["--hold", "0s"]),
        ] {
            let mut question = question(dialect, tool, &input);
            if dialect == "claude" {
                question["tool_use_id"] = json!(format!("toolu_{tool}_{}", input["order"]));
            }
            let answer = ask(shop, dialect, more, question.to_string().as_bytes());
            values.extend(asked.map(|kind| (kind, question.to_string())));
            if !answer.is_empty() {
                values.push((told, answer));
            }
        }
        values.push((told, ask(shop, dialect, &[], b"not understood")));
    }
    let asking = json!({
        "session_id": "s", "transcript_path": "/t", "cwd": "/", "hook_event_name": "PermissionRequest",
        "tool_name": "mcp__shop__drop_table", "tool_input": { "name": "t" },
    });
    let answer = ask(shop, "claude", &[], asking.to_string().as_bytes());
    let read: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        read["hookSpecificOutput"]["decision"]["behavior"],
        json!("deny"),
        "{answer}"
    );
    values.push(("PermissionRequestHookInput", asking.to_string()));
    values.push(("SyncHookJSONOutput", answer));
    let gemini = question("gemini", "look_up", &json!({ "order": "all" }));
    values.push((
        "BeforeToolOutput",
        ask(shop, "gemini", &[], gemini.to_string().as_bytes()),
    ));
    values
}

#[test]
fn what_hosts_ask_and_are_told_has_the_types_that_their_vendors_publish() {
    let shop = Shop::open();
    let place = packages::tarballs("hook-types", "hooks/packages.txt");
    let values = values(&shop);
    assert_eq!(compile(&place, "good.ts", &values), "");
    // The types do tell.
    for (at, (kind, value)) in [
        (
            "SyncHookJSONOutput",
            r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"denied"}}"#,
        ),
        ("PreToolUseHookOutput", r#"{"permission":"deny"}"#),
        ("HookOutput", r#"{"decision":"no"}"#),
        (
            "PreToolUseHookInput",
            r#"{"hook_event_name":"PreToolUse","tool_name":"a"}"#,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let said = compile(&place, &format!("bad{at}.ts"), &[(kind, value.to_owned())]);
        assert!(said.contains("error TS"), "{kind}: {said}");
    }
}
