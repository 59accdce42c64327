//! What an action wants under a policy that went live after it was decided, and the records that say so.
//!
//! Rules that were not there, or that told subjects apart by something else, count as well: before people's approval
//! becomes a permit and before a permit is used, the action's side and subject are found in its stored form.

use countersign_policy::Action;

use super::{SUBJECTS_PER_AGENT, Settled, stands, subject_key};
use crate::event::{Position, Side};
use crate::ids::ActionId;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::state::{Ctx, OpenAction, State};
use crate::time::Span;

impl State {
    /// Whether people's approval of an action is enough. Where the policy leaves a disagreement to people, it is theirs whom
    /// it names. Answers what the record has to say of it.
    pub(in crate::state) fn may_be_approved(
        &self,
        action: &OpenAction,
        stored: Option<&Action>,
        by: Settled,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Position>, String> {
        let wants = self.wants_now(action, stored, ctx)?;
        match self.outvoted(action, &wants, by, ctx) {
            Some(why) => Err(why),
            None => Ok(self.unsaid(action, wants, ctx)),
        }
    }

    /// Whether a permit may be used although others want the opposite. Answers what the record has to say of it.
    pub(in crate::state) fn prevails(
        &self,
        action: &OpenAction,
        stored: Option<&Action>,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Position>, Refusal> {
        let anew = |refusal: Refusal| refusal.hint("ask for a new decision; it says what the policy makes of both");
        let wants = self.wants_now(action, stored, ctx);
        let wants = wants.map_err(|why| anew(Refusal::conflict("policy_changed", why)))?;
        let issued = action.permit.as_ref().map_or(action.seq, |permit| permit.issued);
        match self.outvoted(action, &wants, Settled::Before(issued), ctx) {
            Some(why) => Err(anew(Refusal::conflict("disagreement", why))),
            None => Ok(self.unsaid(action, wants, ctx)),
        }
    }

    /// What an action wants by the policy that is live: what its records say, unless they go by another policy and its
    /// stored form is there.
    fn wants_now(&self, action: &OpenAction, stored: Option<&Action>, ctx: &Ctx<'_>) -> Result<Vec<Position>, String> {
        let stored = stored.filter(|_| self.is_under_another(action));
        let (Some(live), Some(stored)) = (ctx.live, stored) else {
            return Ok(action.positions.clone());
        };
        let tool = stored.tool.as_deref();
        let tool = tool.or(Some(&*action.tool).filter(|tool| **tool != *action.operation));
        let mut wants = Vec::new();
        for rule in live.disagreements() {
            let Some(side) = rule.side(tool, &action.operation).map(Side::from) else {
                continue;
            };
            let values = rule.subject(stored).map_err(|part| {
                let name = rule.name();
                format!("the policy that is live now has `{name}`, which tells subjects apart by `{part}`")
            })?;
            let subject = subject_key(rule, &values, ctx.digest_key);
            if self
                .positions
                .is_full(rule.name(), &subject, &action.agent, SUBJECTS_PER_AGENT)
            {
                let agent = &action.agent;
                return Err(format!(
                    "`{agent}` wants something of {SUBJECTS_PER_AGENT} subjects already"
                ));
            }
            wants.push(Position {
                rule: rule.name().into(),
                side,
                subject,
                until: ctx.now + Span(rule.within()),
            });
        }
        Ok(wants)
    }

    /// What no record of the action says yet, and of which its agent has said nothing else since.
    fn unsaid(&self, action: &OpenAction, wants: Vec<Position>, ctx: &Ctx<'_>) -> Vec<Position> {
        let is_new = |wanted: &Position| {
            let same =
                |old: &Position| (&old.rule, old.side, &old.subject) == (&wanted.rule, wanted.side, &wanted.subject);
            let mut words = self.positions.of(&wanted.rule, &wanted.subject, ctx.now);
            !action.positions.iter().any(same) && !words.any(|(agent, _)| *agent == action.agent)
        };
        wants.into_iter().filter(is_new).collect()
    }

    /// Stores what an action wants by rules that its decision did not know.
    pub(in crate::state) fn adds_positions(&mut self, record: &Record, id: ActionId, positions: &[Position]) {
        let Some(action) = self.actions.get_mut(&id).filter(|action| !action.practice) else {
            return;
        };
        for position in positions {
            let stands = stands(record, id, &action.operation, position);
            self.positions.take(&action.agent, position, stands);
            action.positions.push(position.clone());
        }
    }
}
