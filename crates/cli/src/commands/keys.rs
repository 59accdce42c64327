//! `countersign keys`: issue API keys, list them, revoke them.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use countersign_client::segment;
use countersign_engine::{Vault, VaultError, next_key, reseal};
use countersign_store::Store;
use countersign_store_sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::{Failure, Result};
use crate::place::{Hold, Place};

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
    /// Give the instance another key and seal every secret with it; no server has the data folder meanwhile
    RotateInstance(RotateInstance),
}

#[derive(Args)]
struct RotateInstance {
    /// The data folder
    #[arg(long)]
    data: Option<PathBuf>,
    /// A database in place of a data folder; better given as COUNTERSIGN_DATABASE_URL
    #[arg(long, conflicts_with = "data", value_name = "URL")]
    database_url: Option<String>,
    /// The instance key: with a database, and if it is not in the data folder
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Only lay the next key beside the key file, FILE.next, for the nodes of a database to be started with
    #[arg(long)]
    prepare: bool,
}

impl RotateInstance {
    async fn run(self, console: &Console) -> Result<()> {
        let place = Place::named(
            self.data.as_deref(),
            self.database_url.as_deref(),
            self.key_file.as_deref(),
        )?;
        let hold = place.take()?;
        let rotated = tokio::task::spawn_blocking(move || rotate(&hold, self.prepare));
        let (value, text) = rotated
            .await
            .map_err(|error| Failure::unreachable(error.to_string()))??;
        console.answer(&value, text);
        Ok(())
    }
}

/// Seals all secrets of a place with another key. Broken off at any moment, it is begun again by the same command.
fn rotate(hold: &Hold, prepare: bool) -> Result<(Value, String)> {
    let unsound = |error: VaultError| Failure::unreachable(error.to_string());
    let key_file = match hold {
        Hold::Folder(folder, _) => &folder.key_file,
        Hold::Database(database) => &database.key_file,
    };
    // The key that is there has to be one before another is made.
    Vault::from_file(key_file, false).map_err(unsound)?;
    let next = next_key(key_file);
    if matches!(hold, Hold::Database(_)) && !prepare && !next.exists() {
        let what = format!("there is no next key at `{}`", next.display());
        return Err(Failure::no(what).next(
            "nodes that do not know the next key would seal with the old one: make it with --prepare, copy it beside the key \
             file of every node, start each again, and then run this",
        ));
    }
    Vault::prepare_next(key_file).map_err(unsound)?;
    if prepare {
        let value = json!({ "next": next.display().to_string() });
        let text = format!(
            "next key  {}\n\nCopy it beside the key file of every node and start each again; either key opens then.\n\
             Afterwards run this without --prepare.",
            next.display()
        );
        return Ok((value, text));
    }
    let store: Box<dyn Store> = match hold {
        Hold::Folder(folder, _) => {
            let opened = SqliteStore::open(&folder.root);
            Box::new(opened.map_err(|error| Failure::unreachable(error.to_string()))?)
        }
        Hold::Database(database) => Box::new(database.open()?),
    };
    let vault = Vault::from_file(key_file, false).map_err(unsound)?;
    let secrets = reseal(&*store, &vault)?;
    Vault::take_next(key_file).map_err(unsound)?;
    let text = format!(
        "{secrets} secrets were sealed anew; the key in {} opens all of them.\n\n\
         Copy it to wherever you keep the instance key, and beside nodes of the same database in place of theirs.\n\
         The key before opens only backups from before.",
        key_file.display()
    );
    Ok((
        json!({ "secrets": secrets, "key_file": key_file.display().to_string() }),
        text,
    ))
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
    /// What a gateway's key may do for others: redeem, outcome, credential, act_for:AGENT, act_for:PREFIX*
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
            Command::RotateInstance(rotate) => rotate.run(console).await,
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
