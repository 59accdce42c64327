//! What a case expects: an action as its records show it, and what the records of one step say.

use std::collections::BTreeMap;

use countersign_core::event::{PracticeEnded, Slot};
use countersign_core::policy::Value;
use countersign_core::view::StepFact;
use countersign_core::{ActionView, Event, Record, Time};
use countersign_policy::verdict::Quorum;

use super::{plain, span};
use crate::Left;

/// What is left of a payload, in a word.
pub(super) fn left(left: Left) -> &'static str {
    match left {
        Left::Kept => "kept",
        Left::Restricted => "restricted",
        Left::Erased => "erased",
        Left::Destroyed => "destroyed",
    }
}

/// What an action shows under a word of `expect`.
pub(super) fn shown(view: &ActionView, word: &str) -> Result<Vec<String>, String> {
    let approval = view.approval.as_ref();
    Ok(match word {
        "decision" => vec![view.decision.decision.as_str().to_owned()],
        "status" => vec![view.status.as_str().to_owned()],
        "reason_code" => vec![view.reason_code.clone().unwrap_or_default()],
        "reason" => vec![
            view.decision
                .reasons
                .first()
                .map(|reason| reason.code.clone())
                .unwrap_or_default(),
        ],
        "reads" => view.decision.facts.reads.clone(),
        "classes" => view.decision.classes.clone(),
        "permit" => vec![if view.permit.is_some() { "yes" } else { "no" }.to_owned()],
        "approval" => vec![
            approval
                .map(|approval| approval.state.as_str().to_owned())
                .unwrap_or_default(),
        ],
        "step" => vec![approval.map_or(0, |approval| approval.current_step(0) + 1).to_string()],
        "step_reason" => (approval.iter())
            .flat_map(|approval| approval.steps.iter().rev())
            .find_map(|taken| match &taken.what {
                StepFact::Started(started) => Some(started.reason.as_str().to_owned()),
                StepFact::Reminded(_) | StepFact::Passed | StepFact::Held(_) => None,
            })
            .into_iter()
            .collect(),
        "fallback" => (approval.and_then(|approval| approval.resolved.as_ref()))
            .and_then(|(_, resolved)| resolved.fallback.clone())
            .into_iter()
            .collect(),
        "amount" => view.amount().0.map(str::to_owned).into_iter().collect(),
        "revision" => vec![(view.revisions.len() + 1).to_string()],
        "changed" => (view.revised().iter())
            .flat_map(|revised| revised.event.changed.clone())
            .collect(),
        "outdated" => (approval.iter())
            .flat_map(|approval| approval.votes.iter().filter(|cast| cast.outdated))
            .map(|cast| cast.vote.user.clone())
            .collect(),
        "audience" => (view.permit.iter())
            .map(|(_, _, permit)| permit.audience.clone())
            .collect(),
        "message" => (view.decision.reasons.iter().take(1))
            .map(|reason| reason.message.clone())
            .collect(),
        "excluded_because" => (approval.iter())
            .flat_map(|approval| &approval.opened.excluded)
            .map(|out| format!("{}: {}", out.user, out.reason))
            .collect(),
        "slots" => (approval.iter())
            .flat_map(|approval| &approval.opened.slots)
            .map(slot)
            .collect(),
        "why" => (approval.and_then(|approval| approval.resolved.as_ref()))
            .map(|(_, resolved)| resolved.why.clone())
            .into_iter()
            .collect(),
        "missing" => approval.map(|approval| approval.missing.clone()).unwrap_or_default(),
        "unresolved" => approval
            .map(|approval| approval.opened.unresolved.clone())
            .unwrap_or_default(),
        "excluded" => approval
            .map(|approval| approval.opened.excluded.iter().map(|out| out.user.clone()).collect())
            .unwrap_or_default(),
        "votes_counted" => {
            vec![
                approval
                    .map_or(0, |approval| approval.votes.iter().filter(|v| v.vote.counted).count())
                    .to_string(),
            ]
        }
        "constraints" => view
            .limits()
            .iter()
            .map(|(name, value)| match value {
                countersign_policy::verdict::ConstraintValue::Text(text) => format!("{name}={text}"),
                other => format!("{name}={other:?}"),
            })
            .collect(),
        "violations" => view
            .outcome
            .as_ref()
            .map(|outcome| outcome.2.violations.clone())
            .unwrap_or_default(),
        "outcome" => vec![
            view.outcome
                .as_ref()
                .map(|o| format!("{:?}", o.2.status).to_lowercase())
                .unwrap_or_default(),
        ],
        other => return Err(format!("nobody knows what to expect of `{other}`")),
    })
}

