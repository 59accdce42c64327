//! What policy said of an action.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_policy::verdict::ConstraintValue;
use countersign_policy::{Decision, Outputs, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccountRead, ActsIn, BrokenLink, CircuitRead, Counted, DepthRead, Link, Permit, Position, PositionsRead,
    Reservation, SaidBeside, Spends, Trial, WindowRead, is_false, is_zero,
};
use crate::digest::Digest;
use crate::ids::{ActionId, ApprovalId, ReceiverId};
use crate::time::Time;

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
    /// What the guard of budgets read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<AccountRead>,
    /// Circuits of limits that are not closed, as the guard of limits read them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circuits: Vec<CircuitRead>,
    /// Who handed the action on, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<Link>,
    /// The first link of the chain that is not proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_gap: Option<BrokenLink>,
    /// Where the action lies in the tree of its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<DepthRead>,
    /// How often the agent had failed at it, in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// The agent's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kinds of personal or secret data that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pii: Vec<String>,
    /// A snapshot was live and could not be had, so the decision was made without one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub policy_unavailable: bool,
    /// What the guard of disagreements read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<PositionsRead>,
    /// The principal was proven.
    #[serde(default, skip_serializing_if = "is_false")]
    pub principal_verified: bool,
    /// Labels of what the agent had read, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
    /// What was known of the run, where somebody had started it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub run: BTreeMap<String, String>,
    /// `active`, `quarantined` or `unregistered`.
    pub standing: String,
    /// What the guard of limits read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowRead>,
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
    /// How much of what the agent does is looked at, where the policy has rules of autonomy and it is more than looking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_in: Option<ActsIn>,
    /// Who acts.
    pub agent: Arc<str>,
    /// Money that moves, decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The request that was opened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What a failure of it counts for: `tool:operation@environment`, and `#` and a keyed digest of its run and step where
    /// it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Arc<str>>,
    /// What another policy says of it that was tried at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<SaidBeside>,
    /// A grant beyond the agent's mandate was used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub beyond_mandate: bool,
    /// Where the final status is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackTo>,
    /// Classes that the tool catalogue gives what the action names, sorted; what would run, where a remedy was applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Limits that travel with the grant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// What counts from now on: what a permit adds to the windows of limits, and what already counts while people are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// What is to count once people have approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts_later: Vec<Counted>,
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
    /// Labels of what the agents have read that handed it on, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed_reads: Vec<String>,
    /// What its result may let out.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// The permit, if it is permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Permit>,
    /// What its agent wants from now on of subjects about which agents may disagree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Position>,
    /// No agent wants it: a person made it to see what others do with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practice: Option<super::PracticeKind>,
    /// Labels of what its agent has read once it has run, by the tool catalogue, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
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
    /// What the permit reserves from budgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reservation>,
    /// The resource's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Retention class that the agent's mandate asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// The run that it belongs to, as the agent names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The digest's salt, 16 bytes, hexadecimal, in records of earlier versions. It lies in the payload now, so that
    /// nobody can confirm a guess of the action once that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// What it says about money, where people are asked and budgets are about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spends: Option<Spends>,
    /// Labels of what the agent has read, as it says, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stated_reads: Vec<String>,
    /// What the caller needs.
    pub status: Status,
    /// The agent's team when it asked, which kill switches on teams go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Circuits that it tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
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
