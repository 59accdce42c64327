//! The rules of the house that a compiler does not know.
#![expect(clippy::print_stdout, reason = "a chore says what it does")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::graph;
use crate::invariants;
use crate::run::{Failed, output, root};

/// Longest source file, in lines, without a concept that is missing.
const LONGEST: usize = 500;

/// What must not occur in the pure crates: text, and what it would bring.
const ABSENT_IN_PURE: [(&str, &str); 12] = [
    ("std::fs", "I/O"),
    ("std::net", "I/O"),
    ("std::env", "the environment"),
    ("std::process", "I/O"),
    ("std::thread", "threads"),
    ("SystemTime", "a clock"),
    ("Instant::now", "a clock"),
    ("HashMap", "a map whose order is not fixed"),
    ("HashSet", "a set whose order is not fixed"),
    ("tokio", "async"),
    ("async fn", "async"),
    ("tracing::", "logging"),
];

/// Text that belongs into some crates only.
const ONLY_IN: [(&str, &[&str], &str); 4] = [
    ("rusqlite", &["crates/store-sqlite/"], "SQL lives in the stores"),
    ("tokio_postgres", &["crates/store-postgres/"], "SQL lives in the stores"),
    (
        "axum",
        &["crates/server/", "crates/console/", "crates/gateway/"],
        "HTTP serving lives in the server, the console and the gateway",
    ),
    (
        "reqwest",
        &["crates/notify/", "crates/client/", "crates/oidc/"],
        "outbound HTTP lives in notify, client and oidc",
    ),
];

/// Checks every rule and names every breach.
pub fn run() -> Result<(), Failed> {
    println!("── tidy");
    let mut problems = Vec::new();
    check_graph(&mut problems)?;
    let files = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    for name in files.lines() {
        let path = root().join(name);
        if let Ok(text) = fs::read_to_string(&path) {
            check_file(name, &text, &mut problems);
        }
    }
    check_test_files(&mut problems);
    invariants::check(&root(), &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failed(format!(
        "{} rules of the house are broken:\n  {}",
        problems.len(),
        problems.join("\n  ")
    )))
}

fn check_graph(problems: &mut Vec<String>) -> Result<(), Failed> {
    let graph = graph::read()?;
    problems.extend(graph.problems.iter().cloned());
    let golden = root().join("tests/golden/crate-graph.txt");
    let text = graph::text(&graph);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &text).map_err(|error| Failed(error.to_string()))?;
    }
    if fs::read_to_string(&golden).unwrap_or_default() != text {
        problems.push("the crate graph changed: look at it, then UPDATE_GOLDEN=1 cargo xtask tidy".to_owned());
    }
    Ok(())
}

fn check_file(name: &str, text: &str, problems: &mut Vec<String>) {
    if !name.ends_with(".rs") {
        return;
    }
    let is_test = name.contains("/tests/") || name.ends_with("tests.rs") || name.starts_with("fuzz/");
    let lines = text.lines().count();
    if !is_test && lines > LONGEST {
        problems.push(format!("{name} has {lines} lines: which concept is missing?"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        problems.push(format!("{name} does not open with `//!` and what it is for"));
    }
    let pure = ["crates/tlog/src/", "crates/policy/src/", "crates/core/src/"]
        .iter()
        .any(|dir| name.starts_with(dir));
    if pure && !is_test {
        for (absent, what) in ABSENT_IN_PURE {
            if code_lines(text).any(|line| line.contains(absent)) {
                problems.push(format!("{name} has `{absent}`: the pure crates know no {what}"));
            }
        }
    }
    for (word, places, why) in ONLY_IN {
        let allowed = is_test || name.starts_with("xtask/") || name.starts_with("bench/");
        if !allowed && !places.iter().any(|place| name.starts_with(place)) && code_lines(text).any(|l| l.contains(word))
        {
            problems.push(format!("{name} has `{word}`: {why}"));
        }
    }
    let is_tidy = name == "xtask/src/tidy.rs";
    if !is_tidy && code_lines(text).any(|line| line.contains("#[ignore")) {
        problems.push(format!("{name} ignores a test"));
    }
    // A module that several test programs share is not used in full by each.
    let shared = name.contains("/tests/") && name.ends_with("/mod.rs");
    if !is_tidy && !shared && code_lines(text).any(|line| line.contains("#[allow(") || line.contains("#![allow(")) {
        problems.push(format!(
            "{name} silences a lint with `allow`: write `expect` with a reason"
        ));
    }
}

/// Lines that are not comments.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Sibling `tests.rs` files that no module names would never run.
fn check_test_files(problems: &mut Vec<String>) {
    let crates = root().join("crates");
    for entry in fs::read_dir(&crates).into_iter().flatten().flatten() {
        find_tests(&entry.path().join("src"), problems);
    }
}

fn find_tests(dir: &Path, problems: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() {
            find_tests(&path, problems);
        } else if path.file_name().is_some_and(|name| name == "tests.rs") {
            let parent = path.parent().map(|dir| dir.with_extension("rs")).unwrap_or_default();
            let home = if parent.exists() { parent } else { dir.join("lib.rs") };
            let named = fs::read_to_string(&home).is_ok_and(|text| text.contains("mod tests;"));
            if !named {
                problems.push(format!("{} is not part of any module", path.display()));
            }
        }
    }
}
