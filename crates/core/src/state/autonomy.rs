//! What agents earn: a mode for each operation, by what they have shown. A person grants more; errors take it away at once.

mod first;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use countersign_policy::{Action, AutonomyRules, Estimate, ReviewMode, Snapshot, Threshold, Value, json};

pub(super) use self::first::unproven;
use super::people::may_vote;
use super::post_review::Look;
use super::{Ctx, Handled, OpenAction, OpenReview, State};
use crate::command::{Sealed, SetMode};
use crate::digest::Digest;
use crate::event::{
    ActsIn, AgentPaused, AgentResumed, AutonomyChanged, Mode, OutcomeStatus, ReviewKind, Standing, StandingReason,
};
use crate::ids::ActionId;
use crate::record::{Actor, Draft};
use crate::redact::{Kinds, Redactor};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// One-sided 95 % quantile of the normal distribution, squared, times ten to the tenth.
const Z_SQUARED: u128 = 27_055_434_541;
const Z_UNIT: u128 = 10_000_000_000;
/// All of something, in basis points.
const ALL: u128 = 10_000;
/// So many looks that nobody has taken; beyond them people are asked before each action again.
const REVIEWS_AT_MOST: usize = 10_000;
/// The same of one agent: one that does much leaves room for looks at the others.
const REVIEWS_PER_AGENT: usize = 500;

/// Whether errors are below a share (basis points), as the rules judge it.
fn is_below(failed: u32, all: u32, share: u32, estimate: Estimate) -> bool {
    let (failed, all, share) = (u128::from(failed), u128::from(all), u128::from(share));
    // The share of errors is below: failed / all < share / ALL.
    let (allowed, seen) = (share * all, ALL * failed);
    if seen >= allowed {
        return false;
    }
    match estimate {
        Estimate::Point => true,
        // Wilson's interval holds every p with (p - seen)² · n ≤ z² · p (1 - p); the bound is below p if p is not in it.
        Estimate::Wilson95 => {
            let distance = allowed - seen;
            distance * distance * Z_UNIT > Z_SQUARED * share * (ALL - share) * all
        }
    }
}

/// What is missing for the next mode, in words; nothing if it is earned.
pub fn missing(standing: &Standing, rules: &AutonomyRules, now: Time) -> Vec<String> {
    let wanted: Option<&Threshold> = match standing.mode {
        Mode::PreAction => Some(&rules.post_action),
        Mode::PostAction => Some(&rules.exception_only),
        Mode::ExceptionOnly | Mode::PeriodicBatch => None,
    };
    let Some(wanted) = wanted else {
        return vec!["there is no looser mode".to_owned()];
    };
    let mut missing = Vec::new();
    if standing.succeeded < wanted.successes {
        let left = wanted.successes - standing.succeeded;
        missing.push(format!("{left} more successes (of {})", wanted.successes));
    }
    let all = standing.succeeded.saturating_add(standing.failed);
    if !is_below(standing.failed, all, wanted.max_error, rules.estimate) {
        let how = match rules.estimate {
            Estimate::Point => "",
            Estimate::Wilson95 => ", with 95 % certainty",
        };
        missing.push(format!(
            "errors below {}{how}; {} of {all} failed",
            percent(wanted.max_error),
            standing.failed
        ));
    }
    let until = standing.since + Span::days(i64::from(wanted.days));
    if until > now {
        missing.push(format!("{} days in this mode, which is after {until}", wanted.days));
    }
    missing
}

/// A share in basis points, in words.
pub fn percent(points: u32) -> String {
    let (whole, rest) = (points / 100, points % 100);
    if rest == 0 {
        format!("{whole} %")
    } else {
        format!("{whole}.{rest:02} %")
    }
}

/// The digest of what the agent says acts, model and version, as it is kept.
fn model_of(action: &Action, kinds: &Kinds, redactor: &Redactor) -> Option<Digest> {
    let model: &Value = action.model.as_ref()?;
    let mut text = String::new();
    json::to_json(model, &mut text);
    let kept = redactor.redact_text(&text, kinds).text;
    Some(Digest::tagged("countersign-model-v1", &[kept.as_bytes()]))
}

/// What an agent acts with, as far as it makes a difference to what it has shown: the same word on another tool or in another
/// environment is another thing to do.
fn operation_of(action: &Action, kinds: &Kinds, redactor: &Redactor) -> String {
    let part = |text: &str| redactor.redact_text(text, kinds).text;
    let tool = action
        .tool
        .as_deref()
        .map(|tool| format!("{}:", part(tool)))
        .unwrap_or_default();
    let env = action
        .env
        .as_deref()
        .map(|env| format!("@{}", part(env)))
        .unwrap_or_default();
    format!("{tool}{}{env}", part(&action.action))
}

