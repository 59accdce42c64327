//! What the tools of hosts have in common: a shell, files, the web, in one normal form, so that one policy covers all hosts.
//!
//! The operation of such a tool becomes that of the table, and the argument that the host's tool goes by is there under the
//! name of the normal form too. What the host said stays as it is. An argument that already has the name of the normal form
//! and says something else would let policy see another thing than the host does: such a use is not decided.

use serde_json::{Map, Value};

use super::Use;

/// A tool of a host.
struct Known {
    host: &'static str,
    /// As the host calls it.
    tool: &'static str,
    /// The operation in the normal form.
    operation: &'static str,
    /// The arguments that it goes by, with their normal names. Of several with one name only one may be there.
    arguments: &'static [(&'static str, &'static str)],
}

const COMMAND: &[(&str, &str)] = &[("command", "command")];
const FILE: &[(&str, &str)] = &[("file_path", "path")];
const PLAIN: &[(&str, &str)] = &[("path", "path")];
const TARGET: &[(&str, &str)] = &[("file_path", "path"), ("target_file", "path"), ("path", "path")];
const URL: &[(&str, &str)] = &[("url", "url")];
const QUERY: &[(&str, &str)] = &[("query", "query")];

const fn known(
    host: &'static str,
    tool: &'static str,
    operation: &'static str,
    arguments: &'static [(&str, &str)],
) -> Known {
    Known {
        host,
        tool,
        operation,
        arguments,
    }
}

/// Copilot and VS Code also ask in Claude Code's names.
const TOOLS: &[Known] = &[
    known("claude", "Bash", "shell", COMMAND),
    known("claude", "PowerShell", "powershell", COMMAND),
    known("claude", "Read", "read_file", FILE),
    known("claude", "Write", "write_file", FILE),
    known("claude", "Edit", "write_file", FILE),
    known("claude", "MultiEdit", "write_file", FILE),
    known("claude", "NotebookEdit", "write_file", &[("notebook_path", "path")]),
    known("claude", "LS", "list_files", PLAIN),
    known("claude", "Glob", "search_files", PLAIN),
    known("claude", "Grep", "search_files", PLAIN),
    known("claude", "WebFetch", "fetch_url", URL),
    known("claude", "WebSearch", "search_web", QUERY),
    known("codex", "Bash", "shell", COMMAND),
    known("codex", "shell", "shell", COMMAND),
    known("codex", "local_shell", "shell", COMMAND),
    known("codex", "shell_command", "shell", COMMAND),
    known(
        "codex",
        "exec_command",
        "shell",
        &[("cmd", "command"), ("command", "command")],
    ),
    known("codex", "apply_patch", "write_file", &[]),
    known("codex", "view_image", "read_file", PLAIN),
    known("codex", "web_search", "search_web", QUERY),
    known("copilot", "bash", "shell", COMMAND),
    known("copilot", "powershell", "powershell", COMMAND),
    known("copilot", "view", "read_file", PLAIN),
    known("copilot", "create", "write_file", PLAIN),
    known("copilot", "edit", "write_file", PLAIN),
    known("copilot", "glob", "search_files", PLAIN),
    known("copilot", "grep", "search_files", PLAIN),
    known("copilot", "rg", "search_files", PLAIN),
    known("copilot", "web_fetch", "fetch_url", URL),
    known("copilot", "fetch", "fetch_url", URL),
    known("copilot", "web_search", "search_web", QUERY),
    known("cursor", "Shell", "shell", COMMAND),
    known("cursor", "run_terminal_cmd", "shell", COMMAND),
    known("cursor", "Read", "read_file", TARGET),
    known("cursor", "read_file", "read_file", TARGET),
    known("cursor", "Write", "write_file", TARGET),
    known("cursor", "Edit", "write_file", TARGET),
    known("cursor", "edit_file", "write_file", TARGET),
    known("cursor", "search_replace", "write_file", TARGET),
    known("cursor", "Delete", "delete_file", TARGET),
    known("cursor", "delete_file", "delete_file", TARGET),
    known("cursor", "Grep", "search_files", PLAIN),
    known("cursor", "WebFetch", "fetch_url", URL),
    known(
        "cursor",
        "WebSearch",
        "search_web",
        &[("query", "query"), ("search_term", "query")],
    ),
    known("gemini", "run_shell_command", "shell", COMMAND),
    known(
        "gemini",
        "read_file",
        "read_file",
        &[("file_path", "path"), ("absolute_path", "path")],
    ),
    known("gemini", "write_file", "write_file", FILE),
    known("gemini", "replace", "write_file", FILE),
    known(
        "gemini",
        "list_directory",
        "list_files",
        &[("dir_path", "path"), ("path", "path")],
    ),
    known(
        "gemini",
        "glob",
        "search_files",
        &[("dir_path", "path"), ("path", "path")],
    ),
    known(
        "gemini",
        "grep_search",
        "search_files",
        &[("dir_path", "path"), ("path", "path")],
    ),
    known(
        "gemini",
        "search_file_content",
        "search_files",
        &[("dir_path", "path"), ("path", "path")],
    ),
    known("gemini", "web_fetch", "fetch_url", URL),
    known("gemini", "google_web_search", "search_web", QUERY),
];

