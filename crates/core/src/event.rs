//! What can happen: every type of record. A type's meaning never changes; new ones are added, old ones fold for ever.
//!
//! Events state results, never intentions: `apply` only stores what they say. Fields stand in the order of their names,
//! which makes plain serialization the canonical form (see [`crate::record`]).

mod retention;
mod route;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::verdict::{ConstraintValue, PermitUse, Quorum};
use countersign_policy::{Decision, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::retention::{
    HoldPlaced, HoldReleaseRequested, HoldReleased, HoldScope, LedgerPruned, PayloadsDestroyed, SubjectErased,
    SubjectErasureConfirmed, SubjectRestricted,
};
pub use self::route::{
    ApprovalHeld, ApprovalReminded, ApprovalResumed, ApprovalStepPassed, ApprovalStepStarted, Asked, Exhausted, Step,
    StepReason, Track,
};
use crate::digest::Digest;
use crate::ids::{ActionId, AlertId, ApprovalId, DeliveryId, PermitId, ReceiverId};
use crate::record::ActorKind;
use crate::time::Time;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {
        /// What happened.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $($(#[$doc])* $name(Box<$name>),)*
        }

        impl Event {
            /// Every type of record, in alphabetical order.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// The type's name in records.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Event::$name(_) => $kind,)*
                }
            }

            /// Reads the data of a record of type `kind`; `None` if this version does not know the type.
            pub fn decode(kind: &str, data: &str) -> Option<Result<Event, serde_json::Error>> {
                match kind {
                    $($kind => Some(serde_json::from_str(data).map(|data| Event::$name(Box::new(data)))),)*
                    _ => None,
                }
            }
        }

        /// The JSON Schema of every type's data, by type.
        pub fn schemas() -> BTreeMap<&'static str, String> {
            let mut schemas = BTreeMap::new();
            $(schemas.insert($kind, schema_text(schemars::schema_for!($name)));)*
            schemas
        }

        $(impl From<$name> for Event {
            fn from(data: $name) -> Event {
                Event::$name(Box::new(data))
            }
        })*
    };
}

