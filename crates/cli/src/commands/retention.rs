//! `countersign audit erase` and `countersign audit hold`: what is destroyed, and what is not.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Erase {
    /// Whose data: a principal, an owner of a resource, a person's id, or agent: and an agent's id
    #[arg(long)]
    subject: String,
    /// Why
    #[arg(long)]
    why: String,
    /// Why the law asks for it, such as "GDPR 17(1)(b)"
    #[arg(long)]
    legal_basis: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct HoldArgs {
    #[command(subcommand)]
    command: Hold,
}

#[derive(Subcommand)]
enum Hold {
    /// Place a hold on everything that fits all that you name, or on everything
    Place(Place),
    /// List open holds
    List(List),
    /// Ask for the release of a hold; a day later, release it
    Release(Release),
}

#[derive(Args)]
struct Place {
    /// Only what is about this subject
    #[arg(long)]
    subject: Option<String>,
    /// Only what belongs to this agent's actions
    #[arg(long)]
    agent: Option<String>,
    /// Not before, such as 2026-01-31T09:00:00Z
    #[arg(long)]
    from: Option<String>,
    /// Before
    #[arg(long)]
    to: Option<String>,
    /// Why
    #[arg(long)]
    why: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Release {
    /// The hold, hld_…
    id: String,
    /// Why
    #[arg(long)]
    why: String,
    #[command(flatten)]
    connection: Connection,
}

impl Erase {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "subject": self.subject, "why": self.why });
        let body = with(body, &[("legal_basis", &self.legal_basis)]);
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/audit/erasures", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = match value.get("state").and_then(Value::as_str).unwrap_or_default() {
            "asked" => {
                "asked for: another admin has to confirm with the same command; until then the data is restricted"
                    .to_owned()
            }
            "restricted" => format!(
                "restricted: a rule of retention forbids the erasure until {}; it follows by itself",
                cell(&value, "until")
            ),
            _ => format!(
                "erased: {} payloads, and nobody can read them any more",
                cell(&value, "payloads")
            ),
        };
        console.answer(&value, text);
        Ok(())
    }
}

impl HoldArgs {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Hold::Place(place) => place.run(console).await,
            Hold::List(list) => list.run(console).await,
            Hold::Release(release) => release.run(console).await,
        }
    }
}

impl Place {
    async fn run(self, console: &Console) -> Result<()> {
        let named = [
            ("agent", &self.agent),
            ("from", &self.from),
            ("subject", &self.subject),
            ("to", &self.to),
        ];
        let body = with(json!({ "why": self.why }), &named);
        let call = async |session: &Session| Ok(session.client.post::<Value>("/v1/audit/holds", &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = format!("{}  nothing that it covers is destroyed", cell(&value, "id"));
        console.answer(&value, text);
        Ok(())
    }
}

impl List {
    async fn run(self, console: &Console) -> Result<()> {
        let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/audit/holds").await?);
        let value = self.connection.with(About::Organization, read).await?;
        let rows = value
            .get("holds")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let fields = ["id", "agent", "subject", "from", "to", "by", "placed", "release_from"];
        let lines: Vec<Vec<String>> = (rows.iter())
            .map(|row| fields.iter().map(|field| cell(row, field)).collect())
            .collect();
        let heads = ["HOLD", "AGENT", "SUBJECT", "FROM", "TO", "BY", "PLACED", "RELEASE FROM"];
        console.answer(&value, table(&heads, &lines));
        Ok(())
    }
}

impl Release {
    async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "why": self.why });
        let path = format!("/v1/audit/holds/{}/release", self.id);
        let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        let text = if value.get("released") == Some(&Value::Bool(true)) {
            format!("released: {}", self.id)
        } else {
            format!(
                "asked for: {} can be released from {} on, by another admin where there are two, with the same command",
                self.id,
                cell(&value, "release_from")
            )
        };
        console.answer(&value, text);
        Ok(())
    }
}

/// The body with those fields that are there.
fn with(mut body: Value, named: &[(&str, &Option<String>)]) -> Value {
    for (name, text) in named {
        if let (Some(text), Some(fields)) = (text, body.as_object_mut()) {
            fields.insert((*name).into(), text.as_str().into());
        }
    }
    body
}
