//! What a version would have made of recorded actions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use countersign_api::policies::SnapshotsAnswer;
use countersign_api::simulate::{Report, SimulationAnswer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::policies::{flips, short, states, word};
use crate::Console;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::{When, ago};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/policies/simulate", get(page))
}

/// How long a page waits for parts of the ledger.
const PATIENCE: Duration = Duration::from_secs(15);
/// Changes that are shown one by one.
const SHOWN_AT_MOST: usize = 60;
/// Names of one table.
const NAMES_AT_MOST: usize = 12;

/// Since when recorded actions are looked at.
pub(super) struct Since {
    pub word: &'static str,
    pub label: &'static str,
    seconds: Option<i64>,
}

impl Since {
    pub(super) const ALL: &'static [Since] = &[
        since("1d", "the last day", Some(86_400)),
        since("7d", "the last week", Some(7 * 86_400)),
        since("30d", "the last 30 days", Some(30 * 86_400)),
        since("all", "the beginning", None),
    ];

    /// The span of this word; a week where it is none.
    pub(super) fn known(word: &str) -> &'static Since {
        const WEEK: &Since = &since("7d", "the last week", Some(7 * 86_400));
        Since::ALL.iter().find(|known| known.word == word).unwrap_or(WEEK)
    }
}

const fn since(word: &'static str, label: &'static str, seconds: Option<i64>) -> Since {
    Since { word, label, seconds }
}

/// What a simulation came to.
pub(super) struct Simulated {
    pub decisions: u64,
    pub same: u64,
    pub loosened: u64,
    pub tightened: u64,
    pub terms: u64,
    pub not_derivable: u64,
    pub erred: u64,
    pub flips: Vec<(Html, u64)>,
    pub tables: Vec<Table>,
    pub asked: Vec<(Html, u64, u64)>,
    pub changes: Vec<Change>,
    pub more: u64,
    pub unknown: Vec<(Html, u64)>,
    pub outside: Vec<Html>,
    /// Where it stopped and how far it is to the end, where there was no time for all.
    pub stopped: Option<(u64, u64)>,
}

pub(super) struct Table {
    pub by: &'static str,
    pub rows: Vec<(Html, u64, u64, u64)>,
}

pub(super) struct Change {
    pub id: String,
    pub at: When,
    pub agent: Html,
    pub action: Html,
    pub amount: Option<Html>,
    pub from: Html,
    pub from_tone: &'static str,
    pub to: Html,
    pub to_tone: &'static str,
    pub why: Html,
}

#[derive(Template)]
#[template(path = "policy_simulate.html")]
struct Simulate {
    chrome: Chrome,
    choices: Vec<Choice>,
    windows: &'static [Since],
    since: &'static str,
    recorded: bool,
    simulated: Option<Simulated>,
    failure: Option<Failure>,
    may_write: bool,
}

struct Choice {
    hash: String,
    label: String,
    here: bool,
}

#[derive(Deserialize)]
struct Asked {
    snapshot: Option<String>,
    since: Option<String>,
    against: Option<String>,
}

async fn page(visit: Visit, Query(asked): Query<Asked>) -> Page {
    let stored: SnapshotsAnswer = visit.get("/v1/policies").await?;
    let wanted = asked.snapshot.as_deref().filter(|hash| !hash.is_empty());
    let span = Since::known(asked.since.as_deref().unwrap_or_default());
    let recorded = asked.against.as_deref() == Some("recorded");
    let (mut simulated, mut wrong) = (None, None);
    // To come by a link is to choose; to ask for it is to send the form, which says since when.
    if let (Some(hash), Some(_)) = (wanted, &asked.since) {
        let against = if recorded { "recorded" } else { "live" };
        match simulate(&visit, json!({ "snapshot": hash }), span, against).await {
            Ok(found) => simulated = Some(found),
            Err(trouble) => wrong = Some(Failure::of(trouble)?),
        }
    }
    let choice = |known: &countersign_api::policies::SnapshotAnswer| {
        let words: Vec<&str> = states(known, None, None).into_iter().map(|(word, _)| word).collect();
        let day = known.uploaded.split('T').next().unwrap_or_default();
        Choice {
            here: wanted == Some(known.hash.as_str()),
            label: format!("{} stored {day} {}", short(&known.hash), words.join(", ")),
            hash: known.hash.clone(),
        }
    };
    let status = if wrong.is_some() { 422 } else { 200 };
    let page = Simulate {
        chrome: visit.chrome(),
        choices: stored.snapshots.iter().take(50).map(choice).collect(),
        windows: Since::ALL,
        since: span.word,
        recorded,
        simulated,
        failure: wrong,
        may_write: visit.may("upload_policies"),
    };
    show_as(status, &page)
}

