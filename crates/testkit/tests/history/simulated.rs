//! Laws of trying a policy on recorded actions: it says what it said when it decided, nothing is taken for fine of which
//! nobody can say, and parts add up to the whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::policy::{Decision, Snapshot};
use countersign_core::simulate::Report;
use countersign_core::{Event, Record};
use countersign_testkit::World;
use proptest::prelude::*;

use crate::steps::{Step, play, step};

fn cited(world: &World) -> BTreeSet<Arc<str>> {
    let decisions = world
        .records
        .iter()
        .filter(|record| matches!(record.event, Event::DecisionMade(_)));
    decisions.filter_map(|record| record.snapshot.clone()).collect()
}

/// The decisions that are recorded, without those of practice.
fn decided(world: &World) -> u64 {
    let decisions = world
        .records
        .iter()
        .filter(|record| matches!(record.event, Event::DecisionMade(_)));
    decisions.count() as u64
}

fn load(text: &str) -> Snapshot {
    let files = [("gate.yaml".to_owned(), text.as_bytes().to_vec())];
    Snapshot::load(&files)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
        .0
}

fn adds_up(report: &Report) -> bool {
    let flips: u64 = report.flips.values().sum();
    report.decisions == report.same + report.changed.all() + report.not_derivable && flips == report.changed.all()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_that_decided_says_of_every_recorded_action_what_was_decided(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let world = play(&steps);
        for hash in cited(&world) {
            let by_it = |record: &countersign_core::Record| record.snapshot.as_ref() == Some(&hash);
            let own = world.snapshot(&hash);
            for against in [None, Some(own)] {
                let report = world.simulated(own, against, by_it);
                prop_assert_eq!(report.changed.all(), 0, "{:#?}", report);
                prop_assert!(adds_up(&report));
                let lacking = |record: &countersign_core::Record| by_it(record) && !record.redact.is_empty();
                let lacking = world.records.iter().filter(|record| lacking(record)).count() as u64;
                prop_assert!(report.not_derivable <= lacking, "all of it was kept: {:#?}", report);
            }
        }
    }

    #[test]
    fn under_the_policy_that_was_live_everything_would_have_become_what_it_became(
        rules in prop::collection::vec((any::<u8>(), any::<u8>()), 0..4),
        organization in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let policy = Step::Policy(rules, organization);
        let fixed = steps.into_iter().filter(|step| !matches!(step, Step::Policy(..) | Step::Try(..)));
        let steps: Vec<Step> = std::iter::once(policy).chain(fixed).collect();
        let world = play(&steps);
        let hashes = cited(&world);
        let Some(hash) = hashes.first() else { return Ok(()) };
        prop_assert_eq!(hashes.len(), 1);
        let (refold, report) = world.become_under(world.snapshot(hash));
        prop_assert_eq!(report.changed.all(), 0, "{:#?}", report);
        prop_assert!(adds_up(&report));
        let taken = refold.taken();
        prop_assert_eq!((taken.approved, taken.ran, taken.not_approved), (0, 0, 0));
        prop_assert_eq!(taken.as_it_was, report.not_derivable);
    }

    #[test]
    fn what_denies_everything_denies_everything_that_policy_was_asked_about(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let world = play(&steps);
        let deny = load("name: no\nrules: [{ decision: deny }]\n");
        let report = world.simulated(&deny, None, |_| true);
        prop_assert_eq!(report.decisions, decided(&world));
        prop_assert!(adds_up(&report));
        prop_assert_eq!((report.changed.loosened, report.changed.terms, report.erred), (0, 0, 0));
        for change in &report.listed {
            prop_assert_eq!(change.to, Decision::Deny);
        }
        let lacking = world.records.iter().filter(|record| !record.redact.is_empty()).count() as u64;
        prop_assert!(report.not_derivable <= lacking, "{:#?}", report.unknown);
    }

    #[test]
    fn without_payloads_nothing_that_policy_decided_is_taken_for_fine(
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let world = play(&steps);
        let own = load("name: yes\nrules: [{ decision: allow }]\n");
        let mut simulation = countersign_core::simulate::Simulation::new(
            &own, countersign_core::simulate::Against::Recorded, &world, "USD",
        );
        let mut report = Report::default();
        for record in &world.records {
            simulation.record(record, None, &mut report);
        }
        prop_assert_eq!(report.same, report.above_policy);
        prop_assert_eq!(report.not_derivable, report.decisions - report.above_policy);
    }

    #[test]
    fn parts_of_a_ledger_add_up_to_all_of_it(
        steps in prop::collection::vec(step(), 1..40), cut in 0_u64..80,
    ) {
        let world = play(&steps);
        let candidate = load("name: some\nrules:\n- { condition: \"action == 'read'\", decision: allow }\n\
                              - { condition: \"action == 'pay'\", decision: require_approval, approvers: [dana] }\n");
        let whole = world.simulated(&candidate, None, |_| true);
        let mut sum = world.simulated(&candidate, None, |record| record.seq < cut);
        sum.absorb(world.simulated(&candidate, None, |record| record.seq >= cut));
        prop_assert_eq!(sum, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_is_told_by_the_end_of_its_bytes_and_read_in_one_go_as_in_two(steps in prop::collection::vec(step(), 1..40)) {
        for record in &play(&steps).records {
            let leaf = record.encode(countersign_testkit::ORIGIN).unwrap();
            let decision = matches!(record.event, Event::DecisionMade(_));
            prop_assert_eq!(countersign_core::record::is_decision(&leaf), decision, "{}", record.event.kind());
            // With something behind it nothing is told by its end.
            let longer = [leaf.as_slice(), b" "].concat();
            prop_assert!(!countersign_core::record::is_decision(&longer));
            let (one, two) = (Record::decode(&leaf).unwrap(), Record::decode(&longer).unwrap());
            prop_assert_eq!(&one.0, record);
            prop_assert_eq!(one, two);
        }
    }
}

const GATE: &str = "name: gate
rules:
- { name: small, condition: \"has(amount) && amount <= 500\", decision: allow }
- { name: large, condition: \"has(amount) && amount > 500\", decision: require_approval, approvers: [leads] }
";

fn paying() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE)]);
    for amount in ["100", "600", "700", "900"] {
        let body = format!(r#"{{"action":"refund","amount":"{amount}","currency":"USD","principal":"kim"}}"#);
        world.submit("bot", &body).unwrap();
    }
    world
}

#[test]
fn a_bound_that_is_raised_is_told_by_agent_rule_action_amount_person_and_approver() {
    let world = paying();
    let candidate = load(&GATE.replace("500", "750"));
    let report = world.simulated(&candidate, None, |_| true);
    assert_eq!(report.flips, [("require_approval to allow".to_owned(), 2)].into());
    assert_eq!((report.same, report.changed.loosened), (2, 2));
    for table in [
        &report.by_agent,
        &report.by_action,
        &report.by_principal,
        &report.by_rule,
    ] {
        assert_eq!(table.len(), 1);
        assert!(table.values().all(|group| group.loosened == 2 && group.all() == 2));
    }
    // It is the rule that asked and does not ask any more.
    assert!(report.by_rule.contains_key("gate#large"));
    assert!(report.by_principal.contains_key("kim"));
    assert!(report.by_amount.contains_key("USD 100 to 1000"));
    assert_eq!(report.approvers["leads"].no_longer, 2);
    let amounts: Vec<_> = report.listed.iter().map(|change| change.amount.as_deref()).collect();
    assert_eq!(amounts, [Some("600"), Some("700")]);
    assert!(!report.is_spotless());
    // The other way round it is the rule that asks.
    let back = world.simulated(world.snapshot(world.state.live().unwrap()), Some(&candidate), |_| true);
    assert_eq!((back.changed.tightened, back.by_rule["gate#large"].tightened), (2, 2));
    assert_eq!(back.approvers["leads"].newly, 2);
}

#[test]
fn other_approvers_and_limits_are_other_terms() {
    let world = paying();
    let live = world.snapshot(world.state.live().unwrap());
    let others = load(&GATE.replace("[leads]", "[leads], quorum: 1, editable: [/amount]"));
    let report = world.simulated(&others, Some(live), |_| true);
    assert_eq!((report.changed.terms, report.changed.all()), (3, 3));
    assert_eq!(
        report.flips,
        [("require_approval to require_approval".to_owned(), 3)].into()
    );
    // The name of a rule is no term.
    let renamed = load(&GATE.replace("name: large", "name: big"));
    assert!(world.simulated(&renamed, Some(live), |_| true).is_spotless());
}

#[test]
fn what_a_kill_switch_had_denied_stays_denied() {
    let mut world = paying();
    world.done(countersign_core::Command::Kill {
        scope: countersign_core::event::Scope::Agent("bot".into()),
        reason: None,
    });
    world.submit("bot", r#"{"action":"refund","amount":"10"}"#).unwrap();
    let allow = load("name: yes\nrules: [{ decision: allow }]\n");
    let report = world.simulated(&allow, None, |_| true);
    assert_eq!((report.above_policy, report.changed.loosened), (1, 3));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_counted_as_an_error_and_denies() {
    let world = paying();
    let broken = load("name: bad\nrules: [{ condition: \"has(args.a) ? true : args.b > 1\", decision: allow }]\n");
    let report = world.simulated(&broken, None, |_| true);
    assert_eq!((report.erred, report.changed.tightened), (4, 4));
}
