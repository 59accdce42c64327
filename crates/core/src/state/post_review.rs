//! Looks at actions that have run: each of them, those that failed, or the week's sample.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::people::may_vote;
use super::{Ctx, Due, Handled, State};
use crate::command::CloseReview;
use crate::event::{
    AgentPaused, Finding, ReviewClosed, ReviewKind, ReviewOpened, ReviewOverdue, StandingReason, SuspendedFor,
};
use crate::ids::{ActionId, ReviewId};
use crate::record::Draft;
use crate::refusal::Refusal;
use crate::time::{Span, Time};
use crate::week::Week;

/// How many people of a team that owns an agent a record names.
const OWNERS_SHOWN: usize = 200;

/// A look that nobody has taken yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenReview {
    /// The action.
    pub action_id: ActionId,
    /// Who acted.
    pub agent: Arc<str>,
    /// Who let it through, where somebody broke the glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
    /// Until when.
    pub due: Time,
    /// People who may not judge it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// Why.
    pub kind: ReviewKind,
    /// Names of the only people who may judge it; empty: whoever may vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The operation.
    pub operation: String,
    /// Nobody looked in time.
    pub overdue: bool,
    /// It counted as a success before anybody looked.
    pub succeeded: bool,
    /// The week whose sample it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<Week>,
}

/// A look to be asked for.
pub(super) struct Look<'a> {
    pub(super) action_id: ActionId,
    pub(super) agent: &'a Arc<str>,
    pub(super) kind: ReviewKind,
    pub(super) operation: &'a str,
    pub(super) succeeded: bool,
    pub(super) week: Option<Week>,
    pub(super) within: Span,
}

impl State {
    /// Looks that nobody has taken yet.
    pub fn reviews(&self) -> &std::collections::BTreeMap<ReviewId, OpenReview> {
        &self.reviews
    }

    /// The record that asks for a look. Who answers for the agent does not judge it.
    pub(super) fn open_review(&self, look: Look<'_>, ctx: &mut Ctx<'_>) -> Draft {
        // A team that owns the agent is its owner, every one of them.
        let owner = self.agents.get(look.agent).map(|agent| agent.owner.as_str());
        let owners = owner.map(|owner| self.people_named(owner)).unwrap_or_default();
        Draft::observed(ReviewOpened {
            action_id: look.action_id,
            agent: look.agent.clone(),
            broken_by: None,
            due: ctx.now + look.within,
            excluded: owners.into_iter().take(OWNERS_SHOWN).collect(),
            kind: look.kind,
            names: Vec::new(),
            operation: look.operation.to_owned(),
            review: ReviewId(ctx.ids.next(ctx.now)),
            succeeded: look.succeeded,
            week: look.week,
        })
    }

    /// A person has looked.
    pub(super) fn close_review(&self, ask: CloseReview, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let Some(review) = self.reviews.get(&ask.review) else {
            return Err(Refusal::missing("open review", ask.review));
        };
        if !self.users.get(&ask.user).is_some_and(may_vote) {
            let detail = format!("`{}` is not among the people who may judge this", ask.user);
            return Err(Refusal::forbidden("not_eligible", detail));
        }
        if !review.names.is_empty() {
            self.may_look(review, &ask.user)?;
        } else if review.excluded.contains(&ask.user) && self.somebody_else_judges(review) {
            let detail = format!(
                "`{}` answers for the agent, or let it through, and cannot judge it",
                ask.user
            );
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide"));
        }
        if ask.finding == Finding::Faulty && ask.comment.is_none() {
            return Err(Refusal::invalid(
                "reason_required",
                "a finding that something was wrong needs a comment that says what",
            ));
        }
        let closed = ReviewClosed {
            action_id: review.action_id,
            finding: ask.finding,
            late: review.due < ctx.now,
            review: ask.review,
            user: ask.user,
        };
        let mut events = vec![Draft::observed(closed).with_payload(ask.comment)];
        if ask.finding == Finding::Faulty {
            events.extend(self.suspend_breaker(ask.review, review, SuspendedFor::Faulty));
        }
        let rules = ctx.live.and_then(|live| live.organization()?.autonomy());
        let known = self.standing(&review.agent, &review.operation);
        if let (Finding::Faulty, true, Some(rules), Some(known)) = (ask.finding, review.succeeded, rules, known) {
            let mut standing = known.clone();
            // What counted as a success counts as an error now.
            standing.succeeded = standing.succeeded.saturating_sub(1);
            standing.failed = standing.failed.saturating_add(1);
            let reason = StandingReason::Reviewed;
            events.push(self.changed(&review.agent, &review.operation, standing, reason, rules, ctx));
        }
        Handled::done(events)
    }

    fn somebody_else_judges(&self, review: &OpenReview) -> bool {
        let mut others = self
            .users
            .iter()
            .filter(|(id, user)| may_vote(user) && !review.excluded.contains(id));
        others.next().is_some()
    }

    /// Nobody looked in time.
    pub(super) fn review_overdue(&self, id: ReviewId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some(review) = self.reviews.get(&id) else {
            return Vec::new();
        };
        let mut events = vec![Draft::observed(ReviewOverdue {
            action_id: review.action_id,
            due: review.due,
            review: id,
        })];
        let summary = format!("nobody looked at `{}` of `{}` in time", review.operation, review.agent);
        events.extend(self.alert(
            "review_overdue",
            summary,
            Some(&review.agent),
            Some(review.action_id),
            ctx,
        ));
        if review.broken_by.is_some() {
            events.extend(self.suspend_breaker(id, review, SuspendedFor::Overdue));
            return events;
        }
        let pauses = ctx
            .live
            .and_then(|live| live.organization()?.autonomy())
            .is_some_and(|rules| rules.pause_overdue);
        let running = self
            .agents
            .get(&review.agent)
            .is_some_and(|agent| agent.paused.is_none());
        if pauses && running {
            events.push(Draft::observed(AgentPaused {
                agent: review.agent.clone(),
                why: "review_overdue".to_owned(),
            }));
        }
        events
    }

    /// Stores that somebody is to look.
    pub(super) fn looked_for(&mut self, e: &ReviewOpened) {
        self.due.insert((e.due, Due::Review(e.review)));
        let review = OpenReview {
            action_id: e.action_id,
            agent: e.agent.clone(),
            broken_by: e.broken_by.clone(),
            due: e.due,
            excluded: e.excluded.clone(),
            kind: e.kind,
            names: e.names.clone(),
            operation: e.operation.clone(),
            overdue: false,
            succeeded: e.succeeded,
            week: e.week,
        };
        *self.reviews_of_agent.entry(e.agent.clone()).or_default() += 1;
        self.reviews.insert(e.review, review);
    }

    /// Stores that somebody has looked.
    pub(super) fn looked_at(&mut self, e: &ReviewClosed) {
        if let Some(review) = self.reviews.remove(&e.review) {
            self.due.remove(&(review.due, Due::Review(e.review)));
            self.one_look_less(&review.agent);
        }
    }

    /// Stores that nobody looked in time.
    pub(super) fn overlooked(&mut self, e: &ReviewOverdue) {
        self.due.remove(&(e.due, Due::Review(e.review)));
        if let Some(review) = self.reviews.get_mut(&e.review) {
            review.overdue = true;
        }
    }
}
