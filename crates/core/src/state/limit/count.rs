//! What counts, from when on and until when: at decisions, approvals, uses and outcomes.

use countersign_policy::{Action, AtCap, Decimal, Measure};

use super::window::{Holds, Seen};
use super::{Doing, counted, full, takes, told};
use crate::event::{ApprovalResolved, ApprovalRevised, Counted, DecisionMade, OutcomeReported, PermitRedeemed, Status};
use crate::ids::ActionId;
use crate::refusal::{Category, Refusal};
use crate::state::guard::Found;
use crate::state::{Ctx, OpenAction, State};
use crate::time::{Span, Time};

/// What the guards found for a decision: what counts now, and what counts once people have approved.
pub(in crate::state) fn split(found: &mut Found, status: Status) -> (Vec<Counted>, Vec<Counted>) {
    let counted = std::mem::take(&mut found.counted);
    match status {
        Status::Permitted => (counted, Vec::new()),
        Status::Pending => counted.into_iter().partition(|counted| counted.repeats),
        Status::Refused => Default::default(),
    }
}

impl State {
    /// What a window holds, without what permits hold that have ended since the last record, and without one action.
    pub(super) fn window_holds<'a>(
        &'a self,
        limit: &str,
        window: &str,
        span: Span,
        now: Time,
        without: Option<ActionId>,
    ) -> Holds<'a> {
        let over = self.holding.range(..=(now, ActionId(u128::MAX)));
        let over = over.map(|(_, id)| *id).chain(without);
        let actions = over.filter_map(|id| self.actions.get(&id));
        let ended = actions
            .flat_map(|action| &action.counted)
            .filter(|counted| *counted.limit == *limit && *counted.window == *window)
            .collect();
        self.windows.holds(limit, window, span, now, ended)
    }

    /// What the permit of an approved action counts, or why there is no room.
    pub(in crate::state) fn count_approved(
        &self,
        action: &OpenAction,
        stored: Option<&Action>,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Counted>, String> {
        let Some(live) = ctx.live else { return Ok(Vec::new()) };
        let team = self.agents.get(&action.agent).and_then(|agent| agent.team.as_deref());
        let tool = action.spends.as_ref().and_then(|spends| spends.tool.as_deref());
        let tool = stored
            .and_then(|stored| stored.tool.as_deref())
            .or(tool)
            .or(action.named_tool());
        let currency = self.currency_under(live);
        let mut counts = Vec::new();
        for limit in live.limits_of(&action.agent, team, tool, &action.operation) {
            match limit.measure() {
                Measure::Actions | Measure::Retries | Measure::Costs => {}
                // They counted when it was asked for, or look at it again when its permit is used.
                Measure::Repetitions | Measure::Depth | Measure::Failures(_) => continue,
            }
            let agreed = action.counts_later.iter().find(|later| later.limit == *limit.name());
            let (window, amount, beyond) = match (agreed, stored) {
                (Some(agreed), _) => (
                    agreed.window.clone(),
                    agreed.amount.as_ref().map(|_| super::amount_of(agreed)),
                    agreed.beyond,
                ),
                (None, Some(stored)) => {
                    let attempt = action.attempt.as_deref().unwrap_or_default();
                    if limit.counts_retries() && self.failures(&action.agent, attempt) == 0 {
                        continue;
                    }
                    let doing = Doing {
                        action: stored,
                        agent: &action.agent,
                        operation: &action.operation,
                        team,
                        tool,
                    };
                    let facts = self.agent_facts(&action.agent, &action.identity, attempt, Vec::new());
                    let window = self.window_of(limit, &doing, &facts, ctx.digest_key);
                    let window = window.map_err(|(_, why)| why)?;
                    let amount = takes(limit, || stored.amount, stored.currency.as_deref(), live, currency);
                    (window, amount.map_err(|(_, why)| why)?, false)
                }
                // The limit had nothing to say of it, and the policy is the same.
                (None, None) => continue,
            };
            let (read, over) = self.read_window(limit, window, amount, currency, (ctx.now, None));
            let asks = limit.at_cap() != AtCap::Alert;
            if over && !beyond && asks {
                return Err(told(limit, &full(limit, &read)));
            }
            let mut counted = counted(limit, &read, ctx.now);
            counted.beyond = over;
            counts.push(counted);
        }
        Ok(counts)
    }

    /// What counts from the use of a permit on, in place of what counted since its decision. Where that does not count any
    /// more, there has to be room anew.
    pub(in crate::state) fn recount(&self, action: &OpenAction, ctx: &Ctx<'_>) -> Result<Vec<Counted>, Refusal> {
        let mut counts = Vec::new();
        for old in action.counted.iter().filter(|counted| !counted.repeats) {
            let limit = ctx.live.and_then(|live| live.limit(&old.limit));
            if let (Some(limit), Some(live)) = (limit, ctx.live)
                && old.until <= ctx.now
                && !old.beyond
                && limit.at_cap() != AtCap::Alert
            {
                let currency = self.currency_under(live);
                let amount = old.amount.as_ref().map(|_| super::amount_of(old));
                let (read, over) = self.read_window(limit, old.window.clone(), amount, currency, (ctx.now, None));
                if over {
                    let detail = told(limit, &full(limit, &read));
                    return Err(Refusal::new(Category::Throttled, "rate_limited", detail)
                        .hint("the permit was held back for so long that it does not count any more; use it when there is room"));
                }
            }
            counts.push(Counted {
                from: ctx.now,
                until: ctx.now + (old.until - old.from),
                ..old.clone()
            });
        }
        Ok(counts)
    }

    /// What counts from now on of an action that ran although its permit had ended unused.
    pub(in crate::state) fn count_after_all(&self, action: &OpenAction, now: Time) -> Vec<Counted> {
        let again = |old: &Counted| Counted {
            from: now,
            until: now + (old.until - old.from),
            ..old.clone()
        };
        let ended = action.permit.as_ref().is_none_or(|permit| permit.expires <= now);
        let over = action.uncounted || (!action.redeemed && action.held && ended);
        // What is about to leave the state is not known any more when the outcome is stored.
        let counted = action.counted.iter().filter(|_| over && action.leaves > now);
        counted.map(again).collect()
    }

    /// What an outcome has cost counts in the windows of limits on costs, in place of what its permit counted there. The
    /// second is whether there is no rate for it.
    pub(in crate::state) fn count_cost(
        &self,
        action: &OpenAction,
        cost: Option<&(Decimal, String)>,
        counted: &mut Vec<Counted>,
        ctx: &Ctx<'_>,
    ) -> Result<(), String> {
        let (Some(live), Some((cost, from))) = (ctx.live, cost) else {
            return Ok(());
        };
        let mut without_rate = Ok(());
        for old in &action.counted {
            let limit = live.limit(&old.limit).filter(|limit| limit.measure() == Measure::Costs);
            let Some(to) = limit.and_then(|limit| limit.unit(self.currency_under(live))) else {
                continue;
            };
            let converted = || live.rates().and_then(|rates| rates.convert(*cost, from, to));
            let worth = if from == to { Some(*cost) } else { converted() };
            let Some(worth) = worth.filter(|worth| !worth.is_sign_negative()) else {
                without_rate = Err(format!(
                    "limit `{}` is in {to}, and there is no rate for {from}",
                    old.limit
                ));
                continue;
            };
            let amount = Some(super::written(worth, to));
            match counted.iter_mut().find(|again| is_same(again, old)) {
                Some(again) => again.amount = amount,
                None => counted.push(Counted {
                    amount,
                    from: ctx.now,
                    until: ctx.now + (old.until - old.from),
                    ..old.clone()
                }),
            }
        }
        without_rate
    }

    /// Counts what an outcome says that counts, in place of what counted before.
    pub(in crate::state) fn counted_after_all(&mut self, e: &OutcomeReported) {
        let keeps = self.has_canary();
        let Some(action) = self.actions.get(&e.action_id) else {
            return;
        };
        for counted in &e.counted {
            let old = action.counted.iter().find(|old| is_same(old, counted));
            if let Some(old) = old.filter(|_| !action.uncounted) {
                self.windows.uncount(e.action_id, old);
            }
            self.windows.count(&action.agent, counted, None, keeps);
        }
    }

    /// Counts what a decision says that counts.
    pub(in crate::state) fn counted_by(&mut self, e: &DecisionMade) {
        let keeps = self.has_canary();
        let amount = with_currency(e.amount.as_ref(), e.currency.as_ref());
        for counted in &e.counted {
            let seen = counted.repeats.then(|| Seen {
                action_id: e.action_id,
                agent: e.agent.clone(),
                amount: amount.clone(),
                at: counted.from,
                became: e.status.as_str().to_owned(),
            });
            self.windows.count(&e.agent, counted, seen, keeps);
        }
    }

    /// Counts what a revision says that counts, in place of what counted before.
    pub(in crate::state) fn counted_by_revision(&mut self, e: &ApprovalRevised) {
        let keeps = self.has_canary();
        let Some(action) = self.actions.get(&e.action_id).filter(|action| !action.practice) else {
            return;
        };
        for old in &action.counted {
            self.windows.uncount(e.action_id, old);
        }
        for counted in &e.counted {
            let seen = counted.repeats.then(|| Seen {
                action_id: e.action_id,
                agent: action.agent.clone(),
                amount: with_currency(e.amount.as_ref(), e.currency.as_ref()),
                at: counted.from,
                became: Status::Pending.as_str().to_owned(),
            });
            self.windows.count(&action.agent, counted, seen, keeps);
        }
    }

    /// Counts what a use says that counts, in place of what counted before.
    pub(in crate::state) fn counted_by_use(&mut self, e: &PermitRedeemed) {
        let keeps = self.has_canary();
        let Some(action) = self.actions.get_mut(&e.action_id) else {
            return;
        };
        for counted in &e.counted {
            let old = action
                .counted
                .iter_mut()
                .find(|old| old.limit == counted.limit && old.window == counted.window);
            if let Some(old) = old {
                self.windows.uncount(e.action_id, old);
                *old = counted.clone();
            }
            self.windows.count(&action.agent, counted, None, keeps);
        }
    }

    /// What counts of an action whose request has ended: with a permit more than before, without one nothing.
    pub(in crate::state) fn counted_by_end(&mut self, e: &ApprovalResolved) {
        if e.permit.is_none() {
            self.uncount(e.action_id);
            return;
        }
        let keeps = self.has_canary();
        let Some(action) = self.actions.get_mut(&e.action_id) else {
            return;
        };
        for counted in &action.counted {
            self.windows.became(e.action_id, counted, "approved");
        }
        for counted in &e.counted {
            self.windows.count(&action.agent, counted, None, keeps);
        }
        action.counts_later.clear();
        action.counted.extend_from_slice(&e.counted);
    }

    /// Takes back what an action counts: it never ran.
    pub(in crate::state) fn uncount(&mut self, id: ActionId) {
        let open = |action: &&mut OpenAction| !action.redeemed && !action.uncounted;
        let Some(action) = self.actions.get_mut(&id).filter(open) else {
            return;
        };
        action.counts_later.clear();
        action.uncounted = !action.counted.is_empty();
        for counted in &action.counted {
            self.windows.uncount(id, counted);
        }
    }
}

fn is_same(one: &Counted, other: &Counted) -> bool {
    one.limit == other.limit && one.window == other.window
}

fn with_currency(amount: Option<&String>, currency: Option<&String>) -> Option<String> {
    let amount = amount?;
    Some(match currency {
        Some(currency) => format!("{amount} {currency}"),
        None => amount.clone(),
    })
}
