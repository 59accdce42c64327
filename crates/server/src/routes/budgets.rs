//! Budgets as they stand.

use countersign_api::budgets::{BudgetAccountAnswer, BudgetAnswer, BudgetsAnswer, SuggestedLimit};
use countersign_core::digest::DigestKey;
use countersign_core::policy::{Budget, Decimal, Of, Snapshot};
use countersign_core::state::{AccountStands, Fullness, amount_text};
use countersign_core::{State, Time};
use countersign_engine::Caller;

use super::handlers;
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

/// Accounts that the answer about one budget lists at most.
const LISTED: usize = 100;

handlers! {
    "budgets" => Caller budgets,
    "budget" => Caller budget,
}

fn account(stands: AccountStands) -> BudgetAccountAnswer {
    BudgetAccountAnswer {
        whose: stands.whose,
        spent: stands.spent,
        reserved: stands.reserved,
        left: stands.left,
        from: stands.from.to_string(),
        until: stands.until.to_string(),
        forecast: stands.forecast,
        state: match stands.state {
            Fullness::Within => "within",
            Fullness::Told => "told",
            Fullness::Exhausted => "exhausted",
        }
        .to_owned(),
    }
}

fn on_the_wire(budget: &Budget, state: &State, live: &Snapshot, now: Time, most: usize) -> BudgetAnswer {
    let stands = state.budget_stands(budget, live, now, most);
    let text = |amount: Decimal| amount_text(amount, &stands.unit);
    let suggested = stands.task_cost.map(|cost| {
        let times = |factor: u32| text((cost * Decimal::from(factor)).round_dp(2));
        SuggestedLimit {
            task_cost: text(cost.round_dp(2)),
            from: times(3),
            to: times(5),
        }
    });
    BudgetAnswer {
        id: budget.name().to_owned(),
        per: budget.per().as_str().to_owned(),
        of: match budget.of() {
            Of::Task => "task",
            Of::Agent => "agent",
            Of::Team => "team",
            Of::Organization => "organization",
        }
        .to_owned(),
        limit: text(budget.limit()),
        projected: budget.projected().map(text),
        at_cap: budget.at_cap().as_str().to_owned(),
        accounts_in_use: stands.in_use,
        suggested,
        accounts: stands.accounts.into_iter().map(account).collect(),
        unit: stands.unit,
    }
}

async fn budgets(asked: Asked<Caller>) -> Answer {
    let read = |state: &State, live: &Snapshot, now: Time, _: &DigestKey| {
        let one = |budget| on_the_wire(budget, state, live, now, 1);
        live.budgets().iter().map(one).collect::<Vec<_>>()
    };
    let budgets = asked.app.engine.limits(&asked.caller, read).await?;
    json(&BudgetsAnswer {
        budgets: budgets.unwrap_or_default(),
    })
}

async fn budget(asked: Asked<Caller>) -> Answer {
    let name = asked.param().to_owned();
    let read = move |state: &State, live: &Snapshot, now: Time, _: &DigestKey| {
        let budget = live.budget(&name)?;
        Some(on_the_wire(budget, state, live, now, LISTED))
    };
    let found = asked.app.engine.limits(&asked.caller, read).await?.flatten();
    json(&found.ok_or_else(|| Problem::missing("budget", asked.param()))?)
}
