//! The five questions of an audit, answered from the records.

use countersign_core::event::{Event, Verb};
use countersign_core::{ActionView, Record};

use super::sentence::{attempted, decided, outcome, resolved, revised, slots, started, voted, wanted};
use super::{AnsweredQuestion, Told};
use crate::visible::{moment, named, quoted};

const WHO: &str = "Who wanted what?";
const WHY: &str = "Which rule stopped it, and why?";
const ASKED: &str = "Who was asked, and when?";
const DECIDED: &str = "Who decided what, having seen what?";
const AFTER: &str = "What happened afterwards, and where is the proof?";

/// The questions in their order, each with an answer.
pub(super) fn answered(told: &Told<'_>) -> Vec<AnsweredQuestion> {
    let answer = |question: &str, sentences: Vec<String>, none: &str| AnsweredQuestion {
        question: question.to_owned(),
        answer: if sentences.is_empty() {
            none.to_owned()
        } else {
            sentences.join(" ")
        },
    };
    vec![
        answer(WHO, who(told), "Nothing is known of it."),
        answer(WHY, why(told), "Nothing stopped it."),
        answer(ASKED, asked(told), "Nobody was asked."),
        answer(DECIDED, decisions(told), "Nobody has decided anything."),
        answer(AFTER, after(told), "Nothing has happened since."),
    ]
}

fn each(told: &Told<'_>, say: impl Fn(&Record) -> Option<String>) -> Vec<String> {
    told.records.iter().filter_map(say).collect()
}

fn who(told: &Told<'_>) -> Vec<String> {
    each(told, |record| match &record.event {
        Event::DecisionMade(e) => {
            let words = told.words.get(&record.seq);
            let reason = words.map(|words| format!(" Its own reason: {}.", quoted(words)));
            Some(format!(
                "At {}: {}{}",
                moment(record.ts),
                wanted(record, e, told),
                reason.unwrap_or_default()
            ))
        }
        _other => None,
    })
}

fn why(told: &Told<'_>) -> Vec<String> {
    each(told, |record| match &record.event {
        Event::DecisionMade(e) => {
            let snapshot = record.snapshot.as_deref().unwrap_or("none");
            Some(format!("{} The policy was {snapshot}.", decided(e)))
        }
        _other => None,
    })
}

/// Each hop with its beginning, the time that was missed before it, and where it ended.
fn asked(told: &Told<'_>) -> Vec<String> {
    each(told, |record| {
        let said = match &record.event {
            Event::ApprovalOpened(e) if !e.slots.is_empty() && e.missing.is_empty() => {
                format!("Asked until {}: {}.", moment(e.deadline), slots(&e.slots))
            }
            Event::ApprovalStepStarted(e) => started(e, told),
            Event::ApprovalHeld(_) | Event::ApprovalOverdue(_) | Event::ApprovalStepPassed(_) => {
                super::sentence::of(record, told)?
            }
            Event::ApprovalResolved(e) => format!("It ended as {}.", e.state.as_str()),
            _other => return None,
        };
        Some(format!("At {}: {said}", moment(record.ts)))
    })
}

/// Votes that count, and what they were bound to.
fn decisions(told: &Told<'_>) -> Vec<String> {
    each(told, |record| match &record.event {
        Event::ApprovalRevised(e) => Some(format!("At {}: {}", moment(record.ts), revised(e))),
        Event::ApprovalVoted(e) if e.counted => {
            let words = told.words.get(&record.seq).map(|words| quoted(words));
            let snapshot = record.snapshot.as_deref().unwrap_or("none");
            let seen = match e.verb {
                Verb::Approve | Verb::Reject | Verb::Abstain | Verb::Edit => format!(
                    " The vote is for the action with digest {}, as policy {snapshot} stopped it.{}",
                    e.digest,
                    first_shown(&e.user, told)
                ),
                Verb::Comment | Verb::Clarify | Verb::HandOver | Verb::Claim | Verb::Release => String::new(),
            };
            Some(format!("At {}: {}{seen}", moment(record.ts), voted(e, words)))
        }
        _other => None,
    })
}

/// When somebody was first shown the request.
fn first_shown(user: &str, told: &Told<'_>) -> String {
    let first = told.records.iter().find_map(|record| match &record.event {
        Event::ApprovalViewed(e) if e.user == user => Some((record.ts, record.seq)),
        _other => None,
    });
    first.map_or(String::new(), |(at, seq)| {
        format!(
            " The request was first shown to {} at {} (record {seq}).",
            named(user),
            moment(at)
        )
    })
}

fn after(told: &Told<'_>) -> Vec<String> {
    let mut said = each(told, |record| {
        let said = match &record.event {
            Event::ApprovalResolved(e) => resolved(e),
            Event::PermitRedeemed(_)
            | Event::PermitRefused(_)
            | Event::CredentialReleased(_)
            | Event::OutputFiltered(_) => super::sentence::of(record, told)?,
            Event::OutcomeReported(e) => outcome(record, e),
            Event::CallbackAttempted(e) => attempted(e),
            _other => return None,
        };
        Some(format!("At {}: {said}", moment(record.ts)))
    });
    if let Some(view) = ActionView::fold(told.records)
        && view.permit.is_some()
        && view.redeemed_at.is_none()
    {
        said.push("The permit has not been used.".to_owned());
    }
    let indices: Vec<String> = told.records.iter().map(|record| record.seq.to_string()).collect();
    said.push(format!(
        "The proof is records {} of {}; `countersign audit export` writes them with proofs that anybody can verify.",
        indices.join(", "),
        named(told.log)
    ));
    said
}
