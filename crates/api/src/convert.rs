//! From the domain's views to the wire.

use std::collections::BTreeMap;

use countersign_core::Time;
use countersign_core::event::{
    AccountRead, ApprovalStepStarted, DecisionFacts, Link, Mode, Slot, Standing, Status, WindowRead,
};
use countersign_core::policy::verdict::{ConstraintValue, Quorum};
use countersign_core::policy::{AutonomyRules, Decimal, Reason, Value};
use countersign_core::state::{amount_text, missing};
use countersign_core::view::{ActionView, ApprovalView, Revised, StepFact, StepTaken};

use crate::action::{
    ActionAnswer, ApprovalAnswer, ApprovalSummary, LinkBody, OutcomeBody, QuestionBody, ReasonBody, Receipt,
    RemedyBody, SlotBody, StepBody, VoteBody,
};
use crate::autonomy::{ModeWord, StandingAnswer};
use crate::budgets::BudgetLeft;
use crate::limits::LimitRead;
use crate::revisions::RevisionBody;

/// What an answer needs besides the view.
pub struct Rendering<'a> {
    /// Leaf hash of the decision's record.
    pub leaf_hash: String,
    /// The signed token of the permit, if there is one, or the word for why there is none.
    pub permit: Option<Result<String, &'static str>>,
    /// The stored form of what a revised request is about.
    pub revised: Option<serde_json::Value>,
    /// The stored form of the alternative that policy offers.
    pub alternative: Option<serde_json::Value>,
    /// Where this server is reached.
    pub base_url: &'a str,
}

/// Where an agent stands with one operation.
pub fn standing(operation: &str, shown: &Standing, rules: Option<&AutonomyRules>, now: Time) -> StandingAnswer {
    StandingAnswer {
        operation: operation.to_owned(),
        mode: match shown.mode {
            Mode::PreAction => ModeWord::PreAction,
            Mode::PostAction => ModeWord::PostAction,
            Mode::ExceptionOnly => ModeWord::ExceptionOnly,
            Mode::PeriodicBatch => ModeWord::PeriodicBatch,
        },
        since: shown.since.to_string(),
        succeeded: shown.succeeded,
        failed: shown.failed,
        rejected: shown.rejected,
        model: shown.model.map(|model| model.to_string()),
        missing: rules.map_or(Vec::new(), |rules| missing(shown, rules, now)),
    }
}

/// A reason on the wire.
pub fn reason(reason: &Reason) -> ReasonBody {
    ReasonBody {
        code: reason.code.clone(),
        decision: reason.decision.as_str().to_owned(),
        document: reason.document.clone(),
        rule: reason.rule.clone(),
        line: reason.line,
        column: reason.column,
        message: reason.message.clone(),
    }
}

/// Constraints on the wire.
pub fn constraints(constraints: &BTreeMap<String, ConstraintValue>) -> BTreeMap<String, serde_json::Value> {
    let value = |value: &ConstraintValue| match value {
        ConstraintValue::Flag(flag) => (*flag).into(),
        ConstraintValue::Text(text) => text.clone().into(),
        ConstraintValue::List(list) => list.clone().into(),
    };
    constraints
        .iter()
        .map(|(name, constraint)| (name.clone(), value(constraint)))
        .collect()
}