events! {
    /// An agent was registered, or registered anew with other particulars.
    AgentRegistered = "agent.registered";
    /// Somebody acted under the name of an agent that nobody registered; it is quarantined.
    AgentSighted = "agent.sighted";
    /// A person took note of an alert.
    AlertAcknowledged = "alert.acknowledged";
    /// Something happened that a person should look at.
    AlertRaised = "alert.raised";
    /// The agent gave evidence for a request.
    ApprovalAnswered = "approval.answered";
    /// A person is asked to decide.
    ApprovalOpened = "approval.opened";
    /// Every step let its time pass; the request waits for anybody who was asked.
    ApprovalHeld = "approval.held";
    /// A request passed its target for an answer.
    ApprovalOverdue = "approval.overdue";
    /// The time of a step is nearly over.
    ApprovalReminded = "approval.reminded";
    /// A request ended.
    ApprovalResolved = "approval.resolved";
    /// The agent let the time for an answer pass.
    ApprovalResumed = "approval.resumed";
    /// The people of a step have approved.
    ApprovalStepPassed = "approval.step_passed";
    /// The people of a step are asked.
    ApprovalStepStarted = "approval.step_started";
    /// A person said something about a request.
    ApprovalVoted = "approval.voted";
    /// A callback was tried and will be tried again, or has failed for good.
    CallbackAttempted = "callback.attempted";
    /// A callback is to be sent.
    CallbackDue = "callback.due";
    /// A receiver of callbacks was registered.
    CallbackRegistered = "callback.registered";
    /// A receiver of callbacks was removed.
    CallbackRemoved = "callback.removed";
    /// An operator confirmed the clock after a jump.
    ClockConfirmed = "clock.confirmed";
    /// The host's clock jumped; timers stand still.
    ClockJumped = "clock.jumped";
    /// Policy decided.
    DecisionMade = "decision.made";
    /// The log goes on under another name, after what was signed for was lost.
    EpochOpened = "epoch.opened";
    /// A legal hold was placed: nothing that it covers is destroyed.
    HoldPlaced = "hold.placed";
    /// Somebody wants a legal hold released.
    HoldReleaseRequested = "hold.release_requested";
    /// A legal hold was released.
    HoldReleased = "hold.released";
    /// A credential was issued.
    KeyIssued = "key.issued";
    /// A credential was revoked.
    KeyRevoked = "key.revoked";
    /// Another key signs checkpoints from here on.
    KeyRotated = "key.rotated";
    /// A kill switch was engaged.
    KillEngaged = "kill.engaged";
    /// A kill switch was released.
    KillReleased = "kill.released";
    /// One of two people wants a kill switch released.
    KillReleaseRequested = "kill.release_requested";
    /// The ledger begins.
    LedgerOpened = "ledger.opened";
    /// Records lost their bytes; their leaf hashes stay.
    LedgerPruned = "ledger.pruned";
    /// The organization is closed; nothing follows.
    OrganizationClosed = "organization.closed";
    /// What happened after.
    OutcomeReported = "outcome.reported";
    /// The time of payloads was over.
    PayloadsDestroyed = "payloads.destroyed";
    /// A permit was used.
    PermitRedeemed = "permit.redeemed";
    /// A permit was shown and not accepted.
    PermitRefused = "permit.refused";
    /// An agent repeated a refused action in a loop.
    RefusalsRepeated = "refusals.repeated";
    /// Somebody asked for what was so already; the request is remembered and changed nothing.
    RequestNoted = "request.noted";
    /// A policy snapshot was made live.
    SnapshotActivated = "snapshot.activated";
    /// A policy snapshot was stored.
    SnapshotUploaded = "snapshot.uploaded";
    /// The state at this place in the ledger has this hash.
    StateSealed = "state.sealed";
    /// Data about a subject was erased.
    SubjectErased = "subject.erased";
    /// A second person confirmed an erasure.
    SubjectErasureConfirmed = "subject.erasure_confirmed";
    /// Data about a subject is to be erased; until then hardly anybody reads it.
    SubjectRestricted = "subject.restricted";
    /// A person was added, or has other rights now.
    UserAdded = "user.added";
    /// A person was removed.
    UserRemoved = "user.removed";
}

fn schema_text(schema: schemars::Schema) -> String {
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// `ledger.opened`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerOpened {
    /// The organization's currency, ISO 4217.
    pub currency: String,
    /// Epoch of the log; 1, and one more after each restore.
    pub epoch: u32,
    /// The organization.
    pub organization: String,
    /// Identifier of the key that signs permits.
    pub permit_kid: String,
    /// Its public key, 32 bytes, hexadecimal.
    pub permit_public: String,
    /// Hash over the JSON Schemas of all record types.
    pub schemas: Digest,
    /// The log's verifying key, C2SP form.
    pub vkey: String,
    /// The organization's time zone, IANA.
    pub zone: String,
}

/// `organization.closed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationClosed {
    /// The organization.
    pub organization: String,
}

/// `state.sealed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateSealed {
    /// The state covers the records before this index.
    pub at: u64,
    /// SHA-256 of the canonical state.
    pub hash: Digest,
}

/// `request.noted`: written for a request with an idempotency key alone, so that a late repetition of it does nothing
/// either, whatever has changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestNoted {
    /// What was asked for, such as `kill` or `activate_snapshot`.
    pub command: String,
}

/// `agent.registered`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRegistered {
    /// The agent.
    pub agent: String,
    /// Free labels that conditions see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Who answers for it: `team:x` or `user:x`.
    pub owner: String,
    /// Its team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// `agent.sighted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentSighted {
    /// The agent's claimed name.
    pub agent: String,
}

/// `user.added`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserAdded {
    /// What the person answers for in the organization.
    pub duties: Vec<String>,
    /// What the person may do in Countersign.
    pub roles: Vec<String>,
    /// The person's teams.
    pub teams: Vec<String>,
    /// The person.
    pub user: String,
}

/// `user.removed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRemoved {
    /// The person.
    pub user: String,
}

/// `key.issued`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyIssued {
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// First bytes of the hash of its secret: enough to tell two keys apart, nothing to use.
    pub fingerprint: String,
    /// What it is known by.
    pub kid: String,
    /// Whose it is: an agent's or a person's.
    pub kind: ActorKind,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Whose it is.
    pub subject: String,
}

