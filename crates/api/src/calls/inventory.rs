//! Calls about what is known of agents, about tools that change, and leases of gateways.

use Method::{Delete, Get, Post, Put};
use Permission::Those;

use countersign_core::state::Register;
use serde_json::{Value, json};

use super::params::{id, path, with_slashes};
use super::table::{AGENT, READERS, RUNNERS, agents_and_keys_of, people};
use super::{Call, Method, Param, Permission};
use crate::always_denied::{AlwaysDeniedAnswer, AlwaysDeniedBody};
use crate::inventory::{
    AccessReviewAnswer, ApproveToolBody, DescriptionBody, LeaseAnswer, LeaseBody, LeasesAnswer, ReadinessAnswer,
    RegisterAnswer, ToolAnswer, ToolBody, ToolsAnswer,
};
use crate::operations::DoneAnswer;

/// Gateways, which redeem for agents.
const GATEWAYS: Permission = Those {
    agents: false,
    roles: &[],
    scope: Some("redeem"),
};
const GATEWAY: Param = with_slashes(path("gateway", "The gateway.", id));

const REGISTER: Param = path("register", "Which register.", register);

fn register() -> Value {
    json!({ "type": "string", "enum": Register::ALL.map(Register::as_str) })
}

pub(super) static CALLS: &[Call] = &[
    Call::new("describe_agent", Put, "/v1/descriptions/{id}", people(RUNNERS))
        .about("Says what is known of an agent: owners, purpose, boundary, versions, when to look again.")
        .with(&[AGENT])
        .takes::<DescriptionBody>(concat!(
            r#"{"purpose": "refunds up to 500 USD", "technical_owner": "team:platform", "reviewer": "team:support", "#,
            r#""boundary": {"process": "refunds", "never_access": ["card numbers"], "owning_team": "team:support"}}"#
        ))
        .answers::<ReadinessAnswer>()
        .problems(&[(422, "invalid_label"), (422, "not_ready")]),
    Call::new("activate_agent", Post, "/v1/readiness/{id}", people(RUNNERS))
        .about("Makes an agent active, which takes all that has to be known of it.")
        .idempotent()
        .with(&[AGENT])
        .answers::<ReadinessAnswer>()
        .problems(&[(422, "not_ready")]),
    Call::new("readiness", Get, "/v1/readiness/{id}", people(READERS))
        .about("Tells what has to be known of an agent before it is made active, and what is blank.")
        .with(&[AGENT])
        .answers::<ReadinessAnswer>(),
    Call::new("description", Get, "/v1/descriptions/{id}", people(READERS))
        .about("Tells what is known of an agent.")
        .with(&[AGENT])
        .answers::<DescriptionBody>(),
    Call::new("access_review", Get, "/v1/access_reviews/{id}", people(READERS))
        .about("Lists what an agent's mandate grants, and what of it was not used for 30 days.")
        .with(&[AGENT])
        .answers::<AccessReviewAnswer>(),
    Call::new("register", Get, "/v1/registers/{register}", people(READERS))
        .about(
            "Lists workflows, tools, data sources, owners or action classes, with what is known of each and by whom.",
        )
        .with(&[REGISTER])
        .answers::<RegisterAnswer>(),
    Call::new("tools", Get, "/v1/tools", people(READERS))
        .about("Lists registered tools.")
        .answers::<ToolsAnswer>(),
    Call::new("register_tool", Post, "/v1/tools", people(RUNNERS))
        .about("Says how a tool looks. One that looks otherwise than before is denied until it is approved.")
        .idempotent()
        .takes::<ToolBody>(
            r#"{"tool": "crm/note", "schema": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}"#,
        )
        .answers::<ToolAnswer>()
        .problems(&[(409, "too_many_tools"), (422, "invalid_id")]),
    Call::new("approve_tool", Post, "/v1/tools/approve", people(RUNNERS))
        .about("Approves a tool that changed.")
        .idempotent()
        .takes::<ApproveToolBody>(
            r#"{"tool": "crm/note", "schema": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}"#,
        )
        .answers::<ToolAnswer>()
        .problems(&[(409, "schema_mismatch")]),
    Call::new(
        "always_denied",
        Post,
        "/v1/tools:always_denied",
        agents_and_keys_of("act_for:"),
    )
    .about("Says which operations policy denies to the agent whatever else it says. Nothing is recorded.")
    .takes::<AlwaysDeniedBody>(r#"{"operations": [{"tool": "files/delete_file", "action": "delete_file"}]}"#)
    .answers::<AlwaysDeniedAnswer>(),
    Call::new("leases", Get, "/v1/leases", people(READERS))
        .about("Lists leases of gateways.")
        .answers::<LeasesAnswer>(),
    Call::new("take_lease", Post, "/v1/leases", GATEWAYS)
        .about("Takes or renews a gateway's lease, and tells it which stops are engaged.")
        .takes::<LeaseBody>(
            r#"{"gateway": "edge-1", "seconds": 30, "guards": [{"scope": "class", "name": "payments"}]}"#,
        )
        .answers::<LeaseAnswer>()
        .problems(&[(409, "too_many_leases"), (422, "invalid_id")]),
    Call::new("give_back_lease", Delete, "/v1/leases/{gateway}", GATEWAYS)
        .about("Gives a gateway's lease back.")
        .with(&[GATEWAY])
        .answers::<DoneAnswer>(),
];
