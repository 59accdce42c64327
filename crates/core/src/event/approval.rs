//! Requests to people, their votes, and how requests end.

use std::sync::Arc;

use countersign_policy::verdict::Quorum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Permit, Status, Track};
use crate::digest::Digest;
use crate::ids::{ActionId, ApprovalId, NoticeId};
use crate::time::Time;

/// Who has to approve, as it stood when the request was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Names of teams, duties, schedules or people; empty = the people with permission `admin`.
    pub names: Vec<String>,
    /// Whom its schedules and lines of management named when it was asked, by name: only they answer for those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_call: Vec<OnCallAs>,
    /// Who that was then, the first fifty. Eligibility is looked up again at the vote.
    pub people: Vec<String>,
    /// How many of them.
    pub quorum: Quorum,
    /// `document#rule` that asks.
    pub source: String,
    /// Who stands in for whom: the delegate has the seat of the person who was away when it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stands_in: Vec<StandIn>,
}

/// Whom a name meant when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnCallAs {
    /// The name, such as `schedule:oncall`.
    pub name: String,
    /// The people.
    pub people: Vec<String>,
}

/// Who has the seat of somebody who was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandIn {
    /// Who stands in.
    pub delegate: String,
    /// For whom.
    pub principal: String,
}

impl Slot {
    /// For whom somebody stands in.
    pub fn principal(&self, delegate: &str) -> Option<&str> {
        let found = self.stands_in.iter().find(|stand_in| stand_in.delegate == delegate);
        found.map(|stand_in| stand_in.principal.as_str())
    }

    /// Whom a name that depends on the hour meant when it was asked.
    pub fn on_call_as(&self, name: &str) -> &[String] {
        let found = self.on_call.iter().find(|meant| meant.name == name);
        found.map_or(&[], |meant| &meant.people)
    }
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
    /// What whoever decides may narrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub editable: Option<super::Editable>,
    /// Until when the evidence has to be complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_due: Option<Time>,
    /// People who may not vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// Parts of evidence that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The person whose credential asked, if it was one: whose manager `manager_of:requester` means. Whom the agent only
    /// names is not it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
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
    /// Says yes to less than was asked for.
    Edit,
}

impl Verb {
    /// What it says, yes or no: who approves less approves.
    #[must_use]
    pub fn decision(self) -> Verb {
        if self == Verb::Edit { Verb::Approve } else { self }
    }
}

/// `approval.voted`; the comment is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalVoted {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// The signature of the person's passkey over it, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<super::Assertion>,
    /// What it was given together with: the same for every vote that the person gave at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Digest>,
    /// The channel that it came by, where it came by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Until when nobody else decides, for a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Time>,
    /// Until when the agent has to answer a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clarify_due: Option<Time>,
    /// It counts.
    pub counted: bool,
    /// The digest of what the vote is for: what the person saw; of an edit, what the person made of it.
    pub digest: Digest,
    /// How long the person had it: from the first reading to the vote; nothing where it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell_ms: Option<i64>,
    /// What is conspicuous about the person's last votes, with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<super::Flag>,
    /// The names as which the place was handed over: both people answer to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed_as: Vec<String>,
    /// The link that it came by; it works no more if the vote counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Digest>,
    /// Why it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
    /// The hash of what the person was shown, if the vote says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation: Option<Digest>,
    /// It takes one more person, as the person's votes were conspicuous before.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub second: bool,
    /// Whoever says yes owns the agent that asks.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub self_approved: bool,
    /// The colleague who has the place now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// It came sooner than policy takes for reading.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub too_fast: bool,
    /// Who.
    pub user: String,
    /// What.
    pub verb: Verb,
}

/// `approval.viewed`: the first reading of a request by a person, and the first after the agent has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalViewed {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// The digest that was shown.
    pub digest: Digest,
    /// The hash of everything that was shown.
    pub presentation: Digest,
    /// Who.
    pub user: String,
}

/// `approval.linked`: a link of one use was made, which a notice brings to one person. Its secret is in the notice alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLinked {
    /// The action.
    pub action_id: ActionId,
    /// The request.
    pub approval: ApprovalId,
    /// The channel that brings it.
    pub channel: String,
    /// A keyed digest of the link's secret, of which nothing else is kept.
    pub link: Digest,
    /// The notice that it stands in.
    pub notice: NoticeId,
    /// When it stops working: with the step that it asks for.
    pub until: Time,
    /// Who may decide with it.
    pub user: String,
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
    /// A named person let it through in place of those who were asked.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub break_glass: bool,
    /// What the permit adds to the windows of limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<super::Counted>,
    /// Classes of tools for which people said yes or no, or the tool where the catalogue gives it none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Arc<str>>,
    /// A safer operation that the route offers in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The permit, if it was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
    /// What its agent wants from now on by rules that went live after the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<super::Position>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// What the permit reserves from budgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<super::Reservation>,
    /// Where it ended.
    pub state: ApprovalState,
    /// What the caller needs.
    pub status: Status,
    /// One sentence.
    pub why: String,
}
