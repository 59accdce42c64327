//! Decision tables: a row of names, then rows of which the first that matches decides.
//!
//! A column is a path of conditions (`action`, `env`, `amount`, `args.x`, `labels.x`, `agent.id`, …), or says what follows
//! (`decision`, `approvers`, `message`, `name`). A cell is empty or `-` for anything, a value, several with `|` between them, `!value`,
//! `!a|b` for none of them, `> 5`, `>= 5`, `< 5`, `<= 5`, or `5..10`.

use super::{Left, Read, Row, is_plain, literal, member};
use crate::verdict::Decision;

/// Paths that are numbers, and paths that are texts; others are what a cell looks like.
const NUMBERS: [&str; 3] = ["amount", "estimated_cost", "confidence"];
const TEXTS: [&str; 8] = [
    "access",
    "action",
    "agent.id",
    "agent.team",
    "currency",
    "env",
    "tool.class",
    "tool.id",
];

/// Roots that are always there.
const ALWAYS: [&str; 3] = ["action", "access", "agent.id"];

pub(super) fn read(text: &str) -> Result<Read, String> {
    let lines = cells(text)?;
    let mut lines = lines.into_iter();
    let (_, heads) = lines.next().ok_or("the table is empty")?;
    let columns: Vec<Column> = heads.iter().map(|head| column(head.trim())).collect::<Result<_, _>>()?;
    if !columns.contains(&Column::Decision) {
        return Err("no column is called `decision`".to_owned());
    }
    let mut left = Vec::new();
    let mut rows = Vec::new();
    for (at, (line, cells)) in lines.enumerate() {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        match row(&columns, &cells, line, at + 1) {
            Ok(row) => rows.push(row),
            Err(why) => left.push(Left {
                line,
                what: format!("row {}", at + 1),
                why,
                loosens: true,
            }),
        }
    }
    let otherwise = Decision::Deny;
    Ok(Read { rows, otherwise, left })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Path(String),
    Decision,
    Approvers,
    Message,
    Name,
}

fn column(head: &str) -> Result<Column, String> {
    let (root, rest) = head.split_once('.').unwrap_or((head, ""));
    let path = || match rest {
        "" => root.to_owned(),
        rest => member(root, rest),
    };
    match (root, rest) {
        ("decision", "") => Ok(Column::Decision),
        ("approvers", "") => Ok(Column::Approvers),
        ("message", "") => Ok(Column::Message),
        ("name", "") => Ok(Column::Name),
        ("tool", "") => Ok(Column::Path("tool.id".to_owned())),
        ("agent", "") => Ok(Column::Path("agent.id".to_owned())),
        ("action" | "access" | "env" | "amount" | "currency" | "estimated_cost" | "confidence", "") => {
            Ok(Column::Path(path()))
        }
        ("args" | "labels" | "resource" | "tool" | "agent" | "evidence" | "model", rest) if !rest.is_empty() => {
            Ok(Column::Path(path()))
        }
        (name, "") if is_plain(name) => Ok(Column::Path(member("args", name))),
        _ => Err(format!("no column can be called `{}`", head.escape_debug())),
    }
}

fn row(columns: &[Column], cells: &[String], line: u32, at: usize) -> Result<Row, String> {
    if cells.len() != columns.len() {
        return Err(format!(
            "it has {} cells, and the table {} columns",
            cells.len(),
            columns.len()
        ));
    }
    let mut row = Row {
        line,
        name: format!("row-{at}"),
        parts: Vec::new(),
        decision: Decision::Deny,
        message: None,
        approvers: Vec::new(),
        constraints: Vec::new(),
    };
    for (column, cell) in columns.iter().zip(cells) {
        let cell = cell.trim();
        match column {
            Column::Decision => row.decision = decision(cell)?,
            Column::Approvers => row.approvers.extend(
                cell.split('|')
                    .map(str::trim)
                    .filter(|it| !it.is_empty())
                    .map(str::to_owned),
            ),
            Column::Message if !cell.is_empty() => row.message = Some(cell.to_owned()),
            Column::Name if !cell.is_empty() => row.name = cell.to_owned(),
            Column::Message | Column::Name => {}
            Column::Path(path) => {
                if let Some(test) = test(path, cell)? {
                    let guard = if ALWAYS.contains(&path.as_str()) {
                        String::new()
                    } else {
                        format!("has({path}) && ")
                    };
                    row.parts.push(format!("{guard}{test}"));
                }
            }
        }
    }
    if row.decision != Decision::RequireApproval && !row.approvers.is_empty() {
        return Err("it names approvers and asks nobody".to_owned());
    }
    Ok(row)
}

