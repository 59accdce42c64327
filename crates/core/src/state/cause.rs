//! What becomes of an outcome that says why it came to nothing good: each cause has its way to somebody who can change that.

use super::autonomy::Acted;
use super::post_review::Look;
use super::{Ctx, State};
use crate::event::{AgentPaused, Cause, ReviewKind};
use crate::record::Draft;
use crate::time::Span;

/// Within what time somebody looks, where the organization does not say.
const WITHIN: Span = Span::hours(24);

impl State {
    /// Who hears of a cause. `well`: the outcome counts as
    /// a success; `looked_at`: a person looks at the action anyway.
    pub(super) fn route(
        &self,
        cause: Cause,
        acted: &Acted<'_>,
        well: bool,
        looked_at: bool,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let (agent, id) = (acted.agent, acted.id);
        match cause {
            // It would fail at whatever it does next; who answers for it sees to its access and lets it go on.
            Cause::LostAccess => {
                let paused = self.agents.get(agent).is_none_or(|known| known.paused.is_some());
                let paused = (!paused).then(|| {
                    Draft::observed(AgentPaused {
                        agent: agent.clone(),
                        why: "access".to_owned(),
                    })
                });
                let summary = format!("`{agent}` says that it has lost access to what it works with; it is paused");
                let alert = self.alert("agent_paused", summary, Some(agent), Some(id), ctx);
                paused.into_iter().chain(alert).collect()
            }
            // Only whoever wrote the instructions can say which of them holds.
            Cause::ConflictingInstructions => {
                let summary = format!("`{agent}` says that its instructions contradict each other, in `{id}`");
                let alert = self.alert("conflicting_instructions", summary, Some(agent), Some(id), ctx);
                alert.into_iter().collect()
            }
            // Whether the task was understood, and whether the output helps, a person sees who looks at it.
            Cause::MisunderstoodContext | Cause::UnhelpfulOutput if looked_at => Vec::new(),
            Cause::MisunderstoodContext | Cause::UnhelpfulOutput => {
                if self.has_too_many_looks(agent) {
                    let summary = format!("nobody has time to look at `{id}` of `{agent}`: {}", cause.as_str());
                    let alert = self.alert(cause.as_str(), summary, Some(agent), Some(id), ctx);
                    return alert.into_iter().collect();
                }
                let rules = ctx.live.and_then(|live| live.organization()?.autonomy());
                let known = self.actions.get(&id).map(|action| action.operation.to_string());
                let operation = acted.acts_in.map(|acts_in| acts_in.operation.clone()).or(known);
                let look = Look {
                    action_id: id,
                    agent,
                    kind: ReviewKind::Exception,
                    operation: &operation.unwrap_or_default(),
                    succeeded: well && acted.redeemed && acted.acts_in.is_some(),
                    week: None,
                    within: rules.map_or(WITHIN, |rules| Span(rules.review_within)),
                };
                vec![self.open_review(look, ctx)]
            }
        }
    }
}