/// `key.revoked`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// What it was known by.
    pub kid: String,
}

/// `snapshot.uploaded`; the files lie beside the ledger under their hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotUploaded {
    /// How many documents it has.
    pub documents: u64,
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
}

/// `snapshot.activated`; the rationale is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotActivated {
    /// Its hash, `sha256:…`.
    pub hash: Arc<str>,
    /// What was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Arc<str>>,
    /// It was live before: this is a return.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rollback: bool,
}

/// A permit as the record that issues it states it. The token is made from this and never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// For whom it is.
    pub audience: String,
    /// When it ends.
    pub expires: Time,
    /// Its id.
    pub id: PermitId,
    /// How it may be checked.
    pub r#use: PermitUse,
}

/// What a caller needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A person is asked.
    Pending,
    /// It may run.
    Permitted,
    /// It may not run.
    Refused,
}

impl Status {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Permitted => "permitted",
            Status::Refused => "refused",
        }
    }
}

/// What the evaluation read of things outside the action, so that the decision can be derived again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionFacts {
    /// The caller runs the alternative if policy offers one to apply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub accept_remedy: bool,
    /// What was known of the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agent: BTreeMap<String, String>,
    /// The agent's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kinds of personal or secret data that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pii: Vec<String>,
    /// A snapshot was live and could not be had, so the decision was made without one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub policy_unavailable: bool,
    /// The principal was proven.
    #[serde(default, skip_serializing_if = "is_false")]
    pub principal_verified: bool,
    /// `active`, `quarantined` or `unregistered`.
    pub standing: String,
}

/// The alternative that policy offers; the whole of it is part of the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemedyOffered {
    /// The alternative's operation.
    pub action: String,
    /// The permit is for the alternative.
    pub applied: bool,
    /// What it changes: JSON pointers.
    pub changed: Vec<String>,
    /// The alternative's digest.
    pub digest: Digest,
    /// Who offers it: `document#rule`.
    pub source: String,
    /// The alternative's tool, or its operation where it has none.
    pub tool: String,
}

/// Where the final status of an action is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackTo {
    /// The registered receiver.
    pub receiver: ReceiverId,
    /// The address, at or below the receiver's.
    pub url: String,
}

/// `decision.made`; the payload is the stored form of the action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionMade {
    /// The operation.
    pub action: String,
    /// Its id.
    pub action_id: ActionId,
    /// Who acts.
    pub agent: Arc<str>,
    /// Money that moves, decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The request that was opened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// A grant beyond the agent's mandate was used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub beyond_mandate: bool,
    /// Where the final status is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackTo>,
    /// Limits that travel with the grant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// The amount's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What policy said.
    pub decision: Decision,
    /// The action's digest, as received.
    pub digest: Digest,
    /// The environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// What the evaluation read outside the action.
    pub facts: DecisionFacts,
    /// The permit, if it is permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// What matched and spoke for something.
    pub reasons: Vec<Reason>,
    /// The alternative that policy offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<RemedyOffered>,
    /// What the grant rests on that only the agent says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported: Vec<String>,
    /// The resource's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Retention class that the agent's mandate asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// The digest's salt, 16 bytes, hexadecimal.
    pub salt: String,
    /// What the caller needs.
    pub status: Status,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// Who has to approve, as it stood when the request was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Names of teams, duties, schedules or people; empty = the people with permission `admin`.
    pub names: Vec<String>,
    /// Whom its schedules and lines of management named when it was asked: only they answer for those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_call: Vec<String>,
    /// Who that was then, the first fifty. Eligibility is looked up again at the vote.
    pub people: Vec<String>,
    /// How many of them.
    pub quorum: Quorum,
    /// `document#rule` that asks.
    pub source: String,
}

/// A person who may not vote on a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// Why: `requester` or `agent_owner`.
    pub reason: String,
    /// Who.
    pub user: String,
}

