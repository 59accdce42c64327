//! `countersign keys`: issue API keys, list them, revoke them.

use clap::{ArgGroup, Args, Subcommand};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue another key for an agent or a person; it is shown once
    Add(Add),
    /// List keys, without their secrets
    List(List),
    /// Revoke a key, at once
    Revoke(Revoke),
    /// Give the log another key; for 30 days checkpoints carry the signatures of both
    RotateLog(RotateLog),
}

#[derive(Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["agent", "user"])))]
struct Add {
    /// The agent that it is for
    #[arg(long)]
    agent: Option<String>,
    /// The person that it is for
    #[arg(long)]
    user: Option<String>,
    /// What a gateway's key may do for others: redeem, outcome, act_for:AGENT, act_for:PREFIX*
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// How long it is good, days
    #[arg(long)]
    days: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Revoke {
    /// The 8 characters that the key is known by: cs_agent_KID_…
    kid: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct RotateLog {
    #[command(flatten)]
    connection: Connection,
}

impl RotateLog {
    async fn run(self, console: &Console) -> Result<()> {
        let call = async |session: &Session| {
            let org = session.organization(self.connection.org.as_deref()).await?;
            let path = format!("/v1/log-keys/{}", segment(&org));
            Ok(session.client.post::<Value>(&path, &json!({})).await?)
        };
        let value = self.connection.with(About::Instance, call).await?;
        let text = format!(
            "log key  {}\nbefore   {}\nuntil    {}\n\n\
             Until then checkpoints carry the signatures of both. Give the new key to whoever verifies exports.",
            cell(&value, "vkey"),
            cell(&value, "old_vkey"),
            cell(&value, "until"),
        );
        console.answer(&value, text);
        Ok(())
    }
}

impl Keys {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Add(add) => {
                let mut body =
                    json!({ "agent": add.agent, "user": add.user, "scopes": add.scopes, "expires_days": add.days });
                if let Some(fields) = body.as_object_mut() {
                    fields.retain(|_, value| !value.is_null());
                }
                let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/keys", &body).await?);
                let value = add.connection.with(About::Organization, call).await?;
                console.answer(
                    &value,
                    format!("key  {}\n\nThe key is shown this once.", cell(&value, "key")),
                );
                Ok(())
            }
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/keys").await?);
                let value = list.connection.with(About::Organization, read).await?;
                let rows = value.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| {
                        let revoked = row.get("revoked") == Some(&Value::Bool(true));
                        let state = if revoked { "revoked" } else { "good" };
                        vec![
                            cell(row, "kid"),
                            state.into(),
                            cell(row, "kind"),
                            cell(row, "subject"),
                            cell(row, "scopes"),
                            cell(row, "expires"),
                        ]
                    })
                    .collect();
                console.answer(
                    &value,
                    table(&["KID", "STATE", "KIND", "WHOSE", "SCOPES", "EXPIRES"], &lines),
                );
                Ok(())
            }
            Command::RotateLog(rotate) => rotate.run(console).await,
            Command::Revoke(revoke) => {
                let path = format!("/v1/keys/{}", segment(&revoke.kid));
                let call = async |session: &Session| Ok(session.client.delete(&path).await?);
                revoke.connection.with(About::Organization, call).await?;
                console.answer(
                    &json!({ "revoked": revoke.kid }),
                    format!("key {} is revoked", revoke.kid),
                );
                Ok(())
            }
        }
    }
}
