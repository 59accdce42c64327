//! The words of the console that are not in a template: names of places, states and verbs, and what was done.

mod governed;

pub(crate) use governed::*;

/// A place in the navigation.
pub(crate) struct Place {
    pub href: &'static str,
    pub label: &'static str,
    /// Pressed after `g`.
    pub key: char,
    /// The call of the API that it cannot do without: whoever may not make it does not see the place.
    pub call: &'static str,
    /// Other paths that belong to it.
    pub with: &'static [&'static str],
}

/// The places, in order.
pub(crate) const NAVIGATION: &[Place] = &[
    place("/inbox", "Inbox", 'i', "approvals", &["/approvals"]),
    place("/overview", "Overview", 'o', "overview", &[]),
    place("/agents", "Agents", 'a', "agents", &[]),
    place("/tools", "Tools", 't', "tools", &[]),
    place("/runs", "Runs", 'r', "runs", &[]),
    place("/budgets", "Budgets", 'b', "budgets", &["/limits"]),
    place("/kill", "Stop", 'k', "kills", &[]),
    place("/policies", "Policies", 'p', "policy_history", &[]),
    place("/playground", "Playground", 'y', "explain_dry_run", &[]),
    place("/schedules", "Schedules", 's', "schedules", &[]),
    place("/audit", "Audit", 'u', "audit", &["/actions"]),
    place("/callbacks", "Callbacks", 'c', "callbacks", &[]),
    place("/settings", "Settings", 'e', "whoami", &[]),
];

const fn place(
    href: &'static str,
    label: &'static str,
    key: char,
    call: &'static str,
    with: &'static [&'static str],
) -> Place {
    Place {
        href,
        label,
        key,
        call,
        with,
    }
}

pub(crate) const FORGED: &str = "This form is not from here";
pub(crate) const FORGED_DETAIL: &str = "Nothing was done: the form did not come from a page of this console, or the page was opened before you signed in. Go \
     back, load the page again and repeat it.";
pub(crate) const TOO_LARGE: &str = "That is too much at once";
pub(crate) const TOO_LARGE_DETAIL: &str = "Nothing was done: the form is larger than the console takes.";
pub(crate) const MISSING: &str = "There is no such page";
pub(crate) const MISSING_DETAIL: &str = "What was here may have ended, or the address is mistyped.";
pub(crate) const FAILED: &str = "Something went wrong on our side";
pub(crate) const FAILED_DETAIL: &str =
    "Nothing is known to have happened. Read the state again before you repeat it; the server's log says more.";

pub(crate) const THE_ADMINS: &str = "the admins";
pub(crate) const OUTDATED: &str = "it was for what was asked before the change";
pub(crate) const NO_VOTER: &str = "Only people with the role reviewer or admin decide.";
pub(crate) const SIGN_APPROVE: &str = "Approve";
pub(crate) const SIGN_EDIT: &str = "Approve less";
pub(crate) const NO_PASSKEY: &str = "This route takes approvals that a passkey has signed, and you have none.";
pub(crate) const NO_PASSKEY_HINT: &str = "Add one in Settings, then decide. Rejecting takes none.";
pub(crate) const EXCLUDED: &str = "You may not decide this one";

/// What stands in place of data that nobody may read, and what that means.
pub(crate) const GONE: [(&str, &str); 2] = [
    ("$erased", "its data was erased"),
    ("$restricted", "its data is to be erased, and nobody reads it any more"),
];

pub(crate) const UNSURE: &str = "Nothing was done: it takes the tick that you are sure.";
pub(crate) const NO_REASON: &str = "Nothing was done: it takes a reason, in a few words.";

