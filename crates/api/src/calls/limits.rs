//! Calls about limits: budgets.

use Method::Get;

use super::params::{id, path, with_slashes};
use super::table::{READERS, people};
use super::{Call, Method};
use crate::budgets::{BudgetAnswer, BudgetsAnswer};

pub(super) static CALLS: &[Call] = &[
    Call::new("budgets", Get, "/v1/budgets", people(READERS))
        .about("Lists budgets of the live policy, each with its fullest account.")
        .answers::<BudgetsAnswer>(),
    Call::new("budget", Get, "/v1/budgets/{id}", people(READERS))
        .about("Shows a budget with its fullest accounts, and which limit would be usual.")
        .with(&[with_slashes(path("id", "The budget.", id))])
        .answers::<BudgetAnswer>(),
];
