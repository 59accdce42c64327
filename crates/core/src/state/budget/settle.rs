//! What an outcome takes from the budgets that its permit reserved from.

use countersign_policy::{AtCap, Decimal};

use super::super::guard::Keeper;
use super::super::{Ctx, State};
use super::{budget_of, read, written};
use crate::event::{Reservation, Settlement};
use crate::ids::ActionId;
use crate::record::Draft;

/// An outcome, as far as budgets are concerned.
pub(in crate::state) struct Reported<'a> {
    pub(in crate::state) id: ActionId,
    pub(in crate::state) agent: &'a std::sync::Arc<str>,
    pub(in crate::state) reserved: &'a [Reservation],
    /// The reservation stands; otherwise its permit had lapsed, and everything comes on top.
    pub(in crate::state) held: bool,
    /// What it cost, and in which currency, where that is known.
    pub(in crate::state) cost: Option<(Decimal, String)>,
    /// Tokens that it took, where that is known.
    pub(in crate::state) tokens: Option<u64>,
}

impl State {
    /// What is taken, and what people are told of it. Without a cost it is what was reserved.
    pub(in crate::state) fn settle(&self, reported: &Reported<'_>, ctx: &mut Ctx<'_>) -> (Vec<Settlement>, Vec<Draft>) {
        let (mut settled, mut events) = (Vec::new(), Vec::new());
        for held in reported.reserved {
            let reserved = if reported.held {
                read(&held.amount)
            } else {
                Decimal::ZERO
            };
            let actual = self.actual(held, reported, ctx).unwrap_or_else(|| read(&held.amount));
            let over = actual - reserved;
            settled.push(Settlement {
                account: held.account.clone(),
                amount: written(actual, &held.unit),
                from: held.from,
                over: (over > Decimal::ZERO).then(|| written(over, &held.unit)),
            });
            if over > Decimal::ZERO {
                events.extend(self.overrun(held, over, reported, ctx));
            }
        }
        (settled, events)
    }

    /// What an action takes of which nobody reported the outcome: what was reserved.
    pub(in crate::state) fn unreported(&self, id: ActionId, ctx: &mut Ctx<'_>) -> Vec<Settlement> {
        let Some(action) = self.actions.get(&id) else {
            return Vec::new();
        };
        let reported = Reported {
            id,
            agent: &action.agent,
            reserved: &action.reserved,
            held: action.held,
            cost: None,
            tokens: None,
        };
        self.settle(&reported, ctx).0
    }

    fn actual(&self, held: &Reservation, reported: &Reported<'_>, ctx: &Ctx<'_>) -> Option<Decimal> {
        if held.unit == "tokens" {
            return reported.tokens.map(Decimal::from);
        }
        let (amount, currency) = reported.cost.as_ref()?;
        let amount = (*amount).max(Decimal::ZERO);
        if *currency == held.unit {
            return Some(amount);
        }
        ctx.live?.rates()?.convert(amount, currency, &held.unit)
    }

    fn overrun(&self, held: &Reservation, over: Decimal, reported: &Reported<'_>, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let (id, unit) = (reported.id, &held.unit);
        let (over_text, account) = (written(over, unit), &held.account);
        let summary = format!("`{id}` cost {over_text} {unit} more than was reserved from `{account}`");
        let mut events: Vec<Draft> = Vec::new();
        events.extend(self.alert("budget_overrun", summary, Some(reported.agent), Some(id), ctx));
        let pauses = ctx.live.is_some_and(|live| {
            let currency = self.currency_under(live);
            budget_of(live, account, currency).is_some_and(|budget| {
                let used = self.account(budget, account, live, ctx.now).used + over;
                budget.at_cap() == AtCap::Pause && used > budget.limit()
            })
        });
        let paused = self
            .agents
            .get(reported.agent)
            .is_none_or(|agent| agent.paused.is_some());
        if pauses && !paused {
            let why = format!("`{account}` is beyond its limit");
            events.extend(self.pause_for(Keeper::Budget, reported.agent, &why, id, ctx));
        }
        events
    }
}
