//! One request: what is asked, why a person is asked, everything that helps to decide, and the decision.

mod asked;
mod before;
mod sign;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use countersign_api::ApprovalAnswer;
use countersign_api::timeline::TimelineAnswer;
use serde_json::{Map, Value, json};

use self::asked::{evidence, facts};
use self::before::{Before, before};
use super::failure::Failure;
use crate::Console;
use crate::api::Quoted;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, see_other, show_as};
use crate::said::{Html, folded, said, value};
use crate::visit::{Posted, Visit};
use crate::when::{Lasting, When};

/// Arguments of so many characters stand above the decision; longer ones come right after it.
const SHORT_ARGS: usize = 400;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/approvals/{id}", get(request))
        .route("/approvals/{id}/votes", post(vote))
        .route("/approvals/{id}/break_glass", post(break_glass))
}

#[derive(Template)]
#[template(path = "approval.html")]
struct Approval {
    chrome: Chrome,
    id: String,
    sentence: Html,
    state: Html,
    tone: &'static str,
    open: bool,
    overdue: bool,
    deadline: When,
    sla: When,
    opened: When,
    why_ended: Option<Html>,
    facts: Vec<Fact>,
    reasons: Vec<Reason>,
    observed: Vec<Fact>,
    args: Html,
    /// So much that whoever decides would not find the buttons.
    args_are_long: bool,
    before: Option<Before>,
    evidence: Vec<Fact>,
    later: Vec<Html>,
    /// How often the agent has answered.
    answered: usize,
    missing: Vec<Html>,
    question: Option<Question>,
    slots: Vec<Slot>,
    excluded: Vec<Fact>,
    votes: Vec<Cast>,
    if_unanswered: Vec<Html>,
    valid_for: Lasting,
    revisions: Vec<Revision>,
    answers: Vec<Fact>,
    entries: Vec<Entry>,
    decide: Decide,
    failure: Option<Failure>,
    comment: String,
}

/// Something with a name.
struct Fact {
    name: Html,
    text: Html,
}

struct Reason {
    decision: Html,
    tone: &'static str,
    rule: Html,
    message: Html,
}

struct Question {
    by: Html,
    text: Html,
    due: When,
}

struct Slot {
    asked: Html,
    people: Vec<Html>,
    source: Html,
}

struct Cast {
    user: Html,
    verb: Html,
    tone: &'static str,
    at: When,
    comment: Option<Html>,
    not_counted: Option<Html>,
    channel: Option<Html>,
    self_approved: bool,
    signed: bool,
}

struct Revision {
    by: Html,
    changed: Html,
    at: When,
}

struct Entry {
    at: When,
    index: u64,
    sentence: Html,
}

/// What whoever looks may do with it.
struct Decide {
    /// They may vote on it as far as anybody can know before they do.
    may: bool,
    /// Why not.
    why_not: Option<Html>,
    digest: String,
    snapshot: String,
    presentation: String,
    /// How surely whoever approves has to be known, where a route says so.
    assurance: Option<String>,
    editable: Vec<Editable>,
    claimed_by_me: bool,
    may_break_glass: bool,
}

struct Editable {
    place: String,
    now: String,
}

async fn request(visit: Visit, Path(id): Path<String>) -> Page {
    page(&visit, &id, None, String::new()).await
}

async fn page(visit: &Visit, id: &str, failure: Option<Failure>, comment: String) -> Page {
    let path = format!("/v1/approvals/{}", Quoted(id));
    // What nobody reads is not recorded as shown.
    let glance = if visit.live { "?glance=true" } else { "" };
    let answer: ApprovalAnswer = visit.get(&format!("{path}{glance}")).await?;
    let timeline: Option<TimelineAnswer> = visit.find(&format!("{path}/timeline")).await?;
    let before = before(visit, id).await?;
    let status = if failure.is_some() { 422 } else { 200 };
    let filled = filled(visit, &answer, timeline, failure, comment);
    show_as(status, &Approval { before, ..filled })
}

