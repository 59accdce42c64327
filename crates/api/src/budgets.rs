//! Budgets as they stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an action takes from a budget, in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetLeft {
    /// The budget.
    pub id: String,
    /// What is left with it, a decimal string; negative where it does not fit.
    pub left: String,
    /// `tokens`, or an ISO 4217 code.
    pub unit: String,
}

/// One account of a budget: one window of one agent, team, run or the organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BudgetAccountAnswer {
    /// `organization`, `agent:…`, `team:…`, or `run:AGENT:…` with the digest of the run's name.
    pub whose: String,
    /// What outcomes took, a decimal string.
    pub spent: String,
    /// What open permits hold.
    pub reserved: String,
    /// What is left of the limit; negative where more was spent.
    pub left: String,
    /// When its window began.
    pub from: String,
    /// When it ends; of a run, when it is forgotten.
    pub until: String,
    /// At this speed so much is used when the window ends; absent in its first tenth, and of a run.
    pub forecast: Option<String>,
    /// `within`, `told` (a share is reached at which people are told) or `exhausted`.
    pub state: String,
}

/// Limits that would be usual: three to five times what a task has cost on average.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SuggestedLimit {
    /// What a task has cost on average, a decimal string.
    pub task_cost: String,
    /// Three times that.
    pub from: String,
    /// Five times that.
    pub to: String,
}

/// A budget of the live policy as it stands. Amounts are decimal strings.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BudgetAnswer {
    /// Its name; that of a mandate's limit is `AGENT/LIMIT`.
    pub id: String,
    /// `task`, `day`, `week` or `month`.
    pub per: String,
    /// Who has an account of their own: `task`, `agent`, `team` or `organization`.
    pub of: String,
    /// `tokens`, or an ISO 4217 code.
    pub unit: String,
    /// The most that may be spent within one window.
    pub limit: String,
    /// What is expected to be spent.
    pub projected: Option<String>,
    /// `alert`, `ask`, `deny` or `pause`.
    pub at_cap: String,
    /// How many of its accounts are in use now.
    pub accounts_in_use: usize,
    /// Accounts, the fullest first: one in the list of all budgets, up to 100 where one is shown.
    pub accounts: Vec<BudgetAccountAnswer>,
    /// Of a budget of tasks: limits that would be usual. Absent as long as no run of the last seven days has cost anything.
    pub suggested: Option<SuggestedLimit>,
}

/// Budgets of the live policy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BudgetsAnswer {
    /// By name.
    pub budgets: Vec<BudgetAnswer>,
}
