//! What people were shown of a request, and that a vote is for what its person was shown.

use super::{Ctx, Handled, OpenApproval, State};
use crate::command::{Viewing, Vote};
use crate::event::{ApprovalViewed, Verb};
use crate::refusal::Refusal;

/// Risks of tools whose actions nobody approves without having opened the request.
pub(super) const HIGH: [&str; 2] = ["R3", "R4"];

impl State {
    /// Somebody was served a request. A second reading of the same leaves no record.
    pub(super) fn view_request(&self, viewing: Viewing) -> Result<Handled, Refusal> {
        let Some(approval) = self.approvals.get(&viewing.approval) else {
            return Err(Refusal::missing("open approval", viewing.approval));
        };
        let Some(action) = self.actions.get(&approval.action_id) else {
            return Err(Refusal::missing("open approval", viewing.approval));
        };
        if approval.viewed.get(&viewing.user) == Some(&viewing.presentation) {
            return Handled::done(Vec::new());
        }
        Handled::one(ApprovalViewed {
            action_id: approval.action_id,
            approval: viewing.approval,
            digest: action.digest,
            presentation: viewing.presentation,
            user: viewing.user,
        })
    }

    /// Whether the vote is for what its person was served last. Who approves what is risky has to say so.
    pub(super) fn was_shown(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let shown = approval.viewed.get(&vote.user);
        match &vote.presentation {
            Some(says) if Some(says) == shown => Ok(()),
            Some(_) => Err(
                Refusal::conflict("presentation_mismatch", "the request is not as you were shown it")
                    .hint("read the request again and vote with the `presentation_digest` that it shows"),
            ),
            None if matches!(vote.verb, Verb::Approve | Verb::Edit) => {
                let tool = self.actions.get(&approval.action_id).map(|action| &*action.tool);
                let risk = tool.and_then(|tool| ctx.live?.highest_risk(tool));
                match risk.filter(|risk| HIGH.contains(risk)) {
                    Some(risk) => {
                        let detail = format!("the tool is of risk {risk}, and the vote does not say what was seen");
                        Err(Refusal::conflict("presentation_required", detail)
                            .hint("read the request and vote with the `presentation_digest` that it shows"))
                    }
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }
}
