//! One record in one or two sentences.

use countersign_core::event::{
    ApprovalAnswered, ApprovalOpened, ApprovalResolved, ApprovalRevised, ApprovalState, ApprovalStepStarted,
    ApprovalVoted, CallbackAttempted, DecisionMade, Delivery, Event, GlassBroken, OutcomeReported, OutcomeStatus,
    OutputFiltered, Slot, StepReason, Verb, in_words,
};
use countersign_core::policy::Decision;
use countersign_core::policy::verdict::Quorum;
use countersign_core::{ActorKind, Record};

use super::Told;
use crate::visible::{moment, named, one_line, quoted};

/// What a record says, if it says something about the request.
pub(super) fn of(record: &Record, told: &Told<'_>) -> Option<String> {
    let words = told.words.get(&record.seq).map(|words| quoted(words));
    Some(match &record.event {
        Event::DecisionMade(e) => format!("{} {}", wanted(record, e, told), decided(e)),
        Event::ApprovalOpened(e) => opened(e),
        Event::ApprovalAnswered(e) => answered(e, words),
        Event::ApprovalRevised(e) => revised(e),
        Event::ApprovalStepStarted(e) => started(e, told),
        Event::ApprovalReminded(e) => format!(
            "The people of step {} of {} were reminded: its time is over at {}.",
            e.step + 1,
            route(e.track, told),
            moment(e.due)
        ),
        Event::ApprovalStepPassed(e) => format!(
            "The people of step {} of {} have approved.",
            e.step + 1,
            route(e.track, told)
        ),
        Event::ApprovalHeld(e) => format!(
            "{} missed its last time of {}: nobody else is left to be asked, and the request waits for those who were.",
            capital(&route(e.track, told)),
            moment(e.missed)
        ),
        Event::ApprovalResumed(e) => format!(
            "The agent had not answered by {}, and it went on without an answer.",
            moment(e.due)
        ),
        Event::ApprovalOverdue(e) => format!("No decision had come by {}, when one was expected.", moment(e.sla_due)),
        Event::ApprovalLinked(e) => format!(
            "{} was sent a link by {}, to decide with once, until {}.",
            capital(&named(&e.user)),
            named(&e.channel),
            moment(e.until)
        ),
        Event::ApprovalViewed(e) => format!("{} was shown the request.", capital(&named(&e.user))),
        Event::ApprovalVoted(e) => voted(e, words),
        Event::GlassBroken(e) => broken(e, words),
        Event::PracticeStarted(e) if is_over(told) => {
            let kind = e.kind.as_str();
            format!("It was a {kind}, which {} made: nothing can come of it.", named(&e.by))
        }
        Event::PracticeEnded(e) => format!(
            "The {} was over: {} of {} who were asked answered.",
            e.kind.as_str(),
            e.answers.len(),
            e.asked.len()
        ),
        Event::ApprovalResolved(e) => resolved(e),
        Event::PermitRedeemed(e) => format!(
            "The permit was used, once, for the action with digest {}; an outcome is expected by {}.",
            e.digest,
            moment(e.outcome_due)
        ),
        Event::PermitRefused(e) => format!("The permit was shown and refused ({}).", e.reason),
        Event::CredentialReleased(e) => format!(
            "Credential {} of its tool, version {}, was given to {}, once.",
            named(&e.credential),
            e.version,
            named(&record.actor.id)
        ),
        Event::OutcomeReported(e) => outcome(record, e),
        Event::OutputFiltered(e) => filtered(e),
        Event::CallbackDue(e) => format!("The workflow is to be told at {}.", named(&e.url)),
        Event::CallbackAttempted(e) => attempted(e),
        Event::NoticeDue(e) => super::notice::due(e),
        Event::NoticeAttempted(e) => return super::notice::attempted(e, told),
        // Whatever else there is happened to something else than this request.
        _other => return None,
    })
}

/// Whether it was practice, and those who were asked may know.
fn is_over(told: &Told<'_>) -> bool {
    let mut records = told.records.iter();
    records.any(|record| matches!(record.event, Event::PracticeEnded(_)))
}

