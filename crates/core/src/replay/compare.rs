//! Holding a record against what follows from its inputs, field by field.

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use super::Difference;
use crate::event::{ApprovalOpened, ApprovalRevised, DecisionMade};

/// The JSON text of a value.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Adds a difference where there is one.
pub(super) fn field(what: &str, recorded: &impl Serialize, recomputed: &impl Serialize, into: &mut Vec<Difference>) {
    let (recorded, recomputed) = (text(recorded), text(recomputed));
    if recorded != recomputed {
        into.push(Difference {
            what: what.to_owned(),
            recorded,
            recomputed,
        });
    }
}

/// Where two decisions part. Salts, which only records of earlier versions hold, and digests of alternatives are made with
/// a key that stays with the server; what they are digests of is compared as part of the payload.
pub(super) fn decisions(recorded: &DecisionMade, follows: &DecisionMade) -> Vec<Difference> {
    let mut follows = follows.clone();
    follows.salt.clone_from(&recorded.salt);
    // That no agent wanted it follows from nothing; what would have been decided does.
    follows.practice = recorded.practice;
    if follows.beside.is_none() {
        // What an agent has read by the catalogue of a policy that is not asked again is more than by the one that decided.
        let is_more = follows.reads.iter().all(|label| recorded.reads.contains(label));
        if recorded.beside.is_some() && is_more {
            follows.reads.clone_from(&recorded.reads);
        }
        // What another policy says of it was not asked again: parts of the action were not kept, or that policy.
        follows.beside.clone_from(&recorded.beside);
    }
    // Records of earlier versions do not say these.
    if recorded.classes.is_empty() {
        follows.classes.clear();
    }
    if recorded.run.is_none() {
        follows.run = None;
    }
    if recorded.team.is_none() {
        follows.team = None;
    }
    // Records of earlier versions do not say how much is drawn, and within what time somebody looks.
    let said = |acts_in: &crate::event::ActsIn| acts_in.share.or(acts_in.within_s.map(|_| 0)).is_some();
    if let (Some(ours), Some(theirs)) = (&mut follows.acts_in, &recorded.acts_in)
        && !said(theirs)
        && !theirs.stated
    {
        (ours.share, ours.within_s) = (None, None);
    }
    // Records of earlier versions do not state it.
    follows.attempt = follows.attempt.filter(|_| recorded.attempt.is_some());
    if let (Some(ours), Some(theirs)) = (&mut follows.remedy, &recorded.remedy) {
        ours.digest = theirs.digest;
    }
    if follows == *recorded {
        return Vec::new();
    }
    fields("", recorded, &follows)
}

/// Where two requests to people part. What records of earlier versions do not say, they are not held to: who asked by
/// which credential, and which separation of duties a route has. Whom that kept from deciding is compared as `excluded`.
pub(super) fn requests(recorded: &ApprovalOpened, follows: &ApprovalOpened) -> Vec<Difference> {
    let mut follows = follows.clone();
    if recorded.requester.is_none() {
        follows.requester = None;
    }
    for (ours, theirs) in follows.tracks.iter_mut().zip(&recorded.tracks) {
        if theirs.separation.is_empty() {
            ours.separation.clear();
        }
    }
    if follows == *recorded {
        return Vec::new();
    }
    fields("approval.opened: ", recorded, &follows)
}

/// Where two revisions part.
pub(super) fn revisions(recorded: &ApprovalRevised, follows: &ApprovalRevised) -> Vec<Difference> {
    fields("", recorded, follows)
}

fn fields(prefix: &str, recorded: &impl Serialize, follows: &impl Serialize) -> Vec<Difference> {
    let object = |value: Result<Value, serde_json::Error>| match value {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let (recorded, follows) = (
        object(serde_json::to_value(recorded)),
        object(serde_json::to_value(follows)),
    );
    let mut names: Vec<&String> = recorded.keys().chain(follows.keys()).collect();
    names.sort();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        field(
            &format!("{prefix}{name}"),
            &recorded.get(name),
            &follows.get(name),
            &mut differences,
        );
    }
    differences
}

/// The rule that speaks first: `document#rule`, or the name of what speaks without a document.
pub(super) fn rule(decision: &DecisionMade) -> String {
    match decision.reasons.first() {
        None => String::new(),
        Some(reason) if !reason.document.is_empty() => format!("{}#{}", reason.document, reason.rule),
        Some(reason) if !reason.rule.is_empty() => reason.rule.clone(),
        Some(reason) => reason.code.clone(),
    }
}

/// Whether this was decided without a look at the action: nothing of it that is missing could change that.
pub(super) fn needs_no_action(decision: &DecisionMade) -> bool {
    decision.reasons.first().is_some_and(|reason| {
        matches!(reason.rule.as_str(), "no_policy" | "kill_switch")
            || (reason.document.is_empty() && matches!(reason.code.as_str(), "unregistered" | "quarantined"))
    })
}
