//! One version of the policy: its documents with what a check finds in them, what it would change, and what can be done
//! with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::routing::get;
use countersign_api::candidates::TryingAnswer;
use countersign_api::policies::{PolicyCheckAnswer, PolicyHistoryAnswer, SnapshotFilesAnswer, SnapshotsAnswer};
use countersign_api::simulate::DiffAnswer;
use serde::Deserialize;
use serde_json::json;

use super::documents::{Listing, Missing, difference, listing, missing};
use super::failure::Failure;
use super::policies::{Doers, Proposal, Trial, proposal, short, states, trial};
use crate::Console;
use crate::api::Quoted;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/policies/{hash}", get(policy))
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Policy {
    chrome: Chrome,
    hash: String,
    short: String,
    states: Vec<(&'static str, &'static str)>,
    live: bool,
    uploaded: Option<When>,
    uploaded_by: Option<Html>,
    files: Vec<FileLink>,
    documents: usize,
    shown: Option<Listing>,
    checked: Option<Checked>,
    differences: Option<Vec<super::documents::Difference>>,
    /// Why there is no comparison, where there is none.
    not_compared: Option<Html>,
    trial: Option<Trial>,
    proposal: Option<Proposal>,
    may: May,
    failure: Option<Failure>,
    reason: String,
}

struct FileLink {
    name: Html,
    href: String,
    here: bool,
    findings: usize,
}

/// Sentences of one kind that are listed.
const LISTED_AT_MOST: usize = 60;
/// Documents that are linked to.
const LINKED_AT_MOST: usize = 100;

/// What the check says of all documents: how much, and the first of it.
struct Checked {
    fail: usize,
    failed: Vec<Html>,
    lack: usize,
    untried: Vec<Missing>,
}

/// What whoever looks may do with it.
struct May {
    activate: bool,
    shadow: bool,
    canary: bool,
    roll_back: bool,
    promote: bool,
    withdraw: bool,
    edit: bool,
    simulate: bool,
    waive: bool,
}

#[derive(Deserialize)]
struct Asked {
    file: Option<String>,
}

async fn policy(visit: Visit, Path(hash): Path<String>, Query(asked): Query<Asked>) -> Page {
    page(&visit, &hash, asked.file.as_deref(), None).await
}

/// The page, with what was wrong with a form of it and the reason that was typed.
pub(super) async fn page(visit: &Visit, hash: &str, file: Option<&str>, wrong: Option<(Failure, &str)>) -> Page {
    let documents: SnapshotFilesAnswer = visit.get(&format!("/v1/policies/{}", Quoted(hash))).await?;
    let stored: SnapshotsAnswer = visit.get("/v1/policies").await?;
    let trying: TryingAnswer = visit.get("/v1/policies:candidate").await?;
    let history: PolicyHistoryAnswer = visit.get("/v1/policies:history?limit=200").await?;
    let known = stored.snapshots.iter().find(|known| known.hash == hash);
    let live = known.is_some_and(|known| known.live);
    let checked = check(visit, &documents.files).await?;
    let (differences, not_compared) = compare(visit, hash, live).await?;
    let canary = trying
        .candidate
        .as_ref()
        .is_some_and(|candidate| candidate.canary.is_some());
    let candidate = trying.candidate.as_ref().filter(|candidate| candidate.hash == hash);
    let pending = stored.pending.as_ref().filter(|pending| pending.hash == hash);
    let shown = file.filter(|name| documents.files.contains_key(*name));
    let shown = shown.or_else(|| first(&documents.files, checked.as_ref()));
    let unproven = checked
        .as_ref()
        .is_some_and(|found| !found.failed_tests.is_empty() || !found.untried.is_empty());
    let (failure, reason) = match wrong {
        Some((failure, reason)) => (Some(failure), reason.to_owned()),
        None => (None, String::new()),
    };
    let tries = !live && (candidate.is_some() || trying.candidate.is_none()) && visit.may("shadow_policy");
    let page = Policy {
        chrome: visit.chrome(),
        hash: hash.to_owned(),
        short: short(hash),
        states: known
            .map(|known| states(known, candidate, pending.map(|pending| pending.hash.as_str())))
            .unwrap_or_default(),
        live,
        uploaded: known.map(|known| visit.zone.when(&known.uploaded)),
        uploaded_by: Doers::of(&history).stored(hash),
        documents: documents.files.len(),
        files: file_links(hash, &documents.files, shown, checked.as_ref()),
        shown: shown.map(|name| {
            let text = documents.files.get(name).map_or("", String::as_str);
            listing(name, text, checked.as_ref())
        }),
        differences,
        not_compared,
        trial: candidate.map(|candidate| trial(visit, candidate)),
        proposal: pending.map(|pending| proposal(visit, pending, &history)),
        may: May {
            activate: !live && visit.may("activate_policy"),
            shadow: tries && candidate.is_none_or(|candidate| candidate.canary.is_some()),
            canary: tries,
            roll_back: live && !canary && visit.may("roll_back_policy"),
            promote: candidate.is_some() && visit.may("promote_policy"),
            withdraw: candidate.is_some() && visit.may("withdraw_policy"),
            edit: visit.may("upload_policies"),
            simulate: visit.may("simulate_policy"),
            waive: !live && unproven && visit.may("waive_tests"),
        },
        checked: checked.map(|found| Checked {
            fail: found.failed_tests.len(),
            failed: (found.failed_tests.iter().take(LISTED_AT_MOST))
                .map(|sentence| said(sentence))
                .collect(),
            lack: found.untried.len(),
            untried: (found.untried.iter().take(LISTED_AT_MOST))
                .map(|rule| missing(hash, rule))
                .collect(),
        }),
        failure,
        reason,
    };
    show_as(if page.failure.is_some() { 422 } else { 200 }, &page)
}

