//! `countersign agents`: register agents, list them, say and show what is known of them.

mod coverage;
mod inventory;
mod register;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use self::register::Register;
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
    /// Say what is known of an agent: a JSON file in place of what was there
    Describe(Describe),
    /// Show what has to be known of an agent before it is made active, and what is blank
    Readiness(One),
    /// Make an agent active
    Activate(One),
    /// Show what an agent's mandate grants, and what of it was not used for 30 days
    Access(One),
    /// Show what of the calls that were seen elsewhere is governed
    Coverage(List),
    /// Tell calls that were seen elsewhere: a JSON file as `POST /v1/observed` takes it
    Observe(Observe),
    /// Show seven ways in which governance fails, and what there is of each now
    Health(List),
    /// Write the inventory as CSV
    Export(List),
    /// Show workflows, tools, data sources, owners or action classes, and what is known of each
    Register(Register),
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

#[derive(Args)]
struct One {
    /// The agent
    id: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Describe {
    /// The agent
    id: String,
    /// The description, as `PUT /v1/descriptions/{id}` takes it
    #[arg(long)]
    file: std::path::PathBuf,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Observe {
    /// The calls, as `POST /v1/observed` takes them
    #[arg(long)]
    file: std::path::PathBuf,
    #[command(flatten)]
    connection: Connection,
}

impl Agents {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => add.run(console).await,
            Command::Describe(describe) => describe.run(console).await,
            Command::Readiness(one) => one.readiness(console, false).await,
            Command::Activate(one) => one.readiness(console, true).await,
            Command::Access(one) => one.access(console).await,
            Command::Coverage(list) => coverage::show(&list.connection, console).await,
            Command::Observe(observe) => coverage::observe(&observe.connection, &observe.file, console).await,
            Command::Health(list) => coverage::health(&list.connection, console).await,
            Command::Export(list) => inventory::export(&list.connection, console).await,
            Command::Register(register) => register.run(console).await,
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

impl Describe {
    async fn run(self, console: &Console) -> Result<()> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| Failure::usage(format!("`{}` cannot be read: {error}", self.file.display())))?;
        let body: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("`{}` is not JSON: {error}", self.file.display())))?;
        let path = format!("/v1/descriptions/{}", self.id);
        let call = async |session: &Session| Ok(session.client.put::<Value>(&path, &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        inventory::show_readiness(console, &value);
        Ok(())
    }
}

impl One {
    async fn readiness(self, console: &Console, activate: bool) -> Result<()> {
        let path = format!("/v1/readiness/{}", self.id);
        let call = async |session: &Session| {
            Ok(if activate {
                session.client.post::<Value>(&path, &json!({})).await?
            } else {
                session.client.get::<Value>(&path).await?
            })
        };
        let value = self.connection.with(About::Organization, call).await?;
        inventory::show_readiness(console, &value);
        Ok(())
    }

    async fn access(self, console: &Console) -> Result<()> {
        let path = format!("/v1/access_reviews/{}", self.id);
        let read = async |session: &Session| Ok(session.client.get::<Value>(&path).await?);
        let value = self.connection.with(About::Organization, read).await?;
        inventory::show_access(console, &value);
        Ok(())
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