/// What a page before has done, by the code that it passed on.
pub(crate) fn done(code: &str) -> Option<&'static str> {
    Some(match code {
        "approve" => "You approved it. Your vote is on record.",
        "reject" => "You rejected it. Your vote is on record.",
        "edit" => "You approved it with your changes. Your vote is on record.",
        "abstain" => "You abstained. Your vote is on record.",
        "comment" => "Your remark is on record.",
        "clarify" => "The agent has been asked.",
        "hand_over" => "Your colleague has the place now.",
        "claim" => "You are on it: nobody else decides for ten minutes.",
        "release" => "You are no longer on it.",
        "break_glass" => "It went through at once. Somebody else has to review it.",
        "batch" => "Your votes are on record.",
        "cancel" => "The request is withdrawn.",
        "agent_activated" => "It is active now.",
        "agent_described" => "What is known of it is on record.",
        "agent_paused" => "It is paused: it gets no permit and uses none.",
        "agent_resumed" => "It may go on.",
        "circuit_closed" => "The circuit is closed: what it is about is let through again.",
        "killed" => "It is stopped.",
        "mode_set" => "From now on it is looked at like that.",
        "noted" => "Your note is on record.",
        "release_asked" => "You asked for the release. Somebody else has to confirm it.",
        "released" => "It is released. Agents ask anew for what they want.",
        "tool_approved" => "The tool is approved as it is now.",
        "change_profile" => "It is saved. Pages tell times in this zone from now on.",
        "password" => "Your password is set.",
        "add_passkey" => "The passkey was added.",
        "remove_passkey" => "The passkey was removed.",
        "end_session" => "That session has ended.",
        "change_person" => "The person was changed.",
        "remove_person" => "The person was removed, and every key and session of theirs has ended.",
        "revoke_key" => "The key is revoked.",
        "restore" => "That person may do it again.",
        "remove_receiver" => "The receiver was removed.",
        "register_channel" => "The channel was registered. Try it.",
        "remove_channel" => "The channel was removed.",
        "resend" => "It is sent again.",
        "acknowledge" => "You have taken note of it.",
        "signed_out" => "You are signed out.",
        "oidc_failed" => "The identity provider did not sign you in, or nobody here has the id that it knows you by.",
        "stored" => "It is stored, and decides nothing until it is made live.",
        "activated" => "It is live.",
        "activated_gaps" => "It is live. In its schedules nobody is on at times: look at Schedules.",
        "proposed" => "Others have to agree first. They are asked.",
        "rolled_back" => "What was live before decides again.",
        "shadow" => "It is asked beside what is live, and decides nothing.",
        "canary" => "It decides for its share.",
        "taken_back" => "It is taken back: what is live decides everything.",
        "not_tried" => "Nothing was done: it is not tried any more.",
        "waived" => "It may become live though its tests do not show that it is right. That is on record.",
        "agreed" => "You agreed. Others have to as well.",
        "agreed_last" => "You agreed, and nobody else has to.",
        "disagreed" => "You rejected it. What is live stays live.",
        "absent" => "The absence is recorded.",
        "there_again" => "The absence is over.",
        "swapped" => "The override is recorded.",
        "as_before" => "The override is over: the schedule holds again.",
        _ => return None,
    })
}

pub(crate) const NOT_THE_SAME: &str = "The two are not the same. Nothing was changed.";
pub(crate) const TYPE_THE_NAME: &str = "Nothing was done: what you typed is not the id.";
pub(crate) const API_KEY: &str = "API key";
pub(crate) const INVITATION: &str = "Invitation";
pub(crate) const PERSON_ADDED: &str = "A person was added";
pub(crate) const KEY_OF_PERSON: &str =
    "The key is for programs and for the command line. Whoever has it is that person to Countersign.";
pub(crate) const INVITED: &str = "An invitation";
pub(crate) const INVITATION_NOTE: &str = "Send it to that person alone, by a way that you trust: whoever opens it first signs in as that person. It is good once, for a day.";
pub(crate) const KEY_ISSUED: &str = "A key was issued";
pub(crate) const KEY_NOTE: &str =
    "Give it to whoever it is for by a way that you trust. Countersign keeps only its hash.";
pub(crate) const RECEIVER_REGISTERED: &str = "A receiver was registered";
pub(crate) const CHANNEL_REGISTERED: &str = "A channel was registered";
pub(crate) const SIGNING_SECRET: &str = "Secret that signs what is sent";
pub(crate) const SIGNING_NOTE: &str = "The receiver checks the signature of each message with it.";
pub(crate) const REMOVE_RECEIVER: &str = "Remove this receiver?";
pub(crate) const RECEIVER_REMOVED: &str = "It is told nothing any more, and what has not arrived is not tried again.";
pub(crate) const REMOVE_CHANNEL: &str = "Remove this channel?";
pub(crate) const CHANNEL_REMOVED: &str = "Nobody is told by it any more; what was on its way through it is dropped.";
pub(crate) const NO_MOMENT: &str = "A time is written as 2026-11-27, or 2026-11-27 14:00.";
pub(crate) const NO_TARGET: &str = "Say whose key it is to be: an agent or a person, and not both.";

/// Roles: the word of the API, the name, and what it lets a person do.
pub(crate) const ROLES: &[(&str, &str, &str)] = &[
    ("admin", "Admin", "everything: people, keys, channels, erasure"),
    (
        "operator",
        "Operator",
        "agents and their keys, kill switches, alerts, callbacks",
    ),
    ("policy_author", "Policy author", "policies: upload, try, make live"),
    ("reviewer", "Reviewer", "decides on requests"),
    ("auditor", "Auditor", "reads everything, the ledger too"),
    ("viewer", "Viewer", "reads what is going on"),
];

