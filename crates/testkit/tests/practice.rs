//! Drills and canaries issue no permit, whatever people and time do with them.

use countersign_core::Span;
use countersign_core::event::{Event, PracticeKind, Verb};
use countersign_core::record::ActorKind;
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
