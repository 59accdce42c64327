//! The table itself.

use super::Method::{Delete, Get, Post, Put};
use super::Permission::{Anyone, Holder, LocalOperator, Those};
use super::Role::{Admin, Auditor, Operator, PolicyAuthor, Reviewer, Viewer};
use serde_json::json;

use super::params::{SEARCH, flag, id, id_of, index, needed, page, path, query, size, time, with_slashes, word};
use super::{Call, Param, Permission, Role};
use crate::action::{ActionAnswer, ActionBody};
use crate::approvals::{BatchAnswer, BatchBody, OutcomeRequestBody, RedeemAnswer, RedeemBody};
use crate::audit::{
    AuditAnswer, CheckpointAnswer, ConsistencyAnswer, ExplainAnswer, InclusionAnswer, KeySetAnswer, LogKeysAnswer,
    NewEpochBody, OpenedEpochAnswer, PayloadAnswer, RotatedKeyAnswer, SchemasAnswer,
};
use crate::channels::{ChannelTestAnswer, ChannelsAnswer, NewChannelBody, RegisteredChannel, SlackForm};
use crate::operations::{
    AlertsAnswer, CallbacksAnswer, DeliveriesAnswer, DoneAnswer, HealthAnswer, KillAnswer, KillBody, KillsAnswer,
    NewCallbackBody, RegisteredCallback, ReleaseAnswer, ReleaseBody,
};
use crate::organization::{
    AbsenceAnswer, AbsenceBody, AbsencesAnswer, ForecastAnswer, OnCallAnswer, OverrideAnswer, OverrideBody,
    OverridesAnswer, RoutesAnswer,
};
use crate::policies::{
    LiveAnswer, PoliciesBody, PolicyCheckAnswer, PolicyVoteBody, RationaleBody, RollBackBody, SnapshotFilesAnswer,
    SnapshotsAnswer, WaiverAnswer, WaiverBody,
};
use crate::registry::{
    AddedUser, AgentAnswer, AgentBody, AgentsAnswer, ClosedOrganization, CreatedOrganization, IssuedKey, KeysAnswer,
    NewAgentBody, NewKeyBody, NewOrganizationBody, NewUserBody, OrganizationsAnswer, PersonAnswer, RegisteredAgent,
    UserAnswer, UserBody, UsersAnswer, WhoamiAnswer,
};
use crate::retention::{
    ErasureAnswer, ErasureBody, ErasuresAnswer, HoldAnswer, HoldBody, HoldReleaseAnswer, HoldsAnswer, LeafHashesAnswer,
    PruneAnswer, PruneBody, WhyBody,
};

/// Every role: whoever has one reads what is going on.
pub const READERS: &[Role] = &[Admin, Auditor, Operator, PolicyAuthor, Reviewer, Viewer];
pub(super) const RUNNERS: &[Role] = &[Admin, Operator];

pub(super) const fn agents_or(roles: &'static [Role]) -> Permission {
    Those {
        agents: true,
        roles,
        scope: None,
    }
}

pub(super) const fn agents_and_keys_of(scope: &'static str) -> Permission {
    Those {
        agents: true,
        roles: &[],
        scope: Some(scope),
    }
}

pub(super) const fn people(roles: &'static [Role]) -> Permission {
    Those {
        agents: false,
        roles,
        scope: None,
    }
}

