//! `countersign org`: organizations of an instance, by the operator at the machine; and who is on and asked in one.

use clap::{Args, Subcommand};
use countersign_api::practice::PracticeWord;
use countersign_client::segment;
use serde_json::{Value, json};

use super::glass::{Breakers, Restore};
use super::practice::{Practice, Practise};
use super::reviewers::{Economics, Restore as RestoreReviewer, Reviewers};
use super::rota::{Absent, Forecast, Override, Routes, WhoIsOn};
use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Org {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add an organization; its first admin's key is shown once
    Add(Add),
    /// List organizations
    List(List),
    /// Close an organization: nothing is decided any more, its ledger stays
    Delete(Delete),
    /// Who is on in a schedule, and why
    WhoIsOn(WhoIsOn),
    /// Shifts of the next days, when nobody is on, and how the time is shared
    Forecast(Forecast),
    /// Routes of the live policy
    Routes(Routes),
    /// Who may let an action through at once, how often each did, and who may not any more
    BreakGlass(Breakers),
    /// Let a person break the glass again
    RestoreGlass(Restore),
    /// How people voted in the last seven days, and what of that is conspicuous
    Reviewers(Reviewers),
    /// What review costs and what it stops, and what could be looked at less
    Economics(Economics),
    /// Let a person vote again who was suspended
    RestoreReviewer(RestoreReviewer),
    /// Make a drill: a request like any other to those who are asked, by which it is seen who answers in time
    Drill(Practise),
    /// Make a canary: a request that a careful person rejects. Nothing can come of it
    Canary(Practise),
    /// Who answered to a drill or a canary, and how soon; who has not practised
    Practice(Practice),
    /// Absences of people
    #[command(subcommand)]
    Absent(Absent),
    /// Overrides of schedules
    #[command(subcommand)]
    Override(Override),
}

#[derive(Args)]
struct Add {
    /// Its name
    name: String,
    /// Currency of amounts that name none, ISO 4217
    #[arg(long, default_value = "USD")]
    currency: String,
    /// Time zone, IANA
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Id of its first admin
    #[arg(long, default_value = "admin")]
    admin: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Delete {
    /// Its name
    name: String,
    /// Remove the ledger of an organization that is closed. It cannot be brought back; export it first
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Org {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::WhoIsOn(who) => who.run(console).await,
            Command::Forecast(forecast) => forecast.run(console).await,
            Command::Routes(routes) => routes.run(console).await,
            Command::BreakGlass(breakers) => breakers.run(console).await,
            Command::RestoreGlass(restore) => restore.run(console).await,
            Command::Reviewers(reviewers) => reviewers.run(console).await,
            Command::Economics(economics) => economics.run(console).await,
            Command::RestoreReviewer(restore) => restore.run(console).await,
            Command::Drill(ask) => ask.run(PracticeWord::Drill, console).await,
            Command::Canary(ask) => ask.run(PracticeWord::Canary, console).await,
            Command::Practice(practice) => practice.run(console).await,
            Command::Absent(absent) => absent.run(console).await,
            Command::Override(other) => other.run(console).await,
            Command::Add(add) => {
                let body = json!({
                    "name": add.name, "currency": add.currency, "zone": add.zone, "admin": add.admin,
                });
                let call =
                    async |session: &Session| Ok(session.client.post::<Value>("/v1/organizations", &body).await?);
                let value = add.connection.with(About::Instance, call).await?;
                let text = format!(
                    "organization  {}\nadmin         {}\nadmin key     {}\nlog key       {}\n\n\
                     The admin key is shown this once. No policy is live yet, so everything is denied:\n\
                     countersign policy upload DIR --activate --org {}",
                    add.name,
                    add.admin,
                    cell(&value, "admin_key"),
                    cell(&value, "vkey"),
                    add.name,
                );
                console.answer(&value, text);
                Ok(())
            }
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.get::<Value>("/v1/organizations").await?);
                let value = list.connection.with(About::Instance, read).await?;
                let rows = value
                    .get("organizations")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let fields = ["organization", "created", "origin"];
                let lines: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| fields.iter().map(|field| cell(row, field)).collect())
                    .collect();
                console.answer(&value, table(&["ORGANIZATION", "CREATED", "LOG"], &lines));
                Ok(())
            }
            Command::Delete(delete) => {
                let remove = if delete.remove { "?remove=true" } else { "" };
                let path = format!("/v1/organizations/{}{remove}", segment(&delete.name));
                let call = async |session: &Session| Ok(session.client.delete(&path).await?);
                delete.connection.with(About::Instance, call).await?;
                let name = &delete.name;
                let text = if delete.remove {
                    format!("organization {name} and its ledger are removed")
                } else {
                    format!("organization {name} is closed; its ledger stays, and can be exported")
                };
                console.answer(
                    &json!({ "organization": name, "closed": true, "removed": delete.remove }),
                    text,
                );
                Ok(())
            }
        }
    }
}
