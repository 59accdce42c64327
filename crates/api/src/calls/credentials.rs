//! Calls about credentials of tools.

use Method::{Delete, Get, Post};
use Permission::Those;
use serde_json::json;

use super::params::path;
use super::table::{READERS, people};
use super::{Call, Method, Param, Permission, Role};
use crate::credentials::{
    CredentialsAnswer, NewCredentialBody, ReleaseCredentialBody, ReleasedCredentialAnswer, StoredCredential,
};
use crate::operations::DoneAnswer;

const CREDENTIAL: Param = path(
    "name",
    "The credential.",
    || json!({ "type": "string", "pattern": crate::bounded::Name::PATTERN }),
);

pub(super) static CALLS: &[Call] = &[
    Call::new("store_credential", Post, "/v1/credentials", people(&[Role::Admin]))
        .about("Stores a credential of tools, or gives one another value; no call shows the value again.")
        .idempotent()
        .takes::<NewCredentialBody>(
            r#"{"name": "github", "value": "…", "tools": ["github/*"], "agents": ["assistant"]}"#,
        )
        .creates::<StoredCredential>()
        .problems(&[(409, "too_many_credentials"), (422, "invalid_pattern")]),
    Call::new("credentials", Get, "/v1/credentials", people(READERS))
        .about("Lists credentials of tools, without their values.")
        .answers::<CredentialsAnswer>(),
    Call::new(
        "remove_credential",
        Delete,
        "/v1/credentials/{name}",
        people(&[Role::Admin]),
    )
    .about("Removes a credential and destroys its value.")
    .with(&[CREDENTIAL])
    .answers::<DoneAnswer>(),
    Call::new(
        "release_credential",
        Post,
        "/v1/permits/credential",
        Those {
            agents: false,
            roles: &[],
            scope: Some("credential"),
        },
    )
    .about("Gives out the credential of the tool that is about to run, once for a permit that was redeemed.")
    .takes::<ReleaseCredentialBody>(r#"{"permit": "eyJhbGciOiJFZERTQSJ9.e30.c2ln"}"#)
    .answers::<ReleasedCredentialAnswer>()
    .problems(&[
        (403, "credential_not_for_this"),
        (403, "invalid_permit"),
        (404, "not_found"),
        (409, "agent_inactive"),
        (409, "already_released"),
        (409, "credential_changed"),
        (409, "killed"),
        (409, "no_credential"),
        (409, "not_redeemed"),
        (409, "outcome_known"),
        (409, "several_credentials"),
        (409, "tool_changed"),
        (410, "permit_expired"),
        (503, "policy_unavailable"),
    ]),
];