const ACTION: Param = path("id", "The action.", || id_of("act"));
pub(super) const AGENT: Param = with_slashes(path("id", "The agent.", id));
pub(super) const USER: Param = with_slashes(path("id", "The person.", id));
const SCHEDULE: Param = path("name", "The schedule.", word);
pub(super) const SNAPSHOT: Param = path(
    "hash",
    "The snapshot.",
    || json!({ "type": "string", "pattern": crate::bounded::SnapshotHash::PATTERN }),
);
const CHANNEL: Param = path(
    "name",
    "The channel.",
    || json!({ "type": "string", "pattern": crate::bounded::Name::PATTERN }),
);
const RECORD: Param = path("index", "Index of the record.", index);
const WAIT: Param = query(
    "wait",
    "How long to wait for a final status, up to `60s`.",
    || json!({ "type": "string", "pattern": "^([0-9]|[1-5][0-9]|60)s$" }),
);
pub(super) const DECIDES: &[(u16, &str)] = &[
    (403, "not_an_agent"),
    (403, "not_your_agent"),
    (422, "callback_not_registered"),
    (422, "control_character"),
    (422, "empty_field"),
    (422, "invalid_access"),
    (422, "invalid_amount"),
    (422, "invalid_confidence"),
    (422, "invalid_currency"),
    (422, "invalid_id"),
    (422, "invalid_label"),
    (422, "too_long"),
    (429, "repeated_refusal"),
];

const ROTA: &[(u16, &str)] = &[
    (403, "not_of_schedule"),
    (403, "not_yours"),
    (404, "not_found"),
    (409, "may_not_vote"),
    (409, "too_many"),
    (422, "empty_span"),
    (422, "invalid_parameter"),
    (422, "own_delegate"),
    (422, "own_turn"),
    (422, "too_long"),
];

