//! What a record means in OCSF's words: activity, severity, status, and what was done about it.

use crate::entry::Entry;

/// An OCSF id with its caption.
pub(super) type Named = (u64, &'static str);

const CREATE: Named = (1, "Create");
const UPDATE: Named = (3, "Update");
const DELETE: Named = (4, "Delete");

/// The activity of a type of record. What is no change of a thing that Countersign keeps is `Other`.
pub(super) fn activity(kind: &str) -> Named {
    match kind {
        "absence.recorded"
        | "agent.registered"
        | "agent.sighted"
        | "authenticator.added"
        | "callback.registered"
        | "channel.registered"
        | "credential.stored"
        | "epoch.opened"
        | "hold.placed"
        | "key.issued"
        | "ledger.opened"
        | "override.recorded"
        | "snapshot.uploaded"
        | "user.added" => CREATE,
        "hold.released" | "key.rotated" | "kill.engaged" | "kill.released" | "snapshot.activated"
        | "subject.restricted" => UPDATE,
        "absence.withdrawn"
        | "callback.removed"
        | "channel.removed"
        | "credential.removed"
        | "authenticator.removed"
        | "key.revoked"
        | "ledger.pruned"
        | "organization.closed"
        | "override.withdrawn"
        | "payloads.destroyed"
        | "subject.erased"
        | "user.removed" => DELETE,
        _ => (99, "Other"),
    }
}

/// How much a person should care.
pub(super) fn severity(entry: &Entry) -> Named {
    match entry.kind() {
        "epoch.opened" | "glass.broken" | "kill.engaged" => (4, "High"),
        "alert.raised" | "clock.jumped" | "permit.refused" | "refusals.repeated" => (3, "Medium"),
        "agent.sighted" | "approval.overdue" | "credential.released" => (2, "Low"),
        _ if matches!(entry.text("data.status"), Some("refused" | "failed")) => (2, "Low"),
        _ => (1, "Informational"),
    }
}

/// How it ended.
pub(super) fn status(entry: &Entry) -> Named {
    match (entry.kind(), entry.text("data.status")) {
        ("permit.refused" | "refusals.repeated", _) | (_, Some("refused" | "failed")) => (2, "Failure"),
        (_, Some("pending")) => (99, "Pending"),
        (_, Some("unknown")) => (0, "Unknown"),
        _ => (1, "Success"),
    }
}

/// What was done about it: profile `security_control`.
pub(super) struct Control {
    pub(super) action: Named,
    pub(super) disposition: Named,
}

const ALLOWED: Named = (1, "Allowed");
const DENIED: Named = (2, "Denied");
const MODIFIED: Named = (4, "Modified");
const BLOCKED: Named = (2, "Blocked");

/// Only of records that allow or stop something.
pub(super) fn control(entry: &Entry) -> Option<Control> {
    let of = |action, disposition| Some(Control { action, disposition });
    match entry.kind() {
        "decision.made" => match (entry.text("data.decision"), entry.text("data.status")) {
            (_, Some("pending")) => of((99, "Held"), (14, "Delayed")),
            (Some("remediate"), Some("permitted")) => of(MODIFIED, (11, "Corrected")),
            (_, Some("permitted")) => of(ALLOWED, ALLOWED),
            (_, _) => of(DENIED, BLOCKED),
        },
        "approval.resolved" => match entry.text("data.state") {
            Some("approved") => of(ALLOWED, (8, "Approved")),
            Some("rejected") => of(DENIED, (25, "Rejected")),
            Some("consumed") => None,
            Some(_) | None => of(DENIED, BLOCKED),
        },
        "permit.redeemed" => of(ALLOWED, ALLOWED),
        "permit.refused" => of(DENIED, BLOCKED),
        _ => None,
    }
}