impl State {
    /// What an agent has shown with an operation.
    pub fn standing(&self, agent: &str, operation: &str) -> Option<&Standing> {
        self.autonomy.get(agent)?.get(operation)
    }

    /// What agents have shown, by agent and operation.
    pub fn standings(&self, agent: &str) -> impl Iterator<Item = (&str, &Standing)> {
        let of_agent = self.autonomy.get(agent).into_iter().flatten();
        of_agent.map(|(operation, standing)| (&**operation, standing))
    }

    /// The mode in which an action that policy allows would run, where the live policy has rules of autonomy. Looking is free.
    pub(super) fn acts_in(
        &self,
        agent: &str,
        action: &Action,
        kinds: &Kinds,
        live: &Snapshot,
        redactor: &Redactor,
    ) -> Option<ActsIn> {
        let rules = live.organization()?.autonomy()?;
        if live.reads_only(action) {
            return None;
        }
        let (model, operation) = (model_of(action, kinds, redactor), operation_of(action, kinds, redactor));
        let shown = self.standing(agent, &operation).filter(|shown| shown.model == model);
        let stated = rules.stated(
            agent,
            action.tool.as_deref().unwrap_or(&action.action),
            &live.classes(action, &[]),
        );
        let mode = match stated {
            _ if self.has_too_many_looks(agent) => Mode::PreAction,
            // What the document says holds as long as what was shown does not speak against it.
            Some(_) if shown.is_some_and(|shown| too_many_errors(shown, rules)) => Mode::PreAction,
            Some(stated) => mode_of(stated.mode),
            None => shown.map_or(Mode::PreAction, |shown| shown.mode),
        };
        let sampled = matches!(mode, Mode::ExceptionOnly | Mode::PeriodicBatch);
        let share = stated.and_then(|stated| stated.sample).unwrap_or(rules.sample);
        let within = stated.and_then(|stated| stated.within).unwrap_or(rules.review_within);
        Some(ActsIn {
            mode,
            model,
            operation,
            share: sampled.then_some(share),
            stated: stated.is_some(),
            within_s: (mode != Mode::PreAction).then(|| Span(within).as_seconds()),
        })
    }

    /// Nobody can be asked to look at more of what an agent does.
    pub(super) fn has_too_many_looks(&self, agent: &str) -> bool {
        let owed = self.reviews_of_agent.get(agent).copied().unwrap_or_default();
        owed >= REVIEWS_PER_AGENT || self.reviews.len() + self.looks_drawn() >= REVIEWS_AT_MOST
    }

    /// What an outcome teaches: the standing after it, and who looks at what has run.
    pub(super) fn learn(
        &self,
        acted: &Acted<'_>,
        status: OutcomeStatus,
        broke_limits: bool,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let Some((acts_in, rules)) = acted.acts_in.zip(rules(ctx.live)) else {
            return Vec::new();
        };
        let operation = &acts_in.operation;
        let known = self.standing(acted.agent, operation);
        let mut standing = known.cloned().unwrap_or_else(|| fresh(ctx.now));
        let mut reason = StandingReason::Outcome;
        if standing.model != acts_in.model {
            reason = StandingReason::NewModel;
            standing = fresh(ctx.now);
            standing.model = acts_in.model;
        }
        let well = status == OutcomeStatus::Succeeded && !broke_limits;
        match status {
            OutcomeStatus::Unknown => {}
            // What was reported and not redeemed may never have happened.
            OutcomeStatus::Succeeded if well => {
                standing.succeeded = standing.succeeded.saturating_add(u32::from(acted.redeemed));
            }
            OutcomeStatus::Succeeded | OutcomeStatus::Failed => standing.failed = standing.failed.saturating_add(1),
        }
        let mut events = vec![self.changed(acted.agent, operation, standing, reason, rules, ctx)];
        let mut look = Look {
            action_id: acted.id,
            agent: acted.agent,
            kind: ReviewKind::PostAction,
            operation,
            succeeded: well && acted.redeemed,
            week: None,
            within: acts_in.within_s.map_or(Span(rules.review_within), Span::seconds),
        };
        match acts_in.mode {
            Mode::PreAction => {}
            Mode::PostAction => events.push(self.open_review(look, ctx)),
            // What stands out is looked at today, not when the week is over.
            Mode::ExceptionOnly if !well => {
                look.kind = ReviewKind::Exception;
                events.push(self.open_review(look, ctx));
            }
            Mode::ExceptionOnly | Mode::PeriodicBatch => {
                let week = self.takes_part(Some(acts_in), well, ctx);
                events.extend(week.and_then(|week| self.draw(&look, acts_in, week, ctx)));
            }
        }
        events
    }

