//! Budgets: what is spent and reserved, account by account, and the guard that keeps it within the limit.
//!
//! A permit reserves what its action is expected to cost, by the record that issues it. The reservation ends once: at the
//! outcome, which takes what it did cost and gives the rest back, or at the end of a permit that nobody used. A redeemed
//! permit without an outcome costs what was reserved. An account is one window of one budget for one agent, team, run or
//! organization; reservations are settled in the window that they were made in.

mod reserve;
mod settle;
mod show;
mod window;

use std::sync::Arc;

use countersign_policy::{Budget, Decimal, Of, Per, Snapshot, Unit};
use serde::{Deserialize, Serialize};

pub(super) use self::amount_text as written;
pub(super) use self::reserve::guard;
pub(super) use self::settle::Reported;
pub use self::show::{AccountStands, BudgetStands, Fullness};
use super::State;
use crate::digest::Digest;
use crate::event::{BudgetReached, OutcomeReported, Reservation};
use crate::ids::ActionId;
use crate::time::{Span, Time};

/// How long the account of a run is kept after the last action that it paid for.
pub(super) const RUN_SPAN: Span = Span::days(7);

/// One window of a budget, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// When the window began.
    pub from: Time,
    /// What open permits hold.
    #[serde(with = "text")]
    pub reserved: Decimal,
    /// What outcomes took.
    #[serde(with = "text")]
    pub spent: Decimal,
    /// The highest share, in percent, that people were told.
    pub told: u32,
    /// They were told that it will not do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told_forecast: bool,
    /// When the window ends.
    pub until: Time,
}

/// Decimals as text, whose form depends on their value alone.
pub(super) mod text {
    use countersign_policy::Decimal;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&value.normalize())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        crate::text::read(deserializer, str::parse)
    }
}

/// An account as it stands at an instant, whether anything was taken from it or not.
pub(super) struct Standing {
    pub(super) from: Time,
    pub(super) until: Time,
    pub(super) used: Decimal,
    pub(super) told: u32,
    pub(super) told_forecast: bool,
}

/// Whose account an action takes from.
pub(super) struct Whose<'a> {
    pub(super) agent: &'a str,
    pub(super) team: Option<&'a str>,
    pub(super) run: Option<Digest>,
}

/// The beginning of the names of a budget's accounts.
pub(super) fn accounts_of(budget: &Budget, currency: &str) -> String {
    [
        budget.name(),
        "/",
        budget.per().as_str(),
        "/",
        unit(budget, currency),
        "/",
    ]
    .concat()
}

/// The budget of an account, as policy has it now. Names of budgets and of agents may have slashes in them.
pub(super) fn budget_of<'a>(live: &'a Snapshot, account: &str, currency: &str) -> Option<&'a Budget> {
    let ends = account.match_indices('/').map(|(at, _)| at);
    let mut named = ends.filter_map(|at| live.budget(account.get(..at)?));
    named.find(|budget| account.starts_with(&accounts_of(budget, currency)))
}

/// What a budget is counted in, as records name it.
pub(super) fn unit<'a>(budget: &'a Budget, currency: &'a str) -> &'a str {
    match budget.unit() {
        Unit::Money(code) => code.as_deref().unwrap_or(currency),
        Unit::Tokens => "tokens",
    }
}

fn account_of(budget: &Budget, currency: &str, whose: &Whose<'_>) -> String {
    let mut account = accounts_of(budget, currency);
    match budget.of() {
        Of::Organization => account.push_str("organization"),
        Of::Agent => account.extend(["agent:", whose.agent]),
        Of::Team => account.extend(["team:", whose.team.unwrap_or_default()]),
        // Runs are named by whoever starts them: the same name of two agents is two runs.
        Of::Task => match whose.run.map(|run| run.to_string()) {
            Some(run) => account.extend(["run:", whose.agent, ":", run.get(..16).unwrap_or_default()]),
            None => account.push_str("action"),
        },
    }
    account
}

