//! Drills and canaries issue no permit, whatever people and time do with them.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_core::Span;
use countersign_core::digest::DigestKey;
use countersign_core::event::{Event, PracticeDue, PracticeKind, Scope, Verb};
use countersign_core::record::ActorKind;
use countersign_core::schedule::is_open;
use countersign_core::state::draw;
use countersign_testkit::{World, by};
use proptest::prelude::*;

const RULES: &str = "organization: acme
teams: [desk]
routes:
  refunds:
    steps:
      - { to: ['team:desk'], within: 10m }
      - { to: ['user:finn'], within: 10m }
    on_exhausted: hold
    deadline: 1h
break_glass: { who: ['user:finn'], review: ['user:dana'] }
theatre: { canary: { of: 2, then: second } }
";
const GATE: &str = "name: gate\nrules:\n  - { decision: require_approval, approvers: [refunds] }\n";
const PEOPLE: [&str; 3] = ["dana", "erin", "finn"];

#[derive(Clone, Debug)]
enum Step {
    Practise(PracticeKind),
    Vote(&'static str, Verb),
    Break,
    Pass(i64),
    Policy,
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop_oneof![Just(PracticeKind::Canary), Just(PracticeKind::Drill)];
    let verbs = prop_oneof![
        4 => Just(Verb::Approve),
        2 => Just(Verb::Reject),
        1 => Just(Verb::Clarify),
        1 => Just(Verb::Claim),
        1 => Just(Verb::Abstain)
    ];
    prop_oneof![
        2 => kinds.prop_map(Step::Practise),
        6 => (prop::sample::select(&PEOPLE[..]), verbs).prop_map(|(who, verb)| Step::Vote(who, verb)),
        1 => Just(Step::Break),
        2 => (1..40_i64).prop_map(Step::Pass),
        1 => Just(Step::Policy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_is_practice_never_comes_to_a_permit(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for who in PEOPLE {
            let teams: &[&str] = if who == "finn" { &[] } else { &["desk"] };
            world.user(who, &["reviewer"], teams, &[]);
        }
        world.agent("bot", "team:ops");
        world.policy(&[("acme.yaml", RULES), ("gate.yaml", GATE)]);
        let mut made = Vec::new();
        let mut other = false;
        for step in steps {
            let last = made.last().copied();
            match step {
                Step::Practise(kind) => {
                    let view = world.practise("alex", kind, "bot", r#"{"action":"pay"}"#);
                    made.extend(view.map(|view| view.decision.action_id));
                }
                Step::Vote(who, verb) => drop(last.map(|id| world.vote(who, id, verb, Some("so")))),
                Step::Break => drop(last.map(|id| world.break_glass(by(ActorKind::User, "finn"), id, "inc"))),
                Step::Pass(minutes) => world.pass(Span::minutes(minutes)),
                Step::Policy => {
                    other = !other;
                    let gate = if other { GATE.replace("name: gate", "name: gate2") } else { GATE.to_owned() };
                    world.policy(&[("acme.yaml", RULES), ("gate.yaml", &gate)]);
                }
            }
        }
        world.pass(Span::hours(2));
        for record in &world.records {
            let permit = match &record.event {
                Event::DecisionMade(e) => e.permit.is_some(),
                Event::ApprovalResolved(e) => e.permit.is_some(),
                _ => matches!(record.event, Event::PermitRedeemed(_) | Event::GlassBroken(_)),
            };
            prop_assert!(!permit, "{:?}", record.event);
        }
        let ended = |id| world.records.iter().filter(|record| matches!(&record.event, Event::PracticeEnded(e) if e.action_id == id)).count();
        prop_assert!(made.iter().all(|id| ended(*id) == 1));
        prop_assert!(world.state.practices().is_empty() && world.state.approvals().is_empty());
        prop_assert_eq!(world.refolded().hash(), world.state.hash());
    }
}

const EVERY: &str = "practice:
  desk:
    kind: drill
    every: 30d
    agent: bot
    actions: [{ action: pay, amount: '42', currency: USD }, { action: pay, amount: '7', currency: USD }, { action: pay }]
";

fn with_a_cadence(more: &str) -> World {
    let mut world = World::new();
    for who in PEOPLE {
        let teams: &[&str] = if who == "finn" { &[] } else { &["desk"] };
        world.user(who, &["reviewer"], teams, &[]);
    }
    world.agent("bot", "team:ops");
    let rules = format!("{RULES}{more}");
    world.policy(&[("acme.yaml", &rules), ("gate.yaml", GATE)]);
    world
}

fn dues(world: &World) -> Vec<PracticeDue> {
    let due = world.records.iter().filter_map(|record| match &record.event {
        Event::PracticeDue(due) => Some((**due).clone()),
        _other => None,
    });
    due.collect()
}

#[test]
fn in_each_span_of_a_cadence_one_drill_is_asked_at_a_moment_that_its_key_tells_and_no_other_key_does() {
    let mut world = with_a_cadence(EVERY);
    world.pass(Span::days(300));
    let made = dues(&world);
    assert!((9..=11).contains(&made.len()), "{}", made.len());
    let (live, another) = (world.live().unwrap(), DigestKey::new([8; 32]));
    let cadence = live.organization().unwrap().cadence("desk").unwrap();
    let mut actions = std::collections::BTreeSet::new();
    for pair in made.windows(2) {
        assert!(pair[0].begins < pair[1].begins, "one in each span");
    }
    for due in &made {
        assert!(due.begins <= due.at && due.at < due.begins + Span::days(30));
        let again = draw(cadence, due.begins, &DigestKey::new([7; 32]), live);
        assert_eq!(
            (again.at, again.key, again.action),
            (due.at, due.key, due.action as usize)
        );
        assert_ne!(draw(cadence, due.begins, &another, live).at, due.at);
        assert!(due.approval.is_some() && due.reason.is_none());
        actions.insert(due.action);
    }
    assert!(actions.len() > 1, "the action is drawn as well");
    let days: std::collections::BTreeSet<i64> = made
        .iter()
        .map(|due| (due.at - due.begins).0 / Span::days(1).0)
        .collect();
    assert!(days.len() > made.len() / 2, "on other days each time: {days:?}");
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn who_does_not_answer_to_drills_is_known_until_that_person_does_or_is_gone() {
    let mut world = with_a_cadence(EVERY);
    let due = world.next_practice().unwrap();
    world.pass(due - world.now);
    let (id, _) = world
        .state
        .practices()
        .iter()
        .next()
        .map(|(_, open)| (open.action_id, open.kind))
        .unwrap();
    world.vote("dana", id, Verb::Approve, None).unwrap();
    world.pass(Span::hours(1));
    let drilled = world.state.drilled().clone();
    assert_eq!((drilled["dana"].missed, drilled["erin"].missed), (0, 1));
    assert!(!drilled.contains_key("finn"), "the next step was not asked");
    assert!(drilled["dana"].answered.is_some() && drilled["erin"].answered.is_none());
    assert!(world.alerted("drill_unanswered"));
    world.pass(Span::days(60));
    assert!(world.state.drilled()["erin"].missed > 1);
    world.give(
        by(ActorKind::User, "alex"),
        countersign_core::Command::RemoveUser("erin".into()),
    );
    assert!(!world.state.drilled().contains_key("erin"));
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn a_drill_that_a_kill_switch_ends_says_nothing_of_people() {
    let mut world = with_a_cadence(EVERY);
    let due = world.next_practice().unwrap();
    world.pass(due - world.now);
    assert_eq!(world.state.practices().len(), 1);
    let kill = countersign_core::Command::Kill {
        scope: Scope::Organization,
        reason: None,
    };
    world.give(by(ActorKind::User, "alex"), kill);
    assert!(world.state.practices().is_empty());
    assert!(world.state.drilled().is_empty() && !world.alerted("drill_unanswered"));
    // The next one finds that nothing is asked about, and says so once.
    world.pass(Span::days(60));
    let reasons: Vec<_> = dues(&world).into_iter().filter_map(|due| due.reason).collect();
    assert!(
        reasons.iter().all(|reason| reason == "nobody_asked") && !reasons.is_empty(),
        "{reasons:?}"
    );
    assert!(world.alerted("practice_not_asked"));
}

#[test]
fn what_cannot_be_asked_is_told_once_in_each_span_and_a_span_that_nobody_lived_to_see_is_left_out() {
    let unknown = EVERY.replace("agent: bot", "agent: nobody");
    let mut world = with_a_cadence(&unknown);
    world.pass(Span::days(90));
    let made = dues(&world);
    assert!((2..=4).contains(&made.len()), "{made:?}");
    assert!(
        made.iter()
            .all(|due| due.reason.as_deref() == Some("not_found") && due.approval.is_none())
    );
    world.now = world.now + Span::days(300);
    world.pass(Span::days(1));
    assert!(
        dues(&world).len() <= made.len() + 2,
        "it does not make up for what it missed"
    );
}

#[test]
fn a_cadence_with_hours_asks_within_them() {
    let hours = "calendars: { office: { zone: Europe/Berlin, days: mon-fri, from: '09:00', to: '17:00' } }\n";
    let every = EVERY
        .replace("every: 30d", "every: 7d\n    hours: office")
        .replace("kind: drill", "kind: canary");
    let mut world = with_a_cadence(&format!("{hours}{every}"));
    world.pass(Span::days(140));
    let made = dues(&world);
    assert!(made.len() > 15, "{}", made.len());
    let live = world.live().unwrap();
    let calendar = live.organization().unwrap().calendar("office").unwrap();
    for due in &made {
        assert!(is_open(calendar, due.at), "{}", due.at);
        assert_eq!(due.kind, PracticeKind::Canary);
    }
    assert!(
        made.iter().any(|due| due.draw > 0),
        "draws outside of the hours were left out"
    );
}
