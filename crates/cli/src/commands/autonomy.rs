//! `countersign autonomy`: where agents stand, what they are granted, pauses, and looks at what has run.

use clap::{Args, Subcommand, ValueEnum};
use countersign_client::api::autonomy::{
    AutonomyAnswer, CriteriaAnswer, PlanAnswer, ReviewAnswer, ReviewsAnswer, StandingAnswer,
};
use countersign_client::api::convert::word;
use countersign_client::api::samples::SampleAnswer;
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
    /// Week by week, how much waited for people and how much ran unasked, and whether that goes as planned
    Plan(Plain),
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
    /// Show the sample of a week: what was drawn, and what was found
    Sample(SampleOf),
}

#[derive(Args)]
struct Plain {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct SampleOf {
    /// The week, as in 2026-W48; the last one that is over when left out
    #[arg(long)]
    week: Option<String>,
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
            Command::Plan(plain) => {
                let read = async |session: &Session| Ok(session.client.get::<PlanAnswer>("/v1/autonomy:plan").await?);
                let plan = plain.connection.with(About::Organization, read).await?;
                console.answer(&json!(plan), plan_in_words(&plan));
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
            Command::Sample(of) => {
                let week = of.week.as_deref().map(|week| format!("?week={}", segment(week)));
                let path = format!("/v1/samples{}", week.unwrap_or_default());
                let read = async |session: &Session| Ok(session.client.get::<SampleAnswer>(&path).await?);
                let sample = of.connection.with(About::Organization, read).await?;
                console.answer(&json!(sample), sample_in_words(&sample));
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
    let stated = stated_in_words(criteria);
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
    table(&["MODE", "SUCCESSES", "ERRORS", "DAYS"], &rows) + &stated
}

/// The modes that hold without being earned, the first one first.
fn stated_in_words(criteria: &CriteriaAnswer) -> String {
    let lines = criteria.stated.iter().map(|stated| {
        let about = [
            ("agent", &stated.agent),
            ("class", &stated.class),
            ("tool", &stated.tool),
        ];
        let named: Vec<_> = (about.iter())
            .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)))
            .collect();
        let about = if named.is_empty() {
            "everything else".to_owned()
        } else {
            named.join(", ")
        };
        format!("\nstated for {about}: {}", word(&stated.mode))
    });
    lines.collect()
}

fn plan_in_words(plan: &PlanAnswer) -> String {
    let with = |count: u64, percent: Option<u64>| match percent {
        Some(percent) => format!("{count} ({percent} %)"),
        None => count.to_string(),
    };
    let rows: Vec<Vec<String>> = (plan.weeks.iter())
        .map(|week| {
            vec![
                week.begins.clone(),
                with(week.restricted, week.restricted_percent),
                with(week.supervised, week.supervised_percent),
                with(week.autonomous, week.autonomous_percent),
                week.unruled.to_string(),
                week.denied.to_string(),
                format!("{}/{}", week.loosened, week.tightened),
            ]
        })
        .collect();
    let head = [
        "WEEK OF",
        "ASKED BEFORE",
        "LOOKED AT AFTER",
        "EXCEPTIONS",
        "NO RULE",
        "DENIED",
        "GRANTED/LOST",
    ];
    let mut text = match plan.weeks.is_empty() {
        true => "nothing was decided yet".to_owned(),
        false => table(&head, &rows),
    };
    let body = &plan.plan;
    text.push_str(&format!(
        "\nplan: {} % asked before in the first week, {} to {} % unasked after {} to {} weeks",
        body.restricted_at_start, body.loosened.0, body.loosened.1, body.weeks.0, body.weeks.1
    ));
    text.push_str(&format!(
        "\n{} of {} operations that agents have shown run unasked",
        plan.loosened, plan.operations
    ));
    if !plan.ruled {
        text.push_str("\nthe live policy has no rules of autonomy: agents do what it allows");
    }
    for finding in &plan.findings {
        text.push_str(&format!("\n{}: {}", finding.code, finding.message));
    }
    text
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

fn sample_in_words(sample: &SampleAnswer) -> String {
    let head = match &sample.key {
        None => format!(
            "{}: {} of {} drawn so far; looked at from {} on",
            sample.week, sample.drawn, sample.of, sample.ends
        ),
        Some(key) => format!(
            "{}: {} of {} drawn, {} faulty, {} not looked at yet\nkey of the week: {key}",
            sample.week, sample.drawn, sample.of, sample.faulty, sample.open
        ),
    };
    if sample.actions.is_empty() {
        return head;
    }
    let rows: Vec<Vec<String>> = (sample.actions.iter())
        .map(|drawn| {
            vec![
                drawn.review.clone(),
                drawn.agent.clone(),
                drawn.operation.clone(),
                drawn.finding.as_ref().map_or_else(|| "-".to_owned(), word),
                drawn.by.clone().unwrap_or_else(|| "-".to_owned()),
                drawn.action.clone(),
            ]
        })
        .collect();
    let head_of_table = ["REVIEW", "AGENT", "OPERATION", "FOUND", "BY", "ACTION"];
    format!("{head}\n{}", table(&head_of_table, &rows))
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
