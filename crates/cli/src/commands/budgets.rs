//! `countersign budgets`: what is spent, reserved and left.

use clap::Args;
use countersign_client::api::budgets::{BudgetAccountAnswer, BudgetAnswer, BudgetsAnswer};
use countersign_client::segment;
use serde_json::json;

use crate::connect::{About, Connection, Session};
use crate::console::{Console, table};
use crate::failure::Result;

const COLUMNS: [&str; 8] = [
    "BUDGET",
    "LIMIT",
    "WHOSE",
    "SPENT",
    "RESERVED",
    "LEFT",
    "WINDOW ENDS",
    "STATE",
];

#[derive(Args)]
pub(super) struct Budgets {
    /// One budget, with its accounts and a limit that would be usual
    id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Budgets {
    pub(super) async fn run(self, console: &Console) -> Result<()> {
        let Some(id) = &self.id else {
            let read = async |session: &Session| Ok(session.client.get::<BudgetsAnswer>("/v1/budgets").await?);
            let all = self.connection.with(About::Organization, read).await?;
            let rows: Vec<Vec<String>> = all
                .budgets
                .iter()
                .map(|budget| row(budget, budget.accounts.first()))
                .collect();
            let text = match rows.is_empty() {
                true => "the live policy has no budgets".to_owned(),
                false => table(&COLUMNS, &rows),
            };
            console.answer(&json!(all), text);
            return Ok(());
        };
        let path = format!("/v1/budgets/{}", segment(id));
        let read = async |session: &Session| Ok(session.client.get::<BudgetAnswer>(&path).await?);
        let budget = self.connection.with(About::Organization, read).await?;
        console.answer(&json!(budget), in_words(&budget));
        Ok(())
    }
}

fn row(budget: &BudgetAnswer, account: Option<&BudgetAccountAnswer>) -> Vec<String> {
    let mut row = vec![
        budget.id.clone(),
        format!("{} {} a {}", budget.limit, budget.unit, budget.per),
    ];
    match account {
        Some(account) => row.extend([
            account.whose.clone(),
            account.spent.clone(),
            account.reserved.clone(),
            account.left.clone(),
            account.until.clone(),
            account.state.clone(),
        ]),
        None => row.extend(["nobody yet", "", "", budget.limit.as_str(), "", ""].map(str::to_owned)),
    }
    row
}

fn in_words(budget: &BudgetAnswer) -> String {
    let mut rows: Vec<Vec<String>> = budget
        .accounts
        .iter()
        .map(|account| row(budget, Some(account)))
        .collect();
    if rows.is_empty() {
        rows.push(row(budget, None));
    }
    let mut text = table(&COLUMNS, &rows);
    let mut say = |sentence: String| {
        text = format!("{}\n{sentence}", text.trim_end());
    };
    let more = budget.accounts_in_use.saturating_sub(budget.accounts.len());
    if more > 0 {
        say(format!("and {more} more"));
    }
    if let (Some(projected), Some(forecast)) = (
        &budget.projected,
        budget.accounts.first().and_then(|account| account.forecast.as_ref()),
    ) {
        say(format!(
            "at this speed {forecast} {} are used when the window ends; {projected} are projected",
            budget.unit
        ));
    }
    if let Some(usual) = &budget.suggested {
        say(format!(
            "a task has cost {} {} on average; three to five times that is {} to {}",
            usual.task_cost, budget.unit, usual.from, usual.to
        ));
    }
    text
}
