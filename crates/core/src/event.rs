//! What can happen: every type of record. A type's meaning never changes; new ones are added, old ones fold for ever.
//!
//! Events state results, never intentions: `apply` only stores what they say. Fields stand in the order of their names,
//! which makes plain serialization the canonical form (see [`crate::record`]).

mod approval;
mod autonomy;
mod budget;
mod callback;
mod channel;
mod credential;
mod decision;
mod delegation;
mod disagreement;
mod glass;
mod inventory;
mod lease;
mod ledger;
mod limit;
mod observed;
mod organization;
mod output;
mod permit;
mod policy;
mod practice;
mod registry;
mod retention;
mod revision;
mod route;
mod run;
mod sample;
mod sign_in;
mod stop;
mod theatre;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::approval::{
    ApprovalAnswered, ApprovalLinked, ApprovalOpened, ApprovalOverdue, ApprovalResolved, ApprovalState, ApprovalViewed,
    ApprovalVoted, Excluded, OnCallAs, Slot, StandIn, Verb,
};
pub use self::autonomy::{
    ActsIn, AgentPaused, AgentResumed, AutonomyChanged, Finding, Mode, ReviewClosed, ReviewKind, ReviewOpened,
    ReviewOverdue, Standing, StandingReason,
};
pub use self::budget::{AccountRead, BudgetReached, Reservation, Settlement, Spends};
pub use self::callback::{CallbackAttempted, CallbackDue, CallbackRegistered, CallbackRemoved, Delivery};
pub use self::channel::{
    ChannelKind, ChannelRegistered, ChannelRemoved, NoticeAttempted, NoticeDue, NoticeKind, NoticeResult, Quiet,
};
pub use self::credential::{CredentialReleased, CredentialRemoved, CredentialStored};
pub use self::decision::{CallbackTo, DecisionFacts, DecisionMade, RefusalsRepeated, RemedyOffered, Status};
pub use self::delegation::{BrokenLink, Link, Unproven};
pub use self::disagreement::{Position, PositionsRead, Side};
pub use self::glass::{GlassBroken, GlassRestored, GlassSuspended, SuspendedFor};
pub use self::inventory::{
    AgentActivated, AgentDescribed, AgentReviewOverdue, Boundary, Description, ToolApproved, ToolChanged,
    ToolRegistered,
};
pub use self::lease::{FailOpen, LeaseEnd, LeaseEnded, LeaseGranted};
pub use self::ledger::{
    ClockConfirmed, ClockJumped, EpochEnd, EpochOpened, KeyRotated, LedgerOpened, MinReaderRaised, OrganizationClosed,
    RequestNoted, StateSealed,
};
pub use self::limit::{CircuitClosed, CircuitOpened, CircuitRead, Counted, DepthRead, Trial, WindowRead};
pub use self::observed::{CallsObserved, ObservedCalls};
pub use self::organization::{AbsenceRecorded, AbsenceWithdrawn, OverrideRecorded, OverrideWithdrawn};
pub use self::output::{Filtered, OutputFiltered, in_words};
pub use self::permit::{Cause, InARow, OutcomeReported, OutcomeStatus, Permit, PermitRedeemed, PermitRefused};
pub use self::policy::{
    Bands, Canary, CandidateEnd, CandidateEnded, CandidateStarted, DeclinedBecause, LeftBand, Rate, SaidBeside,
    ShareOf, SnapshotActivated, SnapshotDeclined, SnapshotJudged, SnapshotProposed, SnapshotUploaded, SnapshotWaived,
};
pub use self::practice::{PracticeDue, PracticeEnded, PracticeKind, PracticeStarted, Practised};
pub use self::registry::{AgentRegistered, AgentSighted, KeyIssued, KeyRevoked, UserAdded, UserRemoved};
pub use self::retention::{
    HoldPlaced, HoldReleaseRequested, HoldReleased, HoldScope, LedgerPruned, PayloadsDestroyed, SubjectErased,
    SubjectErasureConfirmed, SubjectRestricted,
};
pub use self::revision::{ApprovalRevised, Editable, Raised};
pub use self::route::{
    ApprovalHeld, ApprovalReminded, ApprovalResumed, ApprovalStepPassed, ApprovalStepStarted, Asked, Exhausted, Step,
    StepReason, Track,
};
pub use self::run::{RunEnded, RunInput, RunNoted, RunStarted, RunStatus, Trigger};
pub use self::sample::{SampleDrawn, SampleRevealed};
pub use self::sign_in::{Assertion, AuthenticatorAdded, AuthenticatorRemoved, Passkey};
pub use self::stop::{AlertAcknowledged, AlertRaised, KillEngaged, KillReleaseRequested, KillReleased, Scope};
pub use self::theatre::{Flag, ReviewerRestored, ReviewerSuspended};

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
    /// Somebody is not asked for a while.
    AbsenceRecorded = "absence.recorded";
    /// Somebody is there after all.
    AbsenceWithdrawn = "absence.withdrawn";
    /// All that has to be known of an agent is known, and it may act.
    AgentActivated = "agent.activated";
    /// What the inventory knows of an agent.
    AgentDescribed = "agent.described";
    /// An agent gets no permit until it is resumed.
    AgentPaused = "agent.paused";
    /// An agent was registered, or registered anew with other particulars.
    AgentRegistered = "agent.registered";
    /// A paused agent goes on.
    AgentResumed = "agent.resumed";
    /// Nobody looked at what is known of an agent in time.
    AgentReviewOverdue = "agent.review_overdue";
    /// Somebody acted under the name of an agent that nobody registered; it is quarantined.
    AgentSighted = "agent.sighted";
    /// A person took note of an alert.
    AlertAcknowledged = "alert.acknowledged";
    /// Something happened that a person should look at.
    AlertRaised = "alert.raised";
    /// The agent gave evidence for a request.
    ApprovalAnswered = "approval.answered";
    /// Every step let its time pass; the request waits for anybody who was asked.
    ApprovalHeld = "approval.held";
    /// A person is sent a link by which to decide on a request, once.
    ApprovalLinked = "approval.linked";
    /// A person is asked to decide.
    ApprovalOpened = "approval.opened";
    /// A request passed its target for an answer.
    ApprovalOverdue = "approval.overdue";
    /// The time of a step is nearly over.
    ApprovalReminded = "approval.reminded";
    /// A request ended.
    ApprovalResolved = "approval.resolved";
    /// The agent let the time for an answer pass.
    ApprovalResumed = "approval.resumed";
    /// A request is about another action now: narrowed by a reviewer, or changed by the agent.
    ApprovalRevised = "approval.revised";
    /// The people of a step have approved.
    ApprovalStepPassed = "approval.step_passed";
    /// The people of a step are asked.
    ApprovalStepStarted = "approval.step_started";
    /// A person was shown a request.
    ApprovalViewed = "approval.viewed";
    /// A person said something about a request.
    ApprovalVoted = "approval.voted";
    /// A person has something to sign in with.
    AuthenticatorAdded = "authenticator.added";
    /// Something that a person signed in with is good no more.
    AuthenticatorRemoved = "authenticator.removed";
    /// What an agent has shown with an operation changed.
    AutonomyChanged = "autonomy.changed";
    /// A share of a budget is used, or will not do.
    BudgetReached = "budget.reached";
    /// A callback was tried and will be tried again, or has failed for good.
    CallbackAttempted = "callback.attempted";
    /// A callback is to be sent.
    CallbackDue = "callback.due";
    /// A receiver of callbacks was registered.
    CallbackRegistered = "callback.registered";
    /// A receiver of callbacks was removed.
    CallbackRemoved = "callback.removed";
    /// A source told which calls it has seen.
    CallsObserved = "calls.observed";
    /// A policy snapshot is not tried any more.
    CandidateEnded = "candidate.ended";
    /// A policy snapshot is tried beside the one that is live.
    CandidateStarted = "candidate.started";
    /// A channel by which people are told about requests was registered.
    ChannelRegistered = "channel.registered";
    /// A channel was removed.
    ChannelRemoved = "channel.removed";
    /// What an open circuit is about works again, or a person says so.
    CircuitClosed = "circuit.closed";
    /// So much failed within a time that nothing more of it is let through for a while.
    CircuitOpened = "circuit.opened";
    /// An operator confirmed the clock after a jump.
    ClockConfirmed = "clock.confirmed";
    /// The host's clock jumped; timers stand still.
    ClockJumped = "clock.jumped";
    /// A credential of a tool was given out for an action whose permit was used.
    CredentialReleased = "credential.released";
    /// A credential of a tool was removed.
    CredentialRemoved = "credential.removed";
    /// A credential of a tool was stored, or given another value.
    CredentialStored = "credential.stored";
    /// Policy decided.
    DecisionMade = "decision.made";
    /// The log goes on under another name, after what was signed for was lost.
    EpochOpened = "epoch.opened";
    /// A named person let an action through that waited for others.
    GlassBroken = "glass.broken";
    /// A person may break the glass again.
    GlassRestored = "glass.restored";
    /// A person may not break the glass until an admin says so.
    GlassSuspended = "glass.suspended";
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
    /// One of two people wants a kill switch released.
    KillReleaseRequested = "kill.release_requested";
    /// A kill switch was released.
    KillReleased = "kill.released";
    /// A gateway guards nothing any more.
    LeaseEnded = "lease.ended";
    /// A gateway guards something, as long as it hears of kill switches.
    LeaseGranted = "lease.granted";
    /// From here on records may be of types that older programs do not know.
    MinReaderRaised = "ledger.min_reader";
    /// The ledger begins.
    LedgerOpened = "ledger.opened";
    /// Records lost their bytes; their leaf hashes stay.
    LedgerPruned = "ledger.pruned";
    /// A notice was tried, and will be tried again, has failed for good or was skipped.
    NoticeAttempted = "notice.attempted";
    /// Somebody is to be told about a request.
    NoticeDue = "notice.due";
    /// The organization is closed; nothing follows.
    OrganizationClosed = "organization.closed";
    /// What happened after.
    OutcomeReported = "outcome.reported";
    /// What the result of an action held was kept back, replaced or flagged.
    OutputFiltered = "output.filtered";
    /// Somebody is on who would not be by the schedule.
    OverrideRecorded = "override.recorded";
    /// The schedule holds again.
    OverrideWithdrawn = "override.withdrawn";
    /// The time of payloads was over.
    PayloadsDestroyed = "payloads.destroyed";
    /// A permit was used.
    PermitRedeemed = "permit.redeemed";
    /// A permit was shown and not accepted.
    PermitRefused = "permit.refused";
    /// A drill or a canary was due that nobody asked for by hand.
    PracticeDue = "practice.due";
    /// A request that cannot come to anything is over.
    PracticeEnded = "practice.ended";
    /// A request was made that cannot come to anything.
    PracticeStarted = "practice.started";
    /// An agent repeated a refused action in a loop.
    RefusalsRepeated = "refusals.repeated";
    /// Somebody asked for what was so already; the request is remembered and changed nothing.
    RequestNoted = "request.noted";
    /// A person looked at an action that has run.
    ReviewClosed = "review.closed";
    /// A person is to look at an action that has run.
    ReviewOpened = "review.opened";
    /// Nobody looked in time.
    ReviewOverdue = "review.overdue";
    /// A person may vote again.
    ReviewerRestored = "reviewer.restored";
    /// A person does not vote until an admin says so.
    ReviewerSuspended = "reviewer.suspended";
    /// A run is over.
    RunEnded = "run.ended";
    /// A person said something to the agents of a run.
    RunInput = "run.input";
    /// A person noted something about a run.
    RunNoted = "run.noted";
    /// A run began.
    RunStarted = "run.started";
    /// An action that has run was drawn for a look.
    SampleDrawn = "sample.drawn";
    /// A week's sample is complete, and its key is known.
    SampleRevealed = "sample.revealed";
    /// A policy snapshot was made live.
    SnapshotActivated = "snapshot.activated";
    /// A policy snapshot that was proposed did not become live.
    SnapshotDeclined = "snapshot.declined";
    /// Somebody agreed to a policy snapshot, or did not.
    SnapshotJudged = "snapshot.judged";
    /// Somebody wants a policy snapshot live, and others have to agree.
    SnapshotProposed = "snapshot.proposed";
    /// A policy snapshot was stored.
    SnapshotUploaded = "snapshot.uploaded";
    /// A person lets a policy snapshot become live though its tests do not show that it is right.
    SnapshotWaived = "snapshot.waived";
    /// The state at this place in the ledger has this hash.
    StateSealed = "state.sealed";
    /// Data about a subject was erased.
    SubjectErased = "subject.erased";
    /// A second person confirmed an erasure.
    SubjectErasureConfirmed = "subject.erasure_confirmed";
    /// Data about a subject is to be erased; until then hardly anybody reads it.
    SubjectRestricted = "subject.restricted";
    /// A person looked at a tool that changed.
    ToolApproved = "tool.approved";
    /// Under the same name is another tool now.
    ToolChanged = "tool.changed";
    /// A tool was seen for the first time.
    ToolRegistered = "tool.registered";
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

pub(crate) fn is_zero(value: &u32) -> bool {
    *value == 0
}
