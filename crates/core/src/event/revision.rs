//! Records of a request whose action was changed while people decide, and what may be changed.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::verdict::ConstraintValue;
use countersign_policy::{Assurance, Decision, Outputs, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DecisionFacts, Excluded, Slot, Spends, Track, is_false};
use crate::digest::Digest;
use crate::ids::{ActionId, ApprovalId};

/// What whoever decides may narrow, as rules and routes said it when the request was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Editable {
    /// Votes for an action stand for what a reviewer narrowed it to.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keeps_votes: bool,
    /// Places of the action: JSON pointers.
    pub pointers: BTreeSet<String>,
    /// An edited action takes somebody else's approval as well; left out: where the tool's risk is `R3` or `R4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<bool>,
}

/// `approval.revised`: the request is about another action now; that is the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRevised {
    /// The action.
    pub action_id: ActionId,
    /// Money that moves now, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The request.
    pub approval: ApprovalId,
    /// What is other than before: JSON pointers.
    pub changed: Vec<String>,
    /// Classes that the tool catalogue gives what the action names, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Limits that travel with the grant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constraints: BTreeMap<String, ConstraintValue>,
    /// What counts from now on while people are asked, in place of what counted before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<super::Counted>,
    /// What is to count once people have approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts_later: Vec<super::Counted>,
    /// The amount's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What policy says of it. What is looser than before loosens nothing: people were asked.
    pub decision: Decision,
    /// The action's digest now.
    pub digest: Digest,
    /// The person who narrowed it; the agent itself changed it where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<String>,
    /// People who may not vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<Excluded>,
    /// What the evaluation read outside the action.
    pub facts: DecisionFacts,
    /// Votes for what it was before stand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keeps_votes: bool,
    /// What its result may let out.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// What its agent wants from now on of subjects about which agents may disagree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<super::Position>,
    /// The action's digest before.
    pub previous: Digest,
    /// Routes from before that want to know their people more surely now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<Raised>,
    /// What matched and spoke for something.
    pub reasons: Vec<Reason>,
    /// What a grant would rest on that only the agent says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported: Vec<String>,
    /// Which one it is; what was asked for first is 1.
    pub revision: u32,
    /// Somebody else than its author has to approve it as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub second: bool,
    /// Who has to approve, those from before included.
    pub slots: Vec<Slot>,
    /// What it says about money, where budgets are about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spends: Option<Spends>,
    /// Routes that it takes besides those from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// Names of new approvers that resolve to nobody; the default route stands in for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
    /// How long an approval may be used, seconds.
    pub valid_for_s: i64,
}

/// A route that wants to know its people more surely than it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    /// How surely.
    pub assurance: Assurance,
    /// Its place among the routes.
    pub track: u32,
}

impl ApprovalRevised {
    /// The routes that it takes, from those of before.
    pub fn join(&self, tracks: &mut Vec<Track>) {
        for (place, track) in (0..).zip(tracks.iter_mut()) {
            self.raise(place, track);
        }
        tracks.extend(self.tracks.iter().cloned());
    }

    /// What it makes of the route at a place.
    pub fn raise(&self, place: u32, track: &mut Track) {
        let raised = self.raised.iter().filter(|raised| raised.track == place);
        raised.for_each(|raised| track.assurance = raised.assurance);
    }
}
