//! The guard of budgets, and what a permit reserves.

use countersign_policy::{Action, AtCap, Budget, Decimal, Decision, Of, Per, Snapshot, Unit};

use super::super::guard::{Found, Keeper, NoRoom, Objection, Stricter, Wanted};
use super::super::{Ctx, OpenAction, State};
use super::{Standing, Whose, account_of, read, unit, written};
use crate::digest::Digest;
use crate::event::{AccountRead, AlertRaised, BudgetReached, Reservation, Spends};
use crate::ids::{ActionId, AlertId};
use crate::record::Draft;
use crate::time::Time;

/// A forecast is told from this share of the window on, in percent: the first minutes of a month say nothing.
const FORECAST_FROM: i64 = 10;

/// The guard: everything that an action takes has to fit into every budget that is about it.
pub(crate) fn guard(state: &State, wanted: &Wanted<'_>, found: &mut Found) {
    let team = state.agents.get(wanted.agent).and_then(|agent| agent.team.as_deref());
    if wanted.live.budgets().is_empty() {
        return;
    }
    let currency = state.currency_under(wanted.live);
    let mut spends = state.spends(wanted.action, wanted.live, |text| {
        let redacted = wanted.redactor.redact_text(text, wanted.kinds);
        (redacted.text, redacted.found.is_empty())
    });
    spends.tool = wanted.names.tool.map(str::to_owned);
    let budgets = wanted
        .live
        .budgets_of(wanted.agent, team, wanted.names.tool, wanted.names.operation);
    for budget in budgets {
        let taken = match takes(budget, &spends, wanted.live, currency) {
            Ok(taken) => taken,
            Err(why) => {
                found.objections.push(refused(budget, why.0, why.1));
                continue;
            }
        };
        let whose = Whose {
            agent: wanted.agent,
            team,
            run: spends.run,
        };
        let name = account_of(budget, currency, &whose);
        let standing = state.account(budget, &name, wanted.live, wanted.now);
        let held = reservation(budget, currency, name, &standing, taken);
        found.accounts.push(AccountRead {
            account: held.account.clone(),
            from: held.from,
            left: written(budget.limit() - standing.used, &held.unit),
            takes: held.amount.clone(),
        });
        match budget.at_cap() {
            _ if !held.beyond => {}
            AtCap::Alert => found.no_room.push(no_room(budget, &held)),
            AtCap::Ask => {
                spends.beyond.push(budget.name().to_owned());
                found.objections.push(Objection {
                    reason: budget.reason(code(budget), Decision::RequireApproval, full(budget, &held)),
                    stricter: Stricter::Ask(budget.demand()),
                });
            }
            AtCap::Deny | AtCap::Pause => {
                found.no_room.push(no_room(budget, &held));
                found
                    .objections
                    .push(refused(budget, code(budget), full(budget, &held)));
            }
        }
        found.reserved.push(held);
    }
    found.spends = Some(spends);
}

fn refused(budget: &Budget, code: &str, message: String) -> Objection {
    Objection {
        reason: budget.reason(code, Decision::Deny, message),
        stricter: Stricter::Deny,
    }
}

/// The reason that a record gives: whose budget it is.
fn code(budget: &Budget) -> &'static str {
    match budget.of() {
        Of::Task => "budget.task",
        Of::Agent => "budget.agent",
        Of::Team => "budget.team",
        Of::Organization => "budget.organization",
    }
}

fn full(budget: &Budget, held: &Reservation) -> String {
    let left = read(&held.left) + read(&held.amount);
    let (left, of, unit) = (written(left, &held.unit), &held.limit, &held.unit);
    let (takes, per) = (&held.amount, budget.per().as_str());
    format!("of {of} {unit} a {per}, {left} are left, and this takes {takes}")
}

fn told(budget: &Budget, held: &Reservation) -> String {
    format!("budget `{}` has no room: {}", budget.name(), full(budget, held))
}

fn no_room(budget: &Budget, held: &Reservation) -> NoRoom {
    NoRoom {
        of: Keeper::Budget,
        pauses: budget.at_cap() == AtCap::Pause,
        why: told(budget, held),
    }
}

fn reservation(budget: &Budget, currency: &str, account: String, standing: &Standing, taken: Decimal) -> Reservation {
    let unit = unit(budget, currency);
    let left = budget.limit() - standing.used - taken;
    Reservation {
        account,
        amount: written(taken, unit),
        // What takes nothing always fits.
        beyond: left < Decimal::ZERO && !taken.is_zero(),
        from: standing.from,
        left: written(left, unit),
        limit: written(budget.limit(), unit),
        unit: unit.to_owned(),
        until: standing.until,
    }
}

/// What an action takes from a budget.
fn takes(budget: &Budget, spends: &Spends, live: &Snapshot, currency: &str) -> Result<Decimal, (&'static str, String)> {
    let name = budget.name();
    if *budget.unit() == Unit::Tokens {
        return Ok(budget.estimate().unwrap_or_default());
    }
    let amount = spends.amount.as_ref().filter(|_| budget.counts_purchases());
    let Some(stated) = spends.cost.as_ref().or(amount) else {
        return budget.estimate().ok_or_else(|| {
            let message = format!("budget `{name}` counts what actions cost; state `estimated_cost`, `0` for nothing");
            ("budget.no_estimate", message)
        });
    };
    let (from, to) = (spends.currency.as_str(), unit(budget, currency));
    if from == to {
        return Ok(read(stated));
    }
    let worth = live.rates().and_then(|rates| rates.convert(read(stated), from, to));
    worth.ok_or_else(|| {
        let message = format!("budget `{name}` is in {to}, and there is no rate for {from}");
        ("budget.no_rate", message)
    })
}

