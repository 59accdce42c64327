//! The table of invariants: every invariant has a row, and every row a test that exists or a reason why there is none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The document, relative to the root.
const TABLE: &str = "docs/invariants.md";
/// How many invariants there are by number, and how many by the letter `A`.
const NUMBERED: usize = 34;
const LETTERED: usize = 10;
/// How a row begins that says why it has no test.
const REASONS: [&str; 2] = ["Arrives with", "No test:"];

/// Names every breach.
pub fn check(root: &Path, problems: &mut Vec<String>) {
    let text = fs::read_to_string(root.join(TABLE)).unwrap_or_default();
    let mut missing: BTreeSet<String> = (1..=NUMBERED).map(|number| number.to_string()).collect();
    missing.extend((1..=LETTERED).map(|number| format!("A{number}")));
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, .., held] = cells.as_slice() else { continue };
        if !line.starts_with('|') || !is_invariant(name) {
            continue;
        }
        if !missing.remove(*name) {
            problems.push(format!(
                "{TABLE}, line {}: there is no invariant {name}, or it stands there twice",
                at + 1
            ));
        }
        let tests = tests(held);
        if tests.is_empty() && !REASONS.iter().any(|reason| held.contains(reason)) {
            problems.push(format!(
                "{TABLE}: invariant {name} has neither a test nor a reason why it has none"
            ));
        }
        for (file, test) in tests {
            let there = fs::read_to_string(root.join(file)).is_ok_and(|code| code.contains(&format!("fn {test}(")));
            if !there {
                problems.push(format!(
                    "{TABLE}: invariant {name} names `{file}::{test}`, which is not there"
                ));
            }
        }
    }
    problems.extend(
        missing
            .into_iter()
            .map(|name| format!("{TABLE} has no row for invariant {name}")),
    );
}

fn is_invariant(name: &str) -> bool {
    let digits = name.strip_prefix('A').unwrap_or(name);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// File and name of each test in a cell: what stands between backticks as `path.rs::name`.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    let words = cell.split('`').skip(1).step_by(2);
    words
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .collect()
}
