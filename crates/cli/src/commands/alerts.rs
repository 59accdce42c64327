//! `countersign alerts`: what a person should look at.

use clap::{Args, Subcommand};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Alerts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List alerts that nobody took note of
    List(List),
    /// Take note of an alert
    Ack(Ack),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Ack {
    /// Its id, alr_…
    id: String,
    #[command(flatten)]
    connection: Connection,
}

impl Alerts {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/alerts").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value
                    .get("alerts")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let fields = ["id", "name", "agent", "raised", "summary"];
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| fields.iter().map(|field| cell(row, field)).collect())
                    .collect();
                console.answer(&value, table(&["ALERT", "KIND", "AGENT", "RAISED", "WHAT"], &lines));
                Ok(())
            }
            Command::Ack(ack) => {
                let path = format!("/v1/alerts/{}/acknowledge", segment(&ack.id));
                let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &json!({})).await?);
                let value = ack.connection.with(About::Organization, call).await?;
                console.answer(&value, format!("noted: {}", ack.id));
                Ok(())
            }
        }
    }
}
