//! `countersign kill` and `countersign resume`: kill switches.

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

/// What a kill switch stops; one of these.
#[derive(Args)]
#[group(id = "what", required = true, multiple = false)]
struct What {
    /// This agent
    #[arg(long)]
    agent: Option<String>,
    /// Every agent of this team
    #[arg(long)]
    team: Option<String>,
    /// This tool
    #[arg(long)]
    tool: Option<String>,
    /// Every tool of this class
    #[arg(long)]
    class: Option<String>,
    /// This run
    #[arg(long)]
    run: Option<String>,
    /// Everything of the organization
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
#[command(group(ArgGroup::new("either").required(true).args(["agent", "team", "tool", "class", "run", "all", "list"])))]
pub(super) struct Kill {
    /// Stop this agent
    #[arg(long)]
    agent: Option<String>,
    /// Stop every agent of this team
    #[arg(long)]
    team: Option<String>,
    /// Stop this tool
    #[arg(long)]
    tool: Option<String>,
    /// Stop every tool of this class
    #[arg(long)]
    class: Option<String>,
    /// Stop this run
    #[arg(long)]
    run: Option<String>,
    /// Stop everything of the organization
    #[arg(long)]
    all: bool,
    /// List what is stopped
    #[arg(long)]
    list: bool,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Resume {
    #[command(flatten)]
    what: What,
    /// Why it may go on
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

/// Scope and name as the API takes them, and in words.
fn scope(named: [(&str, Option<&String>); 5], reason: Option<&str>) -> (Value, String) {
    let named = named.into_iter().find_map(|(kind, name)| Some((kind, name?)));
    let (mut body, words) = match named {
        Some((kind, name)) => (json!({ "scope": kind, "name": name }), format!("{kind} {name}")),
        None => (json!({ "scope": "organization" }), "everything".to_owned()),
    };
    if let (Some(reason), Some(fields)) = (reason, body.as_object_mut()) {
        fields.insert("reason".into(), reason.into());
    }
    (body, words)
}

impl Kill {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        if self.list {
            let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/kill").await?);
            let value = self.connection.with(About::Organization, read).await?;
            let rows = value
                .get("kills")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let fields = ["scope", "name", "by", "since", "release_requested_by"];
            let lines: Vec<Vec<String>> = rows
                .iter()
                .map(|row| fields.iter().map(|field| cell(row, field)).collect())
                .collect();
            console.answer(
                &value,
                table(&["STOPPED", "NAME", "BY", "SINCE", "RELEASE ASKED BY"], &lines),
            );
            return Ok(());
        }
        let named = [
            ("agent", self.agent.as_ref()),
            ("team", self.team.as_ref()),
            ("tool", self.tool.as_ref()),
            ("class", self.class.as_ref()),
            ("run", self.run.as_ref()),
        ];
        let (body, words) = scope(named, self.reason.as_deref());
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/kill", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        console.answer(
            &value,
            format!("stopped: {words}. No permit is issued or used any more."),
        );
        Ok(())
    }
}

impl Resume {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let named = [
            ("agent", self.what.agent.as_ref()),
            ("team", self.what.team.as_ref()),
            ("tool", self.what.tool.as_ref()),
            ("class", self.what.class.as_ref()),
            ("run", self.what.run.as_ref()),
        ];
        let (body, words) = scope(named, Some(&self.reason));
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/kill/release", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = if value.get("released") == Some(&Value::Bool(true)) {
            format!("released: {words}")
        } else {
            format!("asked for: {words} stays stopped until another admin confirms with the same command")
        };
        console.answer(&value, text);
        Ok(())
    }
}
