//! What governance comes to, counted by the fold: key figures without reading the ledger.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use countersign_core::command::SetMode;
use countersign_core::event::{Event, LedgerOpened, Mode, OutcomeStatus, PracticeKind, StateSealed, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::state::{BOUNDS_S, COUNTED_DAYS, Measured, OffPlan, bound_of};
use countersign_core::{Command, Span, State, Time};
use countersign_testkit::{World, by};

const ACME: &str = "organization: acme
teams: [desk]
routes:
  refunds:
    steps:
      - { to: ['team:desk'], within: 10m }
      - { to: ['user:finn'], within: 10m }
    editable: [/amount]
    on_exhausted: hold
    deadline: 1h
break_glass: { who: ['user:finn'], review: ['user:dana'] }
";
const GATE: &str = "name: gate\nrules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [refunds] }
  - { condition: \"action == 'read'\", decision: allow }
";

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["desk"], &[]);
    world.user("erin", &["reviewer"], &["desk"], &[]);
    world.user("finn", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("acme.yaml", ACME), ("gate.yaml", GATE)]);
    world
}

fn ask(world: &mut World, amount: u32) -> ActionId {
    // Each is another action: one that is refused time and again is turned away.
    let body = format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD"}}"#);
    world.submit("bot", &body).unwrap().decision.action_id
}

/// The hours that are kept, one after the other.
fn hours(world: &World) -> Vec<Measured> {
    let hours = world.state.measures().hours(Time(0));
    hours.map(|(_, hour)| hour.clone()).collect()
}

/// What the only hour says in which requests were opened.
fn opened_hour(world: &World) -> Measured {
    let hours = hours(world);
    let mut of_requests = hours.into_iter().filter(|hour| hour.requests.opened > 0);
    let first = of_requests.next().unwrap();
    assert!(of_requests.next().is_none(), "all were opened within one hour");
    first
}

