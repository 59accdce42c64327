//! `countersign org reviewers`, `org restore-reviewer`: how people vote, and letting somebody vote again.

use clap::Args;
use countersign_api::economics::EconomicsAnswer;
use countersign_api::reviewers::{ReviewerAnswer, ReviewersAnswer};
use countersign_client::segment;
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, named, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Reviewers {
    /// One person; left out: everybody who voted in the last seven days
    user: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Restore {
    /// Who may vote again
    user: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Economics {
    #[command(flatten)]
    connection: Connection,
}

impl Economics {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let path = "/v1/reviews/economics";
        let read = async |session: &Session| Ok(session.client.get::<EconomicsAnswer>(path).await?);
        let economics = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(economics), economics_in_words(&economics));
        Ok(())
    }
}

fn minutes(reading_ms: i64) -> String {
    format!("{}.{}", reading_ms / 60_000, reading_ms % 60_000 / 6_000)
}

fn economics_in_words(all: &EconomicsAnswer) -> String {
    let worth = all.rejections_per_100_hours.zip(all.edits_per_100_hours);
    let worth = worth.map_or_else(String::new, |(no, less)| {
        let hundredths = |count: u64| format!("{}.{:02}", count / 100, count % 100);
        let (no, less) = (hundredths(no), hundredths(less));
        format!("; {no} rejections and {less} edits in an hour of reading")
    });
    let head = format!(
        "{} votes of seven days, {} of them no and {} for less, after {} minutes of reading{worth}",
        all.votes,
        all.rejections,
        all.edits,
        minutes(all.reading_ms)
    );
    let people: Vec<Vec<String>> = (all.reviewers.iter())
        .map(|one| {
            let share = format!("{}.{:02} %", one.share / 100, one.share % 100);
            vec![
                one.user.clone(),
                one.votes.to_string(),
                one.rejections.to_string(),
                minutes(one.reading_ms),
                share,
            ]
        })
        .collect();
    let pairs: Vec<Vec<String>> = (all.pairs.iter())
        .map(|pair| {
            vec![
                pair.user.clone(),
                pair.agent.clone(),
                pair.votes.to_string(),
                pair.approvals.to_string(),
            ]
        })
        .collect();
    let classes: Vec<Vec<String>> = (all.classes.iter())
        .map(|one| {
            let could = if one.could_be_loosened {
                "could be loosened"
            } else {
                "-"
            };
            vec![
                one.class.clone(),
                one.decided.to_string(),
                one.approved.to_string(),
                could.to_owned(),
                one.why.clone(),
            ]
        })
        .collect();
    let tables = [
        table(&["PERSON", "VOTES", "NO", "MINUTES", "SHARE"], &people),
        table(&["PERSON", "AGENT", "VOTES", "YES"], &pairs),
        table(&["CLASS", "DECIDED", "YES", "", "WHY"], &classes),
    ];
    format!("{head}\n\n{}", tables.join("\n\n"))
}

impl Reviewers {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let Some(user) = &self.user else {
            let read = async |session: &Session| Ok(session.client.get::<ReviewersAnswer>("/v1/reviewers").await?);
            let all = self.connection.with(About::Organization, read).await?;
            console.answer(&json!(all), in_words(&all.reviewers));
            return Ok(());
        };
        let path = format!("/v1/reviewers/{}", segment(user));
        let read = async |session: &Session| Ok(session.client.get::<ReviewerAnswer>(&path).await?);
        let one = self.connection.with(About::Organization, read).await?;
        let mut text = in_words(std::slice::from_ref(&one));
        for agent in &one.agents {
            let whose = (named(&agent.agent), named(&agent.owner));
            text.push_str(&format!(
                "\n{} votes on {}, for which {} answers",
                agent.votes, whose.0, whose.1
            ));
        }
        console.answer(&json!(one), text);
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "user": self.user, "reason": self.reason });
        let call = async |session: &Session| {
            let path = "/v1/reviewers:restore";
            Ok(session.client.post::<ReviewerAnswer>(path, &body).await?)
        };
        let one = self.connection.with(About::Organization, call).await?;
        console.answer(&json!(one), format!("{} may vote again", named(&self.user)));
        Ok(())
    }
}

fn in_words(reviewers: &[ReviewerAnswer]) -> String {
    if reviewers.is_empty() {
        return "nobody voted in the last seven days".to_owned();
    }
    let row = |one: &ReviewerAnswer| {
        let dwell = one.median_dwell_ms.map(|dwell| format!("{}s", dwell / 1000));
        let flags = match (&one.suspended_since, &one.response) {
            (Some(_), _) => format!("suspended ({})", one.suspended_for.join(", ")),
            (None, Some(response)) => format!("{} ({response})", one.flags.join(", ")),
            (None, None) => String::new(),
        };
        vec![
            one.user.clone(),
            format!("{}/{}", one.approvals, one.votes),
            format!("{}/{}", one.votes, one.votes_of_all),
            one.streak.to_string(),
            one.busiest_hour.to_string(),
            dwell.unwrap_or_default(),
            flags,
        ]
    };
    let columns = [
        "PERSON",
        "APPROVED",
        "OF ALL",
        "IN A ROW",
        "IN AN HOUR",
        "DWELL",
        "FLAGS",
    ];
    table(&columns, &reviewers.iter().map(row).collect::<Vec<_>>())
}