/// What the check finds, for whoever may check.
async fn check(visit: &Visit, files: &BTreeMap<String, String>) -> Result<Option<PolicyCheckAnswer>, Trouble> {
    if !visit.may("check_policies") || files.is_empty() {
        return Ok(None);
    }
    visit
        .post("/v1/policies:check", &json!({ "files": files }))
        .await
        .map(Some)
}

/// What is different from what is live, or why nobody can say.
async fn compare(
    visit: &Visit,
    hash: &str,
    live: bool,
) -> Result<(Option<Vec<super::documents::Difference>>, Option<Html>), Trouble> {
    if live || !visit.may("diff_policies") {
        return Ok((None, None));
    }
    let answer: Result<DiffAnswer, Trouble> = visit.post("/v1/policies:diff", &json!({ "snapshot": hash })).await;
    match answer {
        Ok(answer) => Ok((Some(answer.differences.iter().map(difference).collect()), None)),
        Err(trouble) => Ok((None, Some(said(&trouble.into_say()?.detail)))),
    }
}

/// The document that is shown first: one with findings, or the first one.
fn first<'a>(files: &'a BTreeMap<String, String>, checked: Option<&PolicyCheckAnswer>) -> Option<&'a str> {
    let found = checked.into_iter().flat_map(|found| &found.problems);
    let with_finding = found.filter_map(|problem| files.get_key_value(&problem.file)).next();
    with_finding
        .or_else(|| files.first_key_value())
        .map(|(name, _)| name.as_str())
}

fn file_links(
    hash: &str,
    files: &BTreeMap<String, String>,
    shown: Option<&str>,
    checked: Option<&PolicyCheckAnswer>,
) -> Vec<FileLink> {
    let findings = |name: &str| {
        let all = checked.into_iter().flat_map(|found| &found.problems);
        all.filter(|problem| problem.file == name).count()
    };
    let link = |name: &String| FileLink {
        name: said(name),
        href: format!("/policies/{hash}?file={}#documents", Quoted(name)),
        here: shown == Some(name.as_str()),
        findings: findings(name),
    };
    // The one that is shown is linked to wherever it stands.
    let all = files.keys().enumerate();
    let listed = all.filter(|(at, name)| *at < LINKED_AT_MOST || shown == Some(name.as_str()));
    listed.map(|(_, name)| link(name)).collect()
}