#[test]
fn requests_are_counted_where_they_were_opened_by_what_became_of_them_and_after_how_long() {
    let mut world = world();
    let [approved, rejected, narrowed, _missed] = [1, 20, 30, 40].map(|amount| ask(&mut world, amount));
    world.pass(Span::minutes(3));
    world.vote("dana", approved, Verb::Approve, None).unwrap();
    world.vote("erin", rejected, Verb::Reject, Some("no")).unwrap();
    let less = Value::from("5");
    let places: BTreeMap<String, Option<Value>> = [("/amount".to_owned(), Some(less))].into();
    world.edit("dana", narrowed, &places).unwrap();
    let early = opened_hour(&world).requests;
    assert_eq!(
        (early.opened, early.approved, early.edited, early.rejected),
        (4, 2, 1, 1)
    );
    assert_eq!(early.expired, 0, "one is still open");
    world.pass(Span::hours(2));
    let late = opened_hour(&world).requests;
    assert_eq!((late.opened, late.expired, late.escalated), (4, 1, 1));
    let five_minutes = bound_of(Span::minutes(3));
    assert_eq!(BOUNDS_S[usize::from(five_minutes)], 300);
    assert_eq!(late.answered, [(five_minutes, 3)].into());
    assert_eq!(late.unanswered, [(bound_of(Span::hours(1)), 1)].into());
    let steps: (u64, u64) = hours(&world).iter().fold((0, 0), |(asked, missed), hour| {
        (asked + hour.steps_asked, missed + hour.steps_missed)
    });
    assert_eq!(steps, (5, 2), "each asked the desk, one let two steps pass");
    let classes = world.state.measures().classes(Time(0));
    assert_eq!(classes.len(), 1, "{classes:?}");
    assert_eq!(
        (
            &*classes[0].class,
            classes[0].approved,
            classes[0].edited,
            classes[0].rejected
        ),
        ("pay", 2, 1, 1)
    );
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn glass_that_was_broken_is_no_answer_of_people_and_the_look_at_it_is_counted() {
    let mut world = world();
    let urgent = ask(&mut world, 1);
    world.pass(Span::minutes(1));
    world.break_glass(by(ActorKind::User, "finn"), urgent, "INC-1").unwrap();
    let hour = opened_hour(&world);
    assert_eq!((hour.requests.broken_glass, hour.requests.approved), (1, 0));
    assert!(hour.requests.answered.is_empty() && hour.requests.unanswered.len() == 1);
    world.pass(Span::days(10));
    let overdue: u64 = hours(&world).iter().map(|hour| hour.looks.glass_overdue).sum();
    assert_eq!(overdue, 1, "nobody looked");
}

#[test]
fn votes_permits_and_outcomes_are_counted_when_they_happen() {
    let mut world = world();
    let pay = ask(&mut world, 1);
    world.vote("finn", pay, Verb::Approve, None).unwrap_err();
    world.vote("dana", pay, Verb::Clarify, Some("why?")).unwrap();
    world.vote("dana", pay, Verb::Approve, None).unwrap();
    world
        .redeem_for(pay, countersign_core::digest::Digest([9; 32]))
        .unwrap_err();
    world.redeem(pay).unwrap();
    world.report(pay, OutcomeStatus::Failed, None).unwrap();
    let read = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
    world.redeem(read).unwrap();
    world.pass(Span::days(3));
    let all = hours(&world);
    let sum = |of: &dyn Fn(&Measured) -> u64| all.iter().map(of).sum::<u64>();
    assert_eq!(
        (sum(&|hour| hour.votes.cast), sum(&|hour| hour.votes.approving)),
        (2, 1)
    );
    assert_eq!(
        (sum(&|hour| hour.votes.not_theirs), sum(&|hour| hour.votes.late)),
        (1, 0)
    );
    assert_eq!(sum(&|hour| hour.requests.asked_back), 1);
    assert_eq!((sum(&|hour| hour.ran.redeemed), sum(&|hour| hour.ran.refused)), (2, 1));
    assert_eq!(
        (
            sum(&|hour| hour.ran.digest_refused),
            sum(&|hour| hour.ran.policy_refused)
        ),
        (1, 0)
    );
    let outcomes = (
        sum(&|hour| hour.ran.failed),
        sum(&|hour| hour.ran.succeeded),
        sum(&|hour| hour.ran.unknown),
    );
    assert_eq!(outcomes, (1, 0, 1), "nobody said what came of the second");
    assert_eq!(sum(&|hour| hour.decisions), 2);
}

#[test]
fn a_canary_is_caught_by_whoever_rejects_it() {
    let mut world = world();
    for (amount, verb) in [(1, Verb::Reject), (2, Verb::Approve)] {
        let body = format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD"}}"#);
        let canary = world.practise("alex", PracticeKind::Canary, "bot", &body).unwrap();
        let _ = world.vote("dana", canary.decision.action_id, verb, Some("looked"));
    }
    world.pass(Span::hours(2));
    let all = hours(&world);
    let decided: u64 = all.iter().map(|hour| hour.looks.canaries_decided).sum();
    let caught: u64 = all.iter().map(|hour| hour.looks.canaries_caught).sum();
    assert_eq!((decided, caught), (2, 1));
}

#[test]
fn what_is_measured_stays_bounded() {
    let mut world = world();
    for day in 0..40 {
        ask(&mut world, day + 1);
        world.pass(Span::days(1));
    }
    let kept = hours(&world);
    let most = usize::try_from(COUNTED_DAYS).unwrap() * 3;
    assert!(!kept.is_empty() && kept.len() <= most, "{}", kept.len());
    let expired: u64 = kept.iter().map(|hour| hour.requests.expired).sum();
    let opened: u64 = kept.iter().map(|hour| hour.requests.opened).sum();
    assert!(opened >= 14 && expired <= opened, "{expired} of {opened}");
}

#[test]
fn a_ledger_that_does_not_count_measures_from_the_seal_on_that_says_so() {
    let mut world = world();
    let before = ask(&mut world, 1);
    let mut older = State::default();
    for record in &world.records {
        let mut record = record.clone();
        if let Event::LedgerOpened(opened) = &record.event {
            let opened = LedgerOpened {
                counts: false,
                ..(**opened).clone()
            };
            record.event = opened.into();
        }
        older.apply(&record);
    }
    assert!(older.measures().is_empty() && older.days().is_empty());
    let text = serde_json::to_string(&older).unwrap();
    for word in ["measures", "escalated", "\"opened\""] {
        assert!(
            !text.contains(word),
            "{word}: its state is that of a program which did not count"
        );
    }
    world.state = older;
    let sealed = world.done(Command::Seal);
    let counts = sealed.iter().any(|record| {
        matches!(&record.event, Event::StateSealed(sealed) if matches!(**sealed, StateSealed { counts: true, .. }))
    });
    assert!(counts);
    world.vote("dana", before, Verb::Approve, None).unwrap();
    assert_eq!(hours(&world).iter().map(|hour| hour.requests.approved).sum::<u64>(), 0);
    let after = ask(&mut world, 2);
    world.vote("dana", after, Verb::Approve, None).unwrap();
    assert_eq!(
        opened_hour(&world).requests.approved,
        1,
        "of the older one nobody knows since when"
    );
}

#[test]
fn week_by_week_it_is_counted_how_much_waits_for_people_and_the_plan_tells_what_does_not_loosen() {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["desk"], &[]);
    world.agent("bot", "team:ops");
    let rules = "organization: acme
default_route: { to: ['user:dana'], deadline: 1h }
autonomy: { to_post_action: { successes: 1, max_error: 5%, days: 0 } }
";
    let gate = "name: gate\nrules: [{ condition: \"action == 'drop'\", decision: deny }, { decision: allow }]\n";
    world.policy(&[("acme.yaml", rules), ("gate.yaml", gate)]);
    let run = |world: &mut World| {
        let asked = world.submit("bot", r#"{"action":"pay"}"#).unwrap();
        let id = asked.decision.action_id;
        if asked.decision.permit.is_none() {
            world.vote("dana", id, Verb::Approve, None).unwrap();
        }
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    };
    run(&mut world);
    world.submit("bot", r#"{"action":"read"}"#).unwrap();
    world.submit("bot", r#"{"action":"drop"}"#).unwrap();
    world.pass(Span::days(8 * 7));
    let plan = world.state.plan(world.now);
    assert_eq!((plan.operations, plan.loosened), (1, 0));
    assert_eq!(plan.findings, [OffPlan::NothingLoosened]);

    let grant = SetMode {
        agent: "bot".into(),
        mode: Mode::PostAction,
        operation: "pay".into(),
        why: None,
    };
    let dana = by(ActorKind::User, "dana");
    world.give(dana, Command::SetMode(Box::new(grant)));
    run(&mut world);
    let plan = world.state.plan(world.now);
    assert_eq!((plan.operations, plan.loosened), (1, 1));
    assert_eq!(plan.findings, []);
    let [(began, first), (_, last)] = plan.weeks.as_slice() else {
        panic!("two weeks had something");
    };
    assert!(*began <= world.now - Span::days(8 * 7));
    assert_eq!(
        (first.restricted, first.unruled, first.denied, first.ruled()),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (last.restricted, last.supervised, last.loosened, last.tightened),
        (0, 1, 1, 0)
    );
    assert_eq!(world.refolded().to_bytes(), world.state.to_bytes());
}
