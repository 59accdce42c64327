//! What is earned: its days, its looks, who grants it.

use countersign_core::command::{CloseReview, SetMode};
use countersign_core::event::{Finding, Mode, OutcomeStatus, Verb};
use countersign_core::ids::{ActionId, ReviewId};
use countersign_core::record::ActorKind;
use countersign_core::{Answer, Command, Refusal, Span};
use countersign_policy::Decision;
use countersign_testkit::{World, by};

use crate::{GATE, MICROSECOND, run, run_as};

fn ruled(autonomy: &str) -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &[], &[]);
    world.user("erin", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    world.agent("other", "team:ops");
    let rules =
        format!("organization: acme\ndefault_route: {{ to: ['user:dana'], deadline: 1h }}\nautonomy: {autonomy}\n");
    world.policy(&[("acme.yaml", &rules), ("gate.yaml", GATE)]);
    world
}

fn grant(world: &mut World, who: &str, (agent, operation): (&str, &str), mode: Mode) -> Result<(), Refusal> {
    let ask = SetMode {
        agent: agent.into(),
        mode,
        operation: operation.into(),
        why: None,
    };
    match world.give(by(ActorKind::User, who), Command::SetMode(Box::new(ask))).0 {
        Answer::Done => Ok(()),
        Answer::Refused(refusal) => Err(refusal),
        Answer::Replayed(seq) => panic!("replayed {seq}"),
    }
}

fn lacks(granted: Result<(), Refusal>) -> String {
    let refusal = granted.unwrap_err();
    assert_eq!(refusal.code, "not_earned");
    let (_, lacks) = refusal.detail.split_once("it lacks ").unwrap();
    lacks.to_owned()
}

fn mode(world: &World, agent: &str, operation: &str) -> Mode {
    world.state.standing(agent, operation).unwrap().mode
}

fn close(world: &mut World, review: ReviewId, finding: Finding, why: Option<&str>) {
    let comment = why.map(|why| {
        let value = countersign_policy::Value::from(why);
        let redactor = countersign_core::redact::Redactor::standard();
        countersign_core::stored::store_value(&value, &redactor, &Default::default(), [0; 32], "default").0
    });
    world.done(Command::CloseReview(Box::new(CloseReview {
        review,
        user: "dana".into(),
        finding,
        comment,
    })));
}

fn review_of(world: &World, action: ActionId) -> ReviewId {
    let mut reviews = world.state.reviews().iter();
    *reviews.find(|(_, review)| review.action_id == action).unwrap().0
}

#[test]
fn a_mode_is_earned_from_the_microsecond_on_at_which_its_days_are_over() {
    let mut world = ruled("{ to_post_action: { successes: 1, max_error: 5%, days: 1 } }");
    run(&mut world, "bot", "pay");
    let since = world.state.standing("bot", "pay").unwrap().since;
    world.now = since + Span::days(1) - MICROSECOND;
    let lacks = lacks(grant(&mut world, "dana", ("bot", "pay"), Mode::PostAction));
    assert!(lacks.starts_with("1 days in this mode"), "{lacks}");
    world.now = since + Span::days(1);
    grant(&mut world, "dana", ("bot", "pay"), Mode::PostAction).unwrap();
    assert_eq!(mode(&world, "bot", "pay"), Mode::PostAction);
}

#[test]
fn no_mode_is_skipped_whatever_was_shown() {
    let mut world = ruled("{ to_post_action: { successes: 1, max_error: 5%, days: 0 } }");
    run(&mut world, "bot", "pay");
    let skipped = grant(&mut world, "dana", ("bot", "pay"), Mode::ExceptionOnly);
    assert_eq!(lacks(skipped), "the mode before");
}

#[test]
fn a_look_that_is_open_keeps_the_next_mode_from_its_agent_and_operation_and_from_no_other() {
    let rules = "{ to_post_action: { successes: 1, max_error: 5%, days: 0 }, to_exception_only: { successes: 1, max_error: 5%, days: 0 } }";
    let mut world = ruled(rules);
    let all = [("bot", "pay"), ("bot", "note"), ("other", "pay"), ("other", "note")];
    for (agent, operation) in all {
        run(&mut world, agent, operation);
        grant(&mut world, "dana", (agent, operation), Mode::PostAction).unwrap();
    }
    // One look is open, at what `bot` pays.
    run(&mut world, "bot", "pay");
    assert_eq!(world.state.reviews().len(), 1);
    let waits = grant(&mut world, "dana", ("bot", "pay"), Mode::ExceptionOnly);
    assert_eq!(lacks(waits), "a look at 1 actions that have run");
    for (agent, operation) in &all[1..] {
        grant(&mut world, "dana", (agent, operation), Mode::ExceptionOnly).unwrap();
    }
    let review = *world.state.reviews().keys().next().unwrap();
    close(&mut world, review, Finding::Fine, None);
    grant(&mut world, "dana", ("bot", "pay"), Mode::ExceptionOnly).unwrap();
}

