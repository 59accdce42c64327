//! `countersign org drill`, `org canary`, `org practice`: requests that cannot come to anything, and who answered.

use clap::Args;
use countersign_api::practice::{PracticeAnswer, PracticeWord};
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
    /// The request, apr_…
    approval: String,
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
        let path = format!("/v1/practice/{}", segment(&self.approval));
        let read = async |session: &Session| Ok(session.client.get::<PracticeAnswer>(&path).await?);
        let practice = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(practice), in_words(&practice));
        Ok(())
    }
}

fn in_words(practice: &PracticeAnswer) -> String {
    let kind = match practice.kind {
        PracticeWord::Canary => "canary",
        PracticeWord::Drill => "drill",
    };
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