/// Every call, by resource.
pub(super) static CALLS: &[Call] = &[
    Call::new("decide", Post, "/v1/actions", agents_and_keys_of("act_for:"))
        .about("Decides one action. A deny is an answer, not a problem.")
        .idempotent()
        .takes::<ActionBody>(r#"{"action": "issue_refund", "amount": "340", "currency": "USD", "args": {"order": "4521"}}"#)
        .answers::<ActionAnswer>()
        .problems(DECIDES),
    Call::new("decide_batch", Post, "/v1/actions:batch", agents_and_keys_of("act_for:"))
        .about("Decides up to 1,000 actions, in order. Each has a result of its own.")
        .idempotent()
        .takes::<BatchBody>(r#"{"actions": [{"action": "send_email"}, {"action": "issue_refund", "amount": "20", "currency": "USD"}]}"#)
        .answers::<BatchAnswer>()
        .problems(&[(422, "batch_size")]),
    Call::new("action", Get, "/v1/actions/{id}", agents_or(READERS))
        .about("Shows an action as it stands; waits for a final status if asked to.")
        .with(&[ACTION, WAIT])
        .answers::<ActionAnswer>(),
    Call::new("report_outcome", Post, "/v1/actions/{id}/outcome", agents_and_keys_of("outcome"))
        .about("Records what happened after.")
        .idempotent()
        .with(&[ACTION])
        .takes::<OutcomeRequestBody>(r#"{"status": "succeeded", "cost": {"amount": "0.12", "currency": "USD"}, "tokens": {"input": 512, "output": 64}}"#)
        .answers::<ActionAnswer>()
        .problems(&[(409, "outcome_known"), (409, "not_permitted"), (409, "not_redeemed"), (422, "invalid_amount")]),
    Call::new("explain", Post, "/v1/actions/{id}/explain", agents_or(READERS))
        .about("Shows every rule that was looked at, and why it matched or not.")
        .with(&[ACTION])
        .answers::<ExplainAnswer>()
        .problems(&[(409, "no_policy")]),
    Call::new("redeem", Post, "/v1/permits/redeem", agents_and_keys_of("redeem"))
        .about("Uses a permit, once, for exactly what is about to run.")
        .idempotent()
        .takes::<RedeemBody>(r#"{"permit": "eyJhbGciOiJFZERTQSJ9.e30.c2ln", "action": {"action": "issue_refund", "amount": "340", "currency": "USD", "args": {"order": "4521"}}}"#)
        .answers::<RedeemAnswer>()
        .problems(&[
            (403, "invalid_permit"),
            (404, "not_found"),
            (409, "agent_inactive"),
            (409, "already_redeemed"),
            (409, "digest_mismatch"),
            (409, "killed"),
            (409, "outcome_known"),
            (409, "tool_changed"),
            (409, "policy_changed"),
            (410, "approval_lapsed"),
            (410, "permit_expired"),
            (422, "invalid_amount"),
            (422, "too_long"),
            (503, "policy_unavailable"),
        ]),
    Call::new("register_agent", Post, "/v1/agents", people(RUNNERS))
        .about("Registers an agent and issues its key, which is shown once.")
        .idempotent()
        .takes::<NewAgentBody>(r#"{"id": "customer_support", "owner": "team:support"}"#)
        .creates::<RegisteredAgent>()
        .problems(&[(409, "already_registered"), (409, "defined_in_policy"), (422, "invalid_id"), (422, "invalid_label")]),
    Call::new("agents", Get, "/v1/agents", people(READERS)).about("Lists agents.").answers::<AgentsAnswer>(),
    Call::new("agent", Get, "/v1/agents/{id}", people(READERS)).about("Shows an agent.").with(&[AGENT]).answers::<AgentAnswer>(),
    Call::new("put_agent", Put, "/v1/agents/{id}", people(RUNNERS))
        .about("Changes an agent's particulars.")
        .with(&[AGENT])
        .takes::<AgentBody>(r#"{"owner": "team:support", "labels": {"stage": "pilot"}}"#)
        .answers::<AgentAnswer>()
        .problems(&[(409, "defined_in_policy"), (422, "invalid_id"), (422, "invalid_label")]),
    Call::new("add_user", Post, "/v1/users", people(&[Admin]))
        .about("Adds a person and issues a key, which is shown once.")
        .idempotent()
        .takes::<NewUserBody>(r#"{"id": "mara", "roles": ["reviewer"], "teams": ["security-team"]}"#)
        .creates::<AddedUser>()
        .problems(&[(409, "already_registered"), (409, "email_taken"), (409, "slack_id_taken"), (422, "invalid_id"), (422, "unknown_manager"), (422, "unknown_zone")]),
    Call::new("users", Get, "/v1/users", people(READERS)).about("Lists people.").answers::<UsersAnswer>(),
    Call::new("user", Get, "/v1/users/{id}", people(&[Admin]))
        .about("Shows a person, with what is kept of them beside the ledger.")
        .with(&[USER])
        .answers::<PersonAnswer>(),
    Call::new("put_user", Put, "/v1/users/{id}", people(&[Admin]))
        .about("Changes what a person may do.")
        .with(&[USER])
        .takes::<UserBody>(r#"{"roles": ["reviewer", "auditor"], "teams": ["security-team"]}"#)
        .answers::<UserAnswer>()
        .problems(&[(409, "email_taken"), (409, "last_admin"), (409, "slack_id_taken"), (422, "invalid_id"), (422, "unknown_manager"), (422, "unknown_zone")]),
    Call::new("remove_user", Delete, "/v1/users/{id}", people(&[Admin]))
        .about("Removes a person; the person's keys end with it.")
        .with(&[USER])
        .answers::<DoneAnswer>()
        .problems(&[(409, "last_admin"), (409, "own_account")]),
    Call::new("who_is_on", Get, "/v1/org/schedules/{name}/on", people(READERS))
        .about("Says who is on in a schedule, and why.")
        .with(&[SCHEDULE, query("at", "At this instant; now when left out.", time)])
        .answers::<OnCallAnswer>(),
    Call::new("forecast", Get, "/v1/org/schedules/{name}/forecast", people(READERS))
        .about("Shows the shifts of the next days, when nobody is on, and how the time is shared.")
        .with(&[SCHEDULE, query("days", "How many; 14 when left out.", || page(92))])
        .answers::<ForecastAnswer>(),
    Call::new("routes", Get, "/v1/org/routes", people(READERS))
        .about("Lists the routes of the live policy.")
        .answers::<RoutesAnswer>(),
    Call::new("absences", Get, "/v1/org/absences", people(READERS))
        .about("Lists absences that have not ended.")
        .answers::<AbsencesAnswer>(),
    Call::new("record_absence", Post, "/v1/org/absences", people(READERS))
        .about("Records that a person is not asked for a while, and who stands in: of oneself, or of anybody by an admin.")
        .idempotent()
        .takes::<AbsenceBody>(r#"{"from": "2026-07-01T00:00:00Z", "to": "2026-07-15T00:00:00Z", "delegate": "ben"}"#)
        .creates::<AbsenceAnswer>()
        .problems(ROTA),
    Call::new("withdraw_absence", Delete, "/v1/org/absences/{id}", people(READERS))
        .about("Ends an absence: the person is asked again.")
        .with(&[path("id", "The absence.", || id_of("abs"))])
        .answers::<DoneAnswer>()
        .problems(&[(403, "not_yours")]),
    Call::new("overrides", Get, "/v1/org/overrides", people(READERS))
        .about("Lists overrides of schedules that have not ended.")
        .answers::<OverridesAnswer>(),
    Call::new("record_override", Post, "/v1/org/overrides", people(READERS))
        .about("Puts a person on in a schedule: a turn taken or given among its people, or anything by an admin.")
        .idempotent()
        .takes::<OverrideBody>(r#"{"schedule": "finance-oncall", "user": "ben", "replaces": "ada", "from": "2026-07-01T00:00:00Z", "to": "2026-07-02T00:00:00Z"}"#)
        .creates::<OverrideAnswer>()
        .problems(ROTA),
    Call::new("withdraw_override", Delete, "/v1/org/overrides/{id}", people(READERS))
        .about("Ends an override: the schedule holds again.")
        .with(&[path("id", "The override.", || id_of("ovr"))])
        .answers::<DoneAnswer>()
        .problems(&[(403, "not_yours")]),
    Call::new("issue_key", Post, "/v1/keys", people(RUNNERS))
        .about("Issues another key for an agent or, by an admin, for a person. It is shown once.")
        .idempotent()
        .takes::<NewKeyBody>(r#"{"agent": "customer_support", "expires_days": 30}"#)
        .creates::<IssuedKey>()
        .problems(&[(404, "not_found"), (422, "unknown_scope")]),
    Call::new("keys", Get, "/v1/keys", people(&[Admin, Auditor, Operator])).about("Lists keys, without their secrets.").answers::<KeysAnswer>(),
    Call::new("revoke_key", Delete, "/v1/keys/{kid}", people(RUNNERS))
        .about("Revokes a key, at once; a person's key only an admin or the person.")
        .with(&[path("kid", "What the key is known by.", || json!({ "type": "string", "pattern": "^[0-9A-Za-z]{8}$" }))])
        .answers::<DoneAnswer>(),
    Call::new("upload_policies", Post, "/v1/policies", people(&[Admin, PolicyAuthor]))
        .about("Checks policy documents and stores them as a snapshot if they load.")
        .idempotent()
        .takes::<PoliciesBody>(r#"{"files": {"support.yaml": "agent: customer_support\npermissions:\n- action: send_email\n  allowed: true\n"}}"#)
        .creates::<PolicyCheckAnswer>()
        .problems(&[(422, "policy_invalid")]),
    Call::new("check_policies", Post, "/v1/policies:check", people(&[Admin, PolicyAuthor]))
        .about("Checks policy documents and stores nothing.")
        .takes::<PoliciesBody>(r#"{"files": {"support.yaml": "agent: customer_support\npermissions:\n- action: send_email\n  allowed: true\n"}}"#)
        .answers::<PolicyCheckAnswer>(),
    Call::new("policies", Get, "/v1/policies", people(READERS)).about("Lists stored snapshots.").answers::<SnapshotsAnswer>(),
    Call::new("policy", Get, "/v1/policies/{hash}", people(READERS))
        .about("Shows the documents of a snapshot.")
        .with(&[SNAPSHOT])
        .answers::<SnapshotFilesAnswer>(),
    Call::new("activate_policy", Post, "/v1/policies/{hash}/activate", people(&[Admin, PolicyAuthor]))
        .about("Makes a stored snapshot live, or asks the people who have to agree to that.")
        .idempotent()
        .with(&[SNAPSHOT])
        .takes::<RationaleBody>(r#"{"rationale": "refunds up to 500 without review"}"#)
        .answers::<LiveAnswer>()
        .problems(&[(409, "already_proposed"), (409, "route_unreachable"), (409, "tests_failed"), (409, "tests_missing"), (422, "reason_required"), (503, "policy_unavailable")]),
    Call::new("waive_tests", Post, "/v1/policies/{hash}/waivers", people(&[Admin, PolicyAuthor]))
        .about("Lets a stored snapshot become live though tests of it fail, or rules of it have none.")
        .idempotent()
        .with(&[SNAPSHOT])
        .takes::<WaiverBody>(r#"{"reason": "the vendor changes the field tonight"}"#)
        .answers::<WaiverAnswer>()
        .problems(&[(409, "nothing_to_waive")]),
    Call::new("judge_policy", Post, "/v1/policies/{hash}/votes", Permission::Voter)
        .about("Agrees to a snapshot that somebody wants live, or does not; the last who has to agree makes it live.")
        .idempotent()
        .with(&[SNAPSHOT])
        .takes::<PolicyVoteBody>(r#"{"proposal": "prp_0198f2c4a1b27c3d8e4f5a6b7c8d9e0f", "verb": "approve", "comment": "the tests cover it"}"#)
        .answers::<LiveAnswer>()
        .problems(&[(403, "not_eligible"), (403, "self_approval"), (409, "another_proposal"), (409, "not_proposed"), (410, "expired")]),
    Call::new("roll_back_policy", Post, "/v1/policies:rollback", people(&[Admin, PolicyAuthor]))
        .about("Makes the snapshot live that was live before.")
        .idempotent()
        .takes::<RollBackBody>(r#"{"rationale": "too many false denials"}"#)
        .answers::<LiveAnswer>()
        .problems(&[(409, "another_snapshot"), (409, "nothing_to_roll_back"), (422, "reason_required"), (503, "policy_unavailable")]),
    Call::new("kills", Get, "/v1/kill", people(READERS)).about("Lists engaged kill switches.").answers::<KillsAnswer>(),
    Call::new("kill", Post, "/v1/kill", people(RUNNERS))
        .about("Engages a kill switch: no permit is issued or redeemed any more. Doing it twice is fine.")
        .idempotent()
        .takes::<KillBody>(r#"{"scope": "agent", "name": "customer_support", "reason": "sends the same mail again and again"}"#)
        .answers::<KillAnswer>()
        .problems(&[(422, "invalid_id")]),
    Call::new("release_kill", Post, "/v1/kill/release", people(RUNNERS))
        .about("Releases a kill switch; with two admins, the second confirms.")
        .idempotent()
        .takes::<ReleaseBody>(r#"{"scope": "agent", "name": "customer_support", "reason": "the loop is mended"}"#)
        .answers::<ReleaseAnswer>()
        .problems(&[(409, "not_killed"), (409, "second_person_needed"), (422, "invalid_id"), (422, "reason_required")]),
    Call::new("alerts", Get, "/v1/alerts", people(READERS)).about("Lists alerts that nobody took note of.").answers::<AlertsAnswer>(),
    Call::new("acknowledge_alert", Post, "/v1/alerts/{id}/acknowledge", people(RUNNERS))
        .about("Takes note of an alert.")
        .idempotent()
        .with(&[path("id", "The alert.", || id_of("alr"))])
        .answers::<DoneAnswer>(),
    Call::new("register_callback", Post, "/v1/callbacks", people(RUNNERS))
        .about("Registers a receiver of callbacks and answers its secret, which is shown once.")
        .idempotent()
        .takes::<NewCallbackBody>(r#"{"url": "https://hooks.example.com/countersign"}"#)
        .creates::<RegisteredCallback>()
        .problems(&[(409, "already_registered"), (422, "callback_refused")]),
    Call::new("callbacks", Get, "/v1/callbacks", people(READERS)).about("Lists receivers of callbacks.").answers::<CallbacksAnswer>(),
    Call::new("remove_callback", Delete, "/v1/callbacks/{id}", people(RUNNERS))
        .about("Removes a receiver of callbacks.")
        .with(&[path("id", "The receiver.", || id_of("rcv"))])
        .answers::<DoneAnswer>(),
    Call::new("deliveries", Get, "/v1/callbacks/deliveries", people(READERS))
        .about("Lists callbacks and notices that are on their way or dead.")
        .answers::<DeliveriesAnswer>(),
    Call::new("resend_delivery", Post, "/v1/callbacks/deliveries/{id}/resend", people(RUNNERS))
        .about("Sends a callback again.")
        .idempotent()
        .with(&[path("id", "The callback.", || id_of("msg"))])
        .answers::<DoneAnswer>()
        .problems(&[(409, "receiver_removed")]),
    Call::new("register_channel", Post, "/v1/channels", people(&[Admin]))
        .about("Registers a channel by which people are told about requests; a webhook's secret is shown once.")
        .idempotent()
        .takes::<NewChannelBody>(
            r#"{"name": "mail", "email": {"url": "smtps://countersign:secret@mail.example.com", "from": "Countersign <countersign@example.com>"}, "quiet": {"zone": "Europe/Berlin", "from": "22:00", "to": "07:00"}}"#,
        )
        .creates::<RegisteredChannel>()
        .problems(&[
            (409, "already_registered"),
            (409, "too_many_channels"),
            (422, "channel_refused"),
            (422, "invalid_quiet_hours"),
        ]),
    Call::new("channels", Get, "/v1/channels", people(READERS)).about("Lists channels, without their secrets.").answers::<ChannelsAnswer>(),
    Call::new("remove_channel", Delete, "/v1/channels/{name}", people(&[Admin]))
        .about("Removes a channel; what was on its way through it is dropped.")
        .with(&[CHANNEL])
        .answers::<DoneAnswer>(),
    Call::new("test_channel", Post, "/v1/channels/{name}/test", people(&[Admin]))
        .about("Sends a notice that means nothing over a channel, by mail to whoever asks.")
        .with(&[CHANNEL])
        .answers::<ChannelTestAnswer>()
        .problems(&[(409, "no_address")]),
    Call::new("from_slack", Post, "/v1/channels/{name}/slack/{organization}", Permission::Slack)
        .about("Takes the press of a button in Slack: the request URL for interactivity of the app of a channel.")
        .with(&[CHANNEL, path("organization", "The organization.", id)])
        .takes_form::<SlackForm>(r#"{"payload": "{\"type\": \"block_actions\"}"}"#)
        .answers_as("application/json"),
    Call::new("resend_notice", Post, "/v1/channels/notices/{id}/resend", people(&[Admin]))
        .about("Sends a notice again.")
        .idempotent()
        .with(&[path("id", "The notice.", || id_of("ntc"))])
        .answers::<DoneAnswer>(),
    Call::new("audit", Get, "/v1/audit", people(&[Admin, Auditor]))
        .about("Searches the ledger, newest first.")
        .with(SEARCH)
        .answers::<AuditAnswer>()
        .problems(&[(503, "index_behind")]),
    Call::new("checkpoint", Get, "/v1/audit/checkpoint", people(&[Admin, Auditor]))
        .about("Shows the newest signed checkpoint, with `witnessed=true` the newest that a witness cosigned.")
        .with(&[query("witnessed", "Only what a witness cosigned.", flag)])
        .answers::<CheckpointAnswer>(),
    Call::new("inclusion", Get, "/v1/audit/proof/{index}", people(&[Admin, Auditor]))
        .about("Proves that a record is in the newest checkpoint.")
        .with(&[RECORD])
        .answers::<InclusionAnswer>(),
    Call::new("consistency", Get, "/v1/audit/consistency", people(&[Admin, Auditor]))
        .about("Proves that the ledger of `to` records extends the ledger of `from` records.")
        .with(&[needed(query("from", "Records of the shorter.", size)), needed(query("to", "Records of the longer.", size))])
        .answers::<ConsistencyAnswer>()
        .problems(&[(422, "invalid_range")]),
    Call::new("log_checkpoint", Get, "/v1/audit/log/checkpoint", people(&[Admin, Auditor]))
        .about("The newest signed checkpoint, as C2SP tlog-tiles has it.")
        .answers_as("text/plain; charset=utf-8"),
    Call::new("log_tile", Get, "/v1/audit/log/tile/{path}", people(&[Admin, Auditor]))
        .about("A tile of the log, C2SP tlog-tiles: `<L>/<N>` holds hashes, `entries/<N>` records; `.p/<W>` is one that is not full yet.")
        .with(&[with_slashes(path("path", "The tile, such as `0/x001/234`, `entries/000.p/7`.", word))])
        .answers_as("application/octet-stream"),
    Call::new("records", Get, "/v1/audit/records", people(&[Admin, Auditor]))
        .about("Exact records, one a line, in order.")
        .with(&[query("from", "The first; 0 when left out.", index), query("limit", "How many at most; 1,000 when left out.", || page(10_000))])
        .answers_as("application/jsonl"),
    Call::new("leaf_hashes", Get, "/v1/audit/leaf_hashes", people(&[Admin, Auditor]))
        .about("Leaf hashes of records, in order, and how many records have lost their bytes.")
        .with(&[query("from", "The first; 0 when left out.", index), query("limit", "How many at most; 1,000 when left out.", || page(10_000))])
        .answers::<LeafHashesAnswer>(),
    Call::new("payload", Get, "/v1/audit/payload/{index}", people(&[Admin, Auditor]))
        .about("Shows what lies beside a record, and what opens its commitment.")
        .with(&[
            RECORD,
            query(
                "purpose",
                "`legal` also shows what is to be erased.",
                || json!({ "type": "string", "enum": ["work", "legal"] }),
            ),
        ])
        .answers::<PayloadAnswer>()
        .problems(&[(403, "restricted"), (410, "destroyed"), (410, "erased")]),
    Call::new("schemas", Get, "/v1/audit/schemas", people(&[Admin, Auditor]))
        .about("JSON Schemas of the record types that the ledger began with.")
        .answers::<SchemasAnswer>(),
    Call::new("holds", Get, "/v1/audit/holds", people(&[Admin, Auditor]))
        .about("Lists open legal holds.")
        .answers::<HoldsAnswer>(),
    Call::new("place_hold", Post, "/v1/audit/holds", people(&[Admin]))
        .about("Places a legal hold: nothing that it covers is destroyed.")
        .takes::<HoldBody>(r#"{"agent": "customer_support", "from": "2026-01-01T00:00:00Z", "why": "claim 2026-117"}"#)
        .answers::<HoldAnswer>()
        .problems(&[(409, "too_many_holds"), (422, "invalid_parameter"), (422, "invalid_range"), (422, "reason_required")]),
    Call::new("release_hold", Post, "/v1/audit/holds/{id}/release", people(&[Admin]))
        .about("Asks for the release of a legal hold; a day later releases it, by another admin where there are two.")
        .with(&[path("id", "The hold.", || id_of("hld"))])
        .takes::<WhyBody>(r#"{"why": "the claim was settled"}"#)
        .answers::<HoldReleaseAnswer>()
        .problems(&[(409, "second_person_needed"), (409, "too_early"), (422, "reason_required")]),
    Call::new("erasures", Get, "/v1/audit/erasures", people(&[Admin, Auditor]))
        .about("Lists erasures that were asked for and are not carried out yet.")
        .answers::<ErasuresAnswer>(),
    Call::new("erase", Post, "/v1/audit/erasures", people(&[Admin]))
        .about("Erases what is kept about a subject; with two admins, the second confirms.")
        .takes::<ErasureBody>(r#"{"subject": "maria", "why": "she asked for it on 2026-11-20", "legal_basis": "GDPR 17(1)(b)"}"#)
        .answers::<ErasureAnswer>()
        .problems(&[(409, "legal_hold"), (409, "second_person_needed"), (409, "not_restricted"), (409, "retention_floor"), (422, "reason_required")]),
    Call::new("whoami", Get, "/v1/whoami", Holder).about("Says who is asking.").answers::<WhoamiAnswer>(),
    Call::new("create_organization", Post, "/v1/organizations", LocalOperator)
        .about("Creates an organization: its keys, its ledger, its first admin.")
        .takes::<NewOrganizationBody>(r#"{"name": "acme", "currency": "USD", "zone": "Europe/Zurich"}"#)
        .creates::<CreatedOrganization>()
        .problems(&[(409, "already_exists"), (422, "invalid_id"), (422, "invalid_currency")]),
    Call::new("organizations", Get, "/v1/organizations", LocalOperator).about("Lists organizations.").answers::<OrganizationsAnswer>(),
    Call::new("close_organization", Delete, "/v1/organizations/{name}", LocalOperator)
        .about("Closes an organization: its ledger stays. With `remove=true` the ledger of a closed one goes too.")
        .with(&[
            with_slashes(path("name", "The organization.", id)),
            query("remove", "Remove the ledger of a closed organization.", flag),
        ])
        .answers::<ClosedOrganization>()
        .problems(&[(409, "organization_open")]),
    Call::new("open_epoch", Post, "/v1/epochs/{name}", LocalOperator)
        .about("Lets a log go on under another name: after a restored backup, or when its key was seen elsewhere.")
        .with(&[with_slashes(path("name", "The organization.", id))])
        .takes::<NewEpochBody>(r#"{"why": "the disk died; restored the backup of last night"}"#)
        .creates::<OpenedEpochAnswer>(),
    Call::new("rotate_log_key", Post, "/v1/log-keys/{name}", LocalOperator)
        .about("Gives a log another key. For 30 days checkpoints carry the signatures of both.")
        .with(&[with_slashes(path("name", "The organization.", id))])
        .creates::<RotatedKeyAnswer>()
        .problems(&[(409, "ledger_moved")]),
    Call::new("prune", Post, "/v1/prune/{name}", LocalOperator)
        .about("Removes the bytes of old records; their leaf hashes stay, and proofs hold.")
        .with(&[with_slashes(path("name", "The organization.", id))])
        .takes::<PruneBody>(r#"{"before": "2020-01-01T00:00:00Z", "why": "their time is over"}"#)
        .answers::<PruneAnswer>()
        .problems(&[
            (409, "legal_hold"),
            (409, "not_sealed"),
            (409, "nothing_to_prune"),
            (409, "still_open"),
            (422, "invalid_parameter"),
            (422, "reason_required"),
        ]),
    Call::new("key_set", Get, "/.well-known/jwks.json", Anyone)
        .about("Public keys that verify permits.")
        .with(&[query("organization", "Only this organization's.", id)])
        .answers::<KeySetAnswer>()
        .problems(&[(404, "not_found"), (503, "store_failed")]),
    Call::new("log_keys", Get, "/.well-known/countersign-log.json", Anyone)
        .about("Verifying keys of the logs.")
        .with(&[query("organization", "Only this organization's.", id)])
        .answers::<LogKeysAnswer>()
        .problems(&[(404, "not_found"), (503, "store_failed")]),
    Call::new("health", Get, "/healthz", Anyone).about("The process lives.").answers::<HealthAnswer>(),
    Call::new("ready", Get, "/readyz", Anyone)
        .about("The store answers.")
        .answers::<HealthAnswer>()
        .problems(&[(503, "store_failed")]),
    Call::new("metrics", Get, "/metrics", Anyone)
        .about("Counters, in Prometheus' text format.")
        .answers_as("text/plain; version=0.0.4"),
    Call::new("document", Get, "/openapi.json", Anyone).about("This document.").answers_as("application/json"),
    Call::new("docs", Get, "/docs", Anyone).about("The same for people.").answers_as("text/html; charset=utf-8"),
];
