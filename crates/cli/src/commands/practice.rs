//! `countersign org drill`, `org canary`, `org practice`: requests that cannot come to anything, and who answered.

use clap::Args;
use countersign_api::practice::{PracticeAnswer, PracticeWord, PracticesAnswer};
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, named, table};
use crate::failure::{Failure, Result};

#[derive(Args)]
pub(super) struct Practise {
    /// In whose name: an agent
    agent: String,
    /// The action, JSON as in POST /v1/actions
    action: String,
    /// Why; for a canary, what a careful person finds in it
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Practice {
    /// The request, apr_…; without one: what policy has asked by itself, and who has not practised
    approval: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Practise {
    pub(super) async fn run(self, kind: PracticeWord, console: &Console) -> Result<()> {
        let action: Value = serde_json::from_str(&self.action).map_err(|error| {
            Failure::usage(format!("the action is no JSON: {error}"))
                .next("write it as in POST /v1/actions, between single quotes")
        })?;
        let body = json!({ "kind": kind, "agent": self.agent, "action": action, "reason": self.reason });
        let call = async |session: &Session| Ok(session.client.post::<PracticeAnswer>("/v1/practice", &body).await?);
        let made = self.connection.with(About::Organization, call).await?;
        console.answer(&json!(made), in_words(&made));
        Ok(())
    }
}

impl Practice {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let Some(approval) = self.approval else {
            let read = async |session: &Session| Ok(session.client.get::<PracticesAnswer>("/v1/practice").await?);
            let all = self.connection.with(About::Organization, read).await?;
            console.answer(&json!(all), all_in_words(&all));
            return Ok(());
        };
        let path = format!("/v1/practice/{}", segment(&approval));
        let read = async |session: &Session| Ok(session.client.get::<PracticeAnswer>(&path).await?);
        let practice = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(practice), in_words(&practice));
        Ok(())
    }
}

fn all_in_words(all: &PracticesAnswer) -> String {
    let or_never = |at: &Option<String>| at.clone().unwrap_or_else(|| "never".to_owned());
    let cadences: Vec<Vec<String>> = (all.cadences.iter())
        .map(|cadence| {
            let (last, came) = match &cadence.last {
                None => ("never".to_owned(), "-".to_owned()),
                Some(last) => {
                    let reason = last.reason.as_ref().map(|reason| format!("nobody asked: {reason}"));
                    let came = last.approval.clone().or(reason);
                    (last.at.clone(), came.unwrap_or_default())
                }
            };
            let every = format!("{}d", cadence.every_seconds / 86_400);
            let kind = word(cadence.kind).to_owned();
            vec![cadence.name.clone(), kind, every, cadence.agent.clone(), last, came]
        })
        .collect();
    let people: Vec<Vec<String>> = (all.people.iter())
        .map(|person| {
            let missed = person.missed.to_string();
            vec![
                person.user.clone(),
                or_never(&person.asked),
                or_never(&person.answered),
                missed,
            ]
        })
        .collect();
    let people = table(&["PERSON", "ASKED", "ANSWERED", "MISSED IN A ROW"], &people);
    if cadences.is_empty() {
        return format!("policy has no drill asked by itself\n\n{people}");
    }
    let heads = ["CADENCE", "KIND", "EVERY", "AGENT", "LAST", "WHAT CAME OF IT"];
    format!("{}\n\n{people}", table(&heads, &cadences))
}

fn word(kind: PracticeWord) -> &'static str {
    match kind {
        PracticeWord::Canary => "canary",
        PracticeWord::Drill => "drill",
    }
}

fn in_words(practice: &PracticeAnswer) -> String {
    let kind = word(practice.kind);
    let over = if practice.over { "over" } else { "open" };
    let head = format!(
        "{kind} {} of {}, {over}: {} of {} answered",
        practice.approval,
        named(&practice.by),
        practice.answered,
        practice.asked.len()
    );
    let rows: Vec<Vec<String>> = (practice.asked.iter())
        .map(|person| {
            let after = person.after_ms.map(|after| format!("{}s", after / 1000));
            let said = person.said.clone().unwrap_or_else(|| "nothing".to_owned());
            vec![person.user.clone(), said, after.unwrap_or_else(|| "-".to_owned())]
        })
        .collect();
    format!("{head}\n{}", table(&["PERSON", "SAID", "AFTER"], &rows))
}
