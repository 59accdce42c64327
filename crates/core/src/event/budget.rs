//! What budgets take, give back and tell.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;
use crate::digest::Digest;
use crate::time::Time;

/// What a decision read of one account of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRead {
    /// The account: `BUDGET/WINDOW/UNIT/WHOSE`.
    pub account: String,
    /// When its window began.
    pub from: Time,
    /// What was left of the limit before the action, decimal text; negative where more was spent.
    pub left: String,
    /// What the action takes, decimal text.
    pub takes: String,
}

impl AccountRead {
    /// The budget and what it is counted in. Names of budgets and of agents may have slashes in them.
    pub fn named(&self) -> Option<(&str, &str)> {
        self.account.match_indices('/').find_map(|(at, _)| {
            let (budget, rest) = self.account.split_at_checked(at)?;
            let mut parts = rest.split('/').skip(1);
            let (per, unit, whose) = (parts.next()?, parts.next()?, parts.next()?);
            let kind = whose.split(':').next()?;
            let fine = ["task", "day", "week", "month"].contains(&per)
                && (unit == "tokens" || crate::money::is_currency(unit))
                && ["action", "agent", "organization", "run", "team"].contains(&kind);
            fine.then_some((budget, unit))
        })
    }
}

/// What an action says about money, kept while people decide under a policy with budgets, so that it can be reserved then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spends {
    /// Money that moves, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Budgets whose cap people were asked to go beyond.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
    /// What running it is expected to cost, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// The currency of both.
    pub currency: String,
    /// Digest of the run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Digest>,
    /// The tool, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// What a permit holds of one account until it is used or lapses, and then until its outcome is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// The account: `BUDGET/WINDOW/UNIT/WHOSE`.
    pub account: String,
    /// How much, decimal text.
    pub amount: String,
    /// It went beyond the limit: the budget only tells people, or they approved it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub beyond: bool,
    /// When the window began.
    pub from: Time,
    /// What is left of the limit with it, decimal text.
    pub left: String,
    /// The limit, decimal text.
    pub limit: String,
    /// `tokens`, or an ISO 4217 code.
    pub unit: String,
    /// When the window ends; of a run, when it is forgotten.
    pub until: Time,
}

/// What an outcome takes from an account; the rest of the reservation goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// The account.
    pub account: String,
    /// How much, decimal text.
    pub amount: String,
    /// When the window began.
    pub from: Time,
    /// How much more than was reserved, decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
}

/// `budget.reached`: a share of a budget is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetReached {
    /// The account.
    pub account: Arc<str>,
    /// At this speed so much is used when the window ends, decimal text; more than the projection allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<String>,
    /// When the window began.
    pub from: Time,
    /// The share in percent of the projection, or without one of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// What is used, decimal text: spent and reserved.
    pub used: String,
}