/// `approval.opened`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalOpened {
    /// The action.
    pub action_id: ActionId,
    /// The agent that asks.
    pub agent: Arc<str>,
    /// Its id.
    pub approval: ApprovalId,
    /// When it expires undecided; never moves.
    pub deadline: Time,
    /// What the action's digest is.
    pub digest: Digest,
    /// Until when the evidence has to be complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_due: Option<Time>,
    /// People who may not vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// Parts of evidence that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// When an answer is expected.
    pub sla_due: Time,
    /// Who has to approve.
    pub slots: Vec<Slot>,
    /// `pending` or `needs_evidence`.
    pub state: ApprovalState,
    /// Routes that it takes, with the rules that hold for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// Names that resolve to nobody; the default route stands in for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
    /// How long an approval may be used, seconds.
    pub valid_for_s: i64,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// The agent has to complete the evidence; nobody is asked yet.
    NeedsEvidence,
    /// People are asked.
    Pending,
    /// The agent was asked something; people may decide without the answer.
    Clarifying,
    /// Every step let its time pass; whoever was asked may still decide, until the deadline.
    Held,
    /// The people said yes; the permit is open.
    Approved,
    /// Somebody said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Withdrawn, or stopped by a kill switch.
    Cancelled,
    /// Approved, and something changed before it was used.
    Invalidated,
    /// Approved, and not used in time.
    Lapsed,
    /// Approved and used.
    Consumed,
}

impl ApprovalState {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            ApprovalState::NeedsEvidence => "needs_evidence",
            ApprovalState::Pending => "pending",
            ApprovalState::Clarifying => "clarifying",
            ApprovalState::Held => "held",
            ApprovalState::Approved => "approved",
            ApprovalState::Rejected => "rejected",
            ApprovalState::Expired => "expired",
            ApprovalState::Cancelled => "cancelled",
            ApprovalState::Invalidated => "invalidated",
            ApprovalState::Lapsed => "lapsed",
            ApprovalState::Consumed => "consumed",
        }
    }
}

/// `approval.answered`; the evidence is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalAnswered {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// What is still missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// When an answer of people is expected now.
    pub sla_due: Time,
    /// Where the request stands now.
    pub state: ApprovalState,
}

/// What a person does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Says yes.
    Approve,
    /// Says no; needs a comment.
    Reject,
    /// Leaves it to others.
    Abstain,
    /// Says something.
    Comment,
    /// Asks the agent something.
    Clarify,
    /// Gives the place to a colleague.
    HandOver,
    /// Is on it: nobody else decides for a while.
    Claim,
    /// Is no longer on it.
    Release,
}

/// `approval.voted`; the comment is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalVoted {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// Until when nobody else decides, for a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Time>,
    /// Until when the agent has to answer a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clarify_due: Option<Time>,
    /// It counts.
    pub counted: bool,
    /// The digest that the person saw.
    pub digest: Digest,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
    /// The colleague who has the place now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Who.
    pub user: String,
    /// What.
    pub verb: Verb,
}

/// `approval.overdue`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalOverdue {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// When an answer was expected.
    pub sla_due: Time,
}

/// `approval.resolved`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalResolved {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// A safer operation that the route offers in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The permit, if it was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Where it ended.
    pub state: ApprovalState,
    /// What the caller needs.
    pub status: Status,
    /// One sentence.
    pub why: String,
}

/// `permit.redeemed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermitRedeemed {
    /// The action.
    pub action_id: ActionId,
    /// The request that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The digest of what is about to run.
    pub digest: Digest,
    /// Until when an outcome is expected.
    pub outcome_due: Time,
    /// The permit.
    pub permit: PermitId,
    /// The snapshot that was live, when it was not the cited one and the action was evaluated again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reevaluated: Option<Arc<str>>,
}

/// `permit.refused`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermitRefused {
    /// The action.
    pub action_id: ActionId,
    /// The permit.
    pub permit: PermitId,
    /// Why.
    pub reason: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// It ran.
    Succeeded,
    /// It ran and failed, or did not run.
    Failed,
    /// Nobody said.
    Unknown,
}

/// `outcome.reported`; output and error are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeReported {
    /// The action.
    pub action_id: ActionId,
    /// What it cost, decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The cost's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// How long it took, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Tokens by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, u64>,
    /// Constraints that it broke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
}

