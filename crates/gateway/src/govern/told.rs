//! What an agent is told of a ruling: what happened, why, and what it can do.

use countersign_api::ActionAnswer;
use countersign_client::ClientError;
use serde_json::{Value, json};

use super::Ruling;

/// The decision as programs read it in `_meta`.
pub(super) fn decision(answer: &ActionAnswer) -> Value {
    json!({
        "action": answer.id,
        "decision": answer.decision,
        "status": answer.status,
        "reason_code": answer.reason_code,
        "reasons": answer.reasons,
        "constraints": answer.constraints,
        "snapshot": answer.snapshot,
        "approval": answer.approval.as_ref().map(|approval| json!({
            "id": approval.id, "state": approval.state, "url": approval.url, "deadline": approval.deadline,
        })),
        "remedy": answer.remedy,
        "revision": answer.revision,
    })
}

fn because(answer: &ActionAnswer) -> String {
    let decisive: Vec<&str> = answer
        .reasons
        .iter()
        .filter(|reason| reason.decision == answer.decision)
        .map(|reason| reason.message.as_str())
        .collect();
    decisive.join("; ")
}

pub(super) fn refused(answer: &ActionAnswer, decision: Value) -> Ruling {
    let code = answer.reason_code.as_deref().unwrap_or("denied");
    let why = because(answer);
    let head = match code {
        "denied" => "Denied by policy".to_owned(),
        "rejected" => "A reviewer rejected this".to_owned(),
        "expired" => "Nobody decided in time".to_owned(),
        "killed" => "Stopped by a kill switch".to_owned(),
        "remedy_offered" => "Not this way".to_owned(),
        other => format!("Refused ({other})"),
    };
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    let instead = match &answer.remedy {
        Some(remedy) => format!(
            " Policy offers this instead: {}.",
            remedy.alternative.get("args").unwrap_or(&remedy.alternative)
        ),
        None => String::new(),
    };
    let id = answer.id.as_deref().unwrap_or("no id");
    Ruling::Refused {
        sentence: format!("{head}{why}. Nothing was run.{instead} Do not repeat the call as it is. (decision {id})"),
        decision,
    }
}

pub(super) fn waiting(answer: &ActionAnswer, kept: bool) -> String {
    let Some(approval) = &answer.approval else {
        return "PENDING. Nothing was run. Call the same tool again with identical arguments later.".to_owned();
    };
    let why = because(answer);
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(" because {why}")
    };
    if approval.state == "needs_evidence" {
        return format!(
            "PENDING approval {}: evidence is missing ({}), so nobody has been asked yet. Nothing was run.",
            approval.id,
            approval.missing.join(", ")
        );
    }
    let again = if kept {
        "Call the same tool again with identical arguments once it is approved"
    } else {
        "It could not be remembered here, so a later call asks again"
    };
    format!(
        "PENDING approval {}: {} has to decide{why}, by {}. Nothing was run. {again}. {}",
        approval.id, approval.waiting_for, approval.deadline, approval.url
    )
}

pub(super) fn unusable(answer: &ActionAnswer) -> Ruling {
    Ruling::Refused {
        sentence: format!(
            "The answer of the governing server cannot be used (status `{}`{}). Nothing was run.",
            answer.status,
            answer
                .permit_withheld
                .as_ref()
                .map(|why| format!(", permit withheld: {why}"))
                .unwrap_or_default()
        ),
        decision: decision(answer),
    }
}

/// Its permit was used before: by an identical call, or by a process that ended before it told.
pub(super) fn used_before() -> Ruling {
    Ruling::Refused {
        sentence: "This call was repeated, and has run already. Nothing was run now.".to_owned(),
        decision: json!({ "status": "refused", "reason_code": "already_redeemed" }),
    }
}

/// Its arguments lead to what no tool is to reach, and did not when it was asked about.
pub(super) fn leads_elsewhere(decision: Value) -> Ruling {
    Ruling::Refused {
        sentence: "Its arguments lead elsewhere now than when it was asked for: by a link that is another one, or where there \
                   was nothing. Nothing was run. Ask for it anew."
            .to_owned(),
        decision,
    }
}

/// It was changed while people decided, to something of which not all is kept: nobody here can run that.
pub(super) fn changed_out_of_sight(answer: &ActionAnswer, decision: Value) -> Ruling {
    let id = answer.id.as_deref().unwrap_or("no id");
    Ruling::Refused {
        sentence: format!(
            "What was approved is not this call any more: it was changed while people decided, and parts of it are not \
             kept. Nothing was run. Whoever changed it has to run it, or it is asked for anew. (decision {id})"
        ),
        decision,
    }
}

pub(super) fn failed(error: &ClientError) -> Ruling {
    let hint = match error {
        ClientError::Problem(problem) => problem
            .hint
            .as_deref()
            .unwrap_or("nothing can run until this is mended"),
        ClientError::Setup(_) | ClientError::Unreachable { .. } | ClientError::Unreadable { .. } => {
            "without a decision nothing runs; tell the person who operates it"
        }
    };
    Ruling::Refused {
        sentence: format!("Not decided: {error}. Nothing was run; {hint}."),
        decision: json!({ "status": "refused", "reason_code": error.code().unwrap_or("unreachable") }),
    }
}
