#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Map, Value, json};

use super::normal::back;
use super::{Dialect, Event, Use};

fn read(dialect: Dialect, input: &Value) -> Result<Use, String> {
    match dialect.read(input)? {
        Event::Before(used) | Event::Asking(used) => Ok(used),
        other => panic!("{other:?}"),
    }
}

/// A use of a host's own tool, as the host asks about it.
fn asked(dialect: Dialect, tool: &str, input: &Value) -> Value {
    match dialect {
        Dialect::Copilot => json!({ "toolName": tool, "toolArgs": input.to_string(), "cwd": "/srv/project" }),
        Dialect::Cursor => {
            json!({ "hook_event_name": "preToolUse", "tool_name": tool, "tool_input": input, "cwd": "/srv/project" })
        }
        Dialect::Gemini => {
            json!({ "hook_event_name": "BeforeTool", "tool_name": tool, "tool_input": input, "cwd": "/srv/project" })
        }
        Dialect::Claude | Dialect::Codex => {
            json!({ "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input, "cwd": "/srv/project" })
        }
    }
}

fn normal(dialect: Dialect, tool: &str, input: &Value) -> Use {
    read(dialect, &asked(dialect, tool, input)).unwrap()
}

#[test]
fn a_shell_is_the_same_operation_with_the_same_argument_whichever_host_asks() {
    let line = json!({ "command": "git status" });
    let tools = [
        (Dialect::Claude, "Bash", line.clone()),
        (Dialect::Codex, "Bash", line.clone()),
        (Dialect::Codex, "shell", json!({ "command": ["git", "status"] })),
        (Dialect::Codex, "exec_command", json!({ "cmd": "git status" })),
        (Dialect::Copilot, "bash", line.clone()),
        (Dialect::Cursor, "Shell", line.clone()),
        (Dialect::Gemini, "run_shell_command", line),
    ];
    for (dialect, tool, input) in tools {
        let used = normal(dialect, tool, &input);
        assert_eq!(used.action, "shell", "{dialect:?} {tool}");
        assert!(used.tool.ends_with(&format!("/{tool}")), "{used:?}");
        assert_eq!(used.arguments["command"], json!("git status"), "{used:?}");
        assert_eq!(used.arguments["cwd"], json!("/srv/project"), "{used:?}");
    }
    let shell = json!({
        "hook_event_name": "beforeShellExecution", "command": "git status", "cwd": "/srv/project", "conversation_id": "c",
    });
    let used = read(Dialect::Cursor, &shell).unwrap();
    assert_eq!(
        (used.action.as_str(), &used.arguments["command"]),
        ("shell", &json!("git status"))
    );
}

#[test]
fn a_command_works_where_its_own_arguments_say() {
    let of = |input: &Value| normal(Dialect::Codex, "exec_command", input).arguments["cwd"].clone();
    assert_eq!(
        of(&json!({ "cmd": "ls", "workdir": "/home/alex" })),
        json!("/home/alex")
    );
    assert_eq!(of(&json!({ "cmd": "ls", "workdir": "src" })), json!("/srv/project/src"));
    assert_eq!(of(&json!({ "cmd": "ls", "workdir": null })), json!("/srv/project"));
    for two in [
        json!({ "cmd": "ls", "workdir": "/a", "dir_path": "/b" }),
        json!({ "cmd": "ls", "workdir": 7 }),
    ] {
        assert!(
            read(Dialect::Codex, &asked(Dialect::Codex, "exec_command", &two)).is_err(),
            "{two}"
        );
    }
}

#[test]
fn a_pattern_that_names_a_place_is_not_said_to_be_where_the_host_works() {
    let path = |pattern: &str| {
        normal(Dialect::Claude, "Glob", &json!({ "pattern": pattern }))
            .arguments
            .get("path")
            .cloned()
    };
    assert_eq!(path("**/*.rs"), Some(json!("/srv/project")));
    for elsewhere in ["/etc/**", "../other/*", "~/.ssh/*", "$HOME/*"] {
        assert_eq!(path(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn a_file_is_named_by_one_argument_whichever_host_asks() {
    let tools = [
        (Dialect::Claude, "Write", "file_path", "write_file"),
        (Dialect::Claude, "NotebookEdit", "notebook_path", "write_file"),
        (Dialect::Claude, "Read", "file_path", "read_file"),
        (Dialect::Copilot, "view", "path", "read_file"),
        (Dialect::Copilot, "Edit", "file_path", "write_file"),
        (Dialect::Cursor, "Write", "file_path", "write_file"),
        (Dialect::Cursor, "delete_file", "target_file", "delete_file"),
        (Dialect::Gemini, "replace", "file_path", "write_file"),
        (Dialect::Gemini, "list_directory", "dir_path", "list_files"),
    ];
    for (dialect, tool, name, operation) in tools {
        let used = normal(dialect, tool, &json!({ name: "src/a.rs" }));
        assert_eq!(used.action, operation, "{dialect:?} {tool}");
        assert_eq!(used.arguments["path"], json!("src/a.rs"), "{dialect:?} {tool}");
        assert_eq!(used.arguments[name], json!("src/a.rs"), "what the host said stays");
    }
    let looked = normal(Dialect::Claude, "Grep", &json!({ "pattern": "x" }));
    assert_eq!(
        looked.arguments["path"],
        json!("/srv/project"),
        "without a path it looks where the host is"
    );
    let page = normal(
        Dialect::Claude,
        "WebFetch",
        &json!({ "url": "https://a.example", "prompt": "p" }),
    );
    assert_eq!(
        (page.action.as_str(), &page.arguments["url"]),
        ("fetch_url", &json!("https://a.example"))
    );
}

#[test]
fn a_patch_names_all_its_files() {
    let patch = "*** Begin Patch\n*** Update File: a.rs\n*** Move to: /etc/b.rs\n@@\n-x\n+y\n*** Delete File: c.rs\n*** End Patch";
    let used = normal(Dialect::Codex, "apply_patch", &json!({ "command": patch }));
    assert_eq!(used.action, "write_file");
    assert_eq!(used.arguments["paths"], json!(["a.rs", "/etc/b.rs", "c.rs"]));
    assert!(!used.arguments.contains_key("path"), "there is more than one");
    let used = normal(
        Dialect::Codex,
        "apply_patch",
        &json!({ "input": "*** Add File: a.rs\n+x" }),
    );
    assert_eq!(used.arguments["path"], json!("a.rs"));
}

#[test]
fn an_input_that_says_two_things_under_one_name_is_not_decided() {
    for (dialect, tool, input) in [
        (
            Dialect::Claude,
            "Read",
            json!({ "file_path": "/etc/shadow", "path": "/srv/project/a" }),
        ),
        (
            Dialect::Claude,
            "Read",
            json!({ "file_path": "a", "cwd": "/elsewhere" }),
        ),
        (
            Dialect::Codex,
            "exec_command",
            json!({ "cmd": "rm a", "command": "ls" }),
        ),
        (Dialect::Codex, "shell", json!({ "command": ["ls"], "argv": ["rm"] })),
        (Dialect::Codex, "shell", json!({ "command": ["ls", 1] })),
        (
            Dialect::Codex,
            "apply_patch",
            json!({ "command": "*** Add File: a", "paths": ["b"] }),
        ),
        (
            Dialect::Cursor,
            "Write",
            json!({ "file_path": "a", "target_file": "b" }),
        ),
    ] {
        assert!(
            read(dialect, &asked(dialect, tool, &input)).is_err(),
            "{dialect:?} {tool} {input}"
        );
    }
    let same = normal(Dialect::Claude, "Read", &json!({ "file_path": "a", "path": "a" }));
    assert_eq!(same.arguments["path"], json!("a"));
}

#[test]
fn a_command_in_words_is_the_line_that_says_the_same() {
    let words = json!({ "command": ["bash", "-lc", "echo 'it''s' $x && rm -rf /", ""] });
    let used = normal(Dialect::Codex, "shell", &words);
    assert_eq!(
        used.arguments["command"],
        json!(r"bash -lc 'echo '\''it'\'''\''s'\'' $x && rm -rf /' ''")
    );
    assert_eq!(used.arguments["argv"], words["command"]);
}

fn changed(used: &Use, name: &str, value: Value) -> Result<Map<String, Value>, String> {
    let mut arguments = used.arguments.clone();
    arguments.insert(name.to_owned(), value);
    back(used, arguments)
}

#[test]
fn what_policy_changes_goes_back_under_the_hosts_names_or_not_at_all() {
    let input = json!({ "file_path": "a", "content": "x" });
    let used = normal(Dialect::Claude, "Write", &input);
    assert_eq!(
        Value::Object(back(&used, used.arguments.clone()).unwrap()),
        input,
        "unchanged it is what the host said"
    );
    let moved = changed(&used, "path", json!("b")).unwrap();
    assert_eq!(Value::Object(moved), json!({ "file_path": "b", "content": "x" }));
    let shorter = changed(&used, "content", json!("y")).unwrap();
    assert_eq!(Value::Object(shorter), json!({ "file_path": "a", "content": "y" }));
    assert!(changed(&used, "cwd", json!("/")).is_err());
    let mut both = used.arguments.clone();
    both.insert("path".to_owned(), json!("b"));
    both.insert("file_path".to_owned(), json!("c"));
    assert!(back(&used, both).is_err(), "it is changed in two ways");

    let shell = normal(Dialect::Claude, "Bash", &json!({ "command": "rm a" }));
    let safer = changed(&shell, "command", json!("rm -i a")).unwrap();
    assert_eq!(Value::Object(safer), json!({ "command": "rm -i a" }));

    let words = json!({ "command": ["rm", "a"], "workdir": "/x" });
    let shell = normal(Dialect::Codex, "shell", &words);
    assert_eq!(Value::Object(back(&shell, shell.arguments.clone()).unwrap()), words);
    assert!(
        changed(&shell, "command", json!("rm -i a")).is_err(),
        "the host takes words"
    );
}

#[test]
fn a_server_of_tools_that_is_called_like_a_host_is_not_decided_about() {
    for (dialect, input) in [
        (Dialect::Claude, asked(Dialect::Claude, "mcp__claude__Bash", &json!({}))),
        (Dialect::Claude, asked(Dialect::Claude, "mcp__Codex__x", &json!({}))),
        (Dialect::Copilot, asked(Dialect::Copilot, "mcp__gemini__x", &json!({}))),
        (Dialect::Gemini, asked(Dialect::Gemini, "mcp_cursor_x", &json!({}))),
        (
            Dialect::Cursor,
            json!({ "hook_event_name": "beforeMCPExecution", "server_name": "cursor", "tool_name": "Shell" }),
        ),
    ] {
        assert!(read(dialect, &input).is_err(), "{input}");
    }
}

#[test]
fn a_search_in_files_looks_through_the_hosts_folder_whatever_it_looks_for() {
    let tools = [
        (
            Dialect::Claude,
            "Grep",
            json!({ "pattern": "/etc|~|$x|..", "path": null }),
        ),
        (Dialect::Claude, "Grep", json!({ "pattern": "..", "path": "" })),
        (Dialect::Copilot, "rg", json!({ "pattern": "\\w+", "glob": "../*" })),
        (Dialect::Cursor, "Grep", json!({ "pattern": "$HOME" })),
        (
            Dialect::Gemini,
            "grep_search",
            json!({ "pattern": "..", "dir_path": null }),
        ),
    ];
    for (dialect, tool, input) in tools {
        let used = normal(dialect, tool, &input);
        assert_eq!(used.arguments["path"], json!("/srv/project"), "{tool} {input}");
        assert_eq!(used.stand.as_deref(), Some("/srv/project"), "{tool}");
    }
    // A pattern of names may lead elsewhere.
    let names = normal(Dialect::Claude, "Glob", &json!({ "pattern": "/home/**" }));
    assert_eq!(names.arguments.get("path"), None);
    let of_server = normal(Dialect::Claude, "mcp__files__read", &json!({ "cwd": "/home" }));
    assert_eq!(
        (of_server.stand.as_deref(), of_server.puts("cwd")),
        (Some("/srv/project"), false)
    );
}
