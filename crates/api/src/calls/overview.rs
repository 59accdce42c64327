//! The calls about everything at a glance.

use Method::Get;

use super::params::{page, query};
use super::table::{READERS, people};
use super::{Call, Method};
use crate::kpis::KpisAnswer;
use crate::overview::OverviewAnswer;

pub(super) static CALLS: &[Call] = &[
    Call::new("overview", Get, "/v1/overview", people(READERS))
        .about("Shows what goes on at a glance: decisions by the hour, rules that asked and denied, requests that wait, agents, the ledger.")
        .with(&[query("days", "The last so many days; 14 when left out.", || page(14))])
        .answers::<OverviewAnswer>(),
    Call::new("kpis", Get, "/v1/kpis", people(READERS))
        .about("Tells key figures, each with its unit, its window and what it is of, and, up to seven days, the same of the window before.")
        .with(&[query("days", "The last so many days; 7 when left out.", || page(14))])
        .answers::<KpisAnswer>(),
];
