//! The state of one organization: a fold over its ledger, holding only what is open.
//!
//! [`State::handle`] answers a command with events, reading but not changing the state; [`State::apply`] stores what a
//! record says. Both are total: no I/O, no clock, no randomness. What leaves the state without a record of its own
//! (permits that nobody used, old idempotency keys) leaves in `apply`, by the times that records carry, so that every
//! fold of the same records gives the same state, byte for byte.

mod access;
mod apply;
mod autonomy;
mod budget;
mod caches;
mod cadence;
mod candidate;
mod cause;
mod chain;
mod change;
mod channels;
mod coverage;
mod credentials;
mod ctx;
mod days;
mod decide;
mod disagree;
mod economics;
mod facts;
mod failures;
mod glass;
mod guard;
mod handle;
mod health;
mod inventory;
mod late;
mod lease;
mod limit;
mod link;
mod log;
mod matching;
mod measured;
mod notices;
mod observed;
mod open;
mod organization;
mod outcome;
mod people;
mod permit;
mod plan;
mod post_review;
mod practice;
mod refold;
mod registers;
mod registry;
mod request;
mod retention;
mod review;
pub(crate) mod revise;
mod route;
mod ruling;
mod runs;
mod sample;
mod sign_in;
mod stop;
mod taint;
mod theatre;
mod timers;
mod tools;
mod track;
mod transient;
mod viewed;
mod vote;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use countersign_policy::Outputs;
use countersign_policy::verdict::{ConstraintValue, PermitUse};
use serde::{Deserialize, Serialize};

pub use self::autonomy::{missing, percent};
pub use self::budget::{Account, AccountStands, BudgetStands, Fullness, amount_text};
pub use self::cadence::{Draw, Drilled, LastDue, draw};
pub use self::candidate::{Candidate, Counts, Governing, Tried, picks};
pub use self::chain::HandedOn;
pub use self::change::Proposal;
pub use self::channels::{Channel, PendingNotice};
pub use self::coverage::Unreachable;
pub use self::credentials::ToolCredential;
pub use self::ctx::Ctx;
pub use self::days::{COUNTED_DAYS, Days, Denial, HourCounts, RuleCount};
pub use self::disagree::Positions;
pub use self::economics::{LEAST_DECIDED, Tally, could_be_loosened};
pub(crate) use self::facts::{Known, judge, on_recorded_facts};
pub use self::facts::{counterfactuals, explain, imagined};
pub use self::glass::{Glass, Suspended};
pub use self::handle::{Answer, Handled};
pub use self::health::FailureMode;
pub use self::inventory::{Access, Readiness, UNUSED_SPAN, Uses};
pub use self::late::LateVotes;
pub use self::lease::{LEASE_SECONDS, LEASE_SPAN, Lease, NewLease};
pub use self::limit::{Circuit, CircuitStands, Circuits, LimitStands, LookedFor, Window, WindowStands, Windows};
pub use self::link::OpenLink;
pub use self::measured::{
    BOUNDS_S, ClassCount, Looks, Measured, Measures, Ran, Requests, Times, Votes, WeekCounts, bound_of,
};
pub use self::observed::{Coverage, Covered, DayCovered, OBSERVED_DAYS, Observed, Source, day_of, day_text};
pub use self::open::{Key, Kill, OpenAlert, PendingDelivery, StoredSnapshot, User, Waiver};
use self::open::{RefusalWindow, Remembered};
pub use self::organization::{LONGEST_DELEGATION, Requester, Resolved, Rota};
pub use self::plan::{OffPlan, Plan};
pub use self::post_review::OpenReview;
pub use self::practice::{CANARY_SPAN, OpenPractice};
pub use self::registers::{Entries, Register};
pub use self::request::{Claim, Handed, OpenApproval, Question};
pub use self::retention::{HOLD_RELEASE_SPAN, Hold, Restriction};
pub use self::ruling::Ruling;
pub use self::runs::{OpenRun, RUN_IDLE_S, Runs};
pub use self::sample::OpenSample;
pub use self::sign_in::{PASSWORD, SIGN_IN};
pub use self::theatre::{Barred, Conduct, LONGEST_READING, Reviewers, THEATRE_SPAN, response};
pub use self::tools::{KnownTool, Tools};
pub use self::track::{AskedStep, OpenTrack};
pub use self::transient::Transient;
use crate::digest::Digest;
use crate::event::{
    ActsIn, CallbackTo, Counted, Description, EpochOpened, KeyRotated, Passkey, Position, Reservation, Slot, Spends,
    Standing, Track,
};
use crate::ids::{ActionId, AlertId, ApprovalId, DeliveryId, HoldId, NoticeId, ReceiverId, ReviewId};
use crate::record::Half;
use crate::retention::Subject;
use crate::time::{Span, Time};
use crate::week::Week;