/// An action's answer.
pub fn action(view: &ActionView, rendering: Rendering<'_>) -> ActionAnswer {
    let decision = &view.decision;
    let remedy = decision.remedy.as_ref().map(|remedy| RemedyBody {
        applied: remedy.applied,
        alternative: rendering.alternative.clone().unwrap_or_default(),
        changed: remedy.changed.clone(),
        source: remedy.source.clone(),
        action_digest: remedy.digest.to_string(),
    });
    let (permit, withheld) = match rendering.permit.filter(|_| view.status == Status::Permitted) {
        None => (None, None),
        Some(Ok(token)) => (Some(token), None),
        Some(Err(why)) => (None, Some(why)),
    };
    ActionAnswer {
        id: Some(decision.action_id.to_string()),
        agent: decision.agent.to_string(),
        tool: decision.tool.clone(),
        action: decision.action.clone(),
        decision: decision.decision.as_str().to_owned(),
        status: view.status.as_str().to_owned(),
        reason_code: view.reason_code.clone(),
        reasons: decision.reasons.iter().map(reason).collect(),
        constraints: constraints(view.limits()),
        outputs: view.outputs().clone(),
        snapshot: view.decided_under().map(|hash| hash.to_string()),
        action_digest: view.digest().to_string(),
        permit,
        permit_withheld: withheld.map(str::to_owned),
        approval: view
            .approval
            .as_ref()
            .map(|approval| summary(approval, rendering.base_url)),
        remedy,
        revision: view.revised().map(|revised| RevisionBody {
            action: rendering.revised.clone(),
            ..revision(revised)
        }),
        pii: decision.facts.pii.clone(),
        delegation: chain(&decision.facts),
        reported: decision.reported.clone(),
        beyond_mandate: decision.beyond_mandate,
        budgets: budgets(&decision.facts.budgets),
        limits: limits(&decision.facts.windows),
        decided_at: Some(view.decided_at.to_string()),
        redeemed_at: view.redeemed_at.map(|at| at.to_string()),
        outcome: view.outcome.as_ref().map(|(index, at, outcome)| OutcomeBody {
            status: word(&outcome.status),
            cause: outcome.cause.map(|cause| cause.as_str().to_owned()),
            at: at.to_string(),
            cost: outcome.cost.clone(),
            currency: outcome.currency.clone(),
            violations: outcome.violations.clone(),
            index: *index,
        }),
        receipt: Some(Receipt {
            index: view.seq,
            leaf_hash: rendering.leaf_hash,
        }),
    }
}

/// A change of what a request is about, without the action.
fn revision(revised: &Revised) -> RevisionBody {
    let event = &revised.event;
    RevisionBody {
        revision: event.revision,
        edited_by: event.edited_by.clone(),
        changed: event.changed.clone(),
        action_digest: event.digest.to_string(),
        action: None,
        complete: revised.complete,
        decision: event.decision.as_str().to_owned(),
        reasons: event.reasons.iter().map(reason).collect(),
        needs_second: event.second,
        at: revised.at.to_string(),
        index: revised.seq,
    }
}

/// The agents for which an action is done.
pub fn chain(facts: &DecisionFacts) -> Vec<LinkBody> {
    let link = |link: &Link| LinkBody {
        agent: link.id.to_string(),
        action: link.action_id.to_string(),
        owner: link.agent.get("owner").cloned(),
    };
    facts.delegation.iter().map(link).collect()
}

/// What an action would leave of its budgets.
pub fn budgets(read: &[AccountRead]) -> Vec<BudgetLeft> {
    let left = |read: &AccountRead| {
        let (id, unit) = read.named()?;
        let (left, takes): (Decimal, Decimal) = (read.left.parse().ok()?, read.takes.parse().ok()?);
        Some(BudgetLeft {
            id: id.to_owned(),
            left: amount_text(left - takes, unit),
            unit: unit.to_owned(),
        })
    };
    read.iter().filter_map(left).collect()
}

/// What an action adds to windows of limits.
pub fn limits(read: &[WindowRead]) -> Vec<LimitRead> {
    let one = |read: &WindowRead| LimitRead {
        id: read.limit.to_string(),
        counted: read.counted,
        at_most: read.at_most,
        sum: read.sum.clone(),
        sum_at_most: read.sum_at_most.clone(),
        takes: read.takes.clone(),
        unit: read.unit.clone(),
        room_at: read.room.map(|room| room.to_string()),
        repeats: read.first.map(|first| first.to_string()),
    };
    read.iter().map(one).collect()
}

/// Where a person reads a request and decides.
pub fn approval_url(base_url: &str, approval: &str) -> String {
    page_url(base_url, &format!("/approvals/{approval}"))
}

/// A page of the console. On this machine it has a name: browsers keep sessions and passkeys for names alone.
pub fn page_url(base_url: &str, path: &str) -> String {
    let base = base_url.trim_end_matches('/');
    let named = base
        .strip_prefix("http://127.0.0.1")
        .or_else(|| base.strip_prefix("http://[::1]"));
    match named {
        Some(port) if port.is_empty() || port.starts_with(':') => format!("http://localhost{port}{path}"),
        _ => format!("{base}{path}"),
    }
}

