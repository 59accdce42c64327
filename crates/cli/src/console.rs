//! What a command prints: answers on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

pub(crate) use countersign_api::visible::{named, one_line, visible};
use serde_json::Value;

use crate::failure::Failure;

/// Where a command prints.
pub(crate) struct Console {
    /// Print JSON instead of text.
    pub(crate) json: bool,
}

impl Console {
    /// Prints the answer: `value` with `--json`, `text` without.
    pub(crate) fn answer(&self, value: &Value, text: impl Display) {
        if self.json {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            say(text);
        } else {
            say(text);
        }
    }

    /// Prints a failure: JSON on standard output with `--json`, text on standard error without.
    pub(crate) fn failed(&self, failure: &Failure) {
        if self.json {
            let value = serde_json::json!({
                "error": { "code": failure.code, "detail": failure.what, "hint": failure.next }
            });
            say(serde_json::to_string_pretty(&value).unwrap_or_default());
            return;
        }
        note(format_args!("error: {}", visible(&failure.what)));
        if let Some(next) = &failure.next {
            note(format_args!("  → {}", visible(next)));
        }
    }
}

/// Prints a line on standard output. A reader that went away is no reason to fail.
pub(crate) fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a line on standard error.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Whether a person reads standard error as it comes.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Lines of columns, each as wide as its widest cell. `heads` are left out where there are no lines.
pub(crate) fn table(heads: &[&str], lines: &[Vec<String>]) -> String {
    if lines.is_empty() {
        return "none".to_owned();
    }
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let row = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows: Vec<String> = std::iter::once(&heads).chain(lines).map(|line| row(line)).collect();
    rows.join("\n")
}

/// The text of a field: texts as they are, lists joined, `-` for what is not there.
pub(crate) fn cell(value: &Value, field: &str) -> String {
    match value.get(field) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => visible(text),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect();
            if items.is_empty() {
                "-".to_owned()
            } else {
                items.join(", ")
            }
        }
        Some(other) => other.to_string(),
    }
}
