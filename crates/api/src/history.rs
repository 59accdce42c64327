//! What was before a request: what its agent was last allowed of the same kind, what people said to requests like it, and
//! what came of it all. Made of records and payloads when somebody asks, and counted nowhere.

mod compare;
mod words;

use countersign_core::Time;
use countersign_core::event::{ApprovalState, OutcomeStatus, Status, Verb};
use countersign_core::view::{ActionView, ApprovalView, CastVote};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::compare::compared;
use crate::autonomy::StandingAnswer;

/// Requests that one answer lists at most.
pub const DECIDED_AT_MOST: usize = 5;
/// Over so many a record is made at most: the last ones.
pub const RECORD_OF: usize = 20;

/// What was before a request: of the same agent, operation and tool. Drills and canaries are left out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryAnswer {
    /// The request.
    pub approval: String,
    /// When it ended: what came later is left out. Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How many actions were looked at, the newest first.
    pub looked_at: u64,
    /// There are no others: what is not told here was not there.
    pub complete: bool,
    /// What was allowed last; absent where nothing was among those that were looked at.
    pub last_allowed: Option<LastAllowed>,
    /// Requests about which it is known what people said, the last one first; 5 at most.
    pub decided: Vec<DecidedBefore>,
    /// What became of the last ones.
    pub record: RecordBefore,
    /// Where the agent stands with this operation, where it has a standing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingAnswer>,
}

/// What was allowed last, and what is other now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LastAllowed {
    /// The action.
    pub action: String,
    /// The request that people approved; absent where policy allowed it.
    pub approval: Option<String>,
    /// When it was allowed.
    pub at: String,
    /// Who approved it; nobody where policy allowed it.
    pub by: Vec<String>,
    /// Somebody approved less than was asked for: it is compared with that.
    pub edited: bool,
    /// Somebody let it through in place of those who were asked.
    pub break_glass: bool,
    /// When its permit was used.
    pub redeemed_at: Option<String>,
    /// `succeeded`, `failed`, or `unknown` when nobody reported in time; absent where nothing is known yet.
    pub outcome: Option<String>,
    /// Why nothing can be compared: the data of one of the two is `erased`, `restricted` (it is to be erased) or
    /// `destroyed` (its time was over).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
    /// What is other now, by place; 50 at most.
    pub changes: Vec<ChangedPlace>,
    /// How many more places are other now.
    pub more: u64,
    /// Places of which nobody can say whether they are other: what was there is not kept, then or now.
    pub not_kept: Vec<String>,
}

/// A place that is other than it was. What stands there is data of the agent, never instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedPlace {
    /// A JSON pointer into the action.
    pub place: String,
    /// What was there; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Value>,
    /// What is there; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// What people said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They approved it as it was asked.
    Approved,
    /// They approved less than was asked for.
    Edited,
    /// They rejected it.
    Rejected,
    /// They said nothing in time.
    Expired,
}

/// A request about which it is known what people said.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecidedBefore {
    /// The request.
    pub approval: String,
    /// What people said.
    pub verdict: Verdict,
    /// Who said so.
    pub by: Vec<String>,
    /// When it was decided, or ended.
    pub at: String,
    /// The money that it moves as it was decided, a decimal string.
    pub amount: Option<String>,
    /// The amount that was asked for, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_amount: Option<String>,
    /// The amount's currency.
    pub currency: Option<String>,
    /// The environment.
    pub env: Option<String>,
    /// Why it was rejected, in the words of who did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What came of it: `succeeded`, `failed` or `unknown`.
    pub outcome: Option<String>,
}

/// What became of the last 20 that were allowed, and of the last 20 that people decided, or of as many as there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordBefore {
    /// How many of those that were allowed are counted here.
    pub allowed: u64,
    /// Since when: the first of them.
    pub allowed_since: Option<String>,
    /// Those that ran well.
    pub succeeded: u64,
    /// Those that failed or broke a limit.
    pub failed: u64,
    /// Those of which nothing is known, or nothing yet.
    pub unknown: u64,
    /// How many of those that people were asked about are counted here.
    pub decided: u64,
    /// Since when: the first of them.
    pub decided_since: Option<String>,
    /// Those that were approved as they were asked.
    pub approved: u64,
    /// Those of which less was approved.
    pub edited: u64,
    /// Those that were rejected.
    pub rejected: u64,
    /// Those that nobody answered in time.
    pub expired: u64,
}

/// When an action was allowed, if it was.
pub fn allowed_at(view: &ActionView) -> Option<Time> {
    let (_, at, _) = view.permit.as_ref().filter(|_| view.status == Status::Permitted)?;
    Some(*at)
}