/// An argument that was put there beside what the host said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Added {
    /// Its name.
    name: &'static str,
    /// Its value.
    value: Value,
    /// The argument of the host that says the same, where one does.
    of: Option<&'static str>,
}

impl Added {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// Brings a use of a host's own tool into the normal form; others stay as they are. `cwd` is where the host works.
///
/// # Errors
/// Where the use says two things under one name.
pub(super) fn normal(mut used: Use, cwd: Option<&str>) -> Result<Use, String> {
    used.stand = cwd.map(str::to_owned);
    let Some((host, tool)) = used.tool.split_once('/') else {
        return Ok(used);
    };
    let find = |host: &str| TOOLS.iter().find(|known| known.host == host && known.tool == tool);
    let shared = if host == "copilot" { find("claude") } else { None };
    let Some(known) = find(host).or(shared) else {
        return Ok(used);
    };
    let present: Vec<_> = known
        .arguments
        .iter()
        .filter(|(name, _)| used.arguments.get(*name).is_some_and(|said| !said.is_null()))
        .collect();
    let mut added = Vec::new();
    for (name, normal) in &present {
        if present.iter().filter(|(_, other)| other == normal).count() > 1 {
            return Err(format!("the tool's input says `{normal}` in several ways"));
        }
        let said = used.arguments.get(*name).cloned().unwrap_or_default();
        let value = if *normal == "command" { command(said)? } else { said };
        if name == normal {
            // A list of words is kept beside the line that it makes.
            let words = used.arguments.insert((*normal).to_owned(), value.clone());
            if let Some(words @ Value::Array(_)) = words {
                put(&mut used.arguments, "argv", words)?;
                added.push(Added {
                    name: "command",
                    value,
                    of: None,
                });
            }
            continue;
        }
        put(&mut used.arguments, normal, value.clone())?;
        added.push(Added {
            name: normal,
            value,
            of: Some(name),
        });
    }
    if known.tool == "apply_patch" {
        for (name, value) in patched(&used.arguments) {
            put(&mut used.arguments, name, value.clone())?;
            added.push(Added { name, value, of: None });
        }
    }
    // Where a shell works is what its own argument says, if it has one.
    let own = if known.operation == "shell" || known.operation == "powershell" {
        own_folder(&used.arguments, cwd)?
    } else {
        None
    };
    if let Some(cwd) = own.as_deref().or(cwd) {
        let value = Value::from(cwd);
        let looks = matches!(known.operation, "list_files" | "search_files");
        if looks && !says_path(&used.arguments) && (reads(known.tool) || !leads_elsewhere(&used.arguments)) {
            used.arguments.remove("path");
            put(&mut used.arguments, "path", value.clone())?;
            added.push(Added {
                name: "path",
                value: value.clone(),
                of: None,
            });
        }
        if used.arguments.get("cwd") != Some(&value) {
            put(&mut used.arguments, "cwd", value.clone())?;
            added.push(Added {
                name: "cwd",
                value,
                of: None,
            });
        }
    }
    used.action = known.operation.to_owned();
    used.added = added;
    Ok(used)
}

/// Searches that look into files.
const CONTENTS: [&str; 5] = ["Grep", "grep", "rg", "grep_search", "search_file_content"];

/// Names under which hosts say where a command is to work.
const FOLDERS: [&str; 5] = ["workdir", "working_directory", "dir_path", "directory", "dir"];

/// The folder that a command's own arguments name, on top of the host's `cwd`.
fn own_folder(arguments: &Map<String, Value>, cwd: Option<&str>) -> Result<Option<String>, String> {
    let said = FOLDERS.iter().filter_map(|name| arguments.get(*name));
    let mut said = said.filter(|said| !said.is_null());
    let (Some(folder), None) = (said.next(), said.next()) else {
        return match FOLDERS.iter().filter(|name| arguments.contains_key(**name)).count() {
            0 | 1 => Ok(None),
            _ => Err("the tool's input says where it works in several ways".to_owned()),
        };
    };
    let folder = folder.as_str().ok_or("where the tool works is no text")?;
    Ok(Some(match cwd {
        Some(cwd) if !folder.starts_with('/') => format!("{}/{folder}", cwd.trim_end_matches('/')),
        _ => folder.to_owned(),
    }))
}

/// Whether a search looks into files. Its pattern is about what stands in them, and names no place.
fn reads(tool: &str) -> bool {
    CONTENTS.contains(&tool)
}

/// Whether there is a path. Hosts take an empty one as none.
fn says_path(arguments: &Map<String, Value>) -> bool {
    let said = arguments.get("path");
    said.is_some_and(|path| !path.is_null() && path.as_str() != Some(""))
}

/// Whether a pattern names a place by itself, so that where the host works says nothing of it.
fn leads_elsewhere(arguments: &Map<String, Value>) -> bool {
    let patterns = ["pattern", "glob", "glob_pattern", "include"].map(|name| arguments.get(name));
    let said = patterns.into_iter().flatten();
    said.into_iter().any(|pattern| {
        pattern
            .as_str()
            .is_none_or(|text| text.starts_with(['/', '~']) || text.contains("..") || text.contains(['$', '\\']))
    })
}

/// Puts an argument beside the others, unless one of that name says something else.
fn put(arguments: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), String> {
    match arguments.get(name) {
        Some(other) if *other != value => Err(format!("the tool's input says `{name}`, and the host something else")),
        _ => {
            arguments.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

/// A command as one line; one that is said in words becomes the line that says the same.
fn command(said: Value) -> Result<Value, String> {
    let words = match said {
        Value::Array(words) => words,
        said => return Ok(said),
    };
    let quoted = |word: &Value| word.as_str().map(quoted);
    let line: Option<Vec<String>> = words.iter().map(quoted).collect();
    line.map(|words| words.join(" ").into())
        .ok_or_else(|| "the tool's command is not made of texts".to_owned())
}

/// A word as a shell takes it literally.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The files that a patch of Codex names: all as `paths`, and one alone as `path`.
fn patched(arguments: &Map<String, Value>) -> Vec<(&'static str, Value)> {
    let texts = ["input", "patch", "command"]
        .iter()
        .filter_map(|name| arguments.get(*name).and_then(Value::as_str));
    let heads = [
        "*** Add File: ",
        "*** Update File: ",
        "*** Delete File: ",
        "*** Move to: ",
    ];
    let mut paths: Vec<Value> = Vec::new();
    for line in texts.flat_map(str::lines) {
        let line = line.trim();
        for path in heads.iter().filter_map(|head| line.strip_prefix(head)) {
            let path = Value::from(path.trim());
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    match paths.as_slice() {
        [] => Vec::new(),
        [one] => vec![("path", one.clone()), ("paths", Value::Array(paths))],
        _ => vec![("paths", Value::Array(paths))],
    }
}

/// Changed arguments as the host's tool takes them.
///
/// # Errors
/// Where what was changed cannot be said to the host.
pub(super) fn back(used: &Use, mut changed: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let words = used
        .arguments
        .get("argv")
        .filter(|_| used.added.iter().any(|added| added.name == "command"));
    for added in &used.added {
        let now = changed.remove(added.name);
        let same = now.as_ref() == Some(&added.value);
        match added.of {
            _ if same => {}
            Some(of) if changed.get(of) == used.arguments.get(of) && now.is_some() => {
                changed.insert(of.to_owned(), now.unwrap_or_default());
            }
            Some(_) | None => return Err(format!("`{}` cannot be changed for this tool", added.name)),
        }
    }
    if let Some(words) = words {
        if changed.remove("argv").as_ref() != Some(words) {
            return Err("`argv` cannot be changed for this tool".to_owned());
        }
        changed.insert("command".to_owned(), words.clone());
    }
    Ok(changed)
}