/// The name of a role.
pub(crate) fn role_name(word: &str) -> &'static str {
    let known = ROLES.iter().find(|(role, _, _)| *role == word);
    known.map_or("another role", |(_, name, _)| name)
}

/// What a role lets a person do.
pub(crate) fn role(word: &str) -> &'static str {
    let known = ROLES.iter().find(|(role, _, _)| *role == word);
    known.map_or("what another role may", |(_, _, may)| may)
}

/// How somebody signed in.
pub(crate) fn signed_in(how: &str) -> &'static str {
    match how {
        "password" => "password",
        "key" => "API key",
        "invitation" => "invitation",
        "oidc" => "identity provider",
        _ => "another way",
    }
}

/// What is conspicuous about somebody's votes.
pub(crate) fn flag(word: &str) -> &'static str {
    match word {
        "canary" => "approved a canary",
        "dwell" => "reads too short",
        "pace" => "too many an hour",
        "share" => "decides too much alone",
        "streak" => "approves without end",
        _ => "something else",
    }
}

/// A rule of a document, or what spoke where none did.
pub(crate) fn rule(document: &str, rule: &str) -> String {
    match (document, rule) {
        ("", "no_rule_allows") => "no rule allows it".to_owned(),
        ("", "") => "no rule".to_owned(),
        ("", code) => code.replace('_', " "),
        (document, rule) => format!("{document} {rule}"),
    }
}

/// What a kill switch stops.
pub(crate) fn killed(scope: &str, name: &str) -> String {
    match scope {
        "organization" => "everything".to_owned(),
        other => format!("{other} {name}"),
    }
}

/// Decisions of policy.
pub(crate) const DECISIONS: [&str; 5] = [
    "allow",
    "allow_with_constraints",
    "remediate",
    "require_approval",
    "deny",
];

/// A decision of policy, for people.
pub(crate) fn decision(word: &str) -> &str {
    match word {
        "allow" => "allowed",
        "deny" => "denied",
        "require_approval" => "needs approval",
        "allow_with_constraints" => "allowed within limits",
        "remediate" => "safer action offered",
        other => other,
    }
}

/// The state of a request, for people.
pub(crate) fn state(word: &str) -> &str {
    match word {
        "needs_evidence" => "waits for evidence",
        "pending" => "waits for a decision",
        "clarifying" => "the agent was asked",
        "held" => "held: nobody decided in time",
        "consumed" => "approved and used",
        "lapsed" => "approved, not used in time",
        other => other,
    }
}

/// A vote, as something that a person did.
pub(crate) fn voted(verb: &str) -> &str {
    match verb {
        "approve" => "approved",
        "reject" => "rejected",
        "edit" => "approved with changes",
        "abstain" => "abstained",
        "comment" => "remarked",
        "clarify" => "asked the agent",
        "hand_over" => "handed over",
        "claim" => "is on it",
        "release" => "is no longer on it",
        other => other,
    }
}

/// What somebody did with a version of the policy.
pub(crate) fn policy_step(what: &str) -> &'static str {
    match what {
        "uploaded" => "stored",
        "waived" => "let the tests pass of",
        "proposed" => "asked people to agree to",
        "agreed" => "agreed to",
        "rejected" => "rejected",
        "declined" => "dropped",
        "activated" => "made live",
        "rolled_back" => "returned to",
        "shadow" => "tried in the shadow",
        "canary" => "let decide for a share",
        "promoted" => "ended the trial, by making it live, of",
        "halted" => "took back by itself",
        "withdrawn" => "took back",
        "ended" => "ended the trial of",
        _ => "did something with",
    }
}

/// The tone in which a state, decision or status is shown.
pub(crate) fn tone(word: &str) -> &'static str {
    match word {
        "allow" | "approved" | "approve" | "consumed" | "permitted" | "succeeded" | "live" | "active" | "ready"
        | "edit" => "good",
        "deny" | "rejected" | "reject" | "expired" | "refused" | "failed" | "killed" | "stopped" | "exhausted"
        | "invalidated" | "dead" => "bad",
        "require_approval"
        | "pending"
        | "clarifying"
        | "needs_evidence"
        | "held"
        | "allow_with_constraints"
        | "remediate"
        | "paused"
        | "quarantined"
        | "seen"
        | "told"
        | "changed"
        | "idle"
        | "warning"
        | "canary"
        | "shadow" => "warn",
        _ => "quiet",
    }
}
