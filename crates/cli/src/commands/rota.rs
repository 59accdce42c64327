//! `countersign org who-is-on`, `forecast`, `absent`, `override`, …: who is there, and what people change about it.

use clap::{Args, Subcommand};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, cell, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct WhoIsOn {
    /// The schedule
    schedule: String,
    /// At this instant, such as 2026-07-01T09:00:00Z; now when left out
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Forecast {
    /// The schedule
    schedule: String,
    /// How many days, up to 92
    #[arg(long, default_value_t = 14)]
    days: u32,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Routes {
    #[command(flatten)]
    connection: Connection,
}

/// What can be withdrawn again.
#[derive(Subcommand)]
pub(super) enum Absent {
    /// Record that you, or as an admin somebody else, will not be asked for a while
    Add(AddAbsence),
    /// List absences that have not ended
    List(List),
    /// Withdraw an absence
    Withdraw(Withdraw),
}

#[derive(Subcommand)]
pub(super) enum Override {
    /// Take a turn, give one away, or as an admin put anybody on
    Add(AddOverride),
    /// List overrides that have not ended
    List(List),
    /// Withdraw an override
    Withdraw(Withdraw),
}

#[derive(Args)]
pub(super) struct AddAbsence {
    /// Who is absent; you when left out
    #[arg(long)]
    user: Option<String>,
    /// From this instant on, such as 2026-07-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until this instant
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Who stands in, for 30 days at most
    #[arg(long, value_name = "USER")]
    delegate: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct AddOverride {
    /// The schedule
    schedule: String,
    /// Who is on; you when left out
    #[arg(long)]
    user: Option<String>,
    /// From this instant on, such as 2026-07-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until this instant
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Only where this person would be on
    #[arg(long, value_name = "USER")]
    replaces: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Withdraw {
    /// Its id
    id: String,
    #[command(flatten)]
    connection: Connection,
}

async fn read(connection: Connection, path: &str) -> Result<Value> {
    let read = async |session: &Session| Ok(session.client.get::<Value>(path).await?);
    connection.with(About::Organization, read).await
}

async fn record(connection: Connection, path: &str, mut body: Value) -> Result<Value> {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let call = async |session: &Session| Ok(session.client.post::<Value>(path, &body).await?);
    connection.with(About::Organization, call).await
}

/// Rows of a list of an answer.
fn rows(value: &Value, list: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let rows = value.get(list).and_then(Value::as_array);
    let row = |row: &Value| fields.iter().map(|field| cell(row, field)).collect();
    rows.into_iter().flatten().map(row).collect()
}

impl WhoIsOn {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let at = self.at.map(|at| format!("?at={}", segment(&at))).unwrap_or_default();
        let path = format!("/v1/org/schedules/{}/on{at}", segment(&self.schedule));
        let value = read(self.connection, &path).await?;
        let person = value.get("person").and_then(Value::as_str).unwrap_or("nobody");
        console.answer(&value, format!("{person}\n{}", cell(&value, "because")));
        Ok(())
    }
}

impl Forecast {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let path = format!(
            "/v1/org/schedules/{}/forecast?days={}",
            segment(&self.schedule),
            self.days
        );
        let value = read(self.connection, &path).await?;
        let hours = |row: &Value| {
            let seconds = row.get("seconds").and_then(Value::as_i64).unwrap_or_default();
            format!("{}:{:02}", seconds / 3600, seconds / 60 % 60)
        };
        let shares = value.get("shares").and_then(Value::as_array).into_iter().flatten();
        let shares: Vec<_> = shares.map(|row| vec![cell(row, "person"), hours(row)]).collect();
        let gaps = rows(&value, "gaps", &["from", "to"]);
        let nobody = match gaps.is_empty() {
            true => "Somebody is always on.".to_owned(),
            false => table(&["NOBODY FROM", "TO"], &gaps),
        };
        let text = format!(
            "{}\n\n{}\n\n{nobody}",
            table(&["PERSON", "HOURS"], &shares),
            table(
                &["FROM", "TO", "PERSON"],
                &rows(&value, "shifts", &["from", "to", "person"])
            ),
        );
        console.answer(&value, text);
        Ok(())
    }
}

impl Routes {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let value = read(self.connection, "/v1/org/routes").await?;
        let mut lines = Vec::new();
        for route in value.get("routes").and_then(Value::as_array).into_iter().flatten() {
            let steps = route.get("steps").and_then(Value::as_array).into_iter().flatten();
            for (number, step) in (1..).zip(steps) {
                let slots = step.get("slots").and_then(Value::as_array).into_iter().flatten();
                let slots: Vec<_> = slots
                    .map(|slot| match slot.get("count").and_then(Value::as_u64) {
                        Some(count) => format!("{count} of {}", cell(slot, "to")),
                        None => format!("each of {}", cell(slot, "to")),
                    })
                    .collect();
                let within = step.get("within_ms").and_then(Value::as_i64);
                lines.push(vec![
                    cell(route, "name"),
                    number.to_string(),
                    slots.join(" and "),
                    within.map_or_else(|| "until the deadline".to_owned(), |ms| format!("{}s", ms / 1000)),
                ]);
            }
        }
        console.answer(&value, table(&["ROUTE", "STEP", "ASKS", "WITHIN"], &lines));
        Ok(())
    }
}

impl Absent {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self {
            Absent::Add(add) => {
                let body = json!({
                    "user": add.user, "from": add.from, "to": add.to, "delegate": add.delegate,
                });
                let value = record(add.connection, "/v1/org/absences", body).await?;
                let stands_in = match value.get("delegate").and_then(Value::as_str) {
                    Some(delegate) => format!("; {delegate} stands in"),
                    None => String::new(),
                };
                let (user, id) = (cell(&value, "user"), cell(&value, "id"));
                console.answer(&value, format!("{user} is not asked until {}{stands_in}\n{id}", add.to));
                Ok(())
            }
            Absent::List(list) => {
                let value = read(list.connection, "/v1/org/absences").await?;
                let fields = ["id", "user", "from", "to", "delegate"];
                let lines = rows(&value, "absences", &fields);
                console.answer(&value, table(&["ABSENCE", "PERSON", "FROM", "TO", "DELEGATE"], &lines));
                Ok(())
            }
            Absent::Withdraw(withdraw) => withdraw.run("absences", console).await,
        }
    }
}