/// Where a person decides by a link of one use.
pub fn link_url(base_url: &str, link: &str, org: &str) -> String {
    format!("{base_url}/v1/links/{link}/{org}")
}

fn summary(approval: &ApprovalView, base_url: &str) -> ApprovalSummary {
    let opened = &approval.opened;
    let mut approvers: Vec<String> = asked_slots(approval).flat_map(|slot| slot.names.clone()).collect();
    approvers.sort();
    approvers.dedup();
    ApprovalSummary {
        id: opened.approval.to_string(),
        state: approval.state.as_str().to_owned(),
        missing: approval.missing.clone(),
        waiting_for: waiting_for(approval),
        unresolved: opened.unresolved.clone(),
        approvers,
        deadline: opened.deadline.to_string(),
        url: approval_url(base_url, &opened.approval.to_string()),
    }
}

fn waiting_for(approval: &ApprovalView) -> String {
    use countersign_core::event::ApprovalState as S;
    match approval.state {
        S::NeedsEvidence => format!("the agent: evidence lacks {}", approval.missing.join(", ")),
        S::Clarifying => "the agent: answer the question".to_owned(),
        S::Pending | S::Held => {
            let slots: Vec<String> = asked_slots(approval).map(slot_words).collect();
            slots.join(" and ")
        }
        S::Approved => "the agent: redeem the permit".to_owned(),
        S::Rejected | S::Expired | S::Cancelled | S::Invalidated | S::Lapsed | S::Consumed => "nobody".to_owned(),
    }
}

/// Slots that are asked now: those of rules, and those of the step of each route that was asked last.
fn asked_slots(approval: &ApprovalView) -> impl Iterator<Item = &Slot> {
    let tracks = (0..).take(approval.opened.tracks.len());
    let steps = tracks.filter_map(|track| {
        let taken = approval.steps.iter().rev().filter(move |taken| taken.track == track);
        taken.filter_map(started).next()
    });
    approval.opened.slots.iter().chain(steps.flat_map(|step| &step.slots))
}

fn started(taken: &StepTaken) -> Option<&ApprovalStepStarted> {
    match &taken.what {
        StepFact::Started(started) => Some(started),
        StepFact::Reminded(_) | StepFact::Passed | StepFact::Held(_) => None,
    }
}

/// What happened on the routes of a request.
fn step(taken: &StepTaken, approval: &ApprovalView) -> StepBody {
    let rules = approval.opened.tracks.get(taken.track as usize);
    let (what, due) = match &taken.what {
        StepFact::Started(started) => (started.reason.as_str(), started.due),
        StepFact::Reminded(due) => ("reminded", Some(*due)),
        StepFact::Passed => ("passed", None),
        StepFact::Held(missed) => ("held", Some(*missed)),
    };
    let started = started(taken);
    StepBody {
        route: rules.map(|rules| rules.route.clone()).unwrap_or_default(),
        step: taken.step + 1,
        what: what.to_owned(),
        at: taken.at.to_string(),
        due: due.map(|due| due.to_string()),
        missed: started
            .and_then(|started| started.missed)
            .map(|missed| missed.to_string()),
        fallback: started.is_some_and(|started| started.fallback),
        slots: started.map_or(Vec::new(), |started| started.slots.iter().map(slot).collect()),
        index: taken.seq,
    }
}

fn slot(slot: &Slot) -> SlotBody {
    SlotBody {
        names: slot.names.clone(),
        people: slot.people.clone(),
        quorum: match slot.quorum {
            Quorum::Any(count) => format!("any {count}"),
            Quorum::All => "all".to_owned(),
        },
        source: slot.source.clone(),
    }
}

fn question(approval: &ApprovalView, comments: &BTreeMap<u64, String>) -> Option<QuestionBody> {
    let (seq, due) = approval.question?;
    let asked = approval.votes.iter().find(|cast| cast.seq == seq)?;
    Some(QuestionBody {
        by: asked.vote.user.clone(),
        text: comments.get(&seq).cloned(),
        due: due.to_string(),
    })
}

