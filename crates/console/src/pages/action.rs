//! One action: what an agent wanted, what policy said and why, where its permit stands, and what came of it.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use countersign_api::action::{ActionAnswer, ReasonBody};
use countersign_api::audit::{ExplainAnswer, TraceBody};
use countersign_api::timeline::TimelineAnswer;
use serde_json::{Value, json};

use crate::Console;
use crate::api::Quoted;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show};
use crate::said::{Html, said, value};
use crate::visit::Visit;
use crate::when::When;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/actions/{id}", get(action))
}

#[derive(Template)]
#[template(path = "action.html")]
struct Action {
    chrome: Chrome,
    id: String,
    operation: Html,
    agent: Html,
    decision: Html,
    tone: &'static str,
    status: Html,
    status_tone: &'static str,
    reason: Option<Html>,
    decided: Option<When>,
    index: Option<u64>,
    approval: Option<String>,
    reasons: Vec<Reason>,
    facts: Vec<(&'static str, Html)>,
    permit: Vec<(&'static str, Html)>,
    outcome: Vec<(&'static str, Html)>,
    answers: Vec<(Html, Html)>,
    rules: Vec<Rule>,
    otherwise: Vec<Html>,
    unsearched: bool,
    /// Why policy cannot be asked again.
    unexplained: Option<Html>,
}

struct Reason {
    decision: Html,
    tone: &'static str,
    message: Html,
    rule: Html,
}

struct Rule {
    name: Html,
    line: u32,
    selected: bool,
    matched: bool,
    why: Html,
    values: Vec<(Html, Html)>,
}

async fn action(visit: Visit, Path(id): Path<String>) -> Page {
    let path = format!("/v1/actions/{}", Quoted(&id));
    let answer: ActionAnswer = visit.get(&path).await?;
    let explained: Result<ExplainAnswer, Trouble> = visit.post(&format!("{path}/explain"), &json!({})).await;
    let (explained, unexplained) = match explained {
        Ok(explained) => (Some(explained), None),
        Err(trouble) => (None, Some(said(&trouble.into_say()?.detail))),
    };
    let timeline: Option<TimelineAnswer> = match &answer.approval {
        Some(approval) => {
            visit
                .find(&format!("/v1/approvals/{}/timeline", Quoted(&approval.id)))
                .await?
        }
        None => None,
    };
    let questions = timeline.map(|timeline| timeline.questions).unwrap_or_default();
    show(&Action {
        chrome: visit.chrome(),
        id,
        operation: said(&answer.action),
        agent: said(&answer.agent),
        decision: said(messages::decision(&answer.decision)),
        tone: messages::tone(&answer.decision),
        status: said(&answer.status),
        status_tone: messages::tone(&answer.status),
        reason: answer.reason_code.as_deref().map(|code| said(&code.replace('_', " "))),
        decided: answer.decided_at.as_deref().map(|at| visit.zone.when(at)),
        index: answer.receipt.as_ref().map(|receipt| receipt.index),
        approval: answer.approval.as_ref().map(|approval| approval.id.clone()),
        reasons: answer.reasons.iter().map(reason).collect(),
        facts: facts(&answer),
        permit: permit(&visit, &answer),
        outcome: outcome(&visit, &answer),
        answers: (questions.iter())
            .map(|known| (said(&known.question), said(&known.answer)))
            .collect(),
        rules: (explained.iter().flat_map(|explained| &explained.rules))
            .map(rule)
            .collect(),
        otherwise: (explained.iter().flat_map(|explained| &explained.otherwise))
            .map(|other| said(&other.sentence))
            .collect(),
        unsearched: explained.is_some_and(|explained| explained.unsearched),
        unexplained,
    })
}

fn reason(reason: &ReasonBody) -> Reason {
    Reason {
        decision: said(messages::decision(&reason.decision)),
        tone: messages::tone(&reason.decision),
        message: said(&reason.message),
        rule: said(&messages::rule(&reason.document, &reason.rule)),
    }
}

fn rule(trace: &TraceBody) -> Rule {
    Rule {
        name: said(&messages::rule(&trace.document, &trace.rule)),
        line: trace.line,
        selected: trace.selected,
        matched: trace.matched,
        why: said(&trace.why),
        values: (trace.values.iter())
            .map(|read| (said(&read.path), said(&read.value)))
            .collect(),
    }
}

fn facts(answer: &ActionAnswer) -> Vec<(&'static str, Html)> {
    let mut facts = Vec::new();
    if let Some(tool) = answer.tool.as_ref().filter(|tool| **tool != answer.action) {
        facts.push(("Tool", said(tool)));
    }
    for link in &answer.delegation {
        facts.push(("For", said(&format!("{}, by {}", link.agent, link.action))));
    }
    if answer.beyond_mandate {
        facts.push(("Mandate", said("a grant beyond it was used")));
    }
    if !answer.pii.is_empty() {
        facts.push(("Replaced in what is kept", said(&answer.pii.join(", "))));
    }
    if !answer.reported.is_empty() {
        facts.push(("Only the agent says", said(&answer.reported.join(", "))));
    }
    if let Some(remedy) = &answer.remedy {
        facts.push(("Safer action", value(&remedy.alternative)));
    }
    for left in &answer.budgets {
        facts.push((
            "Budget",
            said(&format!("{}: {} {} left with it", left.id, left.left, left.unit)),
        ));
    }
    if let Some(snapshot) = &answer.snapshot {
        facts.push(("Policy", said(snapshot)));
    }
    facts.push(("Digest", said(&answer.action_digest)));
    facts
}

fn permit(visit: &Visit, answer: &ActionAnswer) -> Vec<(&'static str, Html)> {
    let mut facts = Vec::new();
    let stands = match (answer.status.as_str(), &answer.redeemed_at, &answer.permit_withheld) {
        ("permitted", Some(at), _) => {
            facts.push(("Used", Html::of_ours(visit.zone.when(at).to_string())));
            "used"
        }
        ("permitted", None, Some(_)) => "given, and cannot be made again: the data of the action is gone",
        ("permitted", None, None) => "given, and not used yet",
        ("pending", _, _) => "none yet: people are asked",
        (_, _, _) => "none",
    };
    facts.insert(0, ("Permit", said(stands)));
    for (name, limit) in &answer.constraints {
        facts.push(("Only within", said(&format!("{name}: {}", plain(limit)))));
    }
    facts
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn outcome(visit: &Visit, answer: &ActionAnswer) -> Vec<(&'static str, Html)> {
    let Some(outcome) = &answer.outcome else {
        return Vec::new();
    };
    let mut facts = vec![
        ("What came of it", said(&outcome.status)),
        ("Reported", Html::of_ours(visit.zone.when(&outcome.at).to_string())),
    ];
    if let Some(cause) = &outcome.cause {
        facts.push(("Why", said(&cause.replace('_', " "))));
    }
    if let Some(cost) = &outcome.cost {
        let cost = format!("{cost} {}", outcome.currency.as_deref().unwrap_or_default());
        facts.push(("Cost", said(cost.trim())));
    }
    if !outcome.violations.is_empty() {
        facts.push(("Broke", said(&outcome.violations.join(", "))));
    }
    facts
}
