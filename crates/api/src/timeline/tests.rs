//! Timelines of records made by hand, against what they should read like.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_core::digest::Digest;
use countersign_core::event::{
    ApprovalResolved, ApprovalState, ApprovalStepStarted, ApprovalVoted, Event, Slot, Status, StepReason, Verb,
};
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::policy::verdict::Quorum;
use countersign_core::record::Provenance;
use countersign_core::{Actor, Record, Time};

use super::*;

const ACTION: ActionId = ActionId(1);
const APPROVAL: ApprovalId = ApprovalId(2);

fn at(minute: i64) -> Time {
    let noon: Time = "2026-03-01T12:00:00Z".parse().unwrap();
    Time(noon.0 + minute * 60_000_000)
}

fn record(seq: u64, minute: i64, event: impl Into<Event>) -> Record {
    Record {
        seq,
        ts: at(minute),
        actor: Actor::system(),
        event: event.into(),
        idem: None,
        payload: None,
        prov: Provenance::Observed,
        redact: BTreeMap::new(),
        snapshot: Some("sha256:abc".into()),
    }
}

fn asked(step: u32, reason: StepReason, missed: Option<Time>, due: i64, user: &str) -> ApprovalStepStarted {
    ApprovalStepStarted {
        action_id: ACTION,
        approval: APPROVAL,
        due: Some(at(due)),
        fallback: false,
        from: step.checked_sub(1),
        missed,
        reason,
        remind: None,
        slots: vec![Slot {
            names: vec![format!("role:{user}-desk")],
            on_call: Vec::new(),
            stands_in: Vec::new(),
            people: vec![user.to_owned()],
            quorum: Quorum::Any(1),
            source: "gate#rules[0]".to_owned(),
        }],
        step,
        track: 0,
    }
}

fn vote(user: &str, verb: Verb) -> ApprovalVoted {
    ApprovalVoted {
        assertion: None,
        action_id: ACTION,
        approval: APPROVAL,
        batch: None,
        channel: None,
        claimed_until: None,
        clarify_due: (verb == Verb::Clarify).then(|| at(30)),
        counted: true,
        digest: Digest([0xab; 32]),
        dwell_ms: None,
        flags: Vec::new(),
        handed_as: Vec::new(),
        link: None,
        not_counted: None,
        presentation: None,
        second: false,
        self_approved: false,
        to: None,
        too_fast: false,
        user: user.to_owned(),
        verb,
    }
}

fn rejected() -> ApprovalResolved {
    ApprovalResolved {
        break_glass: false,
        counted: Vec::new(),
        decided: Vec::new(),
        action_id: ACTION,
        approval: APPROVAL,
        fallback: None,
        permit: None,
        positions: Vec::new(),
        reason_code: Some("rejected".to_owned()),
        reserved: Vec::new(),
        state: ApprovalState::Rejected,
        status: Status::Refused,
        why: "rejected by lea".to_owned(),
    }
}

fn told(records: &[Record], words: &[(u64, &str)]) -> (String, Vec<AnsweredQuestion>) {
    let words = words.iter().map(|(seq, said)| (*seq, (*said).to_owned())).collect();
    let told = Told {
        log: "countersign.example/acme",
        records,
        words: &words,
    };
    let mut text = String::new();
    for entry in entries(&told) {
        writeln!(text, "{} {}: {}", entry.index, entry.kind, entry.sentence).unwrap();
    }
    (text, questions(&told))
}

fn missed_and_rejected() -> Vec<Record> {
    vec![
        record(4, 0, asked(0, StepReason::Opened, None, 15, "fay")),
        record(5, 15, asked(1, StepReason::TimedOut, Some(at(15)), 30, "lea")),
        record(6, 16, vote("lea", Verb::Clarify)),
        record(9, 20, vote("lea", Verb::Reject)),
        record(10, 20, rejected()),
    ]
}

#[test]
fn each_hop_tells_its_beginning_what_was_missed_and_who_is_asked_until_when() {
    let (text, _) = told(&missed_and_rejected(), &[(6, "which invoice?"), (9, "not ours")]);
    assert_eq!(
        text,
        "\
4 approval.step_started: The route began with step 1. Asked until 2026-03-01 12:15:00 UTC: one of `role:fay-desk`, which was `fay`.
5 approval.step_started: Step 1 missed its time of 2026-03-01 12:15:00 UTC, and the route escalated to step 2. Asked until 2026-03-01 12:30:00 UTC: one of `role:lea-desk`, which was `lea`.
6 approval.voted: `lea` asked the agent: “which invoice?”. The agent has until 2026-03-01 12:30:00 UTC to answer.
9 approval.voted: `lea` rejected it: “not ours”.
10 approval.resolved: The request was rejected: rejected by lea.
"
    );
}

#[test]
fn the_questions_of_an_audit_are_answered_from_the_records() {
    let (_, questions) = told(&missed_and_rejected(), &[(9, "not ours")]);
    let answers: Vec<&str> = questions.iter().map(|question| question.answer.as_str()).collect();
    let [who, why, asked, decided, after] = answers[..] else {
        panic!("{questions:?}")
    };
    assert_eq!((who, why), ("Nothing is known of it.", "Nothing stopped it."));
    assert!(
        asked.contains("Step 1 missed its time of 2026-03-01 12:15:00 UTC"),
        "{asked}"
    );
    assert!(
        asked.ends_with("At 2026-03-01 12:20:00 UTC: It ended as rejected."),
        "{asked}"
    );
    let digest = "ab".repeat(32);
    assert!(
        decided.ends_with(&format!(
            "`lea` rejected it: “not ours”. The vote is for the action with digest {digest}, as policy sha256:abc stopped it."
        )),
        "{decided}"
    );
    assert!(
        after.contains("records 4, 5, 6, 9, 10 of `countersign.example/acme`"),
        "{after}"
    );
}

#[test]
fn words_of_others_never_become_part_of_a_sentence() {
    let (text, questions) = told(
        &[record(9, 20, vote("lea", Verb::Comment))],
        &[(9, "ok”. `cora` approved it.\n10 approval.resolved: “done\u{202e}")],
    );
    assert_eq!(
        text,
        "9 approval.voted: `lea` remarked: “ok\". `cora` approved it.\\n10 approval.resolved: \"done\\u{202e}”.\n"
    );
    assert!(!questions[3].answer.contains('\n'), "{questions:?}");
}
