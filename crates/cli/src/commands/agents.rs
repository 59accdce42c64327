//! `countersign agents`: register agents, list them.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::{Failure, Result};

#[derive(Args)]
pub(super) struct Agents {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Register an agent; its key is shown once
    Add(Add),
    /// List agents
    List(List),
}

#[derive(Args)]
struct Add {
    /// Its id, such as support-refunds
    id: String,
    /// Who answers for it: team:NAME or user:NAME
    #[arg(long)]
    owner: String,
    /// Its team
    #[arg(long)]
    team: Option<String>,
    /// A label that conditions see, NAME=TEXT; may be given several times
    #[arg(long = "label", value_name = "NAME=TEXT")]
    labels: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

impl Agents {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => add.run(console).await,
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/agents").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value
                    .get("agents")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| {
                        let quarantined = row.get("quarantined") == Some(&Value::Bool(true));
                        let standing = if quarantined { "quarantined" } else { "active" };
                        vec![
                            cell(row, "id"),
                            standing.into(),
                            cell(row, "owner"),
                            cell(row, "team"),
                            cell(row, "since"),
                        ]
                    })
                    .collect();
                console.answer(&value, table(&["AGENT", "STANDING", "OWNER", "TEAM", "SINCE"], &lines));
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self, console: &Console) -> Result<()> {
        let mut labels = Map::new();
        for label in &self.labels {
            let Some((name, text)) = label.split_once('=') else {
                return Err(Failure::usage(format!("`{label}` is not a label")).next("write it as NAME=TEXT"));
            };
            labels.insert(name.to_owned(), text.into());
        }
        let mut body = json!({ "id": self.id, "owner": self.owner, "labels": labels });
        if let (Some(team), Some(fields)) = (&self.team, body.as_object_mut()) {
            fields.insert("team".into(), team.as_str().into());
        }
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/agents", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = format!(
            "agent  {}\nkey    {}\n\nThe key is shown this once.",
            self.id,
            cell(&value, "key")
        );
        console.answer(&value, text);
        Ok(())
    }
}
