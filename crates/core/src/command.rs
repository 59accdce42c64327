//! What can be asked of a ledger's state. Time and identifiers are inputs of [`State::handle`](crate::State::handle).

mod candidate;
mod circuit;
mod observed;
mod oneself;
mod permit;
mod request;
mod rota;
mod run;
mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::Decimal;

use crate::event::{
    AgentDescribed, AgentRegistered, ApprovalLinked, AuthenticatorAdded, AuthenticatorRemoved, Cause,
    ChannelRegistered, CredentialStored, Delivery, EpochOpened, Filtered, HoldScope, KeyIssued, KeyRotated,
    LedgerOpened, Mode, NoticeAttempted, OutcomeStatus, Scope, SnapshotUploaded, ToolApproved, ToolRegistered,
    UserAdded,
};
use crate::ids::{
    AbsenceId, ActionId, AlertId, ApprovalId, DeliveryId, HoldId, NoticeId, OverrideId, ProposalId, ReceiverId,
};
use crate::record::{Actor, Commitment, Idempotency, Payload};
use crate::retention::{Covered, Subject};
use crate::state::NewLease;
use crate::time::Time;
use crate::view::ActionView;

pub use self::candidate::TryCandidate;
pub use self::circuit::AboutCircuit;
pub use self::observed::{Observe, ObservedCall};
pub use self::oneself::OwnProfile;
pub use self::permit::{Redeem, ReleaseCredential};
pub use self::request::{BreakGlass, CloseReview, Edit, Practise, PractiseDue, Revise, Via, Viewing, Vote};
pub use self::rota::{NewAbsence, NewOverride};
pub use self::run::{AboutRun, EndRun, NewRun};
pub use self::submit::Submit;

/// Foreign JSON with the commitment to it.
pub type Sealed = Arc<(Payload, Commitment)>;

/// A command, who gives it, and under which idempotency key.
pub struct Envelope {
    /// Who gives it.
    pub actor: Actor,
    /// The key that it was authenticated with.
    pub kid: Option<Arc<str>>,
    /// The request's idempotency key.
    pub idem: Option<Idempotency>,
    /// What is wanted.
    pub command: Command,
}

/// How much of what an agent does is to be looked at.
pub struct SetMode {
    /// The agent.
    pub agent: Arc<str>,
    /// The operation.
    pub operation: String,
    /// The mode.
    pub mode: Mode,
    /// Why.
    pub why: Option<Sealed>,
}

/// What happened after.
pub struct ReportOutcome {
    /// The action.
    pub action_id: ActionId,
    /// The agent that reports, unless a gateway does.
    pub agent: Option<Arc<str>>,
    /// Why it came to nothing good, where somebody says so.
    pub cause: Option<Cause>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// What it cost, and in which currency.
    pub cost: Option<(Decimal, String)>,
    /// How long it took, milliseconds.
    pub duration_ms: Option<u64>,
    /// Tokens by kind.
    pub tokens: BTreeMap<String, u64>,
    /// Output and error, stored form.
    pub stored: Option<Sealed>,
    /// What redaction replaced in it.
    pub redact: BTreeMap<String, u32>,
    /// What was done about the result by the output rules, where whoever reports has done it.
    pub filtered: Option<Filtered>,
    /// The action as the ledger has it, in case its permit has left the state.
    pub view: Option<Box<ActionView>>,
}

/// Restricts data about a subject, so that it can be erased; or confirms that.
pub struct Restrict {
    /// Whom it is about.
    pub subject: Subject,
    /// Why the law asks for it.
    pub legal_basis: Option<String>,
    /// Why.
    pub reason: Sealed,
    /// The year in which the ledger began.
    pub since: i16,
    /// Until when a rule of retention forbids the erasure.
    pub until: Option<Time>,
}

/// Erases what is restricted.
pub struct Erase {
    /// Whom it is about.
    pub subject: Subject,
    /// What lies under its keys; `None` if nothing does.
    pub covered: Option<Covered>,
    /// How many payloads that are.
    pub payloads: u64,
}

/// Destroys payloads whose time is over.
pub struct Destroy {
    /// Their class.
    pub class: String,
    /// Each of them.
    pub covered: Vec<Covered>,
    /// Index of the first of their records.
    pub from: u64,
    /// Index after the last of their records.
    pub to: u64,
}