impl Override {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self {
            Override::Add(add) => {
                let body = json!({
                    "schedule": add.schedule, "user": add.user, "from": add.from, "to": add.to,
                    "replaces": add.replaces,
                });
                let value = record(add.connection, "/v1/org/overrides", body).await?;
                let (user, id) = (cell(&value, "user"), cell(&value, "id"));
                console.answer(
                    &value,
                    format!("{user} is on in {} until {}\n{id}", add.schedule, add.to),
                );
                Ok(())
            }
            Override::List(list) => {
                let value = read(list.connection, "/v1/org/overrides").await?;
                let fields = ["id", "schedule", "user", "from", "to", "replaces"];
                let lines = rows(&value, "overrides", &fields);
                let heads = ["OVERRIDE", "SCHEDULE", "PERSON", "FROM", "TO", "REPLACES"];
                console.answer(&value, table(&heads, &lines));
                Ok(())
            }
            Override::Withdraw(withdraw) => withdraw.run("overrides", console).await,
        }
    }
}

impl Withdraw {
    async fn run(self, what: &str, console: &Console) -> Result<()> {
        let path = format!("/v1/org/{what}/{}", segment(&self.id));
        let call = async |session: &Session| Ok(session.client.delete(&path).await?);
        self.connection.with(About::Organization, call).await?;
        console.answer(&json!({ "withdrawn": self.id }), format!("{} is withdrawn", self.id));
        Ok(())
    }
}
