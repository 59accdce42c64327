//! `countersign autonomy`: where agents stand, what they are granted, pauses, and looks at what has run.

use clap::{Args, Subcommand, ValueEnum};
use countersign_client::api::autonomy::{AutonomyAnswer, CriteriaAnswer, ReviewAnswer, ReviewsAnswer, StandingAnswer};
use countersign_client::api::convert::word;
use countersign_client::segment;
use serde_json::{Value, json};

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Autonomy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What an agent has to show for each mode
    Criteria(Plain),
    /// Where an agent stands with each operation, and what is missing for the next mode
    Show(Show),
    /// Grant an agent the next mode with an operation, or take autonomy away
    Set(Set),
    /// Pause an agent: it gets no permit and uses none
    Pause(Pause),
    /// Let a paused agent go on
    Resume(Pause),
    /// List actions that have run and that somebody is to look at
    Reviews(Plain),
    /// Say what a look at an action that has run found
    Review(Review),
}

#[derive(Args)]
struct Plain {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Show {
    /// The agent
    agent: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    PreAction,
    PostAction,
    ExceptionOnly,
}

#[derive(Args)]
struct Set {
    /// The agent
    agent: String,
    /// The operation
    operation: String,
    /// The mode
    mode: Mode,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Pause {
    /// The agent
    agent: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, ValueEnum)]
enum Finding {
    Fine,
    Faulty,
}

#[derive(Args)]
struct Review {
    /// Its id, rev_…
    id: String,
    /// What was found
    finding: Finding,
    /// What was wrong; needed with `faulty`
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Autonomy {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::Criteria(plain) => {
                let read = async |session: &Session| Ok(session.client.get::<CriteriaAnswer>("/v1/autonomy").await?);
                let criteria = plain.connection.with(About::Organization, read).await?;
                console.answer(&json!(criteria), criteria_in_words(&criteria));
            }
            Command::Show(show) => {
                let path = format!("/v1/autonomy/{}", segment(&show.agent));
                let read = async |session: &Session| Ok(session.client.get::<AutonomyAnswer>(&path).await?);
                let stands = show.connection.with(About::Organization, read).await?;
                console.answer(&json!(stands), standing_in_words(&stands));
            }
            Command::Set(set) => {
                let mode = match set.mode {
                    Mode::PreAction => "pre_action",
                    Mode::PostAction => "post_action",
                    Mode::ExceptionOnly => "exception_only",
                };
                let path = format!("/v1/autonomy/{}", segment(&set.agent));
                let body = json!({ "operation": set.operation, "mode": mode, "reason": set.reason });
                let call = async |session: &Session| Ok(session.client.post::<StandingAnswer>(&path, &body).await?);
                let standing = set.connection.with(About::Organization, call).await?;
                let text = format!("{} acts with {} in mode {mode}", set.agent, standing.operation);
                console.answer(&json!(standing), text);
            }
            Command::Pause(pause) => pause.send("pause", console).await?,
            Command::Resume(pause) => pause.send("resume", console).await?,
            Command::Reviews(plain) => {
                let read = async |session: &Session| Ok(session.client.get::<ReviewsAnswer>("/v1/reviews").await?);
                let reviews = plain.connection.with(About::Organization, read).await?;
                let lines: Vec<Vec<String>> = reviews.reviews.iter().map(row).collect();
                console.answer(
                    &json!(reviews),
                    table(&["REVIEW", "WHY", "AGENT", "OPERATION", "UNTIL", "ACTION"], &lines),
                );
            }
            Command::Review(review) => {
                let finding = match review.finding {
                    Finding::Fine => "fine",
                    Finding::Faulty => "faulty",
                };
                let path = format!("/v1/reviews/{}", segment(&review.id));
                let mut body = json!({ "finding": finding });
                if let Some(comment) = &review.comment {
                    body["comment"] = json!(comment);
                }
                let call = async |session: &Session| Ok(session.client.post::<ReviewAnswer>(&path, &body).await?);
                let closed = review.connection.with(About::Organization, call).await?;
                let text = format!("{}: {} of {} was {finding}", closed.id, closed.operation, closed.agent);
                console.answer(&json!(closed), text);
            }
        }
        Ok(())
    }
}

impl Pause {
    async fn send(self, verb: &str, console: &Console) -> Result<()> {
        let body = json!({ "agent": self.agent, "reason": self.reason });
        let path = format!("/v1/agents:{verb}");
        let call = async |session: &Session| Ok(session.client.post::<Value>(&path, &body).await?);
        let value = self.connection.with(About::Organization, call).await?;
        console.answer(&value, format!("{verb}d: {}", self.agent));
        Ok(())
    }
}

fn criteria_in_words(criteria: &CriteriaAnswer) -> String {
    if criteria.modes.is_empty() {
        return "the live policy has no rules of autonomy: agents do what it allows".to_owned();
    }
    let rows: Vec<Vec<String>> = (criteria.modes.iter())
        .map(|(mode, wanted)| {
            vec![
                mode.clone(),
                wanted.successes.to_string(),
                format!("below {}", wanted.max_error),
                wanted.days.to_string(),
            ]
        })
        .collect();
    table(&["MODE", "SUCCESSES", "ERRORS", "DAYS"], &rows)
}

fn standing_in_words(stands: &AutonomyAnswer) -> String {
    let rows: Vec<Vec<String>> = (stands.operations.iter())
        .map(|standing| {
            vec![
                standing.operation.clone(),
                word(&standing.mode),
                format!("{}/{}", standing.succeeded, standing.failed),
                if standing.missing.is_empty() {
                    "earned: a person grants it".to_owned()
                } else {
                    standing.missing.join("; ")
                },
            ]
        })
        .collect();
    let mut text = table(&["OPERATION", "MODE", "WELL/FAILED", "FOR THE NEXT MODE"], &rows);
    if let Some(why) = &stands.paused {
        text = format!("{} is paused ({why})\n{text}", stands.agent);
    }
    text
}

fn row(review: &ReviewAnswer) -> Vec<String> {
    let until = if review.overdue {
        format!("{} (overdue)", review.due)
    } else {
        review.due.clone()
    };
    vec![
        review.id.clone(),
        review.kind.clone(),
        review.agent.clone(),
        review.operation.clone(),
        until,
        review.action.clone(),
    ]
}