impl State {
    /// What an action says about money, as far as it may be kept: `redact` makes of a text what may be kept of it, and says
    /// whether that is all of it.
    fn spends(&self, action: &Action, live: &Snapshot, redact: impl Fn(&str) -> (String, bool)) -> Spends {
        let kept = |amount: Option<Decimal>| {
            let text = amount
                .filter(|amount| !amount.is_sign_negative() || amount.is_zero())?
                .to_string();
            redact(&text).1.then_some(text)
        };
        let run = action.run.as_deref().map(|run| {
            let kept = redact(run).0;
            Digest::tagged("countersign-run-v1", &[self.organization.as_bytes(), kept.as_bytes()])
        });
        Spends {
            amount: kept(action.amount),
            beyond: Vec::new(),
            cost: kept(action.estimated_cost),
            currency: action
                .currency
                .clone()
                .unwrap_or_else(|| self.currency_under(live).to_owned()),
            run,
            tool: None,
        }
    }

    /// What the permit of an approved action reserves, or why there is no room.
    pub(in crate::state) fn reserve_approved(
        &self,
        action: &OpenAction,
        stored: Option<&Action>,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Reservation>, String> {
        let Some(live) = ctx.live else { return Ok(Vec::new()) };
        let team = self.agents.get(&action.agent).and_then(|agent| agent.team.as_deref());
        let currency = self.currency_under(live);
        let mut reserved = Vec::new();
        // What the decision kept is of the action as it was received; without it there was no budget then. What is stored has
        // been redacted as this agent's actions are, and is taken as it stands.
        let read = || {
            let stored = stored?;
            let mut spends = self.spends(stored, live, |text| (text.to_owned(), true));
            spends.tool.clone_from(&stored.tool);
            Some(spends)
        };
        let spends = action.spends.clone().or_else(read).unwrap_or_default();
        for budget in live.budgets_of(&action.agent, team, spends.tool.as_deref(), &action.operation) {
            let taken = takes(budget, &spends, live, currency).map_err(|(_, why)| why)?;
            let whose = Whose {
                agent: &action.agent,
                team,
                run: spends.run,
            };
            let name = account_of(budget, currency, &whose);
            let standing = self.account(budget, &name, live, ctx.now);
            let held = reservation(budget, currency, name, &standing, taken);
            let agreed = spends.beyond.iter().any(|name| name == budget.name());
            match budget.at_cap() {
                AtCap::Alert => {}
                AtCap::Ask if agreed => {}
                AtCap::Ask | AtCap::Deny | AtCap::Pause if held.beyond => return Err(told(budget, &held)),
                AtCap::Ask | AtCap::Deny | AtCap::Pause => {}
            }
            reserved.push(held);
        }
        Ok(reserved)
    }

    /// What people are told after a reservation: shares of a budget that are reached, and forecasts.
    pub(in crate::state) fn tell_reached(
        &self,
        reserved: &[Reservation],
        id: ActionId,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let Some(live) = ctx.live else { return Vec::new() };
        let mut events = Vec::new();
        for held in reserved.iter().filter(|held| !held.account.ends_with("/action")) {
            let Some(budget) = super::budget_of(live, &held.account, self.currency_under(live)) else {
                continue;
            };
            let standing = self.account(budget, &held.account, live, ctx.now);
            let used = read(&held.limit) - read(&held.left);
            let base = budget.projected().unwrap_or(budget.limit());
            let full = |share: &&u32| used * Decimal::ONE_HUNDRED >= base * Decimal::from(**share);
            let share = budget.told_at().iter().rev().find(full).copied();
            let share = share.filter(|share| *share > standing.told && !used.is_zero());
            let forecast = (budget.projected())
                .filter(|_| !standing.told_forecast && budget.per() != Per::Task)
                .and_then(|projected| forecast(projected, used, held, ctx.now));
            let mut sentences = Vec::new();
            let of = format!("{} {}", written(base, &held.unit), held.unit);
            if let Some(share) = share {
                sentences.push(format!("{share} % of {of} are used, {} are left", held.left));
            }
            if let Some(forecast) = forecast {
                sentences.push(format!(
                    "at this speed it will be {} of {of}",
                    written(forecast, &held.unit)
                ));
            }
            if sentences.is_empty() {
                continue;
            }
            events.push(Draft::observed(BudgetReached {
                account: held.account.as_str().into(),
                forecast: forecast.map(|forecast| written(forecast, &held.unit)),
                from: held.from,
                percent: share,
                used: written(used, &held.unit),
            }));
            // Each is told once: what another alert said a moment ago does not matter.
            events.push(Draft::observed(AlertRaised {
                action_id: Some(id),
                agent: None,
                alert: AlertId(ctx.ids.next(ctx.now)),
                name: "budget_reached".to_owned(),
                summary: format!("budget `{}`: {}", budget.name(), sentences.join("; ")),
            }));
        }
        events
    }
}

/// What will be used at the end of the window if it goes on like this, where that is above 120 % of what is projected.
fn forecast(projected: Decimal, used: Decimal, held: &Reservation, now: Time) -> Option<Decimal> {
    let forecast = at_this_speed(used, held.from, held.until, now)?;
    (forecast * Decimal::ONE_HUNDRED > projected * Decimal::from(120)).then_some(forecast)
}

/// What will be used at the end of the window if it goes on like this; nothing in the window's first tenth.
pub(super) fn at_this_speed(used: Decimal, from: Time, until: Time, now: Time) -> Option<Decimal> {
    let (past, all) = ((now - from).as_seconds(), (until - from).as_seconds());
    if past <= 0 || past.saturating_mul(100) < all.saturating_mul(FORECAST_FROM) {
        return None;
    }
    let forecast = used.checked_mul(Decimal::from(all))?.checked_div(Decimal::from(past))?;
    Some(forecast.round_dp(2))
}
