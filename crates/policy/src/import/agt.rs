//! Policy documents of the Agent Governance Toolkit: rules with one comparison each, by priority.

use super::{Left, Read, Row, keys, line, literal, member};
use crate::verdict::Decision;
use crate::yaml::{Kind, Node};

/// What is counted over a session there, and by limits here.
const COUNTED: [&str; 4] = ["message_count", "token_count", "tool_call_count", "tokens_used"];

/// What a document, a rule and a condition may say. What else they say might narrow them, so that nothing is passed over.
const DOCUMENT: [&str; 6] = ["version", "name", "description", "metadata", "rules", "defaults"];
const RULE: [&str; 6] = ["name", "description", "condition", "action", "priority", "message"];
const CONDITION: [&str; 3] = ["field", "operator", "value"];

pub(super) fn read(root: &Node, text: &str) -> Result<Read, String> {
    let rules = root
        .member("rules")
        .and_then(Node::items)
        .ok_or("there is no list `rules`")?;
    let mut left = Vec::new();
    let mut rows: Vec<(i64, Row)> = Vec::new();
    for (at, node) in rules.iter().enumerate() {
        let name = node
            .member("name")
            .and_then(Node::text)
            .map_or_else(|| format!("rule-{at}"), str::to_owned);
        match row(node, &name, line(node, text)) {
            Ok(Some(row)) => match priority(node) {
                Ok(priority) => rows.push((priority, row)),
                // Without its place nobody knows what it comes before.
                Err(why) => left.push(Left {
                    line: line(node, text),
                    what: name,
                    why,
                    loosens: true,
                }),
            },
            Ok(None) => left.push(Left {
                line: line(node, text),
                what: name,
                why: "every action is recorded, so that nothing has to be said for it".to_owned(),
                loosens: false,
            }),
            Err(why) => left.push(Left {
                line: line(node, text),
                what: name,
                why,
                loosens: decision(node) != Ok(Some(Decision::Allow)),
            }),
        }
    }
    // The highest first; of equals the one that is written first.
    rows.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    let defaults = root.member("defaults");
    let otherwise = match defaults.and_then(|node| node.member("action")).and_then(Node::text) {
        Some("allow") => Decision::Allow,
        _ => Decision::Deny,
    };
    for name in defaults
        .map(keys)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| *name != "action")
    {
        left.push(Left {
            line: defaults.map_or(0, |node| line(node, text)),
            what: format!("defaults.{name}"),
            why: "no rule says it; write a limit, a budget or a condition on `confidence`".to_owned(),
            loosens: true,
        });
    }
    for name in keys(root).into_iter().filter(|name| !DOCUMENT.contains(name)) {
        left.push(Left {
            line: root.member(name).map_or(0, |node| line(node, text)),
            what: name.to_owned(),
            why: "what it says of the rules is not known".to_owned(),
            loosens: true,
        });
    }
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Read { rows, otherwise, left })
}

/// `None` for what only records.
fn decision(node: &Node) -> Result<Option<Decision>, String> {
    match node.member("action").and_then(Node::text).unwrap_or_default() {
        "allow" => Ok(Some(Decision::Allow)),
        "deny" | "block" => Ok(Some(Decision::Deny)),
        "require_approval" | "review" | "escalate" => Ok(Some(Decision::RequireApproval)),
        "audit" | "log" => Ok(None),
        other => Err(format!("nothing is called `{}` here", other.escape_debug())),
    }
}

/// Where a rule stands among the others; 0 where it does not say.
fn priority(node: &Node) -> Result<i64, String> {
    let Some(stated) = node.member("priority") else {
        return Ok(0);
    };
    let text = stated.text().unwrap_or_default();
    text.parse()
        .map_err(|_| format!("its priority `{}` is no whole number", text.escape_debug()))
}

fn known(node: &Node, called: &str, fields: &[&str]) -> Result<(), String> {
    match keys(node).into_iter().find(|name| !fields.contains(name)) {
        Some(name) => Err(format!("what `{}` says of {called} is not known", name.escape_debug())),
        None => Ok(()),
    }
}

