//! Calls of AuthZEN's Authorization API.

use Method::{Get, Post};

use super::table::agents_and_keys_of;
use super::{Call, Method, Permission};
use crate::authzen::{AuthzenConfiguration, EvaluationAnswer, EvaluationBody, EvaluationsAnswer, EvaluationsBody};

pub(super) static CALLS: &[Call] = &[
    Call::new("evaluate", Post, "/access/v1/evaluation", agents_and_keys_of("act_for:"))
        .about("Answers one question of AuthZEN's Authorization API 1.0.")
        .idempotent()
        .takes::<EvaluationBody>(
            r#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "resource": {"type": "record", "id": "record-1"}}"#,
        )
        .answers::<EvaluationAnswer>()
        .problems(&[(400, "invalid_evaluation")]),
    Call::new("evaluate_all", Post, "/access/v1/evaluations", agents_and_keys_of("act_for:"))
        .about("Answers several questions of AuthZEN's Authorization API 1.0, in their order.")
        .idempotent()
        .takes::<EvaluationsBody>(
            r#"{"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}, "evaluations": [{"resource": {"type": "record", "id": "record-1"}}]}"#,
        )
        .answers::<EvaluationsAnswer>()
        .problems(&[(400, "invalid_evaluation")]),
    Call::new("authzen", Get, "/.well-known/authzen-configuration", Permission::Anyone)
        .about("Says where AuthZEN's calls are.")
        .answers::<AuthzenConfiguration>(),
];