/// An amount as records show it: money with two digits after the point at least, anything else as it is.
pub fn amount_text(value: Decimal, unit: &str) -> String {
    let least = if unit == "tokens" { 0 } else { 2 };
    short_text(value, least).unwrap_or_else(|| {
        let mut value = value.normalize();
        if value.scale() < least {
            value.rescale(least);
        }
        value.to_string()
    })
}

/// The same of what fits in 64 bits, which is about every amount there is: a decision with budgets and limits writes a dozen.
fn short_text(value: Decimal, least: u32) -> Option<String> {
    let (mut units, mut scale) = (u64::try_from(value.mantissa().unsigned_abs()).ok()?, value.scale());
    while scale > least && units.is_multiple_of(10) {
        (units, scale) = (units / 10, scale - 1);
    }
    while scale < least {
        (units, scale) = (units.checked_mul(10)?, scale + 1);
    }
    let digits = units.to_string();
    let (scale, negative) = (scale as usize, value.is_sign_negative() && units != 0);
    let mut text = String::with_capacity(digits.len() + scale + 3);
    text.push_str(if negative { "-" } else { "" });
    let (whole, part) = match digits.len().checked_sub(scale) {
        Some(0) | None => ("0", &*digits),
        Some(whole) => digits.split_at_checked(whole)?,
    };
    text.push_str(whole);
    if scale > 0 {
        text.push('.');
        text.extend(std::iter::repeat_n('0', scale - part.len()));
        text.push_str(part);
    }
    Some(text)
}

pub(super) fn read(text: &str) -> Decimal {
    text.parse().unwrap_or_default()
}

