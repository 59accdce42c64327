//! Calls about runs.

use Method::{Get, Post};
use Permission::Those;
use serde_json::json;

use super::params::{flag, index, page, path, query, word};
use super::table::{READERS, RUNNERS, agents_or, people};
use super::{Call, Method, Param, Permission, Role};
use crate::operations::DoneAnswer;
use crate::runs::{EndRunBody, NewRunBody, ReplayAnswer, ReplayBody, RunAnswer, RunsAnswer, SayBody};

const STARTERS: Permission = Those {
    agents: true,
    roles: RUNNERS,
    scope: Some("act_for:"),
};
const RUN: Param = path("id", "The run, as actions name it.", word);

pub(super) static CALLS: &[Call] = &[
    Call::new("start_run", Post, "/v1/runs", STARTERS)
        .about("Starts a run. Actions name it as their `run`.")
        .idempotent()
        .takes::<NewRunBody>(concat!(
            r#"{"trigger": "person", "context": {"ticket": "4521", "request": "refund of a late parcel"}, "#,
            r#""traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#
        ))
        .creates::<RunAnswer>()
        .problems(&[(403, "not_your_agent"), (409, "too_many_runs"), (422, "invalid_id")]),
    Call::new("runs", Get, "/v1/runs", people(READERS))
        .about("Lists runs that were started, newest first.")
        .with(&[
            query("agent", "Only runs in which this agent acts.", word),
            query(
                "trigger",
                "Only what this set off.",
                || json!({ "type": "string", "enum": ["agent", "event", "person", "schedule"] }),
            ),
            query("open", "Only those that are open, or only those that are over.", flag),
            query(
                "cursor",
                "`next_cursor` of the page before.",
                || json!({ "type": "string", "pattern": "^[0-9]{1,15}$" }),
            ),
            query("limit", "How many at most; 50 when left out.", || page(500)),
            query(
                "min_seq",
                "Wait up to a second until the list covers this record.",
                index,
            ),
        ])
        .answers::<RunsAnswer>(),
    Call::new("run", Get, "/v1/runs/{id}", agents_or(READERS))
        .about("Shows a run: what set it off, its actions as a tree, approvals, cost, what it came to, notes.")
        .with(&[RUN])
        .answers::<RunAnswer>(),
    Call::new("end_run", Post, "/v1/runs/{id}/end", STARTERS)
        .about("Ends a run, and says what it came to.")
        .idempotent()
        .with(&[RUN])
        .takes::<EndRunBody>(r#"{"status": "succeeded", "output": {"refunded": "340"}}"#)
        .answers::<RunAnswer>()
        .problems(&[(403, "not_your_agent"), (409, "run_ended")]),
    Call::new(
        "give_input",
        Post,
        "/v1/runs/{id}/input",
        people(&[Role::Admin, Role::Operator, Role::Reviewer]),
    )
    .about("Notes what a person says to the agents of a run: from here on they are about what that person wants.")
    .idempotent()
    .with(&[RUN])
    .takes::<SayBody>(r#"{"text": "I have read the page that you found; go on"}"#)
    .answers::<DoneAnswer>()
    .problems(&[(409, "run_ended")]),
    Call::new(
        "note_run",
        Post,
        "/v1/runs/{id}/notes",
        people(&[Role::Admin, Role::Auditor, Role::Operator, Role::Reviewer]),
    )
    .about("Notes something about a run, for other people.")
    .idempotent()
    .with(&[RUN])
    .takes::<SayBody>(r#"{"text": "took three tries; the prompt names the wrong queue"}"#)
    .answers::<DoneAnswer>(),
    Call::new("replay_run", Post, "/v1/runs/{id}/replay", people(READERS))
        .about("Says what another policy would have decided in a run. Nothing is recorded.")
        .with(&[RUN])
        .takes::<ReplayBody>(
            r#"{"snapshot": "sha256:0000000000000000000000000000000000000000000000000000000000000001"}"#,
        )
        .answers::<ReplayAnswer>()
        .problems(&[(422, "policy_invalid")]),
];
