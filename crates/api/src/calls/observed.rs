//! Calls about what was seen elsewhere, and about how governance fails.

use Method::{Get, Post};

use super::table::{READERS, RUNNERS, people};
use super::{Call, Method};
use crate::observed::{CoverageAnswer, GovernanceAnswer, ObservedAnswer, ObservedBody};

pub(super) static CALLS: &[Call] = &[
    Call::new("observe", Post, "/v1/observed", people(RUNNERS))
        .about("Tells calls of tools that were seen elsewhere. What is told again counts once.")
        .idempotent()
        .takes::<ObservedBody>(concat!(
            r#"{"source": "egress-proxy", "calls": [{"id": 1041, "at": "2026-11-27T09:00:00Z", "agent": "sales-copilot", "#,
            r#""tool": "crm/read", "count": 3}]}"#
        ))
        .answers::<ObservedAnswer>()
        .problems(&[
            (409, "too_many_sources"),
            (422, "ids_not_rising"),
            (422, "invalid_id"),
            (422, "invalid_value"),
        ]),
    Call::new("coverage", Get, "/v1/coverage", people(READERS))
        .about("Tells what of the calls that were seen elsewhere is governed, by agent and tool.")
        .answers::<CoverageAnswer>(),
    Call::new("governance_health", Get, "/v1/health/governance", people(READERS))
        .about("Tells of seven ways in which governance fails what there is of each now.")
        .answers::<GovernanceAnswer>(),
];