/// Who wanted what. What is practice looks like any other request until it is over.
pub(super) fn wanted(record: &Record, e: &DecisionMade, told: &Told<'_>) -> String {
    let proven = record.actor.verified && record.actor.kind == ActorKind::Agent;
    let proof = if e.practice.is_some() && is_over(told) {
        "in whose name a person practised"
    } else if proven || e.practice.is_some() {
        "proven by its own key"
    } else {
        "named by somebody else's key, not proven"
    };
    let tool = e.tool.as_ref().filter(|tool| **tool != e.action);
    let tool = tool.map(|tool| format!(" with {}", named(tool))).unwrap_or_default();
    let money = match (&e.amount, &e.currency) {
        (Some(amount), Some(currency)) => format!(", {} {}", one_line(amount), one_line(currency)),
        (Some(amount), None) => format!(", {}", one_line(amount)),
        (None, _) => String::new(),
    };
    let env = e.env.as_ref().map(|env| format!(", in {}", named(env)));
    format!(
        "Agent {} ({proof}) wanted {}{tool}{money}{}.",
        named(&e.agent),
        named(&e.action),
        env.unwrap_or_default()
    )
}

/// What policy said, and why.
pub(super) fn decided(e: &DecisionMade) -> String {
    let what = match e.decision {
        Decision::Allow => "Policy allowed it",
        Decision::AllowWithConstraints => "Policy allowed it within limits",
        Decision::RequireApproval => "Policy demanded that a person decide",
        Decision::Remediate => "Policy offered a safer action instead",
        Decision::Deny => "Policy denied it",
    };
    let reason = |reason: &countersign_core::policy::Reason| {
        let place = match (reason.document.as_str(), reason.line) {
            ("", _) | (_, 0) => String::new(),
            (document, line) => format!(" ({}, {}, line {line})", named(document), reason.rule),
        };
        format!("{}{place}", one_line(&reason.message))
    };
    let reasons: Vec<String> = e.reasons.iter().map(reason).collect();
    if reasons.is_empty() {
        format!("{what}: no rule spoke.")
    } else {
        format!("{what}: {}.", reasons.join("; "))
    }
}

fn opened(e: &ApprovalOpened) -> String {
    let mut said = format!(
        "Request {} was opened; undecided it ends at {}.",
        e.approval,
        moment(e.deadline)
    );
    if e.missing.is_empty() {
        said += &format!(" A decision was expected by {}.", moment(e.sla_due));
    } else {
        said += &format!(
            " Nobody was asked yet: the agent first had to add {}.",
            one_line(&e.missing.join(", "))
        );
    }
    if !e.slots.is_empty() && e.missing.is_empty() {
        said += &format!(" Asked: {}.", slots(&e.slots));
    }
    for out in &e.excluded {
        let why = match out.reason.as_str() {
            "requester" => "asked for the action",
            "same_team" => "is of the agent's team",
            _owner => "owns the agent",
        };
        said += &format!(" {} may not decide and {why}.", named(&out.user));
    }
    said
}

fn answered(e: &ApprovalAnswered, words: Option<String>) -> String {
    let said = words
        .map(|words| format!(", in its own words: {words}"))
        .unwrap_or_default();
    if e.missing.is_empty() {
        format!("The agent answered{said}.")
    } else {
        let missing = one_line(&e.missing.join(", "));
        format!("The agent answered{said}. What is still missing: {missing}.")
    }
}

/// What the request is about since somebody changed it.
pub(super) fn revised(e: &ApprovalRevised) -> String {
    let who = match &e.edited_by {
        Some(user) => format!("{} narrowed the action", named(user)),
        None => "The agent changed what it wants".to_owned(),
    };
    let changed = match e.changed.as_slice() {
        [] => String::new(),
        places => format!(
            " at {}",
            places.iter().map(|place| named(place)).collect::<Vec<_>>().join(", ")
        ),
    };
    let money = match (&e.amount, &e.currency) {
        (Some(amount), Some(currency)) => format!("; the amount is {} {} now", one_line(amount), one_line(currency)),
        (Some(amount), None) => format!("; the amount is {} now", one_line(amount)),
        (None, _) => String::new(),
    };
    let votes = if e.keeps_votes {
        "Votes from before stand"
    } else {
        "Votes from before do not count for it"
    };
    let second = if e.second {
        ", and somebody else has to approve it as well"
    } else {
        ""
    };
    format!(
        "{}{changed}{money}. This is revision {}, with digest {}. {votes}{second}.",
        capital(&who),
        e.revision,
        e.digest
    )
}