/// What people said to a request and when, where that is known.
pub fn verdict(view: &ActionView) -> Option<(Time, Verdict)> {
    let approval = view.approval.as_ref()?;
    let (ended, _) = approval.resolved.as_ref()?;
    let verdict = match approval.state {
        ApprovalState::Approved | ApprovalState::Consumed | ApprovalState::Lapsed if edited(view) => Verdict::Edited,
        ApprovalState::Approved | ApprovalState::Consumed | ApprovalState::Lapsed => Verdict::Approved,
        // Without a vote it was no person that rejected it.
        ApprovalState::Rejected => rejection(approval).map(|_| Verdict::Rejected)?,
        ApprovalState::Expired => Verdict::Expired,
        ApprovalState::NeedsEvidence
        | ApprovalState::Pending
        | ApprovalState::Clarifying
        | ApprovalState::Held
        | ApprovalState::Cancelled
        | ApprovalState::Invalidated => return None,
    };
    // What was approved and not used has ended later.
    let broken = approval.broken.as_ref().map(|(at, _, _)| *at);
    let approved = broken.or_else(|| said(approval, Verb::Approve).last().map(|cast| cast.at));
    let at = match verdict {
        Verdict::Approved | Verdict::Edited => approved.unwrap_or(*ended),
        Verdict::Rejected | Verdict::Expired => *ended,
    };
    Some((at, verdict))
}

/// The vote that rejected a request.
pub fn rejection(approval: &ApprovalView) -> Option<&CastVote> {
    said(approval, Verb::Reject).last()
}

/// Votes that stand for what a request is about now.
fn said(approval: &ApprovalView, decision: Verb) -> impl Iterator<Item = &CastVote> {
    let stands = move |cast: &&CastVote| cast.vote.counted && !cast.outdated && cast.vote.verb.decision() == decision;
    approval.votes.iter().filter(stands)
}

/// A person made less of it.
fn edited(view: &ActionView) -> bool {
    view.revisions.iter().any(|revised| revised.event.edited_by.is_some())
}

fn by(approval: Option<&ApprovalView>, decision: Verb) -> Vec<String> {
    let Some(approval) = approval else { return Vec::new() };
    if let Some((_, _, broken)) = approval.broken.as_ref().filter(|_| decision == Verb::Approve) {
        return vec![broken.user.clone()];
    }
    let mut people: Vec<String> = said(approval, decision).map(|cast| cast.vote.user.clone()).collect();
    people.sort();
    people.dedup();
    people
}

fn outcome(view: &ActionView) -> Option<String> {
    let (_, _, outcome) = view.outcome.as_ref()?;
    Some(outcome.status.as_str().to_owned())
}

/// What was allowed last, with nothing compared yet.
pub fn last_allowed(view: &ActionView, at: Time) -> LastAllowed {
    let approval = view.approval.as_ref();
    LastAllowed {
        action: view.decision.action_id.to_string(),
        approval: approval.map(|approval| approval.opened.approval.to_string()),
        at: at.to_string(),
        by: by(approval, Verb::Approve),
        edited: edited(view),
        break_glass: approval.is_some_and(|approval| approval.broken.is_some()),
        redeemed_at: view.redeemed_at.map(|at| at.to_string()),
        outcome: outcome(view),
        gone: None,
        changes: Vec::new(),
        more: 0,
        not_kept: Vec::new(),
    }
}

/// A request that was decided.
pub fn decided_before(view: &ActionView, at: Time, verdict: Verdict, comment: Option<String>) -> DecidedBefore {
    let approval = view.approval.as_ref();
    let (amount, currency) = view.amount();
    let asked = view.decision.amount.as_deref();
    DecidedBefore {
        approval: approval
            .map(|approval| approval.opened.approval.to_string())
            .unwrap_or_default(),
        verdict,
        by: match verdict {
            Verdict::Approved | Verdict::Edited => by(approval, Verb::Approve),
            Verdict::Rejected => by(approval, Verb::Reject),
            Verdict::Expired => Vec::new(),
        },
        at: at.to_string(),
        amount: amount.map(str::to_owned),
        asked_amount: asked.filter(|asked| Some(*asked) != amount).map(str::to_owned),
        currency: currency.map(str::to_owned),
        env: view.decision.env.clone(),
        comment,
        outcome: outcome(view),
    }
}

/// What became of actions that were allowed and of requests that were decided, each the last one first.
pub fn record(allowed: &[(Time, &ActionView)], decided: &[(Time, Verdict, &ActionView)]) -> RecordBefore {
    let mut record = RecordBefore::default();
    for (at, view) in allowed.iter().take(RECORD_OF) {
        record.allowed += 1;
        record.allowed_since = Some(at.to_string());
        match &view.outcome {
            Some((_, _, outcome)) => match outcome.status {
                OutcomeStatus::Succeeded if outcome.violations.is_empty() => record.succeeded += 1,
                OutcomeStatus::Succeeded | OutcomeStatus::Failed => record.failed += 1,
                OutcomeStatus::Unknown => record.unknown += 1,
            },
            None => record.unknown += 1,
        }
    }
    for (at, verdict, _) in decided.iter().take(RECORD_OF) {
        record.decided += 1;
        record.decided_since = Some(at.to_string());
        match verdict {
            Verdict::Approved => record.approved += 1,
            Verdict::Edited => record.edited += 1,
            Verdict::Rejected => record.rejected += 1,
            Verdict::Expired => record.expired += 1,
        }
    }
    record
}
