//! The inventory as a person reads it, and as CSV.

use serde_json::Value;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

/// Columns of the export: those of the agent, then those of its description.
const AGENT: [&str; 6] = ["id", "standing", "known_by", "owner", "team", "since"];
const DESCRIPTION: [&str; 11] = [
    "purpose",
    "system",
    "technical_owner",
    "fallback_owner",
    "reviewer",
    "review_by",
    "model",
    "prompt",
    "environments",
    "tools",
    "data",
];
const BOUNDARY: [&str; 7] = [
    "process",
    "reads",
    "writes",
    "without_approval",
    "always_approve",
    "never_access",
    "owning_team",
];

fn rows(value: &Value, name: &str) -> Vec<Value> {
    value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn yes(row: &Value, name: &str) -> bool {
    row.get(name) == Some(&Value::Bool(true))
}

pub(super) fn show_readiness(console: &Console, value: &Value) {
    let lines: Vec<Vec<String>> = rows(value, "items")
        .iter()
        .map(|item| {
            let ready = if yes(item, "ready") { "known" } else { "blank" };
            vec![cell(item, "field"), ready.to_owned()]
        })
        .collect();
    let active = match value.get("activated").and_then(Value::as_str) {
        Some(since) => format!("active since {since}"),
        None => "not active".to_owned(),
    };
    console.answer(value, format!("{}\n\n{active}", table(&["FIELD", ""], &lines)));
}

pub(super) fn show_access(console: &Console, value: &Value) {
    let lines: Vec<Vec<String>> = rows(value, "grants")
        .iter()
        .map(|grant| {
            let unused = if yes(grant, "unused") { "unused" } else { "" };
            vec![
                cell(grant, "tool"),
                cell(grant, "action"),
                cell(grant, "last_used"),
                unused.to_owned(),
                format!("{}:{}", cell(grant, "file"), cell(grant, "line")),
            ]
        })
        .collect();
    console.answer(value, table(&["TOOL", "ACTION", "LAST USED", "", "GRANTED AT"], &lines));
}

/// A field as CSV (RFC 4180). What a spreadsheet would take for a formula gets a quote before it.
pub(super) fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn said(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            items.join("; ")
        }
        _nothing => String::new(),
    }
}

fn line(agent: &Value, about: &Value) -> String {
    let quarantined = yes(agent, "quarantined");
    let of_agent = AGENT.map(|column| match column {
        "standing" => (if quarantined { "quarantined" } else { "registered" }).to_owned(),
        // Who was only sighted was named by somebody else's key. How an agent proves who it is differs from action to
        // action, and stands in each decision.
        "known_by" => (if quarantined { "claim" } else { "registration" }).to_owned(),
        other => said(agent.get(other)),
    });
    let of_description = DESCRIPTION.map(|column| said(about.get(column)));
    let boundary = about.get("boundary").unwrap_or(&Value::Null);
    let of_boundary = BOUNDARY.map(|column| said(boundary.get(column)));
    let fields = of_agent.iter().chain(&of_description).chain(&of_boundary);
    fields.map(|text| field(text)).collect::<Vec<_>>().join(",")
}

pub(super) async fn export(connection: &Connection, console: &Console) -> Result<()> {
    let read = async |session: &Session| {
        let agents: Value = session.client.get("/v1/agents").await?;
        let mut found = Vec::new();
        for agent in rows(&agents, "agents") {
            let path = format!("/v1/descriptions/{}", cell(&agent, "id"));
            found.push((session.client.get::<Value>(&path).await?, agent));
        }
        Ok(found)
    };
    let found = connection.with(About::Organization, read).await?;
    let heads = BOUNDARY.map(|column| format!("boundary_{column}"));
    let heads = AGENT
        .iter()
        .chain(&DESCRIPTION)
        .map(|head| (*head).to_owned())
        .chain(heads);
    let mut text = heads.collect::<Vec<_>>().join(",");
    for (about, agent) in &found {
        text.push('\n');
        text.push_str(&line(agent, about));
    }
    let value = found
        .into_iter()
        .map(|(about, agent)| serde_json::json!({ "agent": agent, "description": about }));
    console.answer(&Value::Array(value.collect()), text);
    Ok(())
}