    /// The record of a standing; too many errors take the mode away in the same breath.
    pub(super) fn changed(
        &self,
        agent: &Arc<str>,
        operation: &str,
        mut standing: Standing,
        mut reason: StandingReason,
        rules: &AutonomyRules,
        ctx: &Ctx<'_>,
    ) -> Draft {
        if standing.mode != Mode::PreAction && too_many_errors(&standing, rules) {
            reason = StandingReason::Demoted;
            let model = standing.model;
            standing = fresh(ctx.now);
            standing.model = model;
        }
        Draft::observed(AutonomyChanged {
            agent: agent.clone(),
            operation: operation.to_owned(),
            reason,
            standing,
        })
    }

    /// What a rejection teaches: so many in a row pause the agent.
    pub(super) fn learn_rejection(&self, id: ActionId, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some((action, rules)) = self.actions.get(&id).zip(rules(ctx.live)) else {
            return Vec::new();
        };
        let operation = action
            .acts_in
            .as_ref()
            .map_or(&*action.operation, |acts_in| &acts_in.operation);
        let known = self.standing(&action.agent, operation);
        let mut standing = known.cloned().unwrap_or_else(|| fresh(ctx.now));
        standing.rejected = standing.rejected.saturating_add(1);
        let rejected = standing.rejected;
        let agent = action.agent.clone();
        let mut events = vec![self.changed(&agent, operation, standing, StandingReason::Rejected, rules, ctx)];
        let paused = self.agents.get(&agent).is_some_and(|agent| agent.paused.is_some());
        if rejected >= rules.pause_after && !paused {
            events.push(Draft::observed(AgentPaused {
                agent: agent.clone(),
                why: "rejections".to_owned(),
            }));
            let summary = format!("people rejected {rejected} requests of `{agent}` in a row; it is paused");
            events.extend(self.alert("agent_paused", summary, Some(&agent), Some(id), ctx));
        }
        events
    }

    /// An approval ends a row of rejections.
    pub(super) fn learn_approval(&self, id: ActionId, ctx: &Ctx<'_>) -> Option<Draft> {
        let action = self.actions.get(&id)?;
        let rules = rules(ctx.live)?;
        let operation = action
            .acts_in
            .as_ref()
            .map_or(&*action.operation, |acts_in| &acts_in.operation);
        let mut standing = self.standing(&action.agent, operation)?.clone();
        if standing.rejected == 0 {
            return None;
        }
        standing.rejected = 0;
        Some(self.changed(&action.agent, operation, standing, StandingReason::Approved, rules, ctx))
    }

    /// A person grants the next mode, if it is earned, or takes autonomy away, which needs nothing.
    pub(super) fn set_mode(&self, ask: SetMode, actor: &Actor, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        if !self.agents.contains_key(&*ask.agent) {
            return Err(Refusal::missing("agent", &ask.agent));
        }
        let Some(rules) = rules(ctx.live) else {
            return Err(
                Refusal::conflict("no_autonomy", "the live policy has no rules of autonomy")
                    .hint("add `autonomy:` to the organization's document"),
            );
        };
        let Some(standing) = self.standing(&ask.agent, &ask.operation) else {
            return Err(Refusal::missing("standing of operation", &ask.operation)
                .hint("an agent has a standing with an operation once it has run"));
        };
        if ask.mode == Mode::PeriodicBatch {
            let detail = "nobody earns `periodic_batch`";
            return Err(
                Refusal::conflict("not_earned", detail).hint("say it under `modes:` of the organization's document")
            );
        }
        let mut after = standing.clone();
        let reason = match ask.mode.cmp(&standing.mode) {
            Ordering::Equal => return Handled::done(Vec::new()),
            Ordering::Less => {
                after = fresh(ctx.now);
                after.model = standing.model;
                StandingReason::Demoted
            }
            Ordering::Greater => {
                self.may_promote(&ask, standing, rules, actor, ctx.now)?;
                StandingReason::Promoted
            }
        };
        after.mode = ask.mode;
        after.since = ctx.now;
        let changed = AutonomyChanged {
            agent: ask.agent,
            operation: ask.operation,
            reason,
            standing: after,
        };
        Handled::done(vec![
            Draft::observed(changed).with_payload(ask.why).citing(self.live.clone()),
        ])
    }

