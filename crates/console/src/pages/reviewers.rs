//! Those who decide: how they vote where whoever looks may know, who may break the glass, and letting somebody again.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::routing::{get, post};
use countersign_api::glass::{GlassAnswer, GlassPerson};
use countersign_api::reviewers::{ReviewerAnswer, ReviewersAnswer};
use serde_json::{Value, json};

use super::failure::Failure;
use super::settings::{Parts, parts};
use crate::Console;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, see_other, show_as};
use crate::said::{Html, said};
use crate::visit::{Posted, Visit};
use crate::when::{Lasting, When};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/settings/reviewers", get(reviewers))
        .route("/settings/reviewers/restore", post(restore_reviewer))
        .route("/settings/reviewers/restore_glass", post(restore_glass))
}

#[derive(Template)]
#[template(path = "reviewers.html")]
struct Reviewers {
    chrome: Chrome,
    parts: Parts,
    /// Nothing where whoever looks may not know how others vote.
    reviewers: Option<Vec<Reviewer>>,
    rules: Option<Rules>,
    people: Vec<Breaker>,
    may_restore: bool,
    failure: Option<Failure>,
}

struct Reviewer {
    user: Html,
    plain: String,
    votes: u64,
    approvals: u64,
    too_fast: u64,
    dwell: Option<Lasting>,
    flags: Vec<&'static str>,
    canaries: String,
    suspended: Option<When>,
}

struct Rules {
    who: Html,
    times: u32,
    within: Lasting,
    review: Html,
    review_within: Lasting,
}

struct Breaker {
    user: Html,
    plain: String,
    named: bool,
    uses: u64,
    suspended: Option<When>,
    why: &'static str,
}

async fn reviewers(visit: Visit) -> Page {
    page(&visit, None).await
}

async fn page(visit: &Visit, failure: Option<Failure>) -> Page {
    let known: Option<ReviewersAnswer> = visit.find("/v1/reviewers").await?;
    let glass: GlassAnswer = visit.get("/v1/org/break_glass").await?;
    let status = if failure.is_some() { 422 } else { 200 };
    let page = Reviewers {
        chrome: visit.chrome(),
        parts: parts(visit, "/settings/reviewers"),
        reviewers: known.map(|known| known.reviewers.iter().map(|one| reviewer(visit, one)).collect()),
        rules: glass.rules.as_ref().map(|rules| Rules {
            who: said(&rules.who.join(", ")),
            times: rules.times,
            within: Lasting(rules.within_s),
            review: said(&rules.review.join(", ")),
            review_within: Lasting(rules.review_within_s),
        }),
        people: glass.people.iter().map(|one| breaker(visit, one)).collect(),
        may_restore: visit.may("restore_reviewer"),
        failure,
    };
    show_as(status, &page)
}

fn reviewer(visit: &Visit, one: &ReviewerAnswer) -> Reviewer {
    Reviewer {
        user: said(&one.user),
        plain: one.user.clone(),
        votes: one.votes,
        approvals: one.approvals,
        too_fast: one.too_fast,
        dwell: one.median_dwell_ms.map(|ms| Lasting(ms / 1000)),
        flags: one.flags.iter().map(|flag| messages::flag(flag)).collect(),
        canaries: format!(
            "{} of {}",
            one.canaries_caught,
            one.canaries_caught + one.canaries_missed
        ),
        suspended: one.suspended_since.as_deref().map(|since| visit.zone.when(since)),
    }
}

fn breaker(visit: &Visit, one: &GlassPerson) -> Breaker {
    Breaker {
        user: said(&one.user),
        plain: one.user.clone(),
        named: one.named,
        uses: one.uses,
        suspended: one.suspended_since.as_deref().map(|since| visit.zone.when(since)),
        why: match one.suspended_for.as_deref() {
            Some("faulty") => "the look at it found it wrong",
            Some("overdue") => "nobody looked at it in time",
            Some(_) | None => "",
        },
    }
}

async fn restore_reviewer(posted: Posted) -> Page {
    restore("/v1/reviewers:restore", posted).await
}

async fn restore_glass(posted: Posted) -> Page {
    restore("/v1/org/break_glass:restore", posted).await
}

async fn restore(path: &str, Posted { visit, fields }: Posted) -> Page {
    let body = json!({ "user": fields.text("user"), "reason": fields.text("reason") });
    let restored: Result<Value, Trouble> = visit.post(path, &body).await;
    match restored {
        Ok(_) => Ok(see_other("/settings/reviewers?done=restore")),
        Err(trouble) => page(&visit, Some(Failure::of(trouble)?)).await,
    }
}