/// What a kill switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Scope {
    /// One agent.
    Agent(String),
    /// Everything of the organization.
    Organization,
    /// One tool.
    Tool(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Agent(name) => write!(f, "agent:{name}"),
            Scope::Organization => f.write_str("organization"),
            Scope::Tool(name) => write!(f, "tool:{name}"),
        }
    }
}

/// `kill.engaged`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillEngaged {
    /// What it stops.
    pub scope: Scope,
}

/// `kill.release_requested`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillReleaseRequested {
    /// Who asks.
    pub by: String,
    /// What it stops.
    pub scope: Scope,
}

/// `kill.released`; the reason is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KillReleased {
    /// What it stopped.
    pub scope: Scope,
    /// One person sufficed, because there was no second.
    #[serde(default, skip_serializing_if = "is_false")]
    pub single_person: bool,
}

/// `alert.raised`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRaised {
    /// The action that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// The agent that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<str>>,
    /// Its id.
    pub alert: AlertId,
    /// What kind of alert, such as `delete_attempt`.
    pub name: String,
    /// One sentence.
    pub summary: String,
}

/// `alert.acknowledged`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertAcknowledged {
    /// The alert.
    pub alert: AlertId,
}

/// `refusals.repeated`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusalsRepeated {
    /// The agent.
    pub agent: Arc<str>,
    /// How many requests were turned away without a decision.
    pub count: u64,
    /// The action that it repeats.
    pub digest: Digest,
    /// Since when.
    pub since: Time,
}

/// `callback.registered`; its secret lies with the secrets. An address in which redaction finds something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackRegistered {
    /// Its id.
    pub receiver: ReceiverId,
    /// Where callbacks go.
    pub url: String,
}

/// `callback.removed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackRemoved {
    /// Its id.
    pub receiver: ReceiverId,
    /// Why: `requested`, or `gone` when the receiver answered 410.
    pub why: String,
}

/// `callback.due`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackDue {
    /// The action whose final status it tells.
    pub action_id: ActionId,
    /// Its id; the receiver deduplicates by it.
    pub delivery: DeliveryId,
    /// The registered receiver.
    pub receiver: ReceiverId,
    /// Where to; at or below the receiver's address.
    pub url: String,
}

/// How a try to deliver a callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The receiver took it.
    Delivered,
    /// It will be tried again.
    Retrying,
    /// It lies with the dead letters until a person sends it again.
    Dead,
    /// A person sends it again.
    Resent,
}

/// `callback.attempted`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackAttempted {
    /// Which try this was, from 1; 0 when a person sends it again.
    pub attempt: u32,
    /// The callback.
    pub delivery: DeliveryId,
    /// What the receiver said, or why it was not reached.
    pub detail: String,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// How it ended.
    pub result: Delivery,
}

/// `clock.jumped`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockJumped {
    /// What the host's clock shows.
    pub shows: Time,
}

/// `clock.confirmed`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockConfirmed {
    /// `operator`, or `caught_up` when the clock came back by itself.
    pub by: String,
}

/// Where a log ended: so many records, with this root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochEnd {
    /// Its origin.
    pub log: String,
    /// Root over its records.
    pub root: Digest,
    /// How many records.
    pub size: u64,
}

/// `epoch.opened`; the payload says why. It is the first record that carries the new origin; records and tree go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochOpened {
    /// Which one, counted from 1.
    pub epoch: u64,
    /// The origin from this record on.
    pub log: String,
    /// What was signed for, as the signer remembers, where the ledger is not that any more: what is more than `previous` is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<EpochEnd>,
    /// The log before this record, as it is in the ledger.
    pub previous: EpochEnd,
    /// The verifying key of the new origin, C2SP form.
    pub vkey: String,
}

/// `key.rotated`. Until `until` both keys sign checkpoints, so that whoever pinned the old one can take up the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Which key: `log`.
    pub key: String,
    /// The verifying key before, C2SP form.
    pub old_vkey: String,
    /// Until when the old key signs as well.
    pub until: Time,
    /// The verifying key from here on, C2SP form.
    pub vkey: String,
}