    /// Whether a person may grant an agent a looser mode.
    fn may_promote(
        &self,
        ask: &SetMode,
        standing: &Standing,
        rules: &AutonomyRules,
        actor: &Actor,
        now: Time,
    ) -> Result<(), Refusal> {
        if self.answers_for(&ask.agent, &actor.id) && self.somebody_else_votes(&actor.id) {
            let detail = format!(
                "`{}` answers for `{}` and cannot grant it anything",
                actor.id, ask.agent
            );
            return Err(Refusal::forbidden("self_approval", detail).hint("ask somebody else who may decide"));
        }
        let mut missing = missing(standing, rules, now);
        let open = |review: &&OpenReview| review.agent == ask.agent && review.operation == ask.operation;
        let open = self.reviews.values().filter(open).count();
        if open > 0 {
            missing.push(format!("a look at {open} actions that have run"));
        }
        if standing.mode.next() != Some(ask.mode) || !missing.is_empty() {
            let detail = format!(
                "`{}` has not earned `{}` with `{}`: it lacks {}",
                ask.agent,
                ask.mode.as_str(),
                ask.operation,
                if missing.is_empty() {
                    "the mode before".to_owned()
                } else {
                    missing.join("; ")
                }
            );
            return Err(Refusal::conflict("not_earned", detail).hint("`GET /v1/autonomy/{agent}` says what is missing"));
        }
        Ok(())
    }

    /// Whether a person is an agent's owner, by name.
    fn answers_for(&self, agent: &str, user: &str) -> bool {
        let owner = self.agents.get(agent).map(|agent| agent.owner.as_str());
        owner.is_some_and(|owner| owner.strip_prefix("user:").unwrap_or(owner) == user)
    }

    fn somebody_else_votes(&self, user: &str) -> bool {
        let mut others = self.users.iter().filter(|(id, other)| *id != user && may_vote(other));
        others.next().is_some()
    }

    /// Pauses an agent: it gets no permit and uses none until it is resumed.
    pub(super) fn pause_agent(&self, agent: Arc<str>, why: Option<Sealed>) -> Result<Handled, Refusal> {
        match self.agents.get(&agent) {
            None => Err(Refusal::missing("agent", &agent)),
            Some(known) if known.paused.is_some() => Handled::done(Vec::new()),
            Some(_) => {
                let paused = AgentPaused {
                    agent,
                    why: "requested".to_owned(),
                };
                Handled::done(vec![Draft::observed(paused).with_payload(why)])
            }
        }
    }

    /// Lets a paused agent go on.
    pub(super) fn resume_agent(&self, agent: Arc<str>, why: Option<Sealed>) -> Result<Handled, Refusal> {
        match self.agents.get(&agent) {
            None => Err(Refusal::missing("agent", &agent)),
            Some(known) if known.paused.is_none() => Handled::done(Vec::new()),
            Some(_) => Handled::done(vec![Draft::observed(AgentResumed { agent }).with_payload(why)]),
        }
    }

    /// Stores what an agent has shown.
    pub(super) fn stand(&mut self, e: &AutonomyChanged) {
        let of_agent = self.autonomy.entry(e.agent.clone()).or_default();
        of_agent.insert(e.operation.as_str().into(), e.standing.clone());
    }
}

/// An action that has run.
pub(super) struct Acted<'a> {
    pub(super) id: ActionId,
    pub(super) agent: &'a Arc<str>,
    pub(super) acts_in: Option<&'a ActsIn>,
    pub(super) redeemed: bool,
}

impl<'a> Acted<'a> {
    /// An action that the state still holds.
    pub(super) fn of(id: ActionId, action: &'a OpenAction) -> Acted<'a> {
        Acted {
            id,
            agent: &action.agent,
            acts_in: action.acts_in.as_ref(),
            redeemed: action.redeemed,
        }
    }
}

fn rules(live: Option<&Snapshot>) -> Option<&AutonomyRules> {
    live?.organization()?.autonomy()
}

/// Whether more has failed than an agent may fail at without starting over.
fn too_many_errors(standing: &Standing, rules: &AutonomyRules) -> bool {
    let all = u128::from(standing.succeeded) + u128::from(standing.failed);
    u128::from(standing.failed) * ALL > u128::from(rules.demote_above) * all
}

fn mode_of(said: ReviewMode) -> Mode {
    match said {
        ReviewMode::PreAction => Mode::PreAction,
        ReviewMode::PostAction => Mode::PostAction,
        ReviewMode::ExceptionOnly => Mode::ExceptionOnly,
        ReviewMode::PeriodicBatch => Mode::PeriodicBatch,
    }
}

/// Nothing is shown yet.
fn fresh(now: Time) -> Standing {
    Standing {
        since: now,
        ..Standing::default()
    }
}
