//! Budgets as people look at them: what is used, what is left, and what it comes to at this speed.

use std::sync::Arc;

use countersign_policy::{Budget, Decimal, Of, Per, Snapshot};

use super::reserve::at_this_speed;
use super::{Account, accounts_of, unit, window, written};
use crate::state::State;
use crate::time::Time;

/// One account of a budget as it stands. Amounts are decimal text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStands {
    /// At this speed so much is used when the window ends.
    pub forecast: Option<String>,
    /// When the window began.
    pub from: Time,
    /// What is left of the limit; negative where more was spent.
    pub left: String,
    /// What open permits hold.
    pub reserved: String,
    /// What outcomes took.
    pub spent: String,
    /// How full it is.
    pub state: Fullness,
    /// When the window ends; of a run, when it is forgotten.
    pub until: Time,
    /// Whose it is: `organization`, `agent:…`, `team:…` or `run:…`.
    pub whose: String,
}

/// How full an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fullness {
    /// There is room.
    Within,
    /// A share was reached at which people are told.
    Told,
    /// Nothing is left.
    Exhausted,
}

/// A budget as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetStands {
    /// Its accounts of which something is used, the fullest first.
    pub accounts: Vec<AccountStands>,
    /// How many of its accounts are in use.
    pub in_use: usize,
    /// What a task has cost, in a budget of tasks: the average of runs of the last days of which something was spent.
    pub task_cost: Option<Decimal>,
    /// What it is counted in.
    pub unit: String,
}

impl State {
    /// A budget as it stands at an instant, with so many of its accounts at most.
    pub fn budget_stands(&self, budget: &Budget, live: &Snapshot, now: Time, most: usize) -> BudgetStands {
        let currency = self.currency_under(live);
        let (beginning, unit) = (accounts_of(budget, currency), unit(budget, currency).to_owned());
        let first: Arc<str> = beginning.as_str().into();
        let of_budget = self.budgets.range(first..);
        let of_budget = of_budget.take_while(|(name, _)| name.starts_with(&beginning));
        let (mut fullest, mut in_use, mut costs) = (Vec::new(), 0, (Decimal::ZERO, 0_u32));
        for (name, account) in of_budget.filter(|(_, account)| account.from <= now && now < account.until) {
            in_use += 1;
            if budget.per() == Per::Task && account.spent > Decimal::ZERO {
                costs = (costs.0 + account.spent, costs.1.saturating_add(1));
            }
            fullest.push((account.spent + account.reserved, name, account));
            if fullest.len() >= most.max(1) * 2 {
                keep(&mut fullest, most);
            }
        }
        keep(&mut fullest, most);
        let mut accounts: Vec<AccountStands> = (fullest.into_iter())
            .map(|(_, name, account)| {
                let whose = name.strip_prefix(&beginning).unwrap_or_default();
                self.account_stands(budget, &unit, name, whose, account, now)
            })
            .collect();
        if accounts.is_empty() && budget.of() == Of::Organization {
            let zone = live.organization().and_then(|organization| organization.zone());
            let (from, until) = window::window(budget, zone.unwrap_or(&self.zone), now);
            let unused = Account {
                from,
                reserved: Decimal::ZERO,
                spent: Decimal::ZERO,
                told: 0,
                told_forecast: false,
                until,
            };
            accounts.push(self.account_stands(budget, &unit, "", "organization", &unused, now));
        }
        BudgetStands {
            accounts,
            in_use,
            task_cost: costs.0.checked_div(Decimal::from(costs.1)),
            unit,
        }
    }

    fn account_stands(
        &self,
        budget: &Budget,
        unit: &str,
        name: &str,
        whose: &str,
        account: &Account,
        now: Time,
    ) -> AccountStands {
        let reserved = account.reserved - self.lapsed(name, account.from, now);
        let used = account.spent + reserved;
        let left = budget.limit() - used;
        let forecast = (budget.per() != Per::Task)
            .then(|| at_this_speed(used, account.from, account.until, now))
            .flatten();
        AccountStands {
            forecast: forecast.map(|forecast| written(forecast, unit)),
            from: account.from,
            left: written(left, unit),
            reserved: written(reserved, unit),
            spent: written(account.spent, unit),
            state: match account.told {
                _ if left <= Decimal::ZERO => Fullness::Exhausted,
                0 => Fullness::Within,
                _ => Fullness::Told,
            },
            until: account.until,
            whose: whose.to_owned(),
        }
    }
}

type Used<'a> = (Decimal, &'a Arc<str>, &'a Account);

fn keep(fullest: &mut Vec<Used<'_>>, most: usize) {
    fullest.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    fullest.truncate(most);
}
