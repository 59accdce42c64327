//! Policies: what is live, what is tried beside it, what waits for people, every version, and what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::routing::get;
use countersign_api::candidates::{CandidateAnswer, TryingAnswer};
use countersign_api::policies::{
    PendingPolicy, PolicyHistoryAnswer, PolicyStepAnswer, SnapshotAnswer, SnapshotsAnswer,
};
use serde::Serialize;
use serde_json::Value;

use crate::Console;
use crate::messages;
use crate::page::{Chrome, Page, show};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/policies", get(policies))
}

/// Versions that are listed; older ones are behind the API.
const LISTED_AT_MOST: usize = 60;
/// Steps that are told.
const TOLD_AT_MOST: usize = 30;

#[derive(Template)]
#[template(path = "policies.html")]
struct Policies {
    chrome: Chrome,
    live: Option<Live>,
    trial: Option<Trial>,
    proposal: Option<Proposal>,
    versions: Vec<Version>,
    older: usize,
    steps: Vec<Step>,
    may_write: bool,
    may_try: bool,
}

struct Live {
    hash: String,
    short: String,
    documents: u64,
    since: Option<When>,
    step: Option<Step>,
}

/// A policy that is tried, with what it and the live one said of the same actions.
pub(super) struct Trial {
    pub hash: String,
    pub short: String,
    pub stage: &'static str,
    pub by: Html,
    pub since: When,
    pub share: Option<String>,
    pub decisions: u64,
    pub rates: Vec<Rate>,
    pub flips: Vec<(Html, u64)>,
}

pub(super) struct Rate {
    pub what: &'static str,
    pub candidate: u64,
    pub live: u64,
    pub band: Option<String>,
}

/// A policy that waits for people to agree.
pub(super) struct Proposal {
    pub hash: String,
    pub short: String,
    pub id: String,
    pub wants: String,
    pub by: Html,
    pub why: Option<Html>,
    pub approvers: Html,
    pub approved_by: Vec<Html>,
    pub quorum: u32,
    pub until: When,
    pub may_vote: bool,
    pub is_mine: bool,
}

struct Version {
    hash: String,
    short: String,
    documents: u64,
    uploaded: When,
    uploaded_by: Option<Html>,
    activated: Option<When>,
    activated_by: Option<Html>,
    states: Vec<(&'static str, &'static str)>,
}

/// Something that happened to a policy.
pub(super) struct Step {
    pub at: When,
    pub by: Html,
    pub did: &'static str,
    pub hash: String,
    pub short: String,
    pub why: Option<Html>,
}

async fn policies(visit: Visit) -> Page {
    let stored: SnapshotsAnswer = visit.get("/v1/policies").await?;
    let trying: TryingAnswer = visit.get("/v1/policies:candidate").await?;
    let history: PolicyHistoryAnswer = visit.get("/v1/policies:history?limit=200").await?;
    let by_hash = Doers::of(&history);
    let candidate = trying.candidate.as_ref();
    let waiting = stored.pending.as_ref().map(|pending| pending.hash.as_str());
    let versions = stored.snapshots.iter().take(LISTED_AT_MOST);
    show(&Policies {
        chrome: visit.chrome(),
        live: (stored.snapshots.iter().find(|known| known.live)).map(|known| live(&visit, known, &history)),
        trial: candidate.map(|candidate| trial(&visit, candidate)),
        proposal: (stored.pending.as_ref()).map(|pending| proposal(&visit, pending, &history)),
        versions: versions
            .map(|known| Version {
                hash: known.hash.clone(),
                short: short(&known.hash),
                documents: known.documents,
                uploaded: visit.zone.when(&known.uploaded),
                uploaded_by: by_hash.stored(&known.hash),
                activated: known.activated.as_deref().map(|at| visit.zone.when(at)),
                activated_by: by_hash.made_live(&known.hash),
                states: states(known, candidate, waiting),
            })
            .collect(),
        older: stored.snapshots.len().saturating_sub(LISTED_AT_MOST),
        steps: (history.steps.iter().take(TOLD_AT_MOST))
            .map(|known| step(&visit, known))
            .collect(),
        may_write: visit.may("upload_policies"),
        may_try: visit.may("simulate_policy"),
    })
}

fn live(visit: &Visit, known: &SnapshotAnswer, history: &PolicyHistoryAnswer) -> Live {
    let made = |known: &&PolicyStepAnswer| matches!(known.what.as_str(), "activated" | "rolled_back");
    Live {
        hash: known.hash.clone(),
        short: short(&known.hash),
        documents: known.documents,
        since: known.activated.as_deref().map(|at| visit.zone.when(at)),
        step: (history.steps.iter().filter(made))
            .find(|step| step.hash == known.hash)
            .map(|found| step(visit, found)),
    }
}

/// What a version is, with the tone of each word.
pub(super) fn states(
    known: &SnapshotAnswer,
    candidate: Option<&CandidateAnswer>,
    waiting: Option<&str>,
) -> Vec<(&'static str, &'static str)> {
    let tried = candidate.filter(|candidate| candidate.hash == known.hash).map(stage);
    let words = [
        known.live.then_some("live"),
        tried,
        (waiting == Some(&known.hash)).then_some("waits for agreement"),
        known.waived.is_some().then_some("tests waived"),
    ];
    let toned = |word: &'static str| match word {
        "live" => (word, "good"),
        "tests waived" => (word, "bad"),
        _other => (word, "warn"),
    };
    words.into_iter().flatten().map(toned).collect()
}

fn stage(candidate: &CandidateAnswer) -> &'static str {
    if candidate.canary.is_some() { "canary" } else { "shadow" }
}