/// A slot in words.
fn slot(slot: &Slot) -> String {
    let names = slot.names.join(" or ");
    match slot.quorum {
        Quorum::Any(count) => format!("{count} of {names}"),
        Quorum::All => format!("each of {}", slot.names.join(", ")),
    }
}

/// What the records of a step say under a word of `expect`; `None` if it is no word about records.
pub(super) fn said(records: &[Record], word: &str) -> Option<Vec<String>> {
    let of = |say: fn(&Event) -> Option<String>| Some(records.iter().filter_map(|record| say(&record.event)).collect());
    match word {
        "records" => of(|event| Some(event.kind().to_owned())),
        "ended" => of(|event| match event {
            Event::ApprovalResolved(e) => {
                let code = e.reason_code.as_deref().unwrap_or_default();
                Some(format!("{}: {code}", e.state.as_str()))
            }
            _ => None,
        }),
        "alerts" => of(|event| match event {
            Event::AlertRaised(alert) => Some(alert.name.clone()),
            _ => None,
        }),
        "alert_summary" => of(|event| match event {
            Event::AlertRaised(alert) => Some(alert.summary.clone()),
            _ => None,
        }),
        "alert_ends" => of(|event| match event {
            Event::AlertRaised(alert) => alert.summary.rsplit("; ").next().map(str::to_owned),
            _ => None,
        }),
        "not_counted" => of(|event| match event {
            Event::ApprovalVoted(vote) => vote.not_counted.clone(),
            _ => None,
        }),
        "too_fast" => of(|event| match event {
            Event::ApprovalVoted(vote) => vote.too_fast.then(|| vote.user.clone()),
            _ => None,
        }),
        "self_approved" => of(|event| match event {
            Event::ApprovalVoted(vote) => vote.self_approved.then(|| vote.user.clone()),
            _ => None,
        }),
        "answered" => Some(practised(records, |ended| {
            (ended.answers.iter())
                .map(|answer| {
                    let verb = format!("{:?}", answer.verb).to_lowercase();
                    format!("{} {verb} after {} s", answer.user, answer.after_ms / 1000)
                })
                .collect()
        })),
        "were_asked" => Some(practised(records, |ended| ended.asked.clone())),
        "turned_away" => of(|event| match event {
            Event::RefusalsRepeated(repeated) => Some(repeated.count.to_string()),
            _ => None,
        }),
        "single_person" => of(|event| match event {
            Event::KillReleased(released) => Some(released.single_person.to_string()),
            _ => None,
        }),
        "callbacks" => of(|event| match event {
            Event::CallbackDue(due) => Some(due.url.clone()),
            _ => None,
        }),
        _ => None,
    }
}

/// What the end of a drill or a canary says.
fn practised(records: &[Record], say: fn(&PracticeEnded) -> Vec<String>) -> Vec<String> {
    let said = records.iter().filter_map(|record| match &record.event {
        Event::PracticeEnded(ended) => Some(say(ended)),
        _ => None,
    });
    said.flatten().collect()
}

/// Times that the records of a step set, each as the span from the step to it, beside those that are wanted.
pub(super) fn times(records: &[Record], wanted: &BTreeMap<String, Value>) -> Result<[Vec<String>; 2], String> {
    let began = records.first().ok_or("the step wrote no record")?.ts;
    let mut both = [Vec::new(), Vec::new()];
    for (name, value) in wanted {
        let text = plain(value);
        let length = span(&text).map(|length| length.0.to_string());
        both[0].push(format!("{name}: {}", length.unwrap_or(text)));
        let found = records.iter().find_map(|record| time(&record.event, name));
        let found = found.map_or("none".to_owned(), |time| (time - began).0.to_string());
        both[1].push(format!("{name}: {found}"));
    }
    Ok(both)
}

fn time(event: &Event, name: &str) -> Option<Time> {
    match (event, name) {
        (Event::ApprovalOpened(e), "deadline") => Some(e.deadline),
        (Event::ApprovalOpened(e), "target") => Some(e.sla_due),
        (Event::ApprovalAnswered(e), "target") => Some(e.sla_due),
        (Event::ApprovalOpened(e), "evidence") => e.evidence_due,
        (Event::ApprovalStepStarted(e), "step") => e.due,
        (Event::ApprovalStepStarted(e), "reminder") => e.remind,
        (Event::ApprovalVoted(e), "claim") => e.claimed_until,
        (Event::ApprovalVoted(e), "question") => e.clarify_due,
        (Event::DecisionMade(e), "permit") => e.permit.as_ref().map(|permit| permit.expires),
        (Event::ApprovalResolved(e), "permit") => e.permit.as_ref().map(|permit| permit.expires),
        (Event::PermitRedeemed(e), "outcome") => Some(e.outcome_due),
        _ => None,
    }
}
