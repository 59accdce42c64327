//! Calls about limits: budgets, and how often something may be done.

use Method::{Get, Post};

use super::params::{id, path, query, with_slashes, word};
use super::table::{READERS, RUNNERS, people};
use super::{Call, Method, Param};
use crate::budgets::{BudgetAnswer, BudgetsAnswer};
use crate::limits::{CloseCircuitAnswer, CloseCircuitBody, LimitAnswer, LimitsAnswer};

pub(super) static CALLS: &[Call] = &[
    Call::new("budgets", Get, "/v1/budgets", people(READERS))
        .about("Lists budgets of the live policy, each with its fullest account.")
        .answers::<BudgetsAnswer>(),
    Call::new("budget", Get, "/v1/budgets/{id}", people(READERS))
        .about("Shows a budget with its fullest accounts, and which limit would be usual.")
        .with(&[with_slashes(path("id", "The budget.", id))])
        .answers::<BudgetAnswer>(),
    Call::new("limits", Get, "/v1/limits", people(READERS))
        .about(
            "Lists limits of the live policy, each with its fullest window, or with the windows that are looked for.",
        )
        .with(&[AGENT, VALUE])
        .answers::<LimitsAnswer>(),
    Call::new("limit", Get, "/v1/limits/{id}", people(READERS))
        .about("Shows a limit with its fullest windows.")
        .with(&[with_slashes(path("id", "The limit.", id)), AGENT, VALUE])
        .answers::<LimitAnswer>(),
    Call::new("close_circuit", Post, "/v1/limits:close_circuit", people(RUNNERS))
        .about("Closes a circuit that failures have opened: what it is about is let through again.")
        .idempotent()
        .takes::<CloseCircuitBody>(
            r#"{"limit": "crm-down", "circuit": "agent:sales,tool:crm/read", "reason": "the vendor mended it"}"#,
        )
        .answers::<CloseCircuitAnswer>()
        .problems(&[(404, "not_found")]),
];

const AGENT: Param = query("agent", "Windows of this agent, and those that it opened.", word);
const VALUE: Param = query(
    "value",
    "Windows that one value of the actions tells apart, of this value: a customer, an account.",
    word,
);
