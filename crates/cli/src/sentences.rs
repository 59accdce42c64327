//! The five questions of an audit, answered for one action in sentences.

use countersign_api::{ActionAnswer, ApprovalAnswer};
use countersign_client::Client;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// Question and answer.
pub(crate) type Sentence = (&'static str, String);

/// Answers the five questions about an action.
pub(crate) async fn of(client: &Client, id: &str) -> Result<Vec<Sentence>> {
    let action = client.action(id, 0).await?;
    let receipt = action
        .receipt
        .as_ref()
        .ok_or_else(|| Failure::unreachable("the action has no record"))?;
    let page = client
        .text(&format!("/v1/audit/records?from={}&limit=1", receipt.index))
        .await?;
    let record: Value = serde_json::from_str(page.trim_end())
        .map_err(|error| Failure::unreachable(format!("record {} cannot be read: {error}", receipt.index)))?;
    let approval = match &action.approval {
        Some(approval) => Some(client.approval(&approval.id).await?),
        None => None,
    };
    Ok(vec![
        ("Who started it?", who(&action, &record)),
        ("What was decided, and why?", decided(&action)),
        ("Was an approval needed, and who gave it?", approved(approval.as_ref())),
        ("What ran, and within which limits?", ran(&action)),
        ("Where is the evidence?", evidence(&action, &record)),
    ])
}

fn who(action: &ActionAnswer, record: &Value) -> String {
    let actor = record.get("actor").cloned().unwrap_or_default();
    let verified = actor.get("verified") == Some(&Value::Bool(true));
    let proof = if verified {
        "proven by its own key"
    } else {
        "named by somebody else's key, not proven"
    };
    let data = record.get("data").cloned().unwrap_or_default();
    let field = |name: &str| data.get(name).and_then(Value::as_str);
    let tool = action
        .tool
        .as_ref()
        .map(|tool| format!(" with `{tool}`"))
        .unwrap_or_default();
    let money = match (field("amount"), field("currency")) {
        (Some(amount), Some(currency)) => format!(", {amount} {currency}"),
        (Some(amount), None) => format!(", {amount}"),
        (None, _) => String::new(),
    };
    let when = action.decided_at.as_deref().unwrap_or("an unknown time");
    format!(
        "Agent `{}` ({proof}) asked for `{}`{tool}{money}, at {when}.",
        action.agent, action.action
    )
}

fn decided(action: &ActionAnswer) -> String {
    let what = match action.decision.as_str() {
        "allow" => "Policy allowed it",
        "allow_with_constraints" => "Policy allowed it within limits",
        "require_approval" => "Policy demanded that a person decide",
        "remediate" => "Policy offered a safer action instead",
        _ => "Policy denied it",
    };
    let reasons: Vec<String> = action
        .reasons
        .iter()
        .map(|reason| {
            let place = match (reason.document.as_str(), reason.line) {
                ("", _) | (_, 0) => String::new(),
                (document, line) => format!(" (`{document}`, {}, line {line})", reason.rule),
            };
            format!("{}{place}", reason.message)
        })
        .collect();
    let why = if reasons.is_empty() {
        "no rule spoke".to_owned()
    } else {
        reasons.join("; ")
    };
    let snapshot = action.snapshot.as_deref().unwrap_or("no policy");
    format!("{what}: {why}. The policy was {snapshot}.")
}

fn approved(approval: Option<&ApprovalAnswer>) -> String {
    let Some(approval) = approval else {
        return "No approval was needed.".to_owned();
    };
    let votes: Vec<String> = approval
        .votes
        .iter()
        .map(|vote| {
            let counted = if vote.counted { "" } else { " (did not count)" };
            let comment = vote
                .comment
                .as_ref()
                .map(|comment| format!(", saying “{comment}”"))
                .unwrap_or_default();
            format!("`{}` voted {} at {}{comment}{counted}", vote.user, vote.verb, vote.at)
        })
        .collect();
    let votes = if votes.is_empty() {
        "nobody has voted".to_owned()
    } else {
        votes.join("; ")
    };
    let end = approval
        .why
        .as_ref()
        .map(|why| format!(" It ended: {why}."))
        .unwrap_or_default();
    format!("Yes, request {} is {}: {votes}.{end}", approval.id, approval.state)
}

fn ran(action: &ActionAnswer) -> String {
    let limits: Vec<String> = action
        .constraints
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name} {value}")
        })
        .collect();
    let limits = if limits.is_empty() {
        "no limits".to_owned()
    } else {
        format!("limits {}", limits.join(", "))
    };
    let used = match (&action.redeemed_at, action.status.as_str()) {
        (Some(at), _) => format!("The permit was used once, at {at}, with {limits}"),
        (None, "permitted") => format!("The permit, with {limits}, has not been used"),
        (None, "pending") => "Nothing ran: it waits for a decision".to_owned(),
        (None, _) => {
            let code = action.reason_code.as_deref().unwrap_or("denied");
            format!("Nothing was permitted to run ({code})")
        }
    };
    let outcome = match &action.outcome {
        Some(outcome) => {
            let cost = match (&outcome.cost, &outcome.currency) {
                (Some(cost), Some(currency)) => format!(", at a cost of {cost} {currency}"),
                (Some(_) | None, _) => String::new(),
            };
            let broken = if outcome.violations.is_empty() {
                String::new()
            } else {
                format!("; it broke {}", outcome.violations.join(", "))
            };
            format!(
                "; the agent reported `{}` at {}{cost}{broken}",
                outcome.status, outcome.at
            )
        }
        None if action.redeemed_at.is_some() => "; no outcome was reported yet".to_owned(),
        None => String::new(),
    };
    format!("{used}{outcome}.")
}

fn evidence(action: &ActionAnswer, record: &Value) -> String {
    let (index, leaf) = action
        .receipt
        .as_ref()
        .map_or((0, ""), |receipt| (receipt.index, receipt.leaf_hash.as_str()));
    let log = record.get("log").and_then(Value::as_str).unwrap_or("the log");
    format!(
        "Record {index} of `{log}`, leaf hash {leaf}; `countersign audit export` writes it with proofs that anybody can verify."
    )
}