/// Who is asked, in words.
pub(super) fn slots(slots: &[Slot]) -> String {
    let one = |slot: &Slot| {
        let names: Vec<String> = slot.names.iter().map(|name| named(name)).collect();
        let names = if names.is_empty() {
            "the admins".to_owned()
        } else {
            names.join(", ")
        };
        let how_many = match slot.quorum {
            Quorum::All => "one of each of".to_owned(),
            Quorum::Any(1) => "one of".to_owned(),
            Quorum::Any(count) => format!("{count} of"),
        };
        let people: Vec<String> = slot.people.iter().map(|user| named(user)).collect();
        let people = if people.is_empty() {
            "nobody at that time".to_owned()
        } else {
            people.join(", ")
        };
        format!("{how_many} {names}, which was {people}")
    };
    slots.iter().map(one).collect::<Vec<_>>().join("; and ")
}

/// The route of a track, by its name.
fn route(track: u32, told: &Told<'_>) -> String {
    let opened = told.records.iter().find_map(|record| match &record.event {
        Event::ApprovalOpened(opened) => opened.tracks.get(track as usize),
        _other => None,
    });
    opened.map_or("the route".to_owned(), |track| format!("route {}", named(&track.route)))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// One hop of a route: when it began, what was missed before it, who is asked, until when.
pub(super) fn started(e: &ApprovalStepStarted, told: &Told<'_>) -> String {
    let (step, route) = (e.step + 1, route(e.track, told));
    let from = e.from.map(|from| format!("step {}", from + 1)).unwrap_or_default();
    let missed = e.missed.map(|missed| format!(" missed its time of {}", moment(missed)));
    let cause = match (e.reason, missed) {
        (StepReason::Opened, _) => format!("{} began with step {step}", capital(&route)),
        (StepReason::Revised, _) => format!(
            "{} began again with step {step}, since the request is about another action now",
            capital(&route)
        ),
        (StepReason::Approved, _) => format!("{} went on to step {step} after {from} approved", capital(&route)),
        (StepReason::TimedOut, Some(missed)) => {
            format!("{}{missed}, and {route} escalated to step {step}", capital(&from))
        }
        (StepReason::Repeated, Some(missed)) => format!("{}{missed}, and was asked again", capital(&from)),
        (StepReason::TimedOut | StepReason::Repeated, None) => format!("{} went on with step {step}", capital(&route)),
        (StepReason::Unreachable, Some(missed)) => format!(
            "{}{missed}; what came next in {route} reaches nobody, so it went on with step {step}",
            capital(&from)
        ),
        (StepReason::Unreachable, None) => {
            format!("A step of {route} reaches nobody, so it went on with step {step}")
        }
    };
    let by = if e.fallback { " by its fallback" } else { "" };
    let until = e
        .due
        .map_or("until the deadline".to_owned(), |due| format!("until {}", moment(due)));
    format!("{cause}{by}. Asked {until}: {}.", slots(&e.slots))
}

/// What somebody did with the request.
pub(super) fn voted(e: &ApprovalVoted, words: Option<String>) -> String {
    let did = match e.verb {
        Verb::Approve => "approved",
        Verb::Reject => "rejected it",
        Verb::Abstain => "abstained",
        Verb::Comment => "remarked",
        Verb::Clarify => "asked the agent",
        Verb::HandOver => "handed the place over",
        Verb::Claim => "took it on",
        Verb::Release => "let go of it",
        Verb::Edit => "approved less than was asked for",
    };
    let to = e.to.as_ref().map(|to| format!(" to {}", named(to))).unwrap_or_default();
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    let until = match (e.claimed_until, e.clarify_due) {
        (Some(until), _) => format!(" Nobody else decides until {}.", moment(until)),
        (None, Some(due)) => format!(" The agent has until {} to answer.", moment(due)),
        (None, None) => String::new(),
    };
    let counted = match (&e.not_counted, e.verb) {
        (Some(why), verb) if verb != Verb::Comment => format!(" It does not count ({}).", one_line(why)),
        (Some(_) | None, _) => String::new(),
    };
    let by = e.channel.as_ref().map(|channel| format!(" by {}", named(channel)));
    let by = by.unwrap_or_default();
    let together = if e.batch.is_some() {
        ", together with others"
    } else {
        ""
    };
    let own = if e.self_approved {
        " It is the approval of whoever owns the agent."
    } else {
        ""
    };
    format!("{} {did}{to}{together}{by}{said}.{own}{until}{counted}", named(&e.user))
}

/// That somebody let it through.
pub(super) fn broken(e: &GlassBroken, words: Option<String>) -> String {
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    format!(
        "{} broke the glass for {}, in place of those who were asked{said}. Somebody else is to look at it ({}).",
        named(&e.user),
        named(&e.incident),
        e.review
    )
}

/// How the request ended.
pub(super) fn resolved(e: &ApprovalResolved) -> String {
    let end = match e.state {
        ApprovalState::Approved => "The request was approved",
        ApprovalState::Rejected => "The request was rejected",
        ApprovalState::Expired => "The request expired, and the action was refused",
        ApprovalState::Cancelled => "The request was withdrawn or stopped",
        ApprovalState::Invalidated => "The request became void",
        ApprovalState::Lapsed => "The approval was not used in time",
        ApprovalState::Consumed => "The approval was used",
        ApprovalState::NeedsEvidence | ApprovalState::Pending | ApprovalState::Clarifying | ApprovalState::Held => {
            "The request goes on"
        }
    };
    let permit = e.permit.as_ref();
    let permit = permit.map(|permit| {
        format!(
            " A permit for one use was issued, good until {}.",
            moment(permit.expires)
        )
    });
    let fallback = e
        .fallback
        .as_ref()
        .map(|action| format!(" {} is offered in its place.", named(action)));
    format!(
        "{end}: {}.{}{}",
        one_line(&e.why),
        permit.unwrap_or_default(),
        fallback.unwrap_or_default()
    )
}

/// What came of the action.
pub(super) fn outcome(record: &Record, e: &OutcomeReported) -> String {
    let what = match e.status {
        OutcomeStatus::Succeeded => "that the action succeeded",
        OutcomeStatus::Failed => "that the action failed",
        OutcomeStatus::Unknown => return "Nobody reported in time what came of the action.".to_owned(),
    };
    let cost = match (&e.cost, &e.currency) {
        (Some(cost), Some(currency)) => format!(", at a cost of {} {}", one_line(cost), one_line(currency)),
        (Some(_) | None, _) => String::new(),
    };
    let broken = if e.violations.is_empty() {
        String::new()
    } else {
        format!("; it broke {}", one_line(&e.violations.join(", ")))
    };
    format!("{} reported {what}{cost}{broken}.", named(&record.actor.id))
}

/// What was done about the result.
fn filtered(e: &OutputFiltered) -> String {
    let found = &e.filtered;
    let kinds = |counts| named(&in_words(counts));
    let mut parts = Vec::new();
    if found.whole && found.withheld.is_empty() {
        parts.push("the whole of it was withheld".to_owned());
    } else if found.whole {
        parts.push(format!("the whole of it was withheld for {}", kinds(&found.withheld)));
    }
    if !found.redacted.is_empty() {
        parts.push(format!("{} replaced", kinds(&found.redacted)));
    }
    if found.blind > 0 {
        parts.push(format!("{} parts that nobody could look into withheld", found.blind));
    }
    if !found.flagged.is_empty() {
        parts.push(format!("{} let through and flagged", kinds(&found.flagged)));
    }
    format!(
        "Of the result: {}, by {}.",
        parts.join("; "),
        named(&e.rules.join(", "))
    )
}

/// How a try to tell the workflow ended.
pub(super) fn attempted(e: &CallbackAttempted) -> String {
    let detail = quoted(&e.detail);
    match e.result {
        Delivery::Delivered => format!("The workflow was told at try {}, and answered {detail}.", e.attempt),
        Delivery::Retrying => {
            let next = e.next.map(|next| format!("; the next try is at {}", moment(next)));
            format!(
                "Try {} to tell the workflow failed: {detail}{}.",
                e.attempt,
                next.unwrap_or_default()
            )
        }
        Delivery::Dead => format!("Telling the workflow failed for good: {detail}."),
        Delivery::Resent => "A person had the workflow told again.".to_owned(),
    }
}
