//! `countersign ledger`: what the operator at the machine does to whole ledgers, one whose end is lost or that is old.

use clap::{Args, Subcommand};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection};
use crate::console::{Console, cell};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Epochs of a log
    Epoch(Epoch),
    /// Remove the bytes of old records; their hashes stay, and proofs hold
    Prune(Prune),
}

#[derive(Args)]
struct Prune {
    /// Only records before this time, such as 2026-01-31T09:00:00Z
    #[arg(long)]
    before: String,
    /// Why; it lies beside the record
    #[arg(long)]
    why: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Epoch {
    #[command(subcommand)]
    command: EpochCommand,
}

#[derive(Subcommand)]
enum EpochCommand {
    /// Let a log go on under another name: after a restored backup, or when its key was seen elsewhere
    New(New),
}

#[derive(Args)]
struct New {
    /// What happened; it becomes part of the record
    #[arg(long)]
    why: String,
    #[command(flatten)]
    connection: Connection,
}

impl Ledger {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let new = match self.command {
            Command::Epoch(Epoch {
                command: EpochCommand::New(new),
            }) => new,
            Command::Prune(prune) => return prune.run(console).await,
        };
        let body = json!({ "why": new.why });
        let call = async |session: &crate::connect::Session| {
            let org = session.organization(new.connection.org.as_deref()).await?;
            let path = format!("/v1/epochs/{}", segment(&org));
            Ok((session.client.post::<Value>(&path, &body).await?, org))
        };
        let (value, org) = new.connection.with(About::Instance, call).await?;
        console.answer(&value, sentence(&value, &org));
        Ok(())
    }
}

impl Prune {
    async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "before": self.before, "why": self.why });
        let call = async |session: &crate::connect::Session| {
            let org = session.organization(self.connection.org.as_deref()).await?;
            let path = format!("/v1/prune/{}", segment(&org));
            Ok(session.client.post::<Value>(&path, &body).await?)
        };
        let value = self.connection.with(About::Instance, call).await?;
        let end = value.get("to").and_then(Value::as_u64).unwrap_or_default();
        let text = format!(
            "pruned: records {} to {} have no bytes any more",
            cell(&value, "from"),
            end.saturating_sub(1)
        );
        console.answer(&value, text);
        Ok(())
    }
}

/// What became of it, in words.
pub(super) fn sentence(value: &Value, org: &str) -> String {
    let lost = match value.get("mark").filter(|mark| !mark.is_null()) {
        Some(mark) => format!(
            "The log was signed for up to {} records of {}; whoever keeps a checkpoint of that sees in every\n\
             export what is missing.\n",
            cell(mark, "size"),
            cell(mark, "origin")
        ),
        None => String::new(),
    };
    format!(
        "organization  {org}\nepoch         {}\nrecords       {}\nlog key       {}\n\n{lost}\
         Give the log key to whoever verifies exports; the ones before verify them too, as the key itself is the same.",
        cell(value, "epoch"),
        cell(value, "size"),
        cell(value, "vkey"),
    )
}
