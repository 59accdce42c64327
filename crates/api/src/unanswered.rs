//! What happens to an open request if nobody answers, in sentences.

use countersign_core::event::{ApprovalState, Exhausted, Step, Track};
use countersign_core::view::{ApprovalView, StepFact};

use crate::visible::{moment, named};

/// What comes next, in order of time; empty once the request has ended.
pub(crate) fn sentences(approval: &ApprovalView) -> Vec<String> {
    match approval.state {
        ApprovalState::NeedsEvidence => {
            let due = moment(approval.opened.evidence_due.unwrap_or(approval.opened.deadline));
            vec![format!(
                "If the agent does not complete its evidence by {due}, the request expires and the action is refused."
            )]
        }
        ApprovalState::Pending | ApprovalState::Clarifying | ApprovalState::Held => {
            let tracks = (0..).zip(&approval.opened.tracks);
            let mut sentences: Vec<String> = tracks
                .filter_map(|(index, track)| next(approval, index, track))
                .collect();
            if let Some((_, due)) = approval.question {
                let due = moment(due);
                sentences.insert(
                    0,
                    format!("The agent has until {due} to answer; then it goes on without an answer."),
                );
            }
            sentences.push(format!(
                "At {} the request expires and the action is refused.",
                moment(approval.opened.deadline)
            ));
            sentences
        }
        ApprovalState::Approved
        | ApprovalState::Rejected
        | ApprovalState::Expired
        | ApprovalState::Cancelled
        | ApprovalState::Invalidated
        | ApprovalState::Lapsed
        | ApprovalState::Consumed => Vec::new(),
    }
}

/// What follows the step of a route that is asked now, if its time is over before the deadline.
fn next(approval: &ApprovalView, index: u32, track: &Track) -> Option<String> {
    let taken = approval.steps.iter().filter(|taken| taken.track == index);
    let last = taken.clone().next_back()?;
    if matches!(last.what, StepFact::Passed | StepFact::Held(_)) {
        return None;
    }
    let mut started = taken.filter_map(|taken| match &taken.what {
        StepFact::Started(started) => Some(started),
        StepFact::Reminded(_) | StepFact::Passed | StepFact::Held(_) => None,
    });
    let asked = started.clone().next_back()?;
    let due = asked.due.filter(|due| *due < approval.opened.deadline)?;
    let step = track.steps.get(asked.step as usize)?;
    let times = started.by_ref().filter(|started| started.step == asked.step).count();
    let following = track.steps.get(asked.step as usize + 1);
    let stood = track.clarify_pauses && approval.votes.iter().any(|cast| cast.vote.clarify_due.is_some());
    let when = if stood {
        "When the time of the step is over, which stood still for a question,".to_owned()
    } else {
        format!("At {}", moment(due))
    };
    Some(if times <= step.repeat as usize {
        format!("{when} the same people are asked again.")
    } else if let Some(following) = following.filter(|following| !following.after_approval) {
        format!(
            "{when} step {} of route {} is asked as well: {}.",
            asked.step + 2,
            named(&track.route),
            names(following)
        )
    } else {
        exhausted(track, &when)
    })
}

fn names(step: &Step) -> String {
    let names = step.slots.iter().flat_map(|slot| &slot.names).map(|name| named(name));
    names.collect::<Vec<_>>().join(", ")
}

fn exhausted(track: &Track, when: &str) -> String {
    let route = named(&track.route);
    match &track.on_exhausted {
        Exhausted::Hold => format!("{when} route {route} has nobody else to ask; the request waits on."),
        Exhausted::Reject => format!("{when} route {route} has nobody else to ask, and the action is refused."),
        Exhausted::SafeFallback(action) => format!(
            "{when} route {route} has nobody else to ask: the action is refused, and {} is offered in its place.",
            named(action)
        ),
    }
}
