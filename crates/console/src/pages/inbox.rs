//! What waits for a decision: for whoever looks, or for everybody, by deadline.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::{get, post};
use countersign_api::ApprovalAnswer;
use countersign_api::approvals::{ApprovalsAnswer, VotesAnswer};
use serde::Deserialize;
use serde_json::json;

use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, see_other, show};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(first))
        .route("/inbox", get(inbox))
        .route("/inbox/votes", post(votes))
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox {
    chrome: Chrome,
    of: Of,
    may_vote: bool,
    rows: Vec<Row>,
    /// Where they begin with the nearest deadline.
    first: bool,
    /// The next page.
    later: Option<String>,
    failures: Vec<Html>,
}

struct Row {
    id: String,
    sentence: Html,
    why: Html,
    env: Html,
    amount: Option<Html>,
    state: Html,
    tone: &'static str,
    overdue: bool,
    deadline: When,
    claimed_by: Option<Html>,
    digest: String,
    snapshot: String,
}

#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    of: Of,
    #[serde(default)]
    cursor: String,
}

/// Whose requests; one's own where the address says anything else.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
enum Of {
    #[default]
    Me,
    Teams,
    All,
}

impl From<String> for Of {
    fn from(word: String) -> Of {
        match word.as_str() {
            "teams" => Of::Teams,
            "all" => Of::All,
            _ => Of::Me,
        }
    }
}

impl Of {
    /// This page about them.
    fn href(self) -> &'static str {
        match self {
            Of::Me => "/inbox?of=me",
            Of::Teams => "/inbox?of=teams",
            Of::All => "/inbox?of=all",
        }
    }
}

/// Requests of one page.
const SHOWN: usize = 50;

async fn first(visit: Visit) -> Page {
    let to = visit.chrome().nav.first().map_or("/settings", |entry| entry.href);
    Ok(see_other(to))
}

async fn inbox(visit: Visit, Query(asked): Query<Asked>) -> Page {
    let may_vote = visit.may("vote");
    let of = if may_vote { asked.of } else { Of::All };
    page(&visit, of, &asked.cursor, Vec::new()).await
}

async fn page(visit: &Visit, of: Of, cursor: &str, failures: Vec<Html>) -> Page {
    let mut query = format!("mine={}&team={}&limit={SHOWN}", of == Of::Me, of == Of::Teams);
    if !cursor.is_empty() {
        query += &format!("&cursor={}", Quoted(cursor));
    }
    let open: ApprovalsAnswer = visit.get(&format!("/v1/approvals?{query}")).await?;
    let later = |cursor: &String| format!("{}&cursor={}", of.href(), Quoted(cursor));
    show(&Inbox {
        chrome: visit.chrome(),
        of,
        may_vote: visit.may("vote"),
        first: cursor.is_empty(),
        later: open.next_cursor.as_ref().map(later),
        rows: open.approvals.iter().map(|answer| row(visit, answer)).collect(),
        failures,
    })
}

fn row(visit: &Visit, answer: &ApprovalAnswer) -> Row {
    let text = |name: &str| answer.stored.get(name).and_then(|value| value.as_str());
    Row {
        id: answer.id.clone(),
        sentence: said(&answer.sentence()),
        why: said(answer.action.reasons.first().map_or("", |reason| &reason.message)),
        env: said(text("env").unwrap_or_default()),
        amount: text("amount").map(|amount| said(format!("{amount} {}", text("currency").unwrap_or_default()).trim())),
        state: said(messages::state(&answer.state)),
        tone: messages::tone(&answer.state),
        overdue: answer.overdue,
        deadline: visit.zone.until(&answer.deadline),
        claimed_by: answer.claimed_by.as_deref().map(said),
        digest: answer.action_digest.clone(),
        snapshot: answer.snapshot.clone().unwrap_or_default(),
    }
}

/// The same vote on several requests: what each was when it was shown comes back with the form.
async fn votes(Posted { visit, fields }: Posted) -> Page {
    let items: Vec<_> = (fields.all("pick").iter())
        .filter_map(|pick| {
            let mut parts = pick.split(' ');
            let (id, digest, snapshot) = (parts.next()?, parts.next()?, parts.next()?);
            // A line of a list is no reading of a request: what takes one is decided on its page.
            let item = json!({"approval": id, "action_digest": digest, "snapshot": snapshot});
            Some(item)
        })
        .collect();
    let mut body = json!({"verb": fields.text("verb"), "items": items});
    if let (Some(comment), Some(members)) = (fields.given("comment"), body.as_object_mut()) {
        members.insert("comment".to_owned(), json!(comment));
    }
    let answer: Result<VotesAnswer, _> = visit.post("/v1/approvals/votes", &body).await;
    let failures = match answer {
        Ok(answer) => (answer.results.iter())
            .filter_map(|result| Some((&result.approval, result.problem.as_ref()?)))
            .map(|(approval, problem)| said(&format!("{approval}: {}", problem.detail)))
            .collect::<Vec<_>>(),
        Err(trouble) => vec![said(&trouble.into_say()?.detail)],
    };
    if failures.is_empty() {
        return Ok(see_other("/inbox?done=batch"));
    }
    page(&visit, Of::Me, "", failures).await
}
