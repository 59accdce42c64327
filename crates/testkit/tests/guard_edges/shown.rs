//! What people are shown of budgets and limits: the fullest first, only what counts, and no more than was asked for.

use countersign_core::Span;
use countersign_core::digest::DigestKey;
use countersign_core::event::OutcomeStatus;
use countersign_core::state::{BudgetStands, Fullness, LimitStands, LookedFor};
use countersign_policy::Decimal;
use countersign_testkit::World;

use crate::{GATE, MICROSECOND, budgeted};

fn budget(world: &World, name: &str, most: usize) -> BudgetStands {
    let live = world.live().unwrap();
    world.state.budget_stands(
        live.budget(name).unwrap(),
        live,
        world.now.max(world.state.last_ts()),
        most,
    )
}

fn spend(world: &mut World, agent: &str, (reserved, spent): (&str, Option<&str>), run: &str) {
    let body = format!(r#"{{"action":"buy","estimated_cost":"{reserved}","currency":"USD","run":"{run}"}}"#);
    let id = world.submit(agent, &body).unwrap().decision.action_id;
    if let Some(spent) = spent {
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, Some(spent)).unwrap();
    }
}

#[test]
fn the_fullest_accounts_of_a_budget_come_first_with_what_is_spent_held_and_left() {
    let mut world = budgeted("budgets:\n  - { name: day, per: day, limit: 10.00 USD, zone: UTC, alert_at: [50] }\n");
    assert_eq!(
        budget(&world, "day", 10),
        BudgetStands {
            unit: "USD".into(),
            ..nothing()
        }
    );
    for agent in ["ann", "ben", "cid"] {
        world.agent(agent, "team:ops");
    }
    spend(&mut world, "ann", ("1.00", Some("1.00")), "r");
    spend(&mut world, "ben", ("6.00", None), "r");
    spend(&mut world, "cid", ("4.00", Some("4.00")), "r");
    spend(&mut world, "cid", ("6.00", None), "r");
    let stands = budget(&world, "day", 2);
    let told = |stands: &BudgetStands| {
        let told = stands.accounts.iter().map(|it| {
            let amounts = [&it.spent, &it.reserved, &it.left].map(String::as_str).join(" ");
            format!("{} {amounts} {:?}", it.whose, it.state)
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(stands.in_use, 3);
    assert_eq!(stands.task_cost, None);
    assert_eq!(
        told(&stands),
        ["agent:cid 4.00 6.00 0.00 Exhausted", "agent:ben 0.00 6.00 4.00 Told"]
    );
    assert_eq!(told(&budget(&world, "day", 9))[2], "agent:ann 1.00 0.00 9.00 Within");
    assert_eq!(budget(&world, "day", 1).accounts.len(), 1);
    assert!(
        stands.accounts[0].forecast.is_some(),
        "more than a tenth of the day is over"
    );
    // What nobody has used by then is held no more, though no record has come since.
    world.now = world.state.last_ts() + Span::minutes(5);
    let held: Vec<String> = budget(&world, "day", 9)
        .accounts
        .into_iter()
        .map(|it| it.reserved)
        .collect();
    assert_eq!(held, ["0.00", "0.00", "0.00"]);
    // Nor is the window, once it is over.
    let until = stands.accounts[0].until;
    world.now = until - MICROSECOND;
    assert_eq!(budget(&world, "day", 9).in_use, 3);
    world.now = until;
    assert_eq!(budget(&world, "day", 9).in_use, 0);
}

fn nothing() -> BudgetStands {
    BudgetStands {
        accounts: Vec::new(),
        in_use: 0,
        task_cost: None,
        unit: String::new(),
    }
}

#[test]
fn what_a_task_has_cost_is_the_average_of_those_that_cost_something() {
    let mut world = budgeted("budgets:\n  - { name: task, per: task, limit: 10.00 USD }\n");
    assert_eq!(budget(&world, "task", 9).task_cost, None);
    for (run, spent) in [("r1", "2.00"), ("r2", "4.50"), ("r3", "0")] {
        spend(&mut world, "bot", ("5.00", Some(spent)), run);
    }
    spend(&mut world, "bot", ("5.00", None), "r4");
    let stands = budget(&world, "task", 9);
    assert_eq!((stands.in_use, stands.task_cost), (4, Some(Decimal::new(325, 2))));
    assert!(stands.accounts.iter().all(|account| account.forecast.is_none()));
}

#[test]
fn a_budget_of_the_organization_is_shown_before_anything_is_used_and_one_of_agents_is_not() {
    let world = budgeted(
        "budgets:\n  - { name: all, per: month, of: organization, limit: 10.00 USD, zone: UTC }\n  - { name: own, per: day, limit: 1 USD }\n",
    );
    let all = budget(&world, "all", 9);
    assert_eq!(all.in_use, 0);
    assert_eq!(
        (all.accounts[0].whose.as_str(), all.accounts[0].left.as_str()),
        ("organization", "10.00")
    );
    assert_eq!(all.accounts[0].state, Fullness::Within);
    assert!(budget(&world, "own", 9).accounts.is_empty());
}

fn limit(world: &World, look: &LookedFor<'_>, most: usize) -> LimitStands {
    let live = world.live().unwrap();
    let now = world.now.max(world.state.last_ts());
    world
        .state
        .limit_stands(live.limit("pay").unwrap(), live, now, look, most)
}

#[test]
fn the_fullest_windows_of_a_limit_come_first_and_one_that_is_full_says_when_there_is_room() {
    let mut world = World::new();
    for agent in ["ann", "ben"] {
        world.agent(agent, "team:ops");
    }
    let limits = "limits:\n  - { name: pay, per: args.customer, count: 2, sum: 10.00 USD, within: 1h }\n";
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", limits)]);
    let pay = |world: &mut World, agent: &str, customer: &str, amount: &str| {
        let body =
            format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD","args":{{"customer":"{customer}"}}}}"#);
        let id = world.submit(agent, &body).unwrap().decision.action_id;
        world.redeem(id).unwrap();
    };
    pay(&mut world, "ann", "one", "1.00");
    pay(&mut world, "ann", "two", "2.00");
    pay(&mut world, "ben", "two", "3.00");
    pay(&mut world, "ben", "three", "10.00");
    let told = |stands: &LimitStands| {
        let told = stands.windows.iter().map(|it| {
            let sum = it.sum.as_deref().unwrap_or_default();
            format!("{} {} {sum} {}", it.by, it.counted, it.room.is_some())
        });
        told.collect::<Vec<_>>()
    };
    let everybody = LookedFor::default();
    let all = limit(&world, &everybody, 9);
    assert_eq!((all.in_use, all.unit.as_deref()), (3, Some("USD")));
    assert_eq!(told(&all), ["ann 2 5.00 true", "ben 1 10.00 true", "ann 1 1.00 false"]);
    assert_eq!(told(&limit(&world, &everybody, 1)), ["ann 2 5.00 true"]);
    let of = |agent| LookedFor {
        agent: Some(agent),
        value: None,
    };
    assert_eq!(told(&limit(&world, &of("ben"), 9)), ["ben 1 10.00 true"]);
    // The key of every test world.
    let key = DigestKey::new([7; 32]);
    let value = LookedFor {
        agent: None,
        value: Some(("two", &key)),
    };
    assert_eq!(told(&limit(&world, &value, 9)), ["ann 2 5.00 true"]);
    let neither = LookedFor {
        agent: Some("ben"),
        value: Some(("two", &key)),
    };
    assert_eq!(limit(&world, &neither, 9).in_use, 0);
    world.now = world.state.last_ts() + Span::hours(1);
    assert_eq!(limit(&world, &everybody, 9).in_use, 0);
}