fn filled(
    visit: &Visit,
    answer: &ApprovalAnswer,
    timeline: Option<TimelineAnswer>,
    failure: Option<Failure>,
    comment: String,
) -> Approval {
    let zone = &visit.zone;
    let open = matches!(
        answer.state.as_str(),
        "needs_evidence" | "pending" | "clarifying" | "held"
    );
    let (answers, entries) = match timeline {
        Some(timeline) => (
            (timeline.questions.iter())
                .map(|known| fact(&known.question, said(&known.answer)))
                .collect(),
            (timeline.entries.iter())
                .map(|entry| Entry {
                    at: zone.when(&entry.at),
                    index: entry.index,
                    sentence: said(&entry.sentence),
                })
                .collect(),
        ),
        None => (Vec::new(), Vec::new()),
    };
    Approval {
        chrome: visit.chrome(),
        id: answer.id.clone(),
        sentence: said(&answer.sentence()),
        state: said(messages::state(&answer.state)),
        tone: messages::tone(&answer.state),
        open,
        overdue: answer.overdue,
        deadline: if open {
            zone.until(&answer.deadline)
        } else {
            zone.when(&answer.deadline)
        },
        sla: zone.when(&answer.sla_due),
        opened: zone.when(&answer.opened_at),
        why_ended: answer.why.as_deref().map(said),
        facts: facts(visit, answer),
        reasons: reasons(answer),
        observed: observed(answer),
        args: match answer.stored.get("args") {
            Some(args) => value(args),
            None => Html::default(),
        },
        args_are_long: (answer.stored.get("args")).is_some_and(|args| args.to_string().len() > SHORT_ARGS),
        before: None,
        evidence: evidence(answer),
        later: answer.answers.iter().map(value).collect(),
        answered: answer.answers.len(),
        missing: answer.missing.iter().map(|name| said(name)).collect(),
        question: answer.question.as_ref().map(|question| Question {
            by: said(&question.by),
            text: folded(question.text.as_deref().unwrap_or_default()),
            due: zone.until(&question.due),
        }),
        slots: slots(answer),
        excluded: (answer.excluded.iter())
            .map(|(who, why)| fact(who, said(why)))
            .collect(),
        votes: votes(visit, answer),
        if_unanswered: answer.if_unanswered.iter().map(|sentence| said(sentence)).collect(),
        valid_for: Lasting(answer.valid_for_s),
        revisions: (answer.revisions.iter())
            .map(|revision| Revision {
                by: said(revision.edited_by.as_deref().unwrap_or("the agent")),
                changed: said(&revision.changed.join(", ")),
                at: zone.when(&revision.at),
            })
            .collect(),
        answers,
        entries,
        decide: decide(visit, answer, open),
        failure,
        comment,
    }
}

fn fact(name: &str, text: Html) -> Fact {
    Fact { name: said(name), text }
}

fn reasons(answer: &ApprovalAnswer) -> Vec<Reason> {
    let reason = |reason: &countersign_api::action::ReasonBody| Reason {
        decision: said(messages::decision(&reason.decision)),
        tone: messages::tone(&reason.decision),
        rule: said(format!("{} {}", reason.document, reason.rule).trim()),
        message: said(&reason.message),
    };
    answer.action.reasons.iter().map(reason).collect()
}

/// What this server knows by itself, above what the agent says.
fn observed(answer: &ApprovalAnswer) -> Vec<Fact> {
    let action = &answer.action;
    let mut facts = Vec::new();
    for left in &action.budgets {
        let leaves = format!("this would leave {} {} of `{}`", left.left, left.unit, left.id);
        facts.push(fact("Budget", said(&leaves)));
    }
    for limit in &action.limits {
        facts.push(fact("Limit", said(&counted(limit))));
    }
    if !action.pii.is_empty() {
        let kinds = format!("{}: replaced in everything that is kept", action.pii.join(", "));
        facts.push(fact("Found in it", said(&kinds)));
    }
    if !action.reported.is_empty() {
        facts.push(fact("Only the agent says", said(&action.reported.join(", "))));
    }
    for link in &action.delegation {
        let by = link.owner.as_deref().unwrap_or("nobody");
        facts.push(fact("Done for", said(&format!("{} ({by} answers for it)", link.agent))));
    }
    if action.beyond_mandate {
        facts.push(fact("Mandate", said("a grant beyond the agent's mandate was used")));
    }
    facts
}

fn counted(limit: &countersign_api::limits::LimitRead) -> String {
    let unit = limit.unit.as_deref().unwrap_or_default();
    let mut text = format!("`{}`: {} counted before this one", limit.id, limit.counted);
    if let Some(most) = limit.at_most {
        text += &format!(", {most} may");
    }
    if let (Some(sum), Some(most)) = (&limit.sum, &limit.sum_at_most) {
        text += &format!("; they came to {sum} of {most} {unit}");
    }
    if let Some(takes) = &limit.takes {
        text += &format!(", and this adds {takes}");
    }
    if let Some(first) = &limit.repeats {
        text += &format!("; it repeats {first}");
    }
    text
}

