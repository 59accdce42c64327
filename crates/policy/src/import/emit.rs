//! A list of which the first rule that matches decides, as a gate in which the strictest decides.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Imported, Left, Read, Row, id};
use crate::condition::{Condition, Declarations};
use crate::verdict::Decision;

pub(super) fn gate(name: &str, read: Read) -> Imported {
    let Read {
        mut rows,
        otherwise,
        mut left,
    } = read;
    rows.retain(|row| {
        let why = broken(&row.parts.join(" && "));
        left.extend(why.clone().map(|why| without(row, why)));
        why.is_none()
    });
    if otherwise != Decision::Deny {
        rows.push(Row {
            line: 0,
            name: "otherwise".to_owned(),
            parts: Vec::new(),
            decision: otherwise,
            message: None,
            approvers: Vec::new(),
            constraints: Vec::new(),
        });
    }
    let mut taken = BTreeSet::new();
    let mut rules = String::new();
    for (at, row) in rows.iter().enumerate() {
        let earlier = rows.get(..at).unwrap_or_default();
        // What always matches leaves nothing to those after it.
        if earlier.iter().any(|other| other.parts.is_empty()) {
            left.push(Left {
                line: row.line,
                what: row.name.clone(),
                why: "a rule before it matches everything, so that it never decides".to_owned(),
                loosens: false,
            });
            continue;
        }
        let gone = earlier.iter().filter(|other| is_outdone(other, row));
        let parts = row
            .parts
            .iter()
            .cloned()
            .chain(gone.map(|other| format!("!({})", other.parts.join(" && "))));
        let condition = parts.collect::<Vec<_>>().join(" && ");
        if broken(&condition).is_some() {
            let why = "with what the earlier rules take, its condition is too long or too deep";
            left.push(without(row, why.to_owned()));
            continue;
        }
        rule(&mut rules, &id(&row.name, &mut taken), row, &condition);
    }
    left.sort_by_key(|left| left.line);
    let header = format!("name: {}\nrules:\n", id(name, &mut BTreeSet::new()));
    Imported {
        gate: (!rules.is_empty()).then(|| format!("{header}{rules}")),
        left,
    }
}

/// A row that is left out. Without an allowance nothing is let through that was not.
fn without(row: &Row, why: String) -> Left {
    Left {
        line: row.line,
        what: row.name.clone(),
        why,
        loosens: row.decision != Decision::Allow,
    }
}

/// What is wrong with a condition.
fn broken(condition: &str) -> Option<String> {
    if condition.is_empty() {
        return None;
    }
    let findings = Condition::compile(condition, &Declarations::default()).err()?;
    let first = findings.first().map(|finding| finding.message.as_str());
    Some(first.unwrap_or("it cannot be understood").to_owned())
}

/// Whether what an earlier row takes has to be taken out of a later one: else that would make it stricter, or other.
fn is_outdone(earlier: &Row, later: &Row) -> bool {
    match earlier.decision.cmp(&later.decision) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => earlier.approvers != later.approvers || earlier.constraints != later.constraints,
    }
}

fn rule(out: &mut String, name: &str, row: &Row, condition: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "  - name: {name}");
    if !condition.is_empty() {
        let _ = writeln!(out, "    condition: {}", quoted(condition));
    }
    let _ = writeln!(out, "    decision: {}", row.decision.as_str());
    if !row.approvers.is_empty() {
        let names: Vec<String> = row.approvers.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "    approvers: [{}]", names.join(", "));
    }
    if !row.constraints.is_empty() {
        let each: Vec<String> = row
            .constraints
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let _ = writeln!(out, "    constraints: {{ {} }}", each.join(", "));
    }
    if let Some(message) = &row.message {
        let _ = writeln!(out, "    message: {}", quoted(message));
    }
}

/// A text in double quotes, as YAML has them.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            letter if letter.is_control() => quoted.push(' '),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