impl State {
    /// Accounts of budgets of which something is used, by name: `BUDGET/WINDOW/UNIT/WHOSE`.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.budgets.iter().map(|(name, account)| (&**name, account))
    }

    /// Whether something of such an account is used.
    pub(crate) fn has_account(&self, name: &str) -> bool {
        self.budgets.contains_key(name)
    }

    /// The organization's currency.
    pub(super) fn currency_under<'a>(&'a self, live: &'a Snapshot) -> &'a str {
        live.organization()
            .and_then(|organization| organization.currency())
            .unwrap_or(&self.currency)
    }

    /// An account at an instant.
    pub(super) fn account(&self, budget: &Budget, name: &str, live: &Snapshot, now: Time) -> Standing {
        let task = budget.per() == Per::Task;
        match self
            .budgets
            .get(name)
            .filter(|account| account.from <= now && now < account.until)
        {
            Some(account) => Standing {
                from: account.from,
                until: if task { now + RUN_SPAN } else { account.until },
                used: account.spent + account.reserved - self.lapsed(name, account.from, now),
                told: account.told,
                told_forecast: account.told_forecast,
            },
            None => {
                let named = live.organization().and_then(|organization| organization.zone());
                let (from, until) = window::window(budget, named.unwrap_or(&self.zone), now);
                Standing {
                    from,
                    until,
                    used: Decimal::ZERO,
                    told: 0,
                    told_forecast: false,
                }
            }
        }
    }

    /// What permits hold of an account that have ended since the last record.
    fn lapsed(&self, name: &str, from: Time, now: Time) -> Decimal {
        let over = self.holding.range(..=(now, ActionId(u128::MAX)));
        let actions = over.filter_map(|(_, id)| self.actions.get(id));
        let of = actions.flat_map(|action| &action.reserved);
        of.filter(|held| held.account == name && held.from == from)
            .map(|held| read(&held.amount))
            .sum()
    }

    /// Takes up what a permit reserves.
    pub(super) fn reserve(&mut self, id: ActionId, reserved: &[Reservation], expires: Time) {
        let counts = self.actions.get(&id).is_some_and(|action| !action.counted.is_empty());
        if reserved.is_empty() && !counts {
            return;
        }
        for held in reserved.iter().filter(|held| !held.account.ends_with("/action")) {
            let name: Arc<str> = held.account.as_str().into();
            if let Some(old) = self.budgets.get(&name) {
                self.closing.remove(&(old.until, name.clone()));
            }
            let fresh = || Account {
                from: held.from,
                reserved: Decimal::ZERO,
                spent: Decimal::ZERO,
                told: 0,
                told_forecast: false,
                until: held.until,
            };
            let account = self.budgets.entry(name.clone()).or_insert_with(fresh);
            if account.from != held.from {
                *account = fresh();
            }
            account.until = held.until;
            account.reserved += read(&held.amount);
            self.closing.insert((held.until, name));
        }
        if let Some(action) = self.actions.get_mut(&id) {
            action.reserved = reserved.to_vec();
            action.held = true;
            self.holding.insert((expires, id));
        }
    }

    /// Gives back what an action still holds.
    pub(super) fn give_back(&mut self, id: ActionId) {
        let Some(action) = self.actions.get_mut(&id).filter(|action| action.held) else {
            return;
        };
        action.held = false;
        if let Some(permit) = &action.permit {
            self.holding.remove(&(permit.expires, id));
        }
        for held in &action.reserved {
            if let Some(account) = self.budgets.get_mut(held.account.as_str())
                && account.from == held.from
            {
                account.reserved -= read(&held.amount);
            }
        }
    }

    /// Takes what an outcome cost.
    pub(super) fn settled(&mut self, e: &OutcomeReported) {
        self.give_back(e.action_id);
        for settled in &e.settled {
            if let Some(account) = self.budgets.get_mut(settled.account.as_str())
                && account.from == settled.from
            {
                account.spent += read(&settled.amount);
            }
        }
    }

    /// Remembers what people were told.
    pub(super) fn told_reached(&mut self, e: &BudgetReached) {
        if let Some(account) = self.budgets.get_mut(&e.account)
            && account.from == e.from
        {
            account.told = e.percent.unwrap_or(account.told);
            account.told_forecast |= e.forecast.is_some();
        }
    }

    /// Lets go of what permits hold and count that nobody used.
    pub(super) fn leave_unused(&mut self, now: Time) {
        while let Some((_, id)) = self.holding.first().copied().filter(|(at, _)| *at <= now) {
            self.holding.pop_first();
            self.uncount(id);
            self.give_back(id);
        }
    }

    /// Lets go of windows that are over.
    pub(super) fn leave_budgets(&mut self, now: Time) {
        while let Some((until, name)) = self.closing.first().cloned().filter(|(at, _)| *at <= now) {
            self.closing.pop_first();
            if self.budgets.get(&name).is_some_and(|account| account.until == until) {
                self.budgets.remove(&name);
            }
        }
    }

    /// Makes the timers of budgets from what the state holds.
    pub(super) fn rebuild_budgets(&mut self) {
        self.closing = self
            .budgets
            .iter()
            .map(|(name, account)| (account.until, name.clone()))
            .collect();
        let held = self
            .actions
            .iter()
            .filter(|(_, action)| action.held && !action.redeemed);
        self.holding = held
            .filter_map(|(id, action)| Some((action.permit.as_ref()?.expires, *id)))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn amounts_are_written_as_their_values_are(mantissa in any::<i64>(), few in -5000_i64..5000, scale in 0_u32..20) {
            for mantissa in [mantissa, few] {
                let value = Decimal::new(mantissa, scale);
                let mut normal = value.normalize();
                prop_assert_eq!(amount_text(value, "tokens"), normal.to_string());
                if normal.scale() < 2 {
                    normal.rescale(2);
                }
                prop_assert_eq!(amount_text(value, "USD"), normal.to_string());
            }
        }
    }

    #[test]
    fn what_is_beyond_64_bits_or_is_nothing_is_written_as_well() {
        let long = Decimal::from_i128_with_scale(1_234_567_890_123_456_789_012_345, 1);
        assert_eq!(amount_text(long, "USD"), "123456789012345678901234.50");
        assert_eq!(amount_text(Decimal::new(i64::MAX, 0), "USD"), "9223372036854775807.00");
        assert_eq!(amount_text(-Decimal::new(0, 3), "USD"), "0.00");
    }
}
