//! What was before a request: what was allowed last and what is other now, how people decided, what came of it.

use countersign_api::history::{DecidedBefore, HistoryAnswer, LastAllowed, Verdict};
use serde_json::Value;

use super::{Fact, fact};
use crate::api::Quoted;
use crate::messages;
use crate::page::Trouble;
use crate::pages::agent::mode_word;
use crate::said::{Html, folded, said, value};
use crate::visit::Visit;
use crate::when::When;

/// What was before.
pub(super) struct Before {
    /// That nothing like it was ever allowed.
    pub never: Option<Html>,
    pub last: Option<Last>,
    pub decided: Vec<Decided>,
    pub record: Vec<Fact>,
}

/// What was allowed last.
pub(super) struct Last {
    pub href: String,
    pub at: When,
    pub how: Html,
    pub what_came: Html,
    pub changes: Vec<Changed>,
    pub comparison: Option<Html>,
    pub not_kept: Vec<Html>,
}

/// A place that is other than it was.
pub(super) struct Changed {
    pub place: Html,
    pub was: Option<Html>,
    pub now: Option<Html>,
}

/// A request that people decided.
pub(super) struct Decided {
    pub href: String,
    pub verdict: &'static str,
    pub tone: &'static str,
    pub what: Html,
    pub by: Html,
    pub at: When,
    pub comment: Option<Html>,
    pub outcome: Option<Html>,
}

/// Reads what was before. A page without it is better than none: then nothing is told.
pub(super) async fn before(visit: &Visit, id: &str) -> Result<Option<Before>, Trouble> {
    let path = format!("/v1/approvals/{}/history", Quoted(id));
    match visit.get(&path).await {
        Ok(history) => Ok(Some(told(visit, &history))),
        Err(Trouble::Problem(problem)) if problem.status != 401 => Ok(None),
        Err(other) => Err(other),
    }
}

fn told(visit: &Visit, history: &HistoryAnswer) -> Before {
    Before {
        never: history.never().map(|words| said(&words)),
        last: history.last_allowed.as_ref().map(|last| of_last(visit, last)),
        decided: (history.decided.iter())
            .map(|decided| of_decided(visit, decided))
            .collect(),
        record: record(visit, history),
    }
}

fn of_last(visit: &Visit, last: &LastAllowed) -> Last {
    let shown = |there: &Option<Value>| there.as_ref().map(value);
    Last {
        href: match &last.approval {
            Some(approval) => format!("/approvals/{}", Quoted(approval)),
            None => format!("/actions/{}", Quoted(&last.action)),
        },
        at: visit.zone.when(&last.at),
        how: said(&last.how()),
        what_came: said(last.what_came()),
        changes: (last.changes.iter())
            .map(|change| Changed {
                place: said(&change.place),
                was: shown(&change.was),
                now: shown(&change.now),
            })
            .collect(),
        comparison: last.comparison().map(|words| said(&words)),
        not_kept: last.not_kept.iter().map(|place| said(place)).collect(),
    }
}

fn of_decided(visit: &Visit, decided: &DecidedBefore) -> Decided {
    Decided {
        href: format!("/approvals/{}", Quoted(&decided.approval)),
        verdict: decided.verdict.words(),
        tone: match decided.verdict {
            Verdict::Approved | Verdict::Edited => "good",
            Verdict::Rejected => "bad",
            Verdict::Expired => "quiet",
        },
        what: said(&what(decided)),
        by: said(&decided.by.join(", ")),
        at: visit.zone.when(&decided.at),
        comment: decided.comment.as_deref().map(folded),
        outcome: decided.outcome.as_deref().map(|word| said(messages::outcome(word))),
    }
}

fn what(decided: &DecidedBefore) -> String {
    let currency = decided.currency.as_deref().unwrap_or_default();
    let mut what = match (&decided.asked_amount, &decided.amount) {
        (Some(asked), Some(amount)) => format!("{amount} {currency} in place of {asked}"),
        (_, Some(amount)) => format!("{amount} {currency}"),
        (_, None) => String::new(),
    };
    if let Some(env) = &decided.env {
        what += &format!(" in {env}");
    }
    what.trim().to_owned()
}

/// What the agent has shown with this.
fn record(visit: &Visit, history: &HistoryAnswer) -> Vec<Fact> {
    let record = &history.record;
    let since = |words: String, since: &Option<String>| match since {
        Some(since) => format!("{words}, since {}", visit.zone.words(since)),
        None => words,
    };
    let mut facts = Vec::new();
    if let Some(words) = record.how_it_went() {
        facts.push(fact("How it went", said(&since(words, &record.allowed_since))));
    }
    if let Some(words) = record.what_people_said() {
        facts.push(fact("What people said", said(&since(words, &record.decided_since))));
    }
    if let Some(standing) = &history.standing {
        let stands = format!(
            "{}, since {}; since then {} went well, {} did not",
            messages::mode(mode_word(standing.mode)),
            visit.zone.words(&standing.since),
            standing.succeeded,
            standing.failed
        );
        facts.push(fact("Autonomy", said(&stands)));
        if !standing.missing.is_empty() {
            facts.push(fact("For the next step", said(&standing.missing.join("; "))));
        }
    }
    facts
}
