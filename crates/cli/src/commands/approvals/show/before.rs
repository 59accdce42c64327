//! What was before a request, line by line.

use countersign_api::history::{ChangedPlace, DecidedBefore, HistoryAnswer, LastAllowed};
use countersign_api::visible::quoted;
use serde_json::Value;

use crate::console::{named, one_line};

/// Characters of a value on a line; the whole is in the answer of the API.
const SHOWN_AT_MOST: usize = 200;

/// What was allowed last, and what is other now. Values of others stand behind a bar.
pub(super) fn last(history: &HistoryAnswer) -> Vec<String> {
    let mut lines: Vec<String> = history.never().into_iter().collect();
    if let Some(last) = &history.last_allowed {
        lines.push(format!(
            "{}  {}; {} ({})",
            last.at,
            one_line(&last.how()),
            last.what_came(),
            last.approval.as_ref().unwrap_or(&last.action)
        ));
        lines.extend(other_now(last));
    }
    lines
}

fn other_now(last: &LastAllowed) -> Vec<String> {
    let mut lines: Vec<String> = last.changes.iter().map(changed).collect();
    lines.extend(last.comparison());
    if !last.not_kept.is_empty() {
        let places = one_line(&last.not_kept.join(", "));
        lines.push(format!(
            "nobody can say whether these are other, since what stands there is not kept: {places}"
        ));
    }
    lines
}

fn changed(change: &ChangedPlace) -> String {
    format!(
        "│ {}: {} → {}",
        one_line(&change.place),
        value(change.was.as_ref()),
        value(change.now.as_ref())
    )
}

fn value(there: Option<&Value>) -> String {
    let Some(there) = there else {
        return "nothing".to_owned();
    };
    let text = one_line(&there.to_string());
    match text.char_indices().nth(SHOWN_AT_MOST) {
        Some((cut, _)) => format!("{}… ({} characters)", &text[..cut], text.chars().count()),
        None => text,
    }
}

/// How people decided on requests like it.
pub(super) fn decided(history: &HistoryAnswer) -> Vec<String> {
    history.decided.iter().map(one).collect()
}

fn one(decided: &DecidedBefore) -> String {
    let mut line = format!("{}  {}", decided.at, decided.verdict.words());
    if let Some(amount) = &decided.amount {
        let currency = decided.currency.as_deref().unwrap_or_default();
        line += format!(", {} {}", one_line(amount), one_line(currency)).trim_end();
    }
    if let Some(asked) = &decided.asked_amount {
        line += &format!(" in place of {}", one_line(asked));
    }
    if let Some(env) = &decided.env {
        line += &format!(", in {}", named(env));
    }
    if !decided.by.is_empty() {
        let people: Vec<String> = decided.by.iter().map(|person| named(person)).collect();
        line += &format!(" by {}", people.join(", "));
    }
    if let Some(comment) = &decided.comment {
        line += &format!(": {}", quoted(comment));
    }
    if let Some(outcome) = &decided.outcome {
        line += &format!("; outcome {outcome}");
    }
    format!("{line} ({})", decided.approval)
}

/// What the agent has shown with it.
pub(super) fn record(history: &HistoryAnswer) -> Vec<String> {
    let record = &history.record;
    let since = |words: String, since: &Option<String>| match since {
        Some(since) => format!("{words}, since {since}"),
        None => words,
    };
    let mut lines = Vec::new();
    lines.extend((record.how_it_went()).map(|words| since(words, &record.allowed_since)));
    lines.extend((record.what_people_said()).map(|words| since(words, &record.decided_since)));
    if let Some(standing) = &history.standing {
        lines.push(format!(
            "its standing with {}: {} went well, {} did not, since {}",
            named(&standing.operation),
            standing.succeeded,
            standing.failed,
            standing.since
        ));
    }
    lines
}
