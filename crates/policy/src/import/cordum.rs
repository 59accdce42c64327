//! Safety policies of Cordum: rules over topics, labels and agents, in the order in which they are written.

use super::{Left, Read, Row, keys, line, literal, member, texts};
use crate::verdict::Decision;
use crate::yaml::{Kind, Node};

/// What stands at the top beside the rules that are converted.
const ELSEWHERE: [(&str, &str, bool); 4] = [
    (
        "input_rules",
        "scanners of texts are not converted; redaction finds kinds of data, and conditions see them as `pii`",
        true,
    ),
    ("output_rules", "what comes back is not looked at by gates", true),
    (
        "tenants",
        "a tenant is an organization; lists of topics and tools are `on:` of gates, and mandates",
        true,
    ),
    (
        "input_policy",
        "what happens when nothing can be decided is not a matter of policy: nothing is permitted",
        false,
    ),
];

pub(super) fn read(root: &Node, text: &str) -> Result<Read, String> {
    let rules = root
        .member("rules")
        .and_then(Node::items)
        .ok_or("there is no list `rules`")?;
    let mut left = Vec::new();
    let mut rows = Vec::new();
    for (at, node) in rules.iter().enumerate() {
        let name = node
            .member("id")
            .and_then(Node::text)
            .map_or_else(|| format!("rule-{at}"), str::to_owned);
        if node.member("enabled").and_then(Node::bool) == Some(false) {
            continue;
        }
        match row(node, &name, line(node, text)) {
            Ok(row) => rows.push(row),
            Err(why) => left.push(Left {
                line: line(node, text),
                what: name,
                why,
                loosens: decision(node) != Ok(Decision::Allow),
            }),
        }
    }
    let said = root.member("default_decision").and_then(Node::text);
    let otherwise = match said.unwrap_or("deny") {
        "allow" => Decision::Allow,
        "require_approval" | "require_human" => Decision::RequireApproval,
        _ => Decision::Deny,
    };
    for (name, why, loosens) in ELSEWHERE {
        let found = root
            .member(name)
            .filter(|node| node.items().is_none_or(|items| !items.is_empty()));
        left.extend(found.map(|node| Left {
            line: line(node, text),
            what: name.to_owned(),
            why: why.to_owned(),
            loosens,
        }));
    }
    Ok(Read { rows, otherwise, left })
}

fn decision(node: &Node) -> Result<Decision, String> {
    match node
        .member("decision")
        .and_then(Node::text)
        .unwrap_or_default()
        .to_ascii_lowercase()
        .as_str()
    {
        "allow" => Ok(Decision::Allow),
        "allow_with_constraints" => Ok(Decision::AllowWithConstraints),
        "deny" => Ok(Decision::Deny),
        "require_approval" | "require_human" => Ok(Decision::RequireApproval),
        "throttle" => Err("to be held up is a limit; write `limits:`".to_owned()),
        other => Err(format!("the decision `{}` is not known", other.escape_debug())),
    }
}

fn row(node: &Node, name: &str, line: u32) -> Result<Row, String> {
    let mut decision = decision(node)?;
    let mut parts = Vec::new();
    if let Some(matches) = node.member("match") {
        for key in keys(matches) {
            let Some(value) = matches.member(key) else { continue };
            parts.extend(part(key, value)?);
        }
    }
    let constraints = node
        .member("constraints")
        .map(constraints)
        .transpose()?
        .unwrap_or_default();
    match (decision, constraints.is_empty()) {
        (Decision::AllowWithConstraints, true) => decision = Decision::Allow,
        (Decision::Allow, false) => decision = Decision::AllowWithConstraints,
        _ => {}
    }
    Ok(Row {
        line,
        name: name.to_owned(),
        parts,
        decision,
        message: node.member("reason").and_then(Node::text).map(str::to_owned),
        approvers: Vec::new(),
        constraints,
    })
}

/// One key of `match`, as what has to hold.
fn part(key: &str, value: &Node) -> Result<Option<String>, String> {
    let listed = || texts(value).ok_or(format!("`{key}` is no list of texts"));
    Ok(Some(match key {
        "topics" => one_of("action", &listed()?)?,
        "agents" | "agent_ids" | "actor_ids" => one_of("agent.id", &listed()?)?,
        "labels" => {
            let Kind::Map(entries) = &value.kind else {
                return Err("`labels` is no map".to_owned());
            };
            let each: Option<Vec<String>> = (entries.iter())
                .map(|(key, value)| {
                    let path = member("labels", &key.text()?.replace('.', "\u{0}")).replace('\u{0}', ".");
                    Some(format!("has({path}) && {path} == {}", literal(value.text()?)))
                })
                .collect();
            let each = each.ok_or("a label is no text")?;
            if each.is_empty() {
                return Ok(None);
            }
            each.join(" && ")
        }
        "mcp_tools" | "tools" => format!("has(tool.id) && {}", one_of("tool.id", &listed()?)?),
        "environments" | "env" => format!("has(env) && {}", one_of("env", &listed()?)?),
        other => return Err(format!("`{other}` is nothing that an action states here")),
    }))
}

/// Names, or beginnings that end in `*`.
fn one_of(path: &str, names: &[&str]) -> Result<String, String> {
    let (beginnings, exact): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.ends_with('*'));
    if names.is_empty() {
        return Err("a list of it is empty".to_owned());
    }
    let beginnings = beginnings.iter().map(|name| name.trim_end_matches('*'));
    let mut parts: Vec<String> = Vec::new();
    if !exact.is_empty() {
        let exact: Vec<String> = exact.iter().map(|name| literal(name)).collect();
        parts.push(format!("{path} in [{}]", exact.join(", ")));
    }
    for beginning in beginnings {
        parts.push(format!("{path}.startsWith({})", literal(beginning)));
    }
    if names.iter().any(|name| name.trim_end_matches('*').contains(['*', '?'])) {
        return Err("`*` stands only at the end of a name here".to_owned());
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => format!("({})", parts.join(" || ")),
    })
}

fn constraints(node: &Node) -> Result<Vec<(&'static str, String)>, String> {
    let mut found = Vec::new();
    for key in keys(node) {
        let Some(value) = node.member(key) else { continue };
        if key != "budgets" {
            return Err(format!("the constraint `{key}` is not known"));
        }
        for name in keys(value) {
            let text = value.member(name).and_then(Node::text).unwrap_or_default();
            match (name, text.parse::<u64>()) {
                ("max_runtime_ms", Ok(ms)) if ms > 0 => found.push(("timeout", format!("{ms}ms"))),
                _ => return Err(format!("the budget `{name}` is not known")),
            }
        }
    }
    Ok(found)
}
