//! Guards at their edges: the last action that they let through, the first that they do not, and what they forget.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::command::{CloseReview, SetMode};
use countersign_core::event::{Finding, Mode, OutcomeStatus, Scope, Verb};
use countersign_core::ids::{ActionId, ReviewId};
use countersign_core::record::ActorKind;
use countersign_core::state::NewLease;
use countersign_core::{Answer, Command, Event, Refusal, Span, State, Time};
use countersign_policy::Decision;
use countersign_testkit::{World, by};

const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";
const MICROSECOND: Span = Span(1);

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

/// Asks, lets a person approve where one is asked, uses the permit and reports.
fn run_as(world: &mut World, agent: &str, action: &str, status: OutcomeStatus) -> ActionId {
    let asked = world.submit(agent, &format!(r#"{{"action":"{action}"}}"#)).unwrap();
    let id = asked.decision.action_id;
    if asked.decision.permit.is_none() {
        world.vote("dana", id, Verb::Approve, None).unwrap();
    }
    world.redeem(id).unwrap();
    world.report(id, status, None).unwrap();
    id
}

fn run(world: &mut World, agent: &str, action: &str) -> ActionId {
    run_as(world, agent, action, OutcomeStatus::Succeeded)
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

const DAY: &str = "budgets:\n  - { name: day, per: day, limit: 10.00 USD, zone: UTC }\n";

fn buys(world: &mut World, body: &str) -> Decision {
    world.submit("bot", body).unwrap().decision.decision
}

fn budgeted(budgets: &str) -> World {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", GATE), ("budgets.yaml", budgets)]);
    world
}

const TEN: &str = r#"{"action":"buy","estimated_cost":"10.00","currency":"USD"}"#;

/// A world in which `bot` has used up its day, and the end of that day.
fn used_up() -> (World, Time) {
    let mut world = budgeted(DAY);
    let id = world.submit("bot", TEN).unwrap().decision.action_id;
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    let (_, account) = world.state.accounts().next().unwrap();
    let midnight = account.until;
    (world, midnight)
}

#[test]
fn a_window_is_over_at_its_microsecond() {
    let (mut world, midnight) = used_up();
    world.now = midnight - MICROSECOND;
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    // No record has come since.
    let (mut world, midnight) = used_up();
    world.now = midnight;
    assert_eq!(buys(&mut world, TEN), Decision::Allow);
    let accounts: Vec<Time> = world.state.accounts().map(|(_, account)| account.from).collect();
    assert_eq!(accounts, [midnight]);
}

#[test]
fn an_account_of_a_window_that_is_over_is_forgotten_whoever_acts_next() {
    let (mut world, midnight) = used_up();
    world.agent("other", "team:ops");
    let accounts = |world: &World| {
        world
            .state
            .accounts()
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(accounts(&world), ["day/day/USD/agent:bot"]);
    world.now = midnight;
    world.submit("other", TEN).unwrap();
    assert_eq!(accounts(&world), ["day/day/USD/agent:other"]);
}

#[test]
fn the_budget_of_a_task_holds_for_its_third_action_as_for_its_second() {
    let mut world = budgeted("budgets:\n  - { name: task, per: task, limit: 10.00 USD }\n");
    let body = r#"{"action":"buy","estimated_cost":"4.00","currency":"USD","run":"r1"}"#;
    assert_eq!(buys(&mut world, body), Decision::Allow);
    assert_eq!(buys(&mut world, body), Decision::Allow);
    assert_eq!(buys(&mut world, body), Decision::Deny);
    assert_eq!(buys(&mut world, &body.replace("r1", "r2")), Decision::Allow);
}

#[test]
fn what_was_used_stays_used_after_the_state_was_stored_and_read_again() {
    let mut world = budgeted(DAY);
    let used = world.submit("bot", TEN).unwrap().decision;
    world.redeem(used.action_id).unwrap();
    world.state = State::from_bytes(&world.state.to_bytes()).unwrap();
    world.now = used.permit.unwrap().expires + Span::minutes(5);
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    // The permit that nobody uses gives back what it held, all the same.
    let mut world = budgeted(DAY);
    let unused = world.submit("bot", TEN).unwrap().decision;
    world.state = State::from_bytes(&world.state.to_bytes()).unwrap();
    let expires = unused.permit.unwrap().expires;
    world.now = expires - MICROSECOND;
    assert_eq!(buys(&mut world, TEN), Decision::Deny);
    world.now = expires;
    assert_eq!(buys(&mut world, TEN), Decision::Allow);
}

const TRIAGE: &str = "
agent: triage
delegation: { may_call: [refunds] }
permissions: [{ action: read, allowed: true }]
";
const REFUNDS: &str = "
agent: refunds
permissions: [{ action: read, allowed: true }]
";

/// A world in which `triage` has called `refunds`, and the link that says so.
fn called() -> (World, ActionId, String) {
    let mut world = World::new();
    for admin in ["alex", "blake"] {
        world.user(admin, &["admin"], &[], &[]);
    }
    world.agent("triage", "team:support");
    world.agent("refunds", "team:billing");
    world.policy(&[("triage.yaml", TRIAGE), ("refunds.yaml", REFUNDS)]);
    let call = world.submit("triage", r#"{"tool":"agent/refunds"}"#).unwrap();
    let id = call.decision.action_id;
    (world, id, format!(r#"{{"agent":"triage","action":"{id}"}}"#))
}

fn read_for(world: &mut World, links: &[String]) -> (Decision, String) {
    let body = format!(r#"{{"action":"read","delegation":[{}]}}"#, links.join(","));
    let decided = world.submit("refunds", &body).unwrap().decision;
    (decided.decision, decided.reasons[0].message.clone())
}

#[test]
fn a_chain_of_eight_is_looked_at_link_by_link_and_one_of_nine_is_not() {
    let (mut world, _, link) = called();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    // The second link is no call that `refunds` made.
    let (decision, eight) = read_for(&mut world, &vec![link.clone(); 8]);
    assert_eq!(decision, Decision::Deny);
    let (decision, nine) = read_for(&mut world, &vec![link; 9]);
    assert_eq!(decision, Decision::Deny);
    assert!(eight.ends_with("the action calls another agent"), "{eight}");
    assert!(nine.ends_with("a chain has at most 8 links"), "{nine}");
}

#[test]
fn a_call_that_was_stopped_or_is_over_proves_nothing() {
    let (mut world, call, link) = called();
    world.redeem(call).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.report(call, OutcomeStatus::Succeeded, None).unwrap();
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Deny);

    let (mut world, call, link) = called();
    world.redeem(call).unwrap();
    let scope = || Scope::Agent("triage".into());
    world.done(Command::Kill {
        scope: scope(),
        reason: None,
    });
    for admin in ["alex", "blake"] {
        let release = Command::Release {
            scope: scope(),
            reason: None,
        };
        assert!(matches!(
            world.give(by(ActorKind::User, admin), release).0,
            Answer::Done
        ));
    }
    let (decision, why) = read_for(&mut world, &[link]);
    assert_eq!(decision, Decision::Deny);
    assert!(
        why.ends_with("the call is over, was not permitted, or was stopped"),
        "{why}"
    );

    // A permit proves the call until it ends, used or not.
    let (mut world, call, link) = called();
    let expires = world.view(call).decision.permit.unwrap().expires;
    world.now = expires - MICROSECOND;
    assert_eq!(read_for(&mut world, std::slice::from_ref(&link)).0, Decision::Allow);
    world.now = expires;
    assert_eq!(read_for(&mut world, &[link]).0, Decision::Deny);
}

/// How many failures in a row the next decision about it reads.
fn failures(world: &mut World, action: &str) -> u32 {
    let asked = world.submit("bot", &format!(r#"{{"action":"{action}"}}"#)).unwrap();
    asked.decision.facts.failures
}

fn fail(world: &mut World, action: &str) {
    run_as(world, "bot", action, OutcomeStatus::Failed);
}

#[test]
fn a_success_ends_a_row_of_failures_and_says_nothing_where_there_is_none() {
    let mut world = budgeted(DAY.replace("10.00", "1000000.00").as_str());
    world.policy(&[("gate.yaml", GATE)]);
    let rows = |world: &World| {
        let rows = world.records.iter().filter_map(|record| match &record.event {
            Event::OutcomeReported(e) => Some(e.in_a_row.as_ref().map(|row| row.failures)),
            _other => None,
        });
        rows.collect::<Vec<_>>()
    };
    run(&mut world, "bot", "pay");
    fail(&mut world, "pay");
    fail(&mut world, "pay");
    run(&mut world, "bot", "pay");
    run(&mut world, "bot", "pay");
    assert_eq!(rows(&world), [None, Some(1), Some(2), Some(0), None]);
}

#[test]
fn of_256_rows_of_failures_the_one_that_is_the_longest_ago_makes_room_for_another() {
    let mut world = budgeted(DAY);
    world.policy(&[("gate.yaml", GATE)]);
    for number in 0..256 {
        fail(&mut world, &format!("op-{number}"));
    }
    assert_eq!(failures(&mut world, "op-0"), 1);
    // One that is known takes nobody's place, and is not the longest ago any more.
    fail(&mut world, "op-0");
    assert_eq!((failures(&mut world, "op-0"), failures(&mut world, "op-1")), (2, 1));
    fail(&mut world, "op-256");
    let left = ["op-0", "op-1", "op-2", "op-255", "op-256"].map(|action| failures(&mut world, action));
    assert_eq!(left, [2, 0, 1, 1, 1]);
}

#[test]
fn an_agent_that_is_paused_is_told_by_what() {
    let paused_by = |files: &[(&str, &str)]| {
        let mut world = World::new();
        world.agent("bot", "team:ops");
        world.policy(files);
        for _ in 0..2 {
            drop(world.submit("bot", TEN));
        }
        let paused = world.records.iter().find_map(|record| match &record.event {
            Event::AgentPaused(e) => Some(e.why.clone()),
            _other => None,
        });
        paused.unwrap()
    };
    let budget = "budgets:\n  - { name: day, per: day, limit: 10.00 USD, at_cap: pause }\n";
    assert_eq!(paused_by(&[("gate.yaml", GATE), ("budgets.yaml", budget)]), "budget");
    let limit = "limits:\n  - { name: rate, count: 1, within: 1h, at_cap: pause }\n";
    assert_eq!(paused_by(&[("gate.yaml", GATE), ("limits.yaml", limit)]), "limit");
}

#[test]
fn each_gateway_of_a_holder_has_a_lease_of_its_own_that_is_renewed_when_half_of_it_is_over() {
    let mut world = World::new();
    let take = |world: &mut World, gateway: &str| -> Time {
        let ask = NewLease {
            gateway: gateway.to_owned(),
            guards: Vec::new(),
            seconds: 30,
        };
        let (answer, _) = world.give(by(ActorKind::User, "alex"), Command::TakeLease(Box::new(ask)));
        assert!(matches!(answer, Answer::Done));
        world.state.lease("alex", gateway).unwrap().until
    };
    let until = take(&mut world, "edge-1");
    take(&mut world, "edge-2");
    assert_eq!(world.state.leases().count(), 2);
    let granted = world.state.lease("alex", "edge-1").unwrap().since;
    let half = Span((until - granted).0 / 2);
    world.now = until - half - MICROSECOND;
    assert_eq!(take(&mut world, "edge-1"), until);
    world.now = until - half;
    assert_ne!(take(&mut world, "edge-1"), until);
}

#[test]
fn a_gateway_is_told_what_fails_open_of_what_it_guards() {
    let mut world = World::new();
    let tools = "tools:
  wiki/read: { class: knowledge, risk: R0, access: read, reversible: true, fail_open: 60s }
  news/read: { class: public, risk: R0, access: read, reversible: true, fail_open: 30s }
";
    world.policy(&[("gate.yaml", GATE), ("tools.yaml", tools)]);
    let mut number = 0;
    let mut told = |guards: Vec<Scope>| -> Vec<String> {
        number += 1;
        let gateway = format!("edge-{number}");
        let ask = NewLease {
            gateway: gateway.clone(),
            guards,
            seconds: 30,
        };
        world.give(by(ActorKind::User, "alex"), Command::TakeLease(Box::new(ask)));
        let lease = world.state.lease("alex", &gateway).unwrap();
        lease.fail_open.iter().map(|open| open.tool.clone()).collect()
    };
    let (wiki, news) = (|| Scope::Tool("wiki/read".into()), || Scope::Class("public".into()));
    assert_eq!(told(vec![wiki()]), ["wiki/read"]);
    assert_eq!(told(vec![news()]), ["news/read"]);
    assert_eq!(told(vec![Scope::Agent("bot".into()), wiki()]), ["wiki/read"]);
    for everything in [
        vec![],
        vec![Scope::Organization, wiki()],
        vec![Scope::Agent("bot".into())],
    ] {
        assert_eq!(told(everything).len(), 2);
    }
}

/// What the limits read for an action of `agent`: the names of windows, and the first reason.
fn read_windows(world: &mut World, agent: &str, body: &str) -> (Vec<String>, String, Decision) {
    let decided = world.submit(agent, body).unwrap().decision;
    let windows = decided
        .facts
        .windows
        .iter()
        .map(|read| read.window.to_string())
        .collect();
    (windows, decided.reasons[0].message.clone(), decided.decision)
}

fn limited(limits: &str) -> World {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    let limits = format!("limits:\n{limits}");
    world.policy(&[("gate.yaml", GATE), ("limits.yaml", &limits)]);
    world
}

#[test]
fn a_window_is_named_by_whose_it_is_and_by_a_digest_of_what_an_action_says_or_what_is_long() {
    let mut world = limited(
        "  - { name: own, count: 9, within: 1h }
  - { name: customers, per: [agent, args.customer], count: 9, within: 1h }
  - { name: plain, per: args.customer, count: 9, within: 1h }
  - { name: all, per: organization, count: 9, within: 1h }
",
    );
    let pay = r#"{"action":"pay","args":{"customer":"ann.smith"}}"#;
    let windows = |world: &mut World, agent: &str, body: &str| {
        let mut windows = read_windows(world, agent, body).0;
        windows.sort();
        windows
    };
    let first = windows(&mut world, "bot", pay);
    let [own, customers, plain, all] = first.as_slice() else {
        panic!("{first:?}");
    };
    assert_eq!((own.as_str(), all.as_str()), ("agent:bot", "organization"));
    assert!(
        customers.starts_with("agent:bot,key:") && !customers.contains("ann"),
        "{customers}"
    );
    assert!(plain.starts_with("key:"), "{plain}");
    assert_eq!(windows(&mut world, "bot", pay), first, "the same is the same again");
    let other = windows(&mut world, "bot", &pay.replace("ann.smith", "bob.smith"));
    assert_ne!((&other[1], &other[2]), (customers, plain));

    let (fits, long) = ("a".repeat(64), "b".repeat(65));
    for agent in [&fits, &long] {
        world.agent(agent, "team:ops");
    }
    assert!(windows(&mut world, &fits, pay).contains(&format!("agent:{fits}")));
    let of_long = windows(&mut world, &long, pay);
    assert!(!of_long.iter().any(|window| window.contains(&long)), "{of_long:?}");
}

#[test]
fn what_a_run_has_cost_is_at_its_end_when_it_is_reached() {
    let mut world = limited("  - { name: cost-of-a-run, per: run, cost: 5.00 USD }\n");
    let body = r#"{"action":"think","run":"r1"}"#;
    let spend = |world: &mut World, cost: &str| {
        let id = world.submit("bot", body).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, Some(cost)).unwrap();
    };
    spend(&mut world, "4.99");
    assert_eq!(read_windows(&mut world, "bot", body).2, Decision::Allow);
    spend(&mut world, "0.01");
    let (_, why, decision) = read_windows(&mut world, "bot", body);
    assert_eq!(decision, Decision::Deny);
    assert!(why.contains("5.00 of 5.00 USD were spent"), "{why}");
}

#[test]
fn a_repetition_is_told_with_what_it_repeats_and_what_became_of_that() {
    let mut world = limited("  - { name: orders, same: [args.order], within: 1d }\n");
    world.user("dana", &["reviewer"], &[], &[]);
    let body = r#"{"action":"order","amount":"7.50","currency":"USD","args":{"order":"o1"}}"#;
    let first = world.submit("bot", body).unwrap().decision.action_id;
    world.redeem(first).unwrap();
    world.report(first, OutcomeStatus::Succeeded, None).unwrap();
    let (_, why, decision) = read_windows(&mut world, "bot", body);
    assert_eq!(decision, Decision::RequireApproval);
    let told = format!("the same `args.order` as in `{first}` over 7.50 USD, which `bot` asked for at ");
    assert!(why.starts_with(&told), "{why}");
    assert!(why.ends_with(" and which was permitted"), "{why}");
    assert_eq!(
        read_windows(&mut world, "bot", &body.replace("o1", "o2")).2,
        Decision::Allow
    );
}

#[test]
fn of_what_people_were_asked_about_it_is_told_what_they_said() {
    let gate = "name: gate\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    let orders = "limits:\n  - { name: orders, same: [args.order], within: 1d }\n";
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.user("dana", &["reviewer"], &[], &[]);
    world.policy(&[("gate.yaml", gate), ("limits.yaml", orders)]);
    let body = r#"{"action":"order","args":{"order":"o1"}}"#;
    let first = world.submit("bot", body).unwrap().decision.action_id;
    let (_, why, _) = read_windows(&mut world, "bot", body);
    assert!(why.ends_with(" and which was pending"), "{why}");
    world.vote("dana", first, Verb::Approve, None).unwrap();
    let (_, why, _) = read_windows(&mut world, "bot", body);
    assert!(why.ends_with(" and which was approved"), "{why}");
}

#[test]
fn a_limit_that_is_full_says_of_what_within_what_for_whom_and_until_when() {
    let mut world = limited(
        "  - { name: rate, action: note, per: args.customer, count: 1, within: 90m }
  - { name: sum, action: pay, sum: 10.00 USD, within: 1d }
  - { name: both, action: ship, count: 5, sum: 10.00 USD, within: 1h }
",
    );
    let note = r#"{"action":"note","args":{"customer":"ann"}}"#;
    world.submit("bot", note).unwrap();
    let why = read_windows(&mut world, "bot", note).1;
    assert!(
        why.starts_with("within 90m 1 of 1, for this `args.customer`; there is room again at "),
        "{why}"
    );
    let pay = |amount: &str| format!(r#"{{"action":"pay","amount":"{amount}","currency":"USD"}}"#);
    assert_eq!(read_windows(&mut world, "bot", &pay("10.00")).2, Decision::Allow);
    let why = read_windows(&mut world, "bot", &pay("0.01")).1;
    assert!(
        why.starts_with("within 1d sum 10.00 of 10.00 USD, and this takes 0.01; there is room again at "),
        "{why}"
    );
    // What would never fit gets no time to wait for.
    let why = read_windows(&mut world, "bot", &pay("10.01")).1;
    assert_eq!(why, "within 1d sum 10.00 of 10.00 USD, and this takes 10.01");
    let why = read_windows(&mut world, "bot", &pay("11").replace("pay", "ship")).1;
    assert_eq!(why, "within 1h 0 of 5, sum 0.00 of 10.00 USD, and this takes 11.00");
}

#[test]
fn an_agent_that_has_opened_ten_thousand_windows_of_a_limit_shares_one_among_all_others() {
    let mut world = limited("  - { name: once, per: args.customer, count: 1, within: 1d }\n");
    world.agent("other", "team:ops");
    let pay = |customer: u32| format!(r#"{{"action":"pay","args":{{"customer":"customer {customer}"}}}}"#);
    for customer in 0..10_000 {
        let id = world.submit("bot", &pay(customer)).unwrap().decision.action_id;
        world.redeem(id).unwrap();
        world.report(id, OutcomeStatus::Succeeded, None).unwrap();
    }
    let (window, _, decision) = read_windows(&mut world, "bot", &pay(10_000));
    assert_eq!((window[0].as_str(), decision), ("rest:bot", Decision::Allow));
    // The one is full, and what was open before is what it was.
    let (window, _, decision) = read_windows(&mut world, "bot", &pay(10_001));
    assert_eq!((window[0].as_str(), decision), ("rest:bot", Decision::Deny));
    let (window, _, _) = read_windows(&mut world, "bot", &pay(7));
    assert!(window[0].starts_with("key:"), "{window:?}");
    let (window, _, decision) = read_windows(&mut world, "other", &pay(10_001));
    assert!(window[0].starts_with("key:"), "{window:?}");
    assert_eq!(decision, Decision::Allow);
}
