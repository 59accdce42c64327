//! Calls about policies that are not live: what they would have said, and what they differ in.

use Method::Post;
use Role::{Admin, Auditor, PolicyAuthor};

use super::table::people;
use super::{Call, Method, Permission, Role};
use crate::simulate::{DiffAnswer, DiffBody, SimulateBody, SimulationAnswer};

const TRIERS: Permission = people(&[Admin, Auditor, PolicyAuthor]);

pub(super) static CALLS: &[Call] = &[
    Call::new("simulate_policy", Post, "/v1/policies:simulate", TRIERS)
        .about(
            "Holds recorded decisions against a policy that is not live, a part of the ledger at a time. Nothing is recorded.",
        )
        .takes::<SimulateBody>(
            r#"{"snapshot": "sha256:0000000000000000000000000000000000000000000000000000000000000000", "since": "2026-10-27T00:00:00Z"}"#,
        )
        .answers::<SimulationAnswer>()
        .problems(&[
            (404, "not_found"),
            (409, "no_policy"),
            (422, "policy_invalid"),
            (429, "simulation_running"),
        ]),
    Call::new("diff_policies", Post, "/v1/policies:diff", TRIERS)
        .about("Says in sentences what is different in a policy.")
        .takes::<DiffBody>(
            r#"{"snapshot": "sha256:0000000000000000000000000000000000000000000000000000000000000000", "against": "live"}"#,
        )
        .answers::<DiffAnswer>()
        .problems(&[(404, "not_found"), (409, "no_policy"), (422, "policy_invalid")]),
];
