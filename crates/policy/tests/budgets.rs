//! Documents of budgets and rates, and the limits of mandates.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod bundle;

use countersign_policy::{AtCap, Decimal, Of, Per, Unit};

use bundle::{load, refused};

#[test]
fn the_limits_of_a_mandate_are_budgets_of_its_agent() {
    let text = "agent: bot\nlimits: { per_task_cost: 5.00, per_day_cost: 50.00 EUR, at_cap: pause, estimate: 0.10 }\n";
    let snapshot = load(&[text]);
    let names: Vec<_> = snapshot.budgets().iter().map(|budget| budget.name()).collect();
    assert_eq!(names, ["bot/per_day_cost", "bot/per_task_cost"]);
    let (day, task) = (&snapshot.budgets()[0], &snapshot.budgets()[1]);
    assert_eq!((day.per(), day.of(), day.at_cap()), (Per::Day, Of::Agent, AtCap::Pause));
    assert_eq!(*day.unit(), Unit::Money(Some("EUR".into())));
    assert_eq!(
        (task.per(), task.of(), task.limit()),
        (Per::Task, Of::Task, Decimal::from(5))
    );
    assert_eq!(snapshot.budgets_of("bot", None, None, "x").count(), 2);
    assert_eq!(snapshot.budgets_of("other", None, None, "x").count(), 0);
}

#[test]
fn what_no_budget_can_mean_is_refused_where_it_stands() {
    assert_eq!(refused(&["budgets: []\n"]), [("empty", 1)]);
    assert_eq!(
        refused(&["budgets:\n  - { name: a, per: day }\n"]),
        [("missing_field", 2)]
    );
    assert_eq!(
        refused(&["budgets:\n  - { name: a, per: year, limit: 1 }\n"]),
        [("unknown_value", 2)]
    );
    assert_eq!(
        refused(&["budgets:\n  - { name: a, per: task, of: team, limit: 1 }\n"]),
        [("no_effect", 2)]
    );
    assert_eq!(
        refused(&["budgets:\n  - { name: a, per: day, limit: 5 tokens }\n"]),
        [("missing_field", 2)]
    );
    let twice = "budgets:\n  - { name: a, per: day, limit: 5 }\n  - { name: a, per: week, limit: 5 }\n";
    assert_eq!(refused(&[twice]), [("duplicate_document", 3)]);
    let units = "budgets:\n  - { name: a, per: day, limit: 5 EUR, projected: 5 USD }\n";
    assert_eq!(refused(&[units]), [("contradiction", 2)]);
    let nobody = "budgets:\n  - { name: a, per: day, limit: 5, approvers: [x] }\n";
    assert_eq!(refused(&[nobody]), [("no_effect", 2)]);
}

#[test]
fn without_a_limit_it_is_a_hundred_and_twenty_percent_of_what_is_projected() {
    let snapshot = load(&["budgets: [{ name: a, per: month, projected: 10000 }]\n"]);
    assert_eq!(snapshot.budgets()[0].limit(), Decimal::from(12_000));
}

#[test]
fn rates_convert_exactly_and_round_up_and_need_a_date() {
    let snapshot = load(&["rates: { date: 2026-11-01, to: USD, EUR: 1.5, GBP: 3 }\n"]);
    let rates = snapshot.rates().unwrap();
    let convert = |amount: i64, from, to| {
        rates
            .convert(Decimal::from(amount), from, to)
            .map(|it| it.normalize().to_string())
    };
    assert_eq!(convert(2, "EUR", "USD").as_deref(), Some("3"));
    assert_eq!(convert(1, "EUR", "GBP").as_deref(), Some("0.5"));
    assert_eq!(convert(1, "USD", "GBP").as_deref(), Some("0.333333334"));
    assert_eq!(convert(1, "CHF", "USD"), None);
    assert_eq!(refused(&["rates: { to: USD, EUR: 1 }\n"]), [("missing_field", 1)]);
    assert_eq!(
        refused(&["rates: { date: 2026-11-01, to: USD, EUR: -1 }\n"]),
        [("invalid_value", 1)]
    );
}

#[test]
fn the_documents_that_the_language_page_shows_load() {
    let page = include_str!("../../../docs/policy.md");
    let section = page
        .split("## Budgets\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let blocks: Vec<_> = section.split("```yaml policy\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        load(&[block.split("```").next().unwrap()]);
    }
}
