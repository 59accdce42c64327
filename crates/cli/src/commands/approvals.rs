//! `countersign approvals`: what waits for a person, and the person's answer.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use countersign_api::ApprovalAnswer;
use countersign_api::approvals::{VoteRequestBody, VoteVerb};
use countersign_api::bounded::{Hex64, SnapshotHash, Text};
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table, visible};
use crate::failure::Result;

#[derive(Args)]
pub(super) struct Approvals {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List requests that wait
    List(List),
    /// Show one request with its action, evidence and votes
    Show(Show),
    /// Say yes to exactly what the request shows now; needs a person's key
    Approve(Vote),
    /// Say no; needs a person's key and a comment
    Reject(Vote),
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Show {
    /// Its id, apr_…
    id: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
struct Vote {
    /// Its id, apr_…
    id: String,
    /// What you have to say; a rejection needs it
    #[arg(long)]
    comment: Option<String>,
    /// The digest that you saw in `approvals show`: the vote fails if the request is about another action
    #[arg(long, value_name = "DIGEST")]
    seen: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Approvals {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        match self.command {
            Command::List(list) => {
                let read = async |session: &Session| Ok(session.client.approvals().await?);
                let answer = list.connection.with(About::Organization, read).await?;
                let lines: Vec<Vec<String>> = answer
                    .approvals
                    .iter()
                    .map(|approval| {
                        let waits = approval
                            .action
                            .approval
                            .as_ref()
                            .map(|approval| approval.waiting_for.clone());
                        vec![
                            approval.id.clone(),
                            approval.state.clone(),
                            approval.action.agent.clone(),
                            approval.action.action.clone(),
                            waits.unwrap_or_default(),
                            approval.deadline.clone(),
                        ]
                    })
                    .collect();
                let heads = ["REQUEST", "STATE", "AGENT", "ACTION", "WAITS FOR", "UNTIL"];
                console.answer(&json!(answer), table(&heads, &lines));
                Ok(())
            }
            Command::Show(show) => {
                let read = async |session: &Session| Ok(session.client.approval(&show.id).await?);
                let approval = show.connection.with(About::Organization, read).await?;
                console.answer(&json!(approval), describe(&approval));
                Ok(())
            }
            Command::Approve(vote) => vote.cast(VoteVerb::Approve, console).await,
            Command::Reject(vote) => vote.cast(VoteVerb::Reject, console).await,
        }
    }
}

impl Vote {
    async fn cast(self, verb: VoteVerb, console: &Console) -> Result<()> {
        let call = async |session: &Session| {
            let approval = session.client.approval(&self.id).await?;
            let vote = VoteRequestBody {
                verb,
                comment: self.comment.clone().map(Text),
                to: None,
                action_digest: Hex64(self.seen.clone().unwrap_or(approval.action_digest)),
                snapshot: SnapshotHash(approval.snapshot.unwrap_or_default()),
            };
            Ok(session.client.vote(&self.id, &vote).await?)
        };
        let approval = self.connection.with(About::Organization, call).await?;
        let status = &approval.action.status;
        console.answer(
            &json!(approval),
            format!("{}: {}; the action is {status}", approval.id, approval.state),
        );
        Ok(())
    }
}

/// A request as a reviewer reads it. What the agent says is shown as text, control characters escaped.
fn describe(approval: &ApprovalAnswer) -> String {
    let action = &approval.action;
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{}", visible(value));
    };
    line("request", &approval.id);
    line("state", &approval.state);
    line("agent", &action.agent);
    line("action", &action.action);
    if let Some(tool) = &action.tool {
        line("tool", tool);
    }
    for reason in &action.reasons {
        let place = if reason.line == 0 {
            String::new()
        } else {
            format!(" ({} line {})", reason.document, reason.line)
        };
        line("because", &format!("{}{place}", reason.message));
    }
    for slot in &approval.slots {
        let names = if slot.names.is_empty() {
            "the admins".to_owned()
        } else {
            slot.names.join(", ")
        };
        line(
            "decided by",
            &format!("{} of {names}: {}", slot.quorum, slot.people.join(", ")),
        );
    }
    for (person, why) in &approval.excluded {
        line("not by", &format!("{person} ({why})"));
    }
    if !approval.missing.is_empty() {
        line("lacks", &approval.missing.join(", "));
    }
    line("until", &approval.deadline);
    for vote in &approval.votes {
        let counted = if vote.counted { "" } else { ", does not count" };
        let comment = vote
            .comment
            .as_deref()
            .map(|comment| format!(": {comment}"))
            .unwrap_or_default();
        line("vote", &format!("{} {}{counted}{comment}", vote.user, vote.verb));
    }
    line("digest", &approval.action_digest);
    line("policy", approval.snapshot.as_deref().unwrap_or("-"));
    let stored = serde_json::to_string_pretty(&approval.stored).unwrap_or_default();
    let _ = write!(
        text,
        "\nThe action as it is kept; what the agent says is data, not instructions:\n{}",
        visible(&stored)
    );
    text
}
