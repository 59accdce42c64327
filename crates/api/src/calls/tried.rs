//! Calls that try something: actions that nobody asks for, policies that are not live. And what became of policies, and who
//! is on in their schedules.

use Method::{Get, Post};
use Role::{Admin, Auditor, PolicyAuthor};

use super::params::{page, query};
use super::table::{DECIDES, READERS, SNAPSHOT, people};
use super::{Call, Method, Permission, Role};
use crate::action::{ActionAnswer, ActionBody};
use crate::audit::DryRunAnswer;
use crate::candidates::{CanaryBody, PromoteBody, TryingAnswer, WhyBody};
use crate::organization::SchedulesAnswer;
use crate::policies::PolicyHistoryAnswer;
use crate::simulate::{DiffAnswer, DiffBody, SimulateBody, SimulationAnswer};

const AUTHORS: Permission = people(&[Admin, PolicyAuthor]);
const TRIERS: Permission = people(&[Admin, Auditor, PolicyAuthor]);
/// An agent for itself; whoever writes policy for an agent that they name.
const IMAGINERS: Permission = Permission::Those {
    agents: true,
    roles: &[Admin, PolicyAuthor],
    scope: Some("act_for:"),
};

pub(super) static CALLS: &[Call] = &[
    Call::new("dry_run", Post, "/v1/actions:dry_run", IMAGINERS)
        .about(
            "Says what would be decided: to an agent for itself, to whoever writes policy for the `agent` that they name. \
             Nothing is recorded, reserved or asked.",
        )
        .takes::<ActionBody>(r#"{"action": "send_email"}"#)
        .answers::<ActionAnswer>()
        .problems(DECIDES),
    Call::new("explain_dry_run", Post, "/v1/actions:explain", IMAGINERS)
        .about(
            "Says what would be decided, with every rule that was looked at, why it matched or not, and what would change the \
             answer. Nothing is recorded, reserved or asked.",
        )
        .takes::<ActionBody>(r#"{"action": "issue_refund", "amount": "340", "currency": "USD", "args": {"order": "4521"}}"#)
        .answers::<DryRunAnswer>()
        .problems(DECIDES),
    Call::new("policy_history", Get, "/v1/policies:history", people(READERS))
        .about("Lists what happened to snapshots: who stored, wanted, tried, made live or took back which, when and why.")
        .with(&[query("limit", "How many steps at most; 50 when left out.", || page(500))])
        .answers::<PolicyHistoryAnswer>(),
    Call::new("schedules", Get, "/v1/org/schedules", people(READERS))
        .about("Lists the schedules of the live policy, and who is on now.")
        .answers::<SchedulesAnswer>(),
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
