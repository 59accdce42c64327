//! Problems of documents as people read them: the line, underlined, and what to do.

use std::fmt::Write as _;

use countersign_policy::{Problem, Severity};
use serde_json::{Value, json};

use crate::console::visible;

/// Renders a problem with the line that it is about. `path` is how the file is shown, `source` its text.
pub(crate) fn render(problem: &Problem, path: &str, source: &str) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = format!("{severity}: {} [{}]\n", problem.message, problem.code);
    let number = problem.line.to_string();
    let margin = " ".repeat(number.len());
    // Writing to a string does not fail.
    let _ = writeln!(text, "{margin}--> {path}:{}:{}", problem.line, problem.column);
    let line = usize::try_from(problem.line)
        .unwrap_or(1)
        .checked_sub(1)
        .and_then(|at| source.lines().nth(at));
    if let Some(line) = line {
        let before = usize::try_from(problem.column).unwrap_or(1).saturating_sub(1);
        let (indent, underlined) = underline(line, before, source.get(problem.span.clone()).unwrap_or_default());
        let _ = writeln!(text, "{margin} |");
        let _ = writeln!(text, "{number} | {}", visible(&line.replace('\t', "    ")));
        let _ = writeln!(text, "{margin} | {}{}", " ".repeat(indent), "^".repeat(underlined));
    }
    if let Some(help) = &problem.help {
        let _ = writeln!(text, "{margin} = {help}");
    }
    // What is wrong with an error is in its message; a warning needs the reason to be taken seriously.
    if problem.severity == Severity::Warning {
        let _ = writeln!(text, "{margin} = {}", problem.why());
    }
    text
}

/// How far to indent the underline and how long it is: the part of the span that is on the line, tabs as four columns.
fn underline(line: &str, before: usize, span: &str) -> (usize, usize) {
    let width = |text: &str| text.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum::<usize>();
    let start = line.char_indices().nth(before).map_or(line.len(), |(at, _)| at);
    let (head, rest) = line.split_at_checked(start).unwrap_or((line, ""));
    let first = span.lines().next().unwrap_or_default().trim_end();
    let marked: String = rest.chars().take(first.chars().count()).collect();
    (width(head), width(&marked).max(1))
}

/// Line and column behind the last character of what a problem is about, both from 1.
pub(crate) fn end(problem: &Problem, source: &str) -> (u32, u32) {
    let span = source.get(problem.span.clone()).unwrap_or_default();
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    match span.rsplit_once('\n') {
        None => (problem.line, problem.column.saturating_add(count(span))),
        Some((before, last)) => {
            let breaks = u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX);
            let line = problem.line.saturating_add(breaks).saturating_add(1);
            (line, count(last).saturating_add(1))
        }
    }
}

/// A problem as data. `source` is the text of its file.
pub(crate) fn value(problem: &Problem, source: &str) -> Value {
    let (end_line, end_column) = end(problem, source);
    json!({
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "end_line": end_line,
        "end_column": end_column,
        "text": source.get(problem.span.clone()),
        "message": problem.message,
        "help": problem.help,
        "why": problem.why(),
    })
}
