//! What would have become of a ledger under another policy: what that lets through uses up what it keeps.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeMap;

use countersign_core::event::{OutcomeStatus, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::{Decision, Snapshot, Value};
use countersign_core::simulate::Report;
use countersign_core::{Span, State};
use countersign_testkit::World;
use proptest::prelude::*;

const ORGANIZATION: &str = "organization: acme\ncurrency: USD\n";
const GATE: &str = "
name: gate
rules:
  - { condition: \"has(amount) && amount <= 20\", decision: allow }
  - { condition: \"has(amount) && amount > 20 && amount <= 50\", decision: require_approval, approvers: [leads], editable: [/amount] }
  - { condition: \"has(amount) && amount > 50\", decision: deny }
";
const BUDGETS: &str = "
budgets:
  - { name: day, per: day, limit: 100 USD, count: purchases }
  - { name: all, per: month, of: organization, limit: 300 USD, count: purchases, at_cap: ask, approvers: [leads] }
";
const LIMITS: &str = "
limits:
  - { name: burst, count: 6, within: 10m }
  - { name: customer, per: args.customer, count: 4, sum: 60 USD, within: 1h }
  - { name: same, same: [args.customer, amount], within: 30m, at_cap: alert }
  - { name: failing, failures: 3, within: 1h, open_for: 10m }
";

fn load(files: &[(&str, &str)]) -> Snapshot {
    let files: Vec<_> = (files.iter())
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect();
    Snapshot::load(&files)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
        .0
}

fn world(files: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.user("erin", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.policy(files);
    world
}

fn pay(world: &mut World, customer: &str, amount: &str) -> (ActionId, Decision) {
    let body = format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD","args":{{"customer":"{customer}"}}}}"#);
    let view = world.submit("bot", &body).unwrap();
    (view.decision.action_id, view.decision.decision)
}

/// Pays, uses the permit, and reports that it went well.
fn paid(world: &mut World, customer: &str, amount: &str) -> ActionId {
    let (id, decision) = pay(world, customer, amount);
    assert_eq!(decision, Decision::Allow);
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Succeeded, Some(amount)).unwrap();
    id
}

/// What became of decisions, in order: those that are listed.
fn changes(report: &Report) -> Vec<(Decision, Decision, &str)> {
    let listed = report.listed.iter();
    listed
        .map(|change| (change.from, change.to, change.rule.as_str()))
        .collect()
}

/// What accounts have spent, and how many of what windows hold, whatever those are called.
fn kept(state: &State) -> (BTreeMap<String, String>, usize) {
    let accounts = state.accounts();
    (
        accounts
            .map(|(name, account)| (name.to_owned(), format!("{account:?}")))
            .collect(),
        state.windows().len(),
    )
}

#[test]
fn a_budget_is_used_up_by_what_it_lets_through_itself_and_has_room_again_the_next_day() {
    let mut world = world(&[("organization.yaml", ORGANIZATION), ("gate.yaml", GATE)]);
    for day in 0..2 {
        for customer in ["a", "b", "c"] {
            paid(&mut world, customer, "20");
            world.pass(Span::minutes(1));
        }
        if day == 0 {
            world.pass(Span::hours(24));
        }
    }
    let budget = "budgets: [{ name: day, per: day, limit: 40 USD, count: purchases }]\n";
    let candidate = load(&[
        ("organization.yaml", ORGANIZATION),
        ("gate.yaml", GATE),
        ("budgets.yaml", budget),
    ]);
    assert_eq!(
        world.simulated(&candidate, None, |_| true).changed.all(),
        0,
        "policy alone says the same"
    );
    let (refold, report) = world.become_under(&candidate);
    let third = (Decision::Allow, Decision::Deny, "budgets#day");
    assert_eq!(changes(&report), [third, third], "{report:#?}");
    assert_eq!((report.decisions, report.same), (6, 4));
    assert_eq!(refold.taken(), Default::default());
}

#[test]
fn windows_count_what_the_other_policy_lets_through_and_not_what_ran_then() {
    let mut world = world(&[("gate.yaml", GATE)]);
    for _ in 0..4 {
        paid(&mut world, "a", "20");
        world.pass(Span::minutes(10));
    }
    // Two within half an hour: the third is refused and does not count, so there is room for the fourth.
    let limit = "limits: [{ name: customer, per: args.customer, count: 2, within: 25m }]\n";
    let candidate = load(&[("gate.yaml", GATE), ("limits.yaml", limit)]);
    let (_, report) = world.become_under(&candidate);
    let denied: Vec<u64> = report.listed.iter().map(|change| change.index).collect();
    assert_eq!(changes(&report), [(Decision::Allow, Decision::Deny, "limits#customer")]);
    let decisions: Vec<u64> = (world.records.iter())
        .filter(|record| record.event.kind() == "decision.made")
        .map(|record| record.seq)
        .collect();
    assert_eq!(denied, [decisions[2]]);
}

#[test]
fn what_nobody_did_then_is_taken_as_something_and_counted() {
    let mut world = world(&[("gate.yaml", GATE)]);
    paid(&mut world, "a", "20");
    let (asked, _) = pay(&mut world, "a", "50");
    world.vote("dana", asked, Verb::Approve, None).unwrap();
    let (denied, _) = pay(&mut world, "a", "60");
    assert!(world.redeem(denied).is_err());
    let budget = "budgets: [{ name: day, per: day, limit: 100 USD, count: purchases }]\n";

    // Everything is let through until the budget is used up: the refused one as well.
    let candidate = load(&[
        ("gate.yaml", "name: gate\nrules: [{ decision: allow }]\n"),
        ("budgets.yaml", budget),
    ]);
    let (refold, report) = world.become_under(&candidate);
    assert_eq!(
        changes(&report),
        [(Decision::RequireApproval, Decision::Allow, "gate#rules[1]")],
        "the last one has no room: {report:#?}"
    );
    assert_eq!(refold.taken().ran, 0);

    // With more room it runs, as far as anybody knows.
    let more = budget.replace("100", "200");
    let candidate = load(&[
        ("gate.yaml", "name: gate\nrules: [{ decision: allow }]\n"),
        ("budgets.yaml", &more),
    ]);
    let (refold, _) = world.become_under(&candidate);
    assert_eq!(refold.taken().ran, 1);
    let used = kept(refold.state()).0.into_values().next().unwrap();
    assert!(used.contains("reserved: 110.00, spent: 20.00"), "{used}");

    // Whoever would be asked is taken to approve what ran, and not to approve what was refused.
    let candidate = load(&[
        (
            "gate.yaml",
            "name: gate\nrules: [{ decision: require_approval, approvers: [leads] }]\n",
        ),
        ("budgets.yaml", &more),
    ]);
    let (refold, report) = world.become_under(&candidate);
    let taken = refold.taken();
    assert_eq!((taken.approved, taken.ran, taken.not_approved), (1, 0, 1));
    assert_eq!(report.same, 1, "people were asked about one, and would be: {report:#?}");
    let used = kept(refold.state()).0.into_values().next().unwrap();
    assert!(used.contains("reserved: 50.00, spent: 20.00"), "{used}");
}

#[test]
fn what_a_reviewer_narrowed_counts_under_the_limits_and_budgets_of_the_other_policy() {
    let mut world = world(&[("gate.yaml", GATE)]);
    let (asked, _) = pay(&mut world, "a", "50");
    let narrowed = [("/amount".to_owned(), Some(Value::Number(30.into())))];
    world.edit("erin", asked, &narrowed.into()).unwrap();
    paid(&mut world, "a", "20");
    paid(&mut world, "a", "20");
    let candidate = load(&[
        ("gate.yaml", GATE),
        (
            "budgets.yaml",
            "budgets: [{ name: day, per: day, limit: 90 USD, count: purchases }]\n",
        ),
        (
            "limits.yaml",
            "limits: [{ name: customer, per: args.customer, sum: 55 USD, within: 1h }]\n",
        ),
    ]);
    let (refold, report) = world.become_under(&candidate);
    // 30 and 20 fit, and so did 50 when it was asked for; 20 more do not.
    assert_eq!(
        changes(&report),
        [(Decision::Allow, Decision::Deny, "limits#customer")],
        "{report:#?}"
    );
    let used = kept(refold.state()).0.into_values().next().unwrap();
    assert!(used.contains("reserved: 30.00, spent: 20.00"), "{used}");
    assert_eq!(refold.taken(), Default::default());
}

#[derive(Clone, Debug)]
enum Step {
    Pay(u8, u8),
    Vote(u8, bool),
    /// A reviewer narrows it, or its agent wants something else.
    Change(u8, u8, bool),
    Use(u8),
    Report(u8, bool, u8),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..3, 1_u8..60).prop_map(|(customer, amount)| Step::Pay(customer, amount)),
        2 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(id, yes)| Step::Vote(id, yes)),
        2 => (any::<u8>(), 1_u8..60, any::<bool>()).prop_map(|(id, amount, edit)| Step::Change(id, amount, edit)),
        4 => any::<u8>().prop_map(Step::Use),
        3 => (any::<u8>(), prop::bool::weighted(0.6), 1_u8..60).prop_map(|(id, well, cost)| Step::Report(id, well, cost)),
        2 => (1_u16..1500).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn under_the_policy_that_was_live_the_same_is_spent_and_counted(steps in prop::collection::vec(step(), 1..60)) {
        let files = [
            ("organization.yaml", ORGANIZATION),
            ("gate.yaml", GATE),
            ("budgets.yaml", BUDGETS),
            ("limits.yaml", LIMITS),
        ];
        let mut world = world(&files);
        let mut ids = Vec::new();
        for step in steps {
            let pick = |n: u8| ids.get(usize::from(n) % ids.len().max(1)).copied();
            match step {
                Step::Pay(customer, amount) => {
                    let body = format!(
                        r#"{{"action":"pay","amount":"{amount}","currency":"USD","args":{{"customer":"c{customer}"}}}}"#
                    );
                    let made = world.submit("bot", &body);
                    ids.extend(made.map(|view| view.decision.action_id));
                }
                Step::Vote(n, yes) => {
                    let verb = if yes { Verb::Approve } else { Verb::Reject };
                    let asked = pick(n).filter(|id| world.view(*id).approval.is_some());
                    drop(asked.map(|id| world.vote("dana", id, verb, Some("so"))));
                }
                Step::Change(n, amount, edit) => {
                    let asked = pick(n).filter(|id| world.view(*id).approval.is_some());
                    let amount = Value::from(amount.to_string());
                    drop(asked.map(|id| match edit {
                        true => world.edit("erin", id, &[("/amount".to_owned(), Some(amount))].into()),
                        false => world.revise(id, &[("amount".to_owned(), amount)].into()),
                    }));
                }
                Step::Use(n) => drop(pick(n).map(|id| world.redeem(id))),
                Step::Report(n, well, cost) => {
                    let status = if well { OutcomeStatus::Succeeded } else { OutcomeStatus::Failed };
                    drop(pick(n).map(|id| world.report(id, status, Some(&cost.to_string()))));
                }
                Step::Pass(minutes) => world.pass(Span::minutes(i64::from(minutes) % 90)),
            }
        }
        // What is over leaves with the next record.
        world.submit("nobody", r#"{"action":"read"}"#).unwrap();
        let candidate = load(&files);
        let (refold, report) = world.become_under(&candidate);
        prop_assert_eq!(report.changed.all(), 0, "{:#?}", report);
        prop_assert_eq!(refold.taken(), Default::default());
        prop_assert_eq!(kept(refold.state()), kept(&world.state));
        prop_assert_eq!(refold.state().circuits(), world.state.circuits());
    }
}
