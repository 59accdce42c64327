//! AuthZEN's Authorization API: the same decisions, asked and answered in its words.
//!
//! An agent that asks for itself gets a decision as by `POST /v1/actions`: recorded, and with a permit where it is permitted.
//! Whoever asks about an agent gets to know what would be decided; nothing is recorded, and nothing is permitted.

use std::collections::BTreeMap;

use countersign_api::ActionAnswer;
use countersign_api::authzen::{
    AuthzenConfiguration, EvaluationAnswer, EvaluationContext, EvaluationError, EvaluationsAnswer, EvaluationsBody,
    MOST_EVALUATIONS, Question, Semantic, question, with_defaults,
};
use countersign_core::policy::{Value, json::to_json};
use countersign_engine::{Caller, Request};

use super::handlers;
use crate::authorize::Visitor;
use crate::body;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "evaluate" => Caller evaluate,
    "evaluate_all" => Caller evaluate_all,
    "authzen" => Visitor authzen,
}

async fn authzen(asked: Asked<Visitor>) -> Answer {
    let base = asked.app.engine.base_url();
    json(&AuthzenConfiguration {
        policy_decision_point: base.to_owned(),
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
    })
}

async fn evaluate(asked: Asked<Caller>) -> Answer {
    let members = members(&asked)?;
    let request = asked.request();
    let (answer, replayed) = one(&asked, &members, request.idempotency_key).await?;
    Ok(json(&answer)?.replayed(replayed))
}

async fn evaluate_all(asked: Asked<Caller>) -> Answer {
    let members = members(&asked)?;
    let typed: EvaluationsBody =
        serde_json::from_slice(asked.bytes()).map_err(|error| bad(&body::clip(&error.to_string(), 300)))?;
    let request = asked.request();
    let questions = match members.get("evaluations") {
        Some(Value::List(questions)) if !questions.is_empty() => questions.as_slice(),
        _ => {
            let (answer, replayed) = one(&asked, &members, request.idempotency_key).await?;
            let answer = EvaluationsAnswer {
                decision: Some(answer.decision),
                context: Some(answer.context),
                evaluations: None,
            };
            return Ok(json(&answer)?.replayed(replayed));
        }
    };
    if questions.len() > MOST_EVALUATIONS {
        return Err(bad(&format!("`evaluations` has at most {MOST_EVALUATIONS} members")));
    }
    let semantic = typed
        .options
        .and_then(|options| options.evaluations_semantic)
        .unwrap_or_default();
    let mut answers = Vec::with_capacity(questions.len());
    for (at, asked_for) in questions.iter().enumerate() {
        let Value::Map(asked_for) = asked_for else {
            return Err(bad("a member of `evaluations` is not an object"));
        };
        let key = request.idempotency_key.map(|key| format!("{key}/{at}"));
        let mut answer = match one(&asked, &with_defaults(asked_for, &members), key.as_deref()).await {
            Ok((answer, _)) => answer,
            Err(problem) if problem.status >= 500 => return Err(problem),
            Err(problem) => failed(&problem),
        };
        let (last, word) = match semantic {
            Semantic::ExecuteAll => (false, ""),
            Semantic::DenyOnFirstDeny => (!answer.decision, "deny_on_first_deny"),
            Semantic::PermitOnFirstPermit => (answer.decision, "permit_on_first_permit"),
        };
        if last && !answer.decision {
            answer.context.reason.get_or_insert(word.to_owned());
        }
        answers.push(answer);
        if last {
            break;
        }
    }
    json(&EvaluationsAnswer {
        evaluations: Some(answers),
        ..EvaluationsAnswer::default()
    })
}

/// The members of the body, with their exact numbers.
fn members(asked: &Asked<Caller>) -> Result<BTreeMap<String, Value>, Problem> {
    match countersign_engine::parse_body(asked.bytes()).map_err(Problem::from)? {
        Value::Map(members) => Ok(members),
        _ => Err(bad("the body has to be a JSON object")),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(400, "invalid_evaluation", detail)
        .hint("`docs/api.md` says what a question has; so does AuthZEN's specification")
}

fn failed(problem: &Problem) -> EvaluationAnswer {
    let error = EvaluationError {
        status: problem.status,
        message: problem.detail.clone(),
    };
    EvaluationAnswer {
        decision: false,
        context: EvaluationContext {
            error: Some(error),
            ..EvaluationContext::default()
        },
    }
}

/// The answer to one question, and whether it is a repetition.
async fn one(
    asked: &Asked<Caller>,
    members: &BTreeMap<String, Value>,
    key: Option<&str>,
) -> Result<(EvaluationAnswer, bool), Problem> {
    let question = question(members).map_err(|why| bad(&why))?;
    let own = asked.caller.agent();
    let itself = own.is_some_and(|own| question.agent.as_ref().is_none_or(|agent| **agent == *own));
    let body = action(&question);
    if question.dry_run || !itself {
        let decided = asked.app.engine.dry_run(&asked.caller, &body).await?;
        return Ok((answer(decided, &question), false));
    }
    if !question.understands_constraints {
        // A permission whose constraints nobody keeps to is none, so it is not given out in the first place.
        let expected = asked.app.engine.dry_run(&asked.caller, &body).await?;
        if expected.status == "permitted" && !expected.constraints.is_empty() {
            return Ok((answer(expected, &question), false));
        }
    }
    let request = Request {
        caller: &asked.caller,
        route: asked.route(),
        idempotency_key: key,
        body: &body,
    };
    let (decided, replayed) = asked.app.engine.decide(&request).await?;
    Ok((answer(decided, &question), replayed))
}

/// The question as the body of an action.
fn action(question: &Question) -> Vec<u8> {
    let mut action = question.action.clone();
    if let Some(agent) = &question.agent {
        action.insert("agent".to_owned(), Value::String(agent.clone()));
    }
    let mut text = String::new();
    to_json(&Value::Map(action), &mut text);
    text.into_bytes()
}

/// Why what is permitted is not what was asked, or not any more. An answer that is repeated tells what became of the action
/// meanwhile: people may have changed it, and its permit may have been used.
fn not_as_asked(decided: &ActionAnswer) -> Option<&'static str> {
    if decided.revision.is_some() {
        return Some("revised");
    }
    if decided.remedy.as_ref().is_some_and(|remedy| remedy.applied) {
        return Some("remedied");
    }
    // A dry run has neither an id nor a permit.
    if decided.id.is_some() && decided.redeemed_at.is_some() {
        return Some("already_redeemed");
    }
    (decided.id.is_some() && decided.permit.is_none()).then_some("permit_withheld")
}

fn answer(mut decided: ActionAnswer, question: &Question) -> EvaluationAnswer {
    let permitted = decided.status == "permitted";
    let bound = permitted && !decided.constraints.is_empty() && !question.understands_constraints;
    let other = permitted.then(|| not_as_asked(&decided)).flatten();
    let reason = match decided.status.as_str() {
        _ if bound => Some("constraints".to_owned()),
        "permitted" => other.map(str::to_owned),
        "pending" => Some("approval_required".to_owned()),
        _ => Some(decided.reason_code.clone().unwrap_or_else(|| "denied".to_owned())),
    };
    if bound {
        decided.permit = None;
    }
    EvaluationAnswer {
        decision: permitted && !bound && other.is_none(),
        context: EvaluationContext {
            countersign: Some(Box::new(decided)),
            reason,
            error: None,
        },
    }
}