/// How long an idempotency key is remembered.
pub const IDEMPOTENCY_SPAN: Span = Span::hours(24);
/// How long a closed action is kept against reports that are already on their way.
const GRACE: Span = Span::minutes(10);
/// How long a permit is good, unless an approval says otherwise.
pub const PERMIT_SPAN: Span = Span::minutes(5);
/// How long an outcome is waited for after a permit was used.
pub const OUTCOME_SPAN: Span = Span::hours(24);
/// The window of repeated refusals, and how many of the same it takes.
const REFUSAL_SPAN: Span = Span::minutes(1);
const REFUSAL_LIMIT: u32 = 10;

/// A registered or sighted agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Since when it is active, where that takes readiness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<Time>,
    /// What the inventory knows of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Box<Description>>,
    /// Free labels that conditions see.
    pub labels: BTreeMap<String, String>,
    /// Who answers for it; empty for an agent that was only sighted.
    pub owner: String,
    /// Nobody registered it.
    pub quarantined: bool,
    /// Why it gets no permit until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Nobody looked at what is known of it in time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub review_overdue: bool,
    /// When it was first known.
    pub since: Time,
    /// The source that saw it elsewhere, where it never asked here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its team.
    pub team: Option<String>,
    /// When it last used what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: Uses,
}

/// A permit that can still be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPermit {
    /// For whom it is.
    pub audience: Arc<str>,
    /// When it ends.
    pub expires: Time,
    /// Index of the record that issued it: a kill after it voids it.
    pub issued: u64,
    /// How it may be checked.
    pub r#use: PermitUse,
}

/// An action of which something is still open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAction {
    /// How much of what the agent does is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_in: Option<ActsIn>,
    /// Who acts.
    pub agent: Arc<str>,
    /// The request for a human decision.
    pub approval: Option<ApprovalId>,
    /// What a failure of it counts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Arc<str>>,
    /// Where its final status is told.
    pub callback: Option<CallbackTo>,
    /// Classes of the tool catalogue that it lies in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What was granted within which limits.
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// What it adds to the windows of limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// What it adds to them once people have approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts_later: Vec<Counted>,
    /// Who handed it on, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<HandedOn>,
    /// Its digest.
    pub digest: Digest,
    /// Budgets and limits still hold what its permit reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// `verified` or `claimed`: how the agent was known when it asked.
    pub identity: String,
    /// When it leaves the state.
    pub leaves: Time,
    /// Until when an outcome is expected, once the permit was used.
    pub outcome_due: Option<Time>,
    /// The outcome is known.
    pub outcome: bool,
    /// What its result may let out.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// The permit.
    pub permit: Option<OpenPermit>,
    /// The permit was used.
    pub redeemed: bool,
    /// Labels of what its agent has read once it has run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// Redaction replaced parts of it: its stored form is not all of it.
    pub redacted: bool,
    /// It is a practice: nobody did it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub practice: bool,
    /// What its agent wants by it of subjects about which agents may disagree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Position>,
    /// How often its permit was shown and refused.
    pub refused: u32,
    /// A credential was given out for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub released: bool,
    /// The person whose credential asked a person to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// What its permit reserved from budgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reservation>,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<str>>,
    /// Index of the decision.
    pub seq: u64,
    /// What it says about money, where people were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spends: Option<Spends>,
    /// Who had to approve, if people were asked.
    pub slots: Vec<Slot>,
    /// Routes that the request took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// The snapshot that the decision cites.
    pub snapshot: Option<Arc<str>>,
    /// The operation.
    pub operation: Arc<str>,
    /// The agent's team when it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Arc<str>>,
    /// The tool, or the operation where there is none.
    pub tool: Arc<str>,
    /// A tool was named that is called like the operation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tool_is_namesake: bool,
    /// What it added to the windows of limits was taken back: it never ran.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncounted: bool,
}