fn slots(answer: &ApprovalAnswer) -> Vec<Slot> {
    let slot = |slot: &countersign_api::action::SlotBody| {
        let names = if slot.names.is_empty() {
            messages::THE_ADMINS.to_owned()
        } else {
            slot.names.join(", ")
        };
        Slot {
            asked: said(&format!("{} of {names}", slot.quorum)),
            people: slot.people.iter().map(|person| said(person)).collect(),
            source: said(&slot.source),
        }
    };
    answer.slots.iter().map(slot).collect()
}

fn votes(visit: &Visit, answer: &ApprovalAnswer) -> Vec<Cast> {
    let cast = |vote: &countersign_api::action::VoteBody| Cast {
        user: said(&vote.user),
        verb: said(messages::voted(&vote.verb)),
        tone: messages::tone(&vote.verb),
        at: visit.zone.when(&vote.at),
        comment: vote.comment.as_deref().map(folded),
        not_counted: match (&vote.not_counted, vote.outdated) {
            (Some(why), _) => Some(said(why)),
            (None, true) => Some(said(messages::OUTDATED)),
            (None, false) => None,
        },
        channel: vote.channel.as_deref().map(said),
        self_approved: vote.self_approved,
        signed: vote.signed,
    };
    answer.votes.iter().map(cast).collect()
}

fn decide(visit: &Visit, answer: &ApprovalAnswer, open: bool) -> Decide {
    let me = &visit.who.id;
    let why_not = if !open {
        None
    } else if !visit.may("vote") {
        Some(said(messages::NO_VOTER))
    } else {
        (answer.excluded.get(me)).map(|why| said(&format!("{}: {why}", messages::EXCLUDED)))
    };
    Decide {
        may: open && why_not.is_none() && answer.snapshot.is_some(),
        why_not,
        digest: answer.action_digest.clone(),
        snapshot: answer.snapshot.clone().unwrap_or_default(),
        presentation: answer.presentation_digest.clone().unwrap_or_default(),
        assurance: answer.assurance.clone(),
        editable: (answer.editable.iter())
            .map(|place| Editable {
                place: place.clone(),
                now: match answer.stored.pointer(place) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                },
            })
            .collect(),
        claimed_by_me: answer.claimed_by.as_deref() == Some(me),
        may_break_glass: open && visit.may("break_glass"),
    }
}

async fn vote(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let verb = fields.text("verb");
    let mut body = Map::new();
    for name in ["verb", "action_digest", "snapshot"] {
        body.insert(name.to_owned(), json!(fields.text(name)));
    }
    for name in ["presentation_digest", "comment", "to"] {
        if let Some(text) = fields.given(name) {
            body.insert(name.to_owned(), json!(text));
        }
    }
    if verb == "edit" {
        body.insert("set".to_owned(), Value::Object(changes(&fields)));
    }
    if let Some(missing) = sign::signature(&visit, &id, &fields, &mut body).await? {
        return missing;
    }
    let path = format!("/v1/approvals/{}/votes", Quoted(&id));
    let answer: Result<ApprovalAnswer, Trouble> = visit.post(&path, &body).await;
    match answer {
        Ok(_) => Ok(see_other(&format!("/approvals/{}?done={}", Quoted(&id), Quoted(verb)))),
        Err(trouble) => {
            page(
                &visit,
                &id,
                Some(Failure::of(trouble)?),
                fields.text("comment").to_owned(),
            )
            .await
        }
    }
}

/// Places that are to be other than they were shown.
fn changes(fields: &Fields) -> Map<String, Value> {
    let mut set = Map::new();
    for (place, text) in fields.under("set:") {
        let was = fields.text(&format!("was:{place}"));
        if text == was {
            continue;
        }
        // What was no text is read as what it was.
        let new = match serde_json::from_str::<Value>(was) {
            Ok(Value::String(_)) | Err(_) => json!(text),
            Ok(_) if text.is_empty() => Value::Null,
            Ok(_) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        };
        set.insert(place.to_owned(), new);
    }
    set
}

async fn break_glass(Path(id): Path<String>, Posted { visit, fields }: Posted) -> Page {
    let body = json!({"incident": fields.text("incident"), "reason": fields.text("reason")});
    let answer: Result<Value, Trouble> = visit
        .post(&format!("/v1/approvals/{}/break_glass", Quoted(&id)), &body)
        .await;
    match answer {
        Ok(_) => Ok(see_other(&format!("/approvals/{}?done=break_glass", Quoted(&id)))),
        Err(trouble) => page(&visit, &id, Some(Failure::of(trouble)?), String::new()).await,
    }
}