fn row(node: &Node, name: &str, line: u32) -> Result<Option<Row>, String> {
    let Some(decision) = decision(node)? else {
        return Ok(None);
    };
    known(node, "the rule", &RULE)?;
    let condition = node.member("condition").ok_or("it has no condition")?;
    known(condition, "the condition", &CONDITION)?;
    let part = |name: &str| condition.member(name).ok_or(format!("its condition has no `{name}`"));
    let field = part("field")?.text().ok_or("its field is no text")?;
    let operator = part("operator")?.text().unwrap_or_default();
    let part = comparison(field, operator, part("value")?, decision)?;
    Ok(Some(Row {
        line,
        name: name.to_owned(),
        parts: vec![part],
        decision,
        message: node.member("message").and_then(Node::text).map(str::to_owned),
        approvers: Vec::new(),
        constraints: Vec::new(),
    }))
}

/// Where a field is read from, and whether it may be absent.
fn path(field: &str) -> Result<(String, bool), String> {
    if COUNTED.contains(&field) {
        return Err(format!("`{field}` is counted over a session; write a limit"));
    }
    Ok(match field {
        "tool_name" | "tool" | "action" | "function_name" => ("action".to_owned(), false),
        "agent_id" | "agent" => ("agent.id".to_owned(), false),
        "environment" | "env" => ("env".to_owned(), true),
        "amount" | "confidence" | "currency" | "estimated_cost" => (field.to_owned(), true),
        other => (member("args", other.strip_prefix("args.").unwrap_or(other)), true),
    })
}

fn comparison(field: &str, operator: &str, value: &Node, decision: Decision) -> Result<String, String> {
    let (path, absent) = path(field)?;
    let guarded = |test: String| if absent { format!("has({path}) && {test}") } else { test };
    let word = |sign: &str| Ok::<_, String>(guarded(format!("{path} {sign} {}", scalar(value)?)));
    match operator {
        "eq" | "equals" | "==" => word("=="),
        "gt" | ">" => word(">"),
        "gte" | ">=" => word(">="),
        "lt" | "<" => word("<"),
        "lte" | "<=" => word("<="),
        "ne" | "not_equals" | "!=" => {
            // Of two readings of a field that is missing the stricter one.
            let test = format!("{path} != {}", scalar(value)?);
            Ok(match (absent, decision == Decision::Allow) {
                (true, false) => format!("!(has({path}) && {path} == {})", scalar(value)?),
                _ => guarded(test),
            })
        }
        "in" => Ok(guarded(format!("{path} in {}", list(value)?))),
        "not_in" => Ok(match absent && decision != Decision::Allow {
            true => format!("!(has({path}) && {path} in {})", list(value)?),
            false => guarded(format!("!({path} in {})", list(value)?)),
        }),
        "contains" => Ok(guarded(format!("{path}.contains({})", text(value)?))),
        "starts_with" | "startswith" => Ok(guarded(format!("{path}.startsWith({})", text(value)?))),
        "ends_with" | "endswith" => Ok(guarded(format!("{path}.endsWith({})", text(value)?))),
        "matches" | "regex" => {
            Err("there are no regular expressions; write `contains`, `startsWith` or a list".to_owned())
        }
        other => Err(format!("the operator `{}` is not known", other.escape_debug())),
    }
}

fn text(node: &Node) -> Result<String, String> {
    match node.kind_name() {
        "text" => Ok(literal(node.text().unwrap_or_default())),
        kind => Err(format!("it looks for {kind} in a text")),
    }
}

fn scalar(node: &Node) -> Result<String, String> {
    match node.kind_name() {
        "text" => Ok(literal(node.text().unwrap_or_default())),
        "a number" => node
            .number()
            .map(|number| number.to_string())
            .ok_or("a number of it has no exact value".to_owned()),
        "a truth value" => node.bool().map(|truth| truth.to_string()).ok_or(String::new()),
        kind => Err(format!("it compares with {kind}")),
    }
}

fn list(node: &Node) -> Result<String, String> {
    let Kind::Seq(items) = &node.kind else {
        return Err("`in` has no list".to_owned());
    };
    let items: Result<Vec<String>, String> = items.iter().map(scalar).collect();
    Ok(format!("[{}]", items?.join(", ")))
}