/// What a timer is about. Timers are a cache of the state, rebuilt when a state is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Evidence is overdue.
    Evidence(ApprovalId),
    /// The answer to a question is overdue.
    Question(ApprovalId),
    /// The people of a step are reminded.
    Remind(ApprovalId, u32),
    /// The time of a step is over.
    Step(ApprovalId, u32),
    /// An answer of people is overdue.
    Sla(ApprovalId),
    /// A request expires.
    Deadline(ApprovalId),
    /// An approval was not used.
    Lapse(ActionId),
    /// An outcome is overdue.
    Outcome(ActionId),
    /// A look at what has run is overdue.
    Review(ReviewId),
    /// The time to agree to a policy is over.
    Proposal,
    /// A week is over, and its sample is looked at.
    Sample,
}

/// The same for what has a name in place of an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NamedDue {
    /// Nothing was heard of a gateway.
    Lease(String),
    /// An agent is to be looked at.
    AgentReview(Arc<str>),
    /// Nothing was heard of a run.
    Run(Arc<str>),
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The state of one organization at one place in its ledger.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    actions: BTreeMap<ActionId, OpenAction>,
    agents: BTreeMap<Arc<str>, Agent>,
    alerts: BTreeMap<AlertId, OpenAlert>,
    approvals: BTreeMap<ApprovalId, OpenApproval>,
    /// What people sign in with, by person; `None` is a password.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    authenticators: BTreeMap<String, BTreeMap<String, Option<Passkey>>>,
    /// What agents have shown, by agent and operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    autonomy: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Standing>>,
    /// What is spent and reserved, by account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    budgets: BTreeMap<Arc<str>, Account>,
    /// What came of each cadence last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cadences: BTreeMap<String, LastDue>,
    /// The snapshot that is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<Candidate>,
    /// Channels by which people are told about requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    channels: BTreeMap<String, Channel>,
    /// Retention classes that payloads were given, besides the default.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    classes: BTreeSet<Arc<str>>,
    /// Circuits that failures have opened.
    #[serde(default, skip_serializing_if = "Circuits::is_empty")]
    circuits: Circuits,
    closed: bool,
    /// Credentials of tools, without their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    credentials: BTreeMap<String, ToolCredential>,
    currency: String,
    /// What is decided is counted, see [`Days`] and [`Measures`].
    #[serde(default, skip_serializing_if = "is_false")]
    counts: bool,
    /// What was decided of late.
    #[serde(default, skip_serializing_if = "Days::is_empty")]
    days: Days,
    deliveries: BTreeMap<DeliveryId, PendingDelivery>,
    /// How everybody does in drills.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    drilled: BTreeMap<String, Drilled>,
    /// Epochs of the log after the first, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    epochs: Vec<EpochOpened>,
    /// What agents fail at in a row, by agent and attempt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    failing: BTreeMap<Arc<str>, BTreeMap<Arc<str>, failures::Failing>>,
    /// The host's clock jumped, and nobody confirmed it.
    frozen: bool,
    /// Who broke the glass, and who may not any more.
    #[serde(default, skip_serializing_if = "Glass::is_empty")]
    glass: Glass,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<HoldId, Hold>,
    idempotency: BTreeMap<String, Remembered>,
    keys: BTreeMap<Arc<str>, Key>,
    kills: BTreeMap<String, Kill>,
    /// Index of the last kill of a scope, kept after its release: permits from before stay void.
    last_kill: BTreeMap<String, u64>,
    last_ts: Time,
    /// Votes on requests that have ended, of late.
    #[serde(default, skip_serializing_if = "LateVotes::is_empty")]
    late: LateVotes,
    /// Leases of gateways, by holder and gateway.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    leases: BTreeMap<String, Lease>,
    live: Option<Arc<str>>,
    /// Snapshots that were live, oldest first.
    live_before: Vec<Arc<str>>,
    /// What governance comes to, counted.
    #[serde(default, skip_serializing_if = "Measures::is_empty")]
    measures: Measures,
    next_seq: u64,
    /// The least reader of its records, once somebody raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_reader: Option<u32>,
    /// Notices that have not arrived.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notices: BTreeMap<NoticeId, PendingNotice>,
    /// What was called elsewhere.
    #[serde(default, skip_serializing_if = "Observed::is_empty")]
    observed: Observed,
    organization: String,
    /// Who wants what of subjects about which agents may disagree.
    #[serde(default, skip_serializing_if = "Positions::is_empty")]
    positions: Positions,
    /// Open requests that cannot come to anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    practices: BTreeMap<ApprovalId, OpenPractice>,
    /// Records before this index have lost their bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pruned: u64,
    /// The snapshot that waits for people to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal: Option<Proposal>,
    receivers: BTreeMap<ReceiverId, String>,
    refusals: BTreeMap<String, RefusalWindow>,
    /// Index of the record that last restricted a subject's data: later payloads lie under other keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    renewed: BTreeMap<Subject, u64>,
    /// Subjects whose data is to be erased.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    restricted: BTreeMap<Subject, Restriction>,
    /// What is known of those who vote.
    #[serde(default, skip_serializing_if = "Reviewers::is_empty")]
    reviewers: Reviewers,
    #[serde(default, skip_serializing_if = "Rota::is_empty")]
    rota: Rota,
    /// Changes of the key that signs checkpoints, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<KeyRotated>,
    /// Looks at what has run that nobody has taken yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reviews: BTreeMap<ReviewId, OpenReview>,
    #[serde(default, skip_serializing_if = "Runs::is_empty")]
    runs: Runs,
    /// What was drawn in weeks whose sample nobody was asked to look at yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    samples: BTreeMap<Week, sample::Sample>,
    sealed: u64,
    snapshots: BTreeMap<Arc<str>, StoredSnapshot>,
    /// What people decided, by class of tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tallies: BTreeMap<Arc<str>, Tally>,
    /// What was told about requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: channels::ToldAbout,
    #[serde(default, skip_serializing_if = "Tools::is_empty")]
    tools: Tools,
    users: BTreeMap<String, User>,
    /// What limits count.
    #[serde(default, skip_serializing_if = "Windows::is_empty")]
    windows: Windows,
    zone: String,

    #[serde(skip)]
    due: BTreeSet<(Time, Due)>,
    /// When windows of budgets end.
    #[serde(skip)]
    closing: BTreeSet<(Time, Arc<str>)>,
    /// When permits end that hold something of a budget or count in a limit's window, and were not used.
    #[serde(skip)]
    holding: BTreeSet<(Time, ActionId)>,
    #[serde(skip)]
    named_due: BTreeSet<(Time, NamedDue)>,
    #[serde(skip)]
    leaving: BTreeSet<(Time, ActionId)>,
    #[serde(skip)]
    forget_keys: VecDeque<(Time, Half)>,
    #[serde(skip)]
    forget_refusals: VecDeque<(Time, Digest)>,
    #[serde(skip)]
    approvals_of_agent: BTreeMap<Arc<str>, u32>,
    /// Looks at what an agent did that are open, or will be once the week is over.
    #[serde(skip)]
    reviews_of_agent: BTreeMap<Arc<str>, usize>,
}
