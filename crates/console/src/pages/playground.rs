//! The playground: an action is filled in, as an agent would ask for it, and policy says what it would decide and why.
//! Nothing is recorded, reserved or asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::Method;
use axum::routing::get;
use countersign_api::ActionAnswer;
use countersign_api::audit::{DryRunAnswer, TraceBody};
use countersign_api::registry::AgentsAnswer;
use serde_json::json;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::policies::short;
use crate::Console;
use crate::api::body;
use crate::form::Fields;
use crate::messages;
use crate::page::{Chrome, Page, Trouble, show_as};
use crate::said::{Html, folded, said, value};
use crate::visit::{Posted, Visit};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/playground", get(empty).post(tried))
}

/// Agents that are offered by name.
const OFFERED_AT_MOST: usize = 300;
/// Rules that are shown of those that did not speak.
const SILENT_AT_MOST: usize = 100;

/// Fields of the form that are texts of the action.
const TEXTS: [&str; 9] = [
    "agent",
    "action",
    "tool",
    "env",
    "access",
    "amount",
    "currency",
    "principal",
    "run",
];
/// Fields that are JSON.
const JSONS: [&str; 3] = ["args", "evidence", "labels"];

#[derive(Template)]
#[template(path = "playground.html")]
struct Playground {
    chrome: Chrome,
    agents: Vec<String>,
    field: Filled,
    /// The same as JSON.
    json: String,
    by_json: bool,
    result: Option<Outcome>,
    failure: Option<Failure>,
}

/// The form as it was filled in.
#[derive(Default)]
struct Filled {
    agent: String,
    action: String,
    tool: String,
    env: String,
    access: String,
    amount: String,
    currency: String,
    principal: String,
    run: String,
    kind: String,
    id: String,
    args: String,
    evidence: String,
    labels: String,
    confidence: String,
    /// Something behind the fold is filled in.
    more: bool,
}

/// What would be decided.
struct Outcome {
    decision: Html,
    tone: &'static str,
    agent: Html,
    action: Html,
    then: Html,
    reasons: Vec<Reason>,
    terms: Option<Html>,
    notes: Vec<Html>,
    otherwise: Vec<Other>,
    unsearched: bool,
    above: bool,
    spoke: Vec<Rule>,
    silent: Vec<Rule>,
    elsewhere: usize,
    snapshot: Option<(String, String)>,
}

struct Reason {
    decision: Html,
    tone: &'static str,
    message: Html,
    rule: Html,
}

struct Other {
    decision: Html,
    tone: &'static str,
    sentence: Html,
}

struct Rule {
    name: Html,
    place: String,
    asked: Html,
    tone: &'static str,
    why: Html,
    values: Vec<(Html, Html)>,
}

async fn empty(visit: Visit) -> Page {
    // A link may say what to begin with.
    let query = visit.at.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    page(&visit, &fields, String::new(), None, None).await
}

async fn tried(Posted { visit, fields }: Posted) -> Page {
    let by_json = fields.text("verb") == "json";
    let text = if by_json {
        Ok(fields.text("json").to_owned())
    } else {
        written(&fields)
    };
    let text = match text {
        Ok(text) => text,
        Err(wrong) => {
            let failure = Failure::ours(&wrong).hint("write an object such as {\"order\": \"4521\"}");
            return page(&visit, &fields, fields.text("json").to_owned(), None, Some(failure)).await;
        }
    };
    let path = "/v1/actions:explain";
    let answer: Result<DryRunAnswer, Trouble> = visit.ask(Method::POST, path, Some(text.clone().into_bytes())).await;
    match answer {
        Ok(answer) => page(&visit, &fields, text, Some(outcome(&answer)), None).await,
        Err(trouble) => {
            let wrong = Failure::of(trouble)?;
            page(&visit, &fields, text, None, Some(wrong)).await
        }
    }
}

async fn page(visit: &Visit, fields: &Fields, json: String, result: Option<Outcome>, failure: Option<Failure>) -> Page {
    let known: Option<AgentsAnswer> = visit.find("/v1/agents").await?;
    let agents = known.into_iter().flat_map(|known| known.agents).map(|agent| agent.id);
    let text = |name: &str| fields.text(name).to_owned();
    let status = if failure.is_some() { 422 } else { 200 };
    let folded = ["tool", "principal", "run", "access", "evidence", "labels", "confidence"];
    let page = Playground {
        chrome: visit.chrome(),
        agents: agents.take(OFFERED_AT_MOST).collect(),
        field: Filled {
            agent: text("agent"),
            action: text("action"),
            tool: text("tool"),
            env: text("env"),
            access: text("access"),
            amount: text("amount"),
            currency: text("currency"),
            principal: text("principal"),
            run: text("run"),
            kind: text("kind"),
            id: text("id"),
            args: text("args"),
            evidence: text("evidence"),
            labels: text("labels"),
            confidence: text("confidence"),
            more: folded.iter().any(|name| fields.given(name).is_some()),
        },
        json,
        by_json: fields.text("verb") == "json",
        result,
        failure,
    };
    show_as(status, &page)
}

