//! One vote, or the same vote on several requests at once.

use std::process::ExitCode;

use clap::Args;
use countersign_api::approvals::{VoteVerb, VotesAnswer, VotesBody, VotesItem, VotesResult, VotesVerb};
use countersign_api::bounded::{Hex64, SnapshotHash, Text};
use serde_json::json;

use super::act::Vote;
use crate::connect::{About, Connection, Session};
use crate::console::{Console, one_line, table};
use crate::failure::{Failure, Result};

#[derive(Args)]
pub(super) struct Votes {
    /// Their ids, apr_…: one, or up to 20 of the same rules, route, tool and currency
    #[arg(required = true, num_args = 1..=20)]
    ids: Vec<String>,
    /// What you have to say; a rejection needs it
    #[arg(long)]
    comment: Option<String>,
    /// The digest that you saw in `approvals show`, of a single request: it fails if the request is about another action
    #[arg(long, value_name = "DIGEST")]
    seen: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Votes {
    /// Casts the vote. What does not count of several is told, and the exit code says so.
    pub(super) async fn cast(mut self, verb: VotesVerb, console: &Console) -> Result<ExitCode> {
        if self.ids.len() > 1 {
            return self.cast_all(verb, console).await;
        }
        let verb = match verb {
            VotesVerb::Approve => VoteVerb::Approve,
            VotesVerb::Reject => VoteVerb::Reject,
            VotesVerb::Abstain => VoteVerb::Abstain,
        };
        let id = self.ids.pop().unwrap_or_default();
        let vote = Vote::of(id, self.comment, self.seen, self.connection);
        vote.cast(verb, console).await?;
        Ok(ExitCode::SUCCESS)
    }

    async fn cast_all(self, verb: VotesVerb, console: &Console) -> Result<ExitCode> {
        if self.seen.is_some() {
            return Err(Failure::usage("`--seen` is about one request, and several are named")
                .next("vote on that one alone, or leave `--seen` out"));
        }
        let call = async |session: &Session| {
            let mut items = Vec::with_capacity(self.ids.len());
            for id in &self.ids {
                let approval = session.client.approval(id).await?;
                items.push(VotesItem {
                    approval: Text(approval.id),
                    action_digest: Hex64(approval.action_digest),
                    snapshot: SnapshotHash(approval.snapshot.unwrap_or_default()),
                    presentation_digest: approval.presentation_digest.map(Hex64),
                });
            }
            let body = VotesBody {
                verb,
                comment: self.comment.clone().map(Text),
                items,
            };
            Ok(session
                .client
                .post::<VotesAnswer>("/v1/approvals/votes", &json!(body))
                .await?)
        };
        let answer = self.connection.with(About::Organization, call).await?;
        let rows: Vec<Vec<String>> = answer.results.iter().map(row).collect();
        let head = format!(
            "{} of {} votes count; batch {}",
            answer.counted,
            rows.len(),
            answer.batch
        );
        console.answer(
            &json!(answer),
            format!("{head}\n{}", table(&["REQUEST", "NOW", "WHY NOT"], &rows)),
        );
        let all = answer.results.iter().all(|result| result.problem.is_none());
        Ok(if all {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(crate::failure::NO)
        })
    }
}

fn row(result: &VotesResult) -> Vec<String> {
    let state = result.request.as_ref().map(|request| request.state.clone());
    let why = result
        .problem
        .as_ref()
        .map(|problem| format!("{}: {}", problem.code, one_line(&problem.detail)));
    vec![
        result.approval.clone(),
        state.unwrap_or_else(|| "-".to_owned()),
        why.unwrap_or_default(),
    ]
}