fn decision(cell: &str) -> Result<Decision, String> {
    match cell.to_ascii_lowercase().replace(['-', ' '], "_").as_str() {
        "allow" => Ok(Decision::Allow),
        "deny" => Ok(Decision::Deny),
        "require_approval" => Ok(Decision::RequireApproval),
        _ => Err(format!(
            "the decision `{}` is not `allow`, `require_approval` or `deny`",
            cell.escape_debug()
        )),
    }
}

/// What a cell asks of a path; `None` for anything.
fn test(path: &str, cell: &str) -> Result<Option<String>, String> {
    if cell.is_empty() || cell == "-" || cell == "*" {
        return Ok(None);
    }
    for sign in [">=", "<=", ">", "<"] {
        if let Some(bound) = cell.strip_prefix(sign) {
            return Ok(Some(format!("{path} {sign} {}", number(bound)?)));
        }
    }
    if let Some((low, high)) = cell.split_once("..") {
        return Ok(Some(format!(
            "{path} >= {} && {path} <= {}",
            number(low)?,
            number(high)?
        )));
    }
    let (other, named) = match cell.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, cell),
    };
    let values: Vec<String> = named
        .split('|')
        .map(|it| one(path, it.trim()))
        .collect::<Result<_, _>>()?;
    Ok(Some(match (values.as_slice(), other) {
        ([one], false) => format!("{path} == {one}"),
        ([one], true) => format!("{path} != {one}"),
        (several, false) => format!("{path} in [{}]", several.join(", ")),
        (several, true) => format!("!({path} in [{}])", several.join(", ")),
    }))
}

/// One of the values of a cell. A sign speaks for the whole cell: before one value of several it would be taken for text.
fn one(path: &str, text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a value between `|` is empty".to_owned());
    }
    if text.starts_with(['!', '<', '>']) {
        return Err(format!(
            "`{}` is a sign where only a value can stand; write `!a|b` for neither, and a row for each bound",
            text.escape_debug()
        ));
    }
    value(path, text)
}

fn number(text: &str) -> Result<String, String> {
    let number = crate::json::decimal(text.trim());
    number
        .map(|number| number.to_string())
        .ok_or(format!("`{}` is no number", text.trim().escape_debug()))
}

/// A value as a literal of the kind that the path has.
fn value(path: &str, text: &str) -> Result<String, String> {
    if NUMBERS.contains(&path) {
        return number(text);
    }
    if TEXTS.contains(&path) || path.starts_with("resource.") {
        return Ok(literal(text));
    }
    Ok(match text {
        "true" | "false" => text.to_owned(),
        text => crate::json::decimal(text).map_or_else(|| literal(text), |number| number.to_string()),
    })
}

/// Rows of cells with their lines; a cell in double quotes may hold commas, line ends, and `""` for one quote.
fn cells(text: &str) -> Result<Vec<(u32, Vec<String>)>, String> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let (mut line, mut began) = (1, 1);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        line += u32::from(letter == '\n');
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted || cell.trim().is_empty() => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push((began, std::mem::take(&mut row)));
                began = line;
            }
            '\r' if !quoted => {}
            letter => cell.push(letter),
        }
    }
    if quoted {
        return Err(format!("the quote that begins in line {began} does not end"));
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push((began, row));
    }
    Ok(rows)
}
