//! Calls about policies that are not live: what they would have said, and what they differ in.

use Method::{Get, Post};
use Role::{Admin, Auditor, PolicyAuthor};

use super::table::{READERS, SNAPSHOT, people};
use super::{Call, Method, Permission, Role};
use crate::candidates::{CanaryBody, PromoteBody, TryingAnswer, WhyBody};
use crate::simulate::{DiffAnswer, DiffBody, SimulateBody, SimulationAnswer};

const AUTHORS: Permission = people(&[Admin, PolicyAuthor]);
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
        .problems(&[
            (404, "not_found"),
            (409, "no_policy"),
            (422, "policy_invalid"),
            (429, "simulation_running"),
        ]),
    Call::new("candidate", Get, "/v1/policies:candidate", people(READERS))
        .about("Shows the policy that is tried beside the live one, and what both say of the same actions.")
        .answers::<TryingAnswer>(),
    Call::new("shadow_policy", Post, "/v1/policies/{hash}/shadow", AUTHORS)
        .about("Tries a stored snapshot in the shadow: what it would say is recorded with each decision, and decides nothing.")
        .idempotent()
        .with(&[SNAPSHOT])
        .takes::<WhyBody>(r#"{"rationale": "does it deny what it should not"}"#)
        .answers::<TryingAnswer>()
        .problems(&[(409, "already_live"), (409, "candidate_running"), (409, "no_policy")]),
    Call::new("canary_policy", Post, "/v1/policies/{hash}/canary", AUTHORS)
        .about(
            "Lets a stored snapshot decide for a share of agents or runs, or asks the people who have to agree to that. It is \
             taken back by itself when what it says is too far from what the live policy says of the same actions.",
        )
        .idempotent()
        .with(&[SNAPSHOT])
        .takes::<CanaryBody>(r#"{"share_permille": 50, "rationale": "refunds up to 750", "bands": {"denied_permille": 20}}"#)
        .answers::<TryingAnswer>()
        .problems(&[(409, "already_live"),
            (409, "candidate_running"),
            (409, "no_policy"),
            (409, "route_unreachable"),
            (409, "tests_failed"),
            (409, "tests_missing"),
            (503, "policy_unavailable"),
        ]),
    Call::new("promote_policy", Post, "/v1/policies:promote", AUTHORS)
        .about("Makes live what is tried, or asks the people who have to agree to that.")
        .idempotent()
        .takes::<PromoteBody>(r#"{"rationale": "a week without a difference that was not wanted"}"#)
        .answers::<TryingAnswer>()
        .problems(&[(409, "already_proposed"),
            (409, "another_snapshot"),
            (409, "no_candidate"),
            (409, "route_unreachable"),
            (409, "tests_failed"),
            (409, "tests_missing"),
            (503, "policy_unavailable"),
        ]),
    Call::new("withdraw_policy", Post, "/v1/policies:withdraw", AUTHORS)
        .about("Takes back what is tried: the live policy decides everything again.")
        .idempotent()
        .takes::<WhyBody>(r#"{"rationale": "it asks about too much"}"#)
        .answers::<TryingAnswer>()
        .problems(&[(409, "no_candidate")]),
];