/// The form as the body of an action. What is JSON goes in as it was written, number by number.
fn written(fields: &Fields) -> Result<String, String> {
    let failed = |trouble: Trouble| format!("{trouble:?}");
    let quoted = |text: &str| serde_json::value::to_raw_value(text).map_err(|error| error.to_string());
    let mut members: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
    for name in TEXTS {
        if let Some(text) = fields.given(name) {
            members.insert(name, quoted(text)?);
        }
    }
    if let Some(text) = fields.given("confidence") {
        members.insert("confidence", quoted(text)?);
    }
    for name in JSONS {
        if let Some(text) = fields.given(name) {
            let raw =
                RawValue::from_string(text.to_owned()).map_err(|error| format!("`{name}` is not JSON: {error}"))?;
            members.insert(name, raw);
        }
    }
    let about = [("type", fields.given("kind")), ("id", fields.given("id"))];
    let about: BTreeMap<&str, &str> = about
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect();
    if !about.is_empty() {
        let raw = serde_json::value::to_raw_value(&json!(about)).map_err(|error| error.to_string())?;
        members.insert("resource", raw);
    }
    let bytes = body(&members).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn outcome(answer: &DryRunAnswer) -> Outcome {
    let action = &answer.action;
    let (selected, other): (Vec<&TraceBody>, Vec<&TraceBody>) = answer.rules.iter().partition(|rule| rule.selected);
    let (spoke, silent): (Vec<&TraceBody>, Vec<&TraceBody>) = selected.into_iter().partition(|rule| rule.matched);
    Outcome {
        decision: said(messages::decision(&action.decision)),
        tone: messages::tone(&action.decision),
        agent: said(&action.agent),
        action: said(&action.action),
        then: said(&then(action)),
        reasons: (action.reasons.iter())
            .map(|reason| Reason {
                decision: said(messages::decision(&reason.decision)),
                tone: messages::tone(&reason.decision),
                message: said(&reason.message),
                rule: said(format!("{} {}", reason.document, reason.rule).trim()),
            })
            .collect(),
        terms: (!action.constraints.is_empty()).then(|| value(&json!(action.constraints))),
        notes: notes(action),
        otherwise: (answer.otherwise.iter())
            .map(|other| Other {
                decision: said(messages::decision(&other.decision)),
                tone: messages::tone(&other.decision),
                sentence: said(&other.sentence),
            })
            .collect(),
        unsearched: answer.unsearched,
        above: answer.otherwise.is_empty() && action.reason_code.as_deref() == Some("killed"),
        spoke: spoke.into_iter().map(rule).collect(),
        silent: (silent.into_iter().take(SILENT_AT_MOST).map(rule))
            .map(|silent| Rule {
                tone: "quiet",
                ..silent
            })
            .collect(),
        elsewhere: other.len(),
        snapshot: action.snapshot.as_deref().map(|hash| (hash.to_owned(), short(hash))),
    }
}

/// What the agent would get.
fn then(action: &ActionAnswer) -> String {
    match (action.status.as_str(), action.reason_code.as_deref()) {
        ("permitted", _) => "It would get a permit.".to_owned(),
        ("pending", _) => "People would be asked.".to_owned(),
        (_, Some(code)) => format!("It would be refused: {}.", code.replace('_', " ")),
        _refused => "It would be refused.".to_owned(),
    }
}

/// What else goes into it.
fn notes(action: &ActionAnswer) -> Vec<Html> {
    let mut notes = Vec::new();
    for left in &action.budgets {
        notes.push(format!(
            "this would leave {} {} of budget `{}`",
            left.left, left.unit, left.id
        ));
    }
    for limit in &action.limits {
        let most = limit.at_most.map(|most| format!(", {most} may")).unwrap_or_default();
        notes.push(format!(
            "limit `{}`: {} counted before this one{most}",
            limit.id, limit.counted
        ));
    }
    if !action.pii.is_empty() {
        notes.push(format!(
            "found in it, and replaced in everything that is kept: {}",
            action.pii.join(", ")
        ));
    }
    if !action.reported.is_empty() {
        notes.push(format!("only the agent says: {}", action.reported.join(", ")));
    }
    if action.beyond_mandate {
        notes.push("a grant beyond the agent's mandate would be used".to_owned());
    }
    notes.iter().map(|note| said(note)).collect()
}

fn rule(trace: &TraceBody) -> Rule {
    Rule {
        name: said(format!("{} {}", trace.document, trace.rule).trim()),
        place: format!("line {}", trace.line),
        asked: said(messages::decision(&trace.asked)),
        tone: messages::tone(&trace.asked),
        why: said(&trace.why),
        values: (trace.values.iter())
            .map(|read| (said(&read.path), folded(&read.value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_the_body_of_an_action_number_by_number() {
        let fields = Fields::parse(
            b"agent=bot&action=pay&amount=12.50&kind=invoice&args=%7B%22n%22%3A+12345678901234567890.10%7D&env=+",
        );
        assert_eq!(
            written(&fields),
            Ok(r#"{"action":"pay","agent":"bot","amount":"12.50","args":{"n": 12345678901234567890.10},"resource":{"type":"invoice"}}"#.to_owned())
        );
    }

    #[test]
    fn what_is_no_json_is_named() {
        let wrong = written(&Fields::parse(b"action=pay&args=order"));
        assert!(
            wrong
                .as_ref()
                .is_err_and(|wrong| wrong.starts_with("`args` is not JSON")),
            "{wrong:?}"
        );
    }
}