#[test]
fn who_answers_for_an_agent_grants_it_something_only_while_nobody_else_could() {
    let mut world = World::new();
    // Who only reads is nobody who could.
    world.user("ann", &["auditor"], &[], &[]);
    world.agent("bot", "user:alex");
    let rules = "organization: acme
default_route: { to: ['user:alex'], deadline: 1h }
autonomy: { to_post_action: { successes: 1, max_error: 5%, days: 0 } }
";
    world.policy(&[("acme.yaml", rules), ("gate.yaml", GATE)]);
    for action in ["pay", "note"] {
        let body = format!(r#"{{"action":"{action}"}}"#);
        let id = world.submit("bot", &body).unwrap().decision.action_id;
        world.vote("alex", id, Verb::Approve, None).unwrap();
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    }
    grant(&mut world, "alex", ("bot", "pay"), Mode::PostAction).unwrap();
    world.user("erin", &["reviewer"], &[], &[]);
    let own = grant(&mut world, "alex", ("bot", "note"), Mode::PostAction);
    assert_eq!(own.unwrap_err().code, "self_approval");
    grant(&mut world, "erin", ("bot", "note"), Mode::PostAction).unwrap();
}

#[test]
fn pausing_twice_and_resuming_twice_change_nothing_the_second_time() {
    let mut world = ruled("{}");
    let kinds = |world: &mut World, command: Command| -> Vec<&'static str> {
        world.done(command).iter().map(|record| record.event.kind()).collect()
    };
    let pause = || Command::PauseAgent("bot".into(), None);
    let resume = || Command::ResumeAgent("bot".into(), None);
    assert!(!kinds(&mut world, resume()).contains(&"agent.resumed"));
    assert!(kinds(&mut world, pause()).contains(&"agent.paused"));
    assert!(!kinds(&mut world, pause()).contains(&"agent.paused"));
    assert!(kinds(&mut world, resume()).contains(&"agent.resumed"));
    assert!(!kinds(&mut world, resume()).contains(&"agent.resumed"));
}

#[test]
fn a_fault_that_somebody_finds_counts_once_and_takes_back_only_what_had_counted() {
    let mut world = ruled("{ to_post_action: { successes: 1, max_error: 50%, days: 0 }, demote_above: 90% }");
    run(&mut world, "bot", "pay");
    grant(&mut world, "dana", ("bot", "pay"), Mode::PostAction).unwrap();
    let counts = |world: &World| {
        let standing = world.state.standing("bot", "pay").unwrap();
        (standing.succeeded, standing.failed)
    };
    // It failed, and counts as that already.
    let failed = run_as(&mut world, "bot", "pay", OutcomeStatus::Failed);
    let before = counts(&world);
    let review = review_of(&world, failed);
    close(&mut world, review, Finding::Faulty, Some("it did not work"));
    assert_eq!(counts(&world), before);
    // It is said to have run without its permit: it never counted as a success.
    let unused = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    world.report(unused, OutcomeStatus::Succeeded, None).unwrap();
    let before = counts(&world);
    let review = review_of(&world, unused);
    close(&mut world, review, Finding::Faulty, Some("nobody may do that"));
    assert_eq!(counts(&world), before);
    // It ran well, until somebody looked.
    let ran = run(&mut world, "bot", "pay");
    let before = counts(&world);
    let review = review_of(&world, ran);
    close(&mut world, review, Finding::Faulty, Some("the wrong customer"));
    assert_eq!(counts(&world), (before.0 - 1, before.1 + 1));
}

#[test]
fn after_five_hundred_looks_that_nobody_took_the_agent_asks_again_and_after_ten_thousand_everybody() {
    let mut world = ruled("{ review_within: 1000h, modes: [{ mode: post_action }] }");
    let asks = |world: &mut World, agent: &str| {
        let asked = world.submit(agent, r#"{"action":"pay"}"#).unwrap();
        asked.decision.decision == Decision::RequireApproval
    };
    for _ in 0..499 {
        run(&mut world, "bot", "pay");
    }
    assert!(!asks(&mut world, "bot"));
    run(&mut world, "bot", "pay");
    assert!(asks(&mut world, "bot"));
    assert!(!asks(&mut world, "other"));
    for agent in 1..20 {
        let agent = format!("bot-{agent}");
        world.agent(&agent, "team:ops");
        for _ in 0..500 {
            run(&mut world, &agent, "pay");
        }
    }
    assert_eq!(world.state.reviews().len(), 10_000);
    assert!(asks(&mut world, "other"));
}
