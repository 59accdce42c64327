//! `docs/measured.md`: what the long tier showed, a row for each run, with the commit that was built.

use std::fs;

use crate::run::{Failed, output, root};

const TABLE: &str = "docs/measured.md";

/// Adds a row behind the last one of the table.
pub fn add(what: &str, result: &str) -> Result<(), Failed> {
    let path = root().join(TABLE);
    let text = fs::read_to_string(&path).map_err(|error| Failed(format!("{TABLE}: {error}")))?;
    let row = format!(
        "| {} | `{}` | {what}; {} cores | {result} |",
        date()?,
        commit()?,
        cores()
    );
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with('|'));
    let last = last.ok_or_else(|| Failed(format!("{TABLE} has no table")))?;
    lines.insert(last + 1, &row);
    fs::write(path, lines.join("\n") + "\n").map_err(|error| Failed(format!("{TABLE}: {error}")))
}

fn date() -> Result<String, Failed> {
    Ok(output("date", &["--utc", "+%Y-%m-%d"])?.trim().to_owned())
}

/// The commit that is built, and whether the tree has changes that are not in it.
fn commit() -> Result<String, Failed> {
    let id = output("git", &["rev-parse", "--short", "HEAD"])?;
    let changed = output(
        "git",
        &[
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--",
            ".",
            ":!docs/measured.md",
        ],
    )?;
    let mark = if changed.trim().is_empty() { "" } else { " and changes" };
    Ok(format!("{}{mark}", id.trim()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
