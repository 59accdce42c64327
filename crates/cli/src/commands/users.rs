//! `countersign users`: add people, list them, give an admin a fresh key.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign_engine::Settings;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;
use crate::instance::{Instance, organization};
use crate::place::Place;

#[derive(Args)]
pub(super) struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add a person; their key is shown once
    Add(Box<Add>),
    /// List people
    List(List),
    /// Give a person a fresh admin key, when every other is lost: needs the data folder, and nobody else on it, or the database
    Reset(Reset),
}

#[derive(Args)]
struct Add {
    /// Id, such as dana
    id: String,
    /// Name; kept beside the ledger
    #[arg(long)]
    name: Option<String>,
    /// E-mail address; kept beside the ledger
    #[arg(long)]
    email: Option<String>,
    /// Id of the person's Slack account, such as U0123456789; kept beside the ledger
    #[arg(long)]
    slack_id: Option<String>,
    /// What the person may do: admin, auditor, operator, policy_author, reviewer, viewer
    #[arg(long, value_delimiter = ',')]
    roles: Vec<String>,
    /// The person's teams
    #[arg(long, value_delimiter = ',')]
    teams: Vec<String>,
    /// What the person answers for
    #[arg(long, value_delimiter = ',')]
    duties: Vec<String>,
    /// Whom the person reports to
    #[arg(long, value_name = "USER")]
    manager: Option<String>,
    /// The person's time zone, such as Europe/Berlin
    #[arg(long)]
    zone: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Reset {
    /// Id of the person; who is not known yet becomes an admin
    id: String,
    /// The data folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// A database in place of a data folder; better given as COUNTERSIGN_DATABASE_URL
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    database_url: Option<String>,
    /// The instance key: with a database, and if it is not in the data folder
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Where the signer remembers what was signed for, outside of the data folder [env: COUNTERSIGN_SIGNER_STATE]
    #[arg(long, value_name = "DIR")]
    signer_state: Option<PathBuf>,
    /// The organization, where there are several
    #[arg(long)]
    org: Option<String>,
}

impl Users {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => add.run(console).await,
            Command::Reset(reset) => reset.run(console).await,
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/users").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value
                    .get("users")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let fields = ["id", "roles", "teams", "duties"];
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| fields.iter().map(|field| cell(row, field)).collect())
                    .collect();
                console.answer(&value, table(&["PERSON", "ROLES", "TEAMS", "DUTIES"], &lines));
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self, console: &Console) -> Result<()> {
        let mut body = json!({
            "id": self.id, "roles": self.roles, "teams": self.teams, "duties": self.duties,
            "name": self.name, "email": self.email, "manager": self.manager, "zone": self.zone, "slack_id": self.slack_id,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/users", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = format!(
            "person  {}\nkey     {}\n\nThe key is shown this once.",
            self.id,
            cell(&value, "key")
        );
        console.answer(&value, text);
        Ok(())
    }
}

impl Reset {
    async fn run(self, console: &Console) -> Result<()> {
        let place = Place::named(
            self.data.as_deref(),
            self.database_url.as_deref(),
            self.key_file.as_deref(),
        )
        .and_then(|place| place.with_signer_state(self.signer_state.as_deref()))?;
        let instance = Instance::of(place.take()?, Settings::default())?;
        let made = self.make(&instance).await;
        instance.stop().await;
        let (org, key) = made?;
        let value = json!({ "organization": org, "user": self.id, "admin_key": key.text, "kid": key.kid });
        let text = format!(
            "admin      {}\nadmin key  {}\n\nThe key is shown this once. The ledger says that it was issued at the machine.\n\
             Revoke lost keys with `countersign keys list` and `countersign keys revoke KID`.",
            self.id, key.text
        );
        console.answer(&value, text);
        Ok(())
    }

    async fn make(&self, instance: &Instance) -> Result<(String, countersign_engine::NewKey)> {
        let org = organization(&instance.engine, self.org.as_deref()).await?;
        let key = instance.reset(&org, &self.id).await?;
        Ok((org, key))
    }
}