/// Simulates part after part, for as long as a page may take.
pub(super) async fn simulate(
    visit: &Visit,
    mut body: Value,
    since: &Since,
    against: &str,
) -> Result<Simulated, Trouble> {
    let begun = Instant::now();
    let mut more = vec![("against".to_owned(), json!(against))];
    more.extend(since.seconds.map(|seconds| ("since".to_owned(), json!(ago(seconds)))));
    let members = body
        .as_object_mut()
        .ok_or_else(|| Trouble::internal("a simulation names its candidate"))?;
    members.extend(more);
    let first: SimulationAnswer = visit.post("/v1/policies:simulate", &body).await?;
    let (mut report, mut next) = (first.report, first.next);
    while let Some(from) = next.filter(|_| begun.elapsed() < PATIENCE) {
        if let Some(members) = body.as_object_mut() {
            members.insert("from".to_owned(), json!(from));
            members.insert("until".to_owned(), json!(first.until));
        }
        let part: Result<SimulationAnswer, Trouble> = visit.post("/v1/policies:simulate", &body).await;
        match part {
            Ok(part) => {
                report.absorb(part.report);
                next = part.next;
            }
            // Somebody else took the turn: what was found so far stands, with how far it goes.
            Err(Trouble::Problem(problem)) if problem.status == 429 => break,
            Err(trouble) => return Err(trouble),
        }
    }
    let stopped = next.map(|next| (next, first.until));
    Ok(filled(visit, &report, &first.outside, stopped))
}

fn filled(visit: &Visit, report: &Report, outside: &[String], stopped: Option<(u64, u64)>) -> Simulated {
    macro_rules! table {
        ($by:literal, $groups:expr) => {
            Table {
                by: $by,
                rows: biggest(
                    ($groups.iter()).map(|(name, known)| (name, known.loosened, known.tightened, known.terms)),
                ),
            }
        };
    }
    let tables = [
        table!("Agent", report.by_agent),
        table!("Rule", report.by_rule),
        table!("Operation", report.by_action),
        table!("Amount", report.by_amount),
    ];
    Simulated {
        decisions: report.decisions,
        same: report.same,
        loosened: report.changed.loosened,
        tightened: report.changed.tightened,
        terms: report.changed.terms,
        not_derivable: report.not_derivable,
        erred: report.erred,
        flips: flips(&report.flips),
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        asked: (report.approvers.iter().take(NAMES_AT_MOST))
            .map(|(name, asking)| (said(name), asking.newly, asking.no_longer))
            .collect(),
        more: report
            .changed
            .all()
            .saturating_sub(report.listed.len().min(SHOWN_AT_MOST) as u64),
        changes: (report.listed.iter().take(SHOWN_AT_MOST))
            .map(|change| {
                let (from, to) = (word(&change.from), word(&change.to));
                let amount = change.amount.as_deref();
                Change {
                    id: change.action_id.clone(),
                    at: visit.zone.when(&change.time),
                    agent: said(&change.agent),
                    action: said(&change.action),
                    amount: amount
                        .map(|amount| said(&format!("{amount} {}", change.currency.as_deref().unwrap_or_default()))),
                    from_tone: messages::tone(&from),
                    from: said(messages::decision(&from)),
                    to_tone: messages::tone(&to),
                    to: said(messages::decision(&to)),
                    why: said(&format!("{} ({})", change.message, change.rule)),
                }
            })
            .collect(),
        unknown: (report.unknown.iter().take(NAMES_AT_MOST))
            .map(|known| (said(&format!("{}: {}", known.field, known.why)), known.actions))
            .collect(),
        outside: outside.iter().map(|sentence| said(sentence)).collect(),
        stopped,
    }
}

/// The rows with most changes.
fn biggest<'a>(groups: impl Iterator<Item = (&'a String, u64, u64, u64)>) -> Vec<(Html, u64, u64, u64)> {
    let mut rows: BTreeMap<(std::cmp::Reverse<u64>, &str), (u64, u64, u64)> = BTreeMap::new();
    for (name, loosened, tightened, terms) in groups {
        let all = std::cmp::Reverse(loosened + tightened + terms);
        rows.insert((all, name.as_str()), (loosened, tightened, terms));
    }
    let row = |((_, name), (loosened, tightened, terms)): ((_, &str), (u64, u64, u64))| {
        (said(name), loosened, tightened, terms)
    };
    rows.into_iter().take(NAMES_AT_MOST).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_with_most_changes_come_first() {
        let names: Vec<String> = (0..20).map(|at| format!("agent-{at:02}")).collect();
        let rows = biggest((0u64..).zip(&names).map(|(at, name)| (name, at, 0, 1)));
        assert_eq!(
            (rows.len(), rows[0].0.to_string().as_str()),
            (NAMES_AT_MOST, "agent-19")
        );
    }

    #[test]
    fn a_span_that_is_none_is_a_week() {
        assert_eq!(Since::known("fortnight").word, "7d");
        assert_eq!(Since::known("all").seconds, None);
    }
}