pub(super) fn trial(visit: &Visit, candidate: &CandidateAnswer) -> Trial {
    let bands = candidate.canary.as_ref().map(|canary| &canary.bands);
    let rate = |what, candidate, live, band: Option<u32>| Rate {
        what,
        candidate,
        live,
        band: band.map(|band| percent(u64::from(band))),
    };
    let (said, held) = (&candidate.candidate, &candidate.live);
    Trial {
        hash: candidate.hash.clone(),
        short: short(&candidate.hash),
        stage: stage(candidate),
        by: self::said(&candidate.by),
        since: visit.zone.when(&candidate.since),
        share: (candidate.canary.as_ref()).map(|canary| share(canary.share_permille, &word(&canary.of))),
        decisions: candidate.decisions,
        rates: vec![
            rate(
                "people are asked",
                said.asked,
                held.asked,
                bands.map(|bands| bands.asked_permille),
            ),
            rate(
                "denied",
                said.denied,
                held.denied,
                bands.map(|bands| bands.denied_permille),
            ),
            rate(
                "denied by an error in a condition",
                said.erred,
                held.erred,
                bands.map(|bands| bands.erred_permille),
            ),
        ],
        flips: flips(&candidate.flips),
    }
}

/// What becomes of decisions, the most frequent first.
pub(super) fn flips(counted: &BTreeMap<String, u64>) -> Vec<(Html, u64)> {
    let mut flips: Vec<(&String, u64)> = counted.iter().map(|(flip, count)| (flip, *count)).collect();
    flips.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    flips
        .into_iter()
        .map(|(words, count)| (self::said(&flip(words)), count))
        .collect()
}

/// `allow to deny` in words for people.
fn flip(words: &str) -> String {
    match words.split_once(" to ") {
        Some((from, to)) if from == to => format!("{}, in other terms", messages::decision(from)),
        Some((from, to)) => format!("{} becomes {}", messages::decision(from), messages::decision(to)),
        None => words.to_owned(),
    }
}

pub(super) fn proposal(visit: &Visit, pending: &PendingPolicy, history: &PolicyHistoryAnswer) -> Proposal {
    let proposed = (history.steps.iter()).find(|step| step.what == "proposed" && step.hash == pending.hash);
    let is_mine = pending.by == visit.who.id;
    Proposal {
        hash: pending.hash.clone(),
        short: short(&pending.hash),
        id: pending.id.as_ref().map(ToString::to_string).unwrap_or_default(),
        wants: match &pending.canary {
            Some(canary) => format!("decide for {}", share(canary.share_permille, &word(&canary.of))),
            None => "be live".to_owned(),
        },
        by: said(&pending.by),
        why: proposed.and_then(|step| step.why.as_deref()).map(said),
        approvers: said(&pending.approvers.join(", ")),
        approved_by: pending.approved_by.iter().map(|who| said(who)).collect(),
        quorum: pending.quorum,
        until: visit.zone.until(&pending.until),
        may_vote: visit.may("judge_policy") && !is_mine,
        is_mine,
    }
}

pub(super) fn step(visit: &Visit, known: &PolicyStepAnswer) -> Step {
    Step {
        at: visit.zone.when(&known.at),
        by: said(&known.by),
        did: messages::policy_step(&known.what),
        hash: known.hash.clone(),
        short: short(&known.hash),
        why: known.why.as_deref().map(said),
    }
}

/// Who stored which version, and who made it live last.
pub(super) struct Doers<'a> {
    stored: BTreeMap<&'a str, &'a str>,
    made_live: BTreeMap<&'a str, &'a str>,
}

impl<'a> Doers<'a> {
    pub(super) fn of(history: &'a PolicyHistoryAnswer) -> Doers<'a> {
        let (mut stored, mut made_live) = (BTreeMap::new(), BTreeMap::new());
        // Oldest first, so that the last word stays; of uploads the last one is the one whose time the list tells.
        for step in history.steps.iter().rev() {
            let told = match step.what.as_str() {
                "uploaded" => &mut stored,
                "activated" | "rolled_back" => &mut made_live,
                _other => continue,
            };
            told.insert(step.hash.as_str(), step.by.as_str());
        }
        Doers { stored, made_live }
    }

    pub(super) fn stored(&self, hash: &str) -> Option<Html> {
        self.stored.get(hash).map(|who| said(who))
    }

    pub(super) fn made_live(&self, hash: &str) -> Option<Html> {
        self.made_live.get(hash).map(|who| said(who))
    }
}

/// A hash as people name it to each other.
pub(super) fn short(hash: &str) -> String {
    hash.strip_prefix("sha256:").unwrap_or(hash).chars().take(12).collect()
}

/// The word by which the API names something.
pub(super) fn word(named: &impl Serialize) -> String {
    match serde_json::to_value(named) {
        Ok(Value::String(word)) => word,
        _other => String::new(),
    }
}

fn share(permille: u32, of: &str) -> String {
    format!("{} of the {of}", percent(u64::from(permille)))
}

/// Thousandths as people write them.
pub(super) fn percent(permille: u64) -> String {
    match (permille / 10, permille % 10) {
        (whole, 0) => format!("{whole}%"),
        (whole, tenth) => format!("{whole}.{tenth}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_are_told_in_words_the_most_frequent_first() {
        let counted = BTreeMap::from([("allow to deny".to_owned(), 2), ("deny to allow".to_owned(), 9)]);
        let told: Vec<String> = flips(&counted)
            .iter()
            .map(|(words, count)| format!("{words}: {count}"))
            .collect();
        assert_eq!(told, ["denied becomes allowed: 9", "allowed becomes denied: 2"]);
        assert_eq!(flip("allow to allow"), "allowed, in other terms");
    }

    #[test]
    fn shares_are_told_in_percent() {
        assert_eq!(share(5, "runs"), "0.5% of the runs");
        assert_eq!(percent(1000), "100%");
    }
}