/// Removes the bytes of old records.
pub struct Prune {
    /// Records before this index.
    pub to: u64,
    /// Time of the oldest of them.
    pub oldest: Time,
    /// Time of the newest of them.
    pub newest: Time,
    /// Why.
    pub reason: Sealed,
}

/// What can be asked.
pub enum Command {
    /// Begin the ledger.
    Open(Box<LedgerOpened>),
    /// Decide an action.
    Submit(Box<Submit>),
    /// Vote on a request.
    Vote(Box<Vote>),
    /// A person is sent a link by which to decide.
    Link(Box<ApprovalLinked>),
    /// Make a request that cannot come to anything.
    Practise(Box<Practise>),
    /// A drill or a canary is due.
    PractiseDue(Box<PractiseDue>),
    /// Let an action through that waits for others.
    BreakGlass(Box<BreakGlass>),
    /// Let a person break the glass again.
    RestoreGlass {
        /// Who.
        user: String,
        /// Why.
        reason: Sealed,
    },
    /// Let a person vote again whose votes were conspicuous; why.
    RestoreReviewer(String, Sealed),
    /// Notes that a person was shown a request.
    View(Box<Viewing>),
    /// Complete the evidence of a request.
    Answer {
        /// The request.
        approval: ApprovalId,
        /// The agent that answers.
        agent: Arc<str>,
        /// Parts of evidence that are complete now.
        parts: Vec<String>,
        /// The evidence, stored form.
        stored: Sealed,
        /// What redaction replaced in it.
        redact: BTreeMap<String, u32>,
    },
    /// Change what a request is about.
    Revise(Box<Revise>),
    /// Withdraw a request.
    Cancel {
        /// The request.
        approval: ApprovalId,
        /// The agent that withdraws it; `None` for a person.
        agent: Option<Arc<str>>,
    },
    /// Use a permit.
    Redeem(Box<Redeem>),
    /// Report what happened.
    ReportOutcome(Box<ReportOutcome>),
    /// Set how much of what an agent does is looked at.
    SetMode(Box<SetMode>),
    /// Say what was found about an action that has run.
    CloseReview(Box<CloseReview>),
    /// Let through again what an open circuit is about; and why.
    CloseCircuit(Box<AboutCircuit>, Option<Sealed>),
    /// Pause an agent, and why.
    PauseAgent(Arc<str>, Option<Sealed>),
    /// Let a paused agent go on, and why.
    ResumeAgent(Arc<str>, Option<Sealed>),
    /// Register an agent and issue its key.
    RegisterAgent(Box<AgentRegistered>, Option<Box<KeyIssued>>),
    /// Add a person or change a person's rights.
    PutUser(Box<UserAdded>, Option<Sealed>, Option<Box<KeyIssued>>),
    /// Change what a person may change of themselves.
    ChangeOwnProfile(Box<OwnProfile>),
    /// Remove a person and revoke the person's keys.
    RemoveUser(String),
    /// Issue a credential.
    IssueKey(Box<KeyIssued>),
    /// Revoke a credential.
    RevokeKey(String),
    /// Give a person something to sign in with.
    AddAuthenticator(Box<AuthenticatorAdded>),
    /// Take something away that a person signs in with.
    RemoveAuthenticator(AuthenticatorRemoved),
    /// Store a snapshot.
    UploadSnapshot(Box<SnapshotUploaded>),
    /// Make a stored snapshot live.
    ActivateSnapshot {
        /// Its hash, `sha256:…`.
        hash: Arc<str>,
        /// Why.
        rationale: Option<Sealed>,
    },
    /// Agree to a proposed snapshot, or not.
    JudgeSnapshot {
        /// Its hash, `sha256:…`.
        hash: Arc<str>,
        /// To what the person was shown that somebody wants of it.
        proposal: Option<ProposalId>,
        /// Yes or no.
        agrees: bool,
        /// What the person says.
        comment: Option<Sealed>,
    },
    /// Let a stored snapshot become live though its tests do not show that it is right.
    WaiveTests {
        /// How many of its tests fail.
        failing: u64,
        /// Its hash, `sha256:…`.
        hash: Arc<str>,
        /// Why.
        reason: Sealed,
        /// How many of its rules no test tries.
        untried: u64,
    },
    /// Make the snapshot live that was live before.
    RollBack {
        /// What the caller saw that is to go: the canary, or what is live.
        from: Option<Arc<str>>,
        /// Why.
        rationale: Option<Sealed>,
    },
    /// Try a snapshot beside the one that is live.
    TryCandidate(Box<TryCandidate>),
    /// Take back what is tried.
    WithdrawCandidate(Option<Sealed>),
    /// Make live what is tried: what the caller saw there, and why.
    PromoteCandidate(Option<Arc<str>>, Option<Sealed>),
    /// Engage a kill switch.
    Kill {
        /// What it stops.
        scope: Scope,
        /// Why.
        reason: Option<Sealed>,
    },
    /// Release a kill switch.
    Release {
        /// What it stopped.
        scope: Scope,
        /// Why.
        reason: Option<Sealed>,
    },
    /// Take a lease, or keep it.
    TakeLease(Box<NewLease>),
    /// Give a gateway's lease back.
    GiveBackLease(String),
    /// Say what is known of an agent.
    DescribeAgent(Box<AgentDescribed>),
    /// Make an agent active of which all is known.
    ActivateAgent(Arc<str>),
    /// Say how a tool looks.
    RegisterTool(Box<ToolRegistered>),
    /// Approve a tool that changed.
    ApproveTool(Box<ToolApproved>),
    /// Place a legal hold.
    PlaceHold {
        /// What it covers.
        scope: HoldScope,
        /// Why.
        reason: Sealed,
    },
    /// Release a legal hold, or ask for it.
    ReleaseHold {
        /// The hold.
        hold: HoldId,
        /// Why.
        reason: Sealed,
    },
    /// Restrict data about a subject, so that it can be erased; or confirm that.
    Restrict(Box<Restrict>),
    /// Erase what is restricted.
    Erase(Box<Erase>),
    /// Destroy payloads whose time is over.
    Destroy(Box<Destroy>),
    /// Remove the bytes of old records.
    Prune(Box<Prune>),
    /// Record that somebody is absent.
    RecordAbsence(Box<NewAbsence>),
    /// Record that somebody is there after all.
    WithdrawAbsence(AbsenceId),
    /// Put somebody on in a schedule.
    RecordOverride(Box<NewOverride>),
    /// Let the schedule hold again.
    WithdrawOverride(OverrideId),
    /// Acknowledge an alert.
    AcknowledgeAlert(AlertId),
    /// Register a receiver of callbacks.
    RegisterReceiver {
        /// Where callbacks go.
        url: String,
    },
    /// Remove a receiver of callbacks.
    RemoveReceiver(ReceiverId, &'static str),
    /// Note how a try to deliver ended.
    NoteDelivery {
        /// The callback.
        delivery: DeliveryId,
        /// Which try this was.
        attempt: u32,
        /// What the receiver said.
        detail: String,
        /// How it ended.
        result: Delivery,
        /// When it is tried again.
        next: Option<Time>,
    },
    /// Send a callback again.
    Resend(DeliveryId),
    /// Register a channel.
    RegisterChannel(Box<ChannelRegistered>),
    /// Remove a channel, and with it what is on its way there.
    RemoveChannel(String),
    /// Store a credential of a tool, or give it another value.
    StoreCredential(Box<CredentialStored>),
    /// Remove a credential of a tool.
    RemoveCredential(String),
    /// Give out the credential of the tool that is about to run.
    ReleaseCredential(Box<ReleaseCredential>),
    /// Note how a try to deliver a notice ended.
    NoteNotice(Box<NoticeAttempted>),
    /// Send a notice again.
    ResendNotice(NoticeId),
    /// Take what a source says that was called elsewhere.
    Observe(Box<Observe>),
    /// Begin a run.
    StartRun(Box<NewRun>),
    /// End a run.
    EndRun(Box<EndRun>),
    /// Say something to the agents of a run.
    GiveInput(Box<AboutRun>),
    /// Note something about a run.
    NoteRun(Box<AboutRun>),
    /// Do what is due.
    Tick,
    /// Note that the host's clock jumped.
    NoteClockJump {
        /// What it shows.
        shows: Time,
    },
    /// Confirm the host's clock.
    ConfirmClock {
        /// `operator` or `caught_up`.
        by: &'static str,
    },
    /// Go on under another name, after what was signed for was lost; and why.
    OpenEpoch(Box<EpochOpened>, Option<Sealed>),
    /// Let records be of every type that this reader knows.
    RaiseMinReader(u32),
    /// Sign checkpoints with another key.
    RotateLogKey(Box<KeyRotated>),
    /// Vouch for the state.
    Seal,
    /// Close the organization.
    Close,
}

impl Command {
    /// What it is called in records.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Open(..) => "open",
            Command::Submit(..) => "submit",
            Command::Vote(..) => "vote",
            Command::Link(..) => "link",
            Command::Practise(..) => "practise",
            Command::PractiseDue(..) => "practise_due",
            Command::BreakGlass(..) => "break_glass",
            Command::RestoreGlass { .. } => "restore_glass",
            Command::RestoreReviewer(..) => "restore_reviewer",
            Command::Answer { .. } => "answer",
            Command::Revise(..) => "revise",
            Command::Cancel { .. } => "cancel",
            Command::Redeem(..) => "redeem",
            Command::ReportOutcome(..) => "report_outcome",
            Command::SetMode(..) => "set_mode",
            Command::CloseReview(..) => "close_review",
            Command::CloseCircuit(..) => "close_circuit",
            Command::PauseAgent(..) => "pause_agent",
            Command::ResumeAgent(..) => "resume_agent",
            Command::RegisterAgent(..) => "register_agent",
            Command::PutUser(..) => "put_user",
            Command::ChangeOwnProfile(..) => "change_own_profile",
            Command::RemoveUser(..) => "remove_user",
            Command::IssueKey(..) => "issue_key",
            Command::AddAuthenticator(..) => "add_authenticator",
            Command::RemoveAuthenticator(..) => "remove_authenticator",
            Command::RevokeKey(..) => "revoke_key",
            Command::UploadSnapshot(..) => "upload_snapshot",
            Command::ActivateSnapshot { .. } => "activate_snapshot",
            Command::JudgeSnapshot { .. } => "judge_snapshot",
            Command::WaiveTests { .. } => "waive_tests",
            Command::RollBack { .. } => "roll_back",
            Command::TryCandidate(..) => "try_candidate",
            Command::WithdrawCandidate(..) => "withdraw_candidate",
            Command::PromoteCandidate(..) => "promote_candidate",
            Command::Kill { .. } => "kill",
            Command::Release { .. } => "release",
            Command::TakeLease(..) => "take_lease",
            Command::GiveBackLease(..) => "give_back_lease",
            Command::DescribeAgent(..) => "describe_agent",
            Command::ActivateAgent(..) => "activate_agent",
            Command::RegisterTool(..) => "register_tool",
            Command::ApproveTool(..) => "approve_tool",
            Command::PlaceHold { .. } => "place_hold",
            Command::ReleaseHold { .. } => "release_hold",
            Command::View(..) => "view",
            Command::Restrict(..) => "restrict",
            Command::Erase(..) => "erase",
            Command::Destroy(..) => "destroy",
            Command::Prune(..) => "prune",
            Command::RecordAbsence(..) => "record_absence",
            Command::WithdrawAbsence(..) => "withdraw_absence",
            Command::RecordOverride(..) => "record_override",
            Command::WithdrawOverride(..) => "withdraw_override",
            Command::AcknowledgeAlert(..) => "acknowledge_alert",
            Command::RegisterReceiver { .. } => "register_receiver",
            Command::RemoveReceiver(..) => "remove_receiver",
            Command::NoteDelivery { .. } => "note_delivery",
            Command::Resend(..) => "resend",
            Command::RegisterChannel(..) => "register_channel",
            Command::RemoveChannel(..) => "remove_channel",
            Command::StoreCredential(..) => "store_credential",
            Command::RemoveCredential(..) => "remove_credential",
            Command::ReleaseCredential(..) => "release_credential",
            Command::NoteNotice(..) => "note_notice",
            Command::ResendNotice(..) => "resend_notice",
            Command::Observe(..) => "observe",
            Command::StartRun(..) => "start_run",
            Command::EndRun(..) => "end_run",
            Command::GiveInput(..) => "give_input",
            Command::NoteRun(..) => "note_run",
            Command::Tick => "tick",
            Command::NoteClockJump { .. } => "note_clock_jump",
            Command::ConfirmClock { .. } => "confirm_clock",
            Command::OpenEpoch(..) => "open_epoch",
            Command::RaiseMinReader(..) => "raise_min_reader",
            Command::RotateLogKey(..) => "rotate_log_key",
            Command::Seal => "seal",
            Command::Close => "close",
        }
    }
}