fn slot_words(slot: &Slot) -> String {
    let names = if slot.names.is_empty() {
        "an admin".to_owned()
    } else {
        slot.names.join(", ")
    };
    match slot.quorum {
        Quorum::All => format!("one of each of {names}"),
        Quorum::Any(1) => format!("one of {names}"),
        Quorum::Any(count) => format!("{count} of {names}"),
    }
}

/// A request, in full. `comments` are by record index; `stored` is the payload of the decision.
pub fn approval(
    view: &ActionView,
    approval: &ApprovalView,
    action: ActionAnswer,
    stored: serde_json::Value,
    answers: Vec<serde_json::Value>,
    comments: &BTreeMap<u64, String>,
) -> ApprovalAnswer {
    let opened = &approval.opened;
    ApprovalAnswer {
        id: opened.approval.to_string(),
        state: approval.state.as_str().to_owned(),
        action_digest: opened.digest.to_string(),
        snapshot: view.decided_under().map(|hash| hash.to_string()),
        assurance: (opened.tracks.iter())
            .map(|track| track.assurance)
            .filter(|assurance| !assurance.is_low())
            .max()
            .map(|assurance| word(&assurance)),
        presentation_digest: None,
        action,
        stored,
        answers,
        editable: (opened.editable.iter())
            .flat_map(|editable| editable.pointers.iter().cloned())
            .collect(),
        revisions: view.revisions.iter().map(revision).collect(),
        slots: asked_slots(approval).map(slot).collect(),
        steps: approval.steps.iter().map(|taken| step(taken, approval)).collect(),
        question: question(approval, comments),
        claimed_by: approval.claim.as_ref().map(|(by, _)| by.clone()),
        claimed_until: approval.claim.as_ref().map(|(_, until)| until.to_string()),
        excluded: opened
            .excluded
            .iter()
            .map(|out| (out.user.clone(), out.reason.clone()))
            .collect(),
        unresolved: opened.unresolved.clone(),
        missing: approval.missing.clone(),
        votes: (approval.votes.iter())
            .map(|cast| VoteBody {
                user: cast.vote.user.clone(),
                channel: cast.vote.channel.clone(),
                verb: word(&cast.vote.verb),
                at: cast.at.to_string(),
                counted: cast.vote.counted,
                not_counted: cast.vote.not_counted.clone(),
                to: cast.vote.to.clone(),
                comment: comments.get(&cast.seq).cloned(),
                batch: cast.vote.batch.map(|batch| batch.to_string()),
                outdated: cast.outdated,
                self_approved: cast.vote.self_approved,
                signed: cast.vote.assertion.is_some(),
                index: cast.seq,
            })
            .collect(),
        break_glass: approval
            .broken
            .as_ref()
            .map(|(at, index, broken)| crate::glass::BrokenAnswer {
                user: broken.user.clone(),
                at: at.to_string(),
                incident: broken.incident.clone(),
                review: broken.review.to_string(),
                index: *index,
            }),
        opened_at: approval.opened_at.to_string(),
        sla_due: approval.sla_due.to_string(),
        overdue: approval.overdue,
        deadline: opened.deadline.to_string(),
        if_unanswered: crate::unanswered::sentences(approval),
        valid_for_s: opened.valid_for_s,
        why: approval.resolved.as_ref().map(|(_, resolved)| resolved.why.clone()),
        fallback: approval
            .resolved
            .as_ref()
            .and_then(|(_, resolved)| resolved.fallback.clone()),
    }
}

/// The wire name of a word that serializes as text.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// JSON of a domain value.
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => {
            serde_json::from_str(&number.normalize().to_string()).unwrap_or_else(|_| number.to_string().into())
        }
        Value::String(text) => text.clone().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(map) => serde_json::Value::Object(map.iter().map(|(key, item)| (key.clone(), json(item))).collect()),
        Value::Timestamp(micros) => countersign_core::Time(*micros).to_string().into(),
        Value::Duration(micros) => format!("{micros}us").into(),
    }
}
