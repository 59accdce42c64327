//! What a person does with a request, and the agent's answer to a question.

use clap::Args;
use countersign_api::ApprovalAnswer;
use countersign_api::approvals::{VoteRequestBody, VoteVerb};
use countersign_api::bounded::{Hex64, Id, SnapshotHash, Text};
use countersign_api::revisions::Places;
use countersign_client::segment;
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, named, one_line};
use crate::failure::Result;

/// Which request, as it was seen.
#[derive(Args)]
pub(super) struct Seen {
    /// Its id, apr_…
    id: String,
    /// The digest that you saw in `approvals show`: it fails if the request is about another action
    #[arg(long, value_name = "DIGEST")]
    seen: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// A vote, a claim, a release.
#[derive(Args)]
pub(super) struct Vote {
    /// What you have to say; a rejection needs it
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    seen: Seen,
}

/// A question to the agent.
#[derive(Args)]
pub(super) struct Ask {
    #[command(flatten)]
    seen: Seen,
    /// What you want to know
    question: String,
}

/// A place that changes hands.
#[derive(Args)]
pub(super) struct HandOver {
    /// The colleague
    #[arg(long, value_name = "NAME")]
    to: String,
    /// What the colleague should know
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    seen: Seen,
}

/// A remark.
#[derive(Args)]
pub(super) struct Remark {
    #[command(flatten)]
    seen: Seen,
    /// What you have to say
    words: String,
}

/// The agent's answer.
#[derive(Args)]
pub(super) struct Reply {
    /// Its id, apr_…
    id: String,
    /// What the agent says
    words: String,
    #[command(flatten)]
    connection: Connection,
}

impl Vote {
    /// A vote on one request.
    pub(super) fn of(id: String, comment: Option<String>, seen: Option<String>, connection: Connection) -> Vote {
        Vote {
            comment,
            seen: Seen { id, seen, connection },
        }
    }

    pub(super) async fn cast(self, verb: VoteVerb, console: &Console) -> Result<()> {
        self.seen.say(verb, self.comment, None, console).await
    }
}

impl Ask {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        self.seen
            .say(VoteVerb::Clarify, Some(self.question), None, console)
            .await
    }
}

impl HandOver {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        self.seen
            .say(VoteVerb::HandOver, self.comment, Some(self.to), console)
            .await
    }
}

impl Remark {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        self.seen.say(VoteVerb::Comment, Some(self.words), None, console).await
    }
}

impl Reply {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let body = json!({ "evidence": { "answer": self.words } });
        let call = async |session: &Session| {
            let path = format!("/v1/approvals/{}/answers", segment(&self.id));
            Ok(session.client.post::<ApprovalAnswer>(&path, &body).await?)
        };
        let approval = self.connection.with(About::Organization, call).await?;
        tell(&approval, console);
        Ok(())
    }
}

impl Seen {
    async fn say(self, verb: VoteVerb, comment: Option<String>, to: Option<String>, console: &Console) -> Result<()> {
        self.vote(verb, comment, to, None, console).await
    }

    /// Casts a vote for what the request shows now; `set` is what an edit makes of it.
    pub(super) async fn vote(
        self,
        verb: VoteVerb,
        comment: Option<String>,
        to: Option<String>,
        set: Option<Places>,
        console: &Console,
    ) -> Result<()> {
        let call = async |session: &Session| {
            let approval = session.client.approval(&self.id).await?;
            let vote = VoteRequestBody {
                assertion: None,
                verb,
                comment: comment.map(Text),
                to: to.map(Id),
                action_digest: Hex64(self.seen.clone().unwrap_or(approval.action_digest)),
                snapshot: SnapshotHash(approval.snapshot.unwrap_or_default()),
                presentation_digest: approval.presentation_digest.map(Hex64),
                set,
            };
            Ok(session.client.vote(&self.id, &vote).await?)
        };
        let approval = self.connection.with(About::Organization, call).await?;
        tell(&approval, console);
        Ok(())
    }
}

/// Where the request stands now.
pub(super) fn tell(approval: &ApprovalAnswer, console: &Console) {
    let mut text = format!(
        "{}: {}; the action is {}",
        approval.id, approval.state, approval.action.status
    );
    if let Some(by) = &approval.claimed_by {
        let until = approval.claimed_until.as_deref().unwrap_or("its end");
        text += &format!("; {} is on it until {until}", named(by));
    }
    if let Some(question) = &approval.question {
        text += &format!("; the agent has until {} to answer", question.due);
    }
    let waiting = (approval.action.approval.as_ref()).filter(|_| approval.state == "pending");
    if let Some(waiting) = waiting {
        text += &format!("; it waits for {}", one_line(&waiting.waiting_for));
    }
    console.answer(&json!(approval), text);
}
