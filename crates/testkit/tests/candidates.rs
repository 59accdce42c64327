//! A policy that is tried beside the live one: in the shadow it changes nothing, as a canary it decides for a share that does
//! not change by itself, and what goes too far is taken back by the record that shows it.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::command::TryCandidate;
use countersign_core::event::{Canary, CandidateEnd, PracticeKind, Rate, ShareOf, Status};
use countersign_core::policy::Decision;
use countersign_core::state::picks;
use countersign_core::{ActionView, Command, Event};
use countersign_testkit::World;
use countersign_testkit::candidates::canary;
use proptest::prelude::*;

const LIVE: &str = "name: gate
rules:
- { condition: \"action == 'read'\", decision: allow }
- { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
- { condition: \"action == 'wipe'\", decision: deny }
";

fn agent(number: usize) -> String {
    format!("bot-{number}")
}

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    for number in 0..20 {
        world.agent(&agent(number), "team:ops");
    }
    world.policy(&[("gate.yaml", LIVE)]);
    world
}

fn act(world: &mut World, number: usize, action: &str) -> ActionView {
    world
        .submit(&agent(number), &format!(r#"{{"action":"{action}"}}"#))
        .unwrap()
}

fn picked(world: &World, number: usize) -> bool {
    let candidate = world.state.candidate().unwrap();
    picks(&candidate.canary.unwrap(), &candidate.hash, &agent(number), None)
}

fn ended(world: &World) -> Vec<CandidateEnd> {
    let ended = world.records.iter().filter_map(|record| match &record.event {
        Event::CandidateEnded(e) => Some(e.why),
        _other => None,
    });
    ended.collect()
}

#[test]
fn in_the_shadow_a_policy_changes_no_answer_and_what_it_would_say_is_recorded() {
    let (mut with, mut without) = (world(), world());
    let strict = LIVE.replace("allow }", "deny }");
    let hash = with.upload(&[("gate.yaml", &strict)]);
    without.upload(&[("gate.yaml", &strict)]);
    assert_eq!(with.try_candidate(&hash, None), "done");
    for (number, action) in [(0, "read"), (1, "pay"), (2, "wipe"), (3, "read"), (4, "unheard")] {
        let (shadowed, alone) = (act(&mut with, number, action), act(&mut without, number, action));
        let beside = shadowed.decision.beside.clone().unwrap();
        assert_eq!((&beside.hash, beside.decided), (&hash, alone.decision.decision));
        assert_eq!(beside.says == beside.decided, action != "read");
        assert_eq!(beside.rule.is_some(), action == "read");
        let mut same = shadowed.decision.clone();
        same.beside = None;
        same.action_id = alone.decision.action_id;
        same.approval = alone.decision.approval;
        same.permit = alone.decision.permit.clone();
        assert_eq!(same, alone.decision);
        assert_eq!(shadowed.status, alone.status);
    }
    let tried = &with.state.candidate().unwrap().tried;
    assert_eq!((tried.decisions, tried.live.denied, tried.candidate.denied), (5, 2, 4));
    assert_eq!(tried.flips, [("allow to deny".to_owned(), 2)].into());
    // However far it is from what is live, it harms nobody and is not taken back.
    assert_eq!(ended(&with), []);
    with.holds_together();
}

#[test]
fn a_policy_in_the_shadow_that_cannot_be_had_is_not_missed() {
    let mut world = world();
    let hash = world.upload(&[("gate.yaml", LIVE)]);
    assert_eq!(world.try_candidate(&hash, None), "already_live");
    let other = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "burn"))]);
    assert_eq!(world.try_candidate(&other, None), "done");
    world.lose_snapshot(&other);
    let view = act(&mut world, 0, "read");
    assert_eq!((view.status, view.decision.beside), (Status::Permitted, None));
}

#[test]
fn a_canary_that_cannot_be_had_denies_once_and_is_taken_back() {
    let mut world = world();
    let other = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "burn"))]);
    assert_eq!(world.try_candidate(&other, Some(canary(1000, 20))), "done");
    world.lose_snapshot(&other);
    assert_eq!(act(&mut world, 0, "read").status, Status::Refused);
    assert_eq!(ended(&world), [CandidateEnd::Halted]);
    assert!(world.alerted("candidate_halted"));
    assert_eq!(act(&mut world, 0, "read").status, Status::Permitted);
}

#[test]
fn a_canary_decides_for_the_same_agents_each_time_and_each_decision_cites_what_decided() {
    let mut world = world();
    let live = world.state.live().unwrap().clone();
    let loose = world.upload(&[(
        "gate.yaml",
        &LIVE.replace(
            "'pay'\", decision: require_approval, approvers: [leads]",
            "'pay'\", decision: allow",
        ),
    )]);
    assert_eq!(world.try_candidate(&loose, Some(canary(500, 1000))), "done");
    let mut decided = [0, 0];
    for round in 0..3 {
        for number in 0..20 {
            let view = act(&mut world, number, "pay");
            let by_candidate = picked(&world, number);
            let (cited, wanted) = match by_candidate {
                true => (&loose, Decision::Allow),
                false => (&live, Decision::RequireApproval),
            };
            assert_eq!(
                (view.snapshot.as_ref(), view.decision.decision),
                (Some(cited), wanted),
                "{round}"
            );
            assert_eq!(view.decision.beside.is_some(), by_candidate);
            decided[usize::from(by_candidate)] += 1;
        }
    }
    assert!(decided.iter().all(|count| *count >= 9), "{decided:?}");
    assert_eq!(world.state.candidate().unwrap().tried.decisions, decided[1]);
    world.holds_together();
}

#[test]
fn a_canary_is_taken_back_once_the_live_policy_cannot_be_had_beside_it() {
    let mut world = world();
    let live = world.state.live().unwrap().clone();
    let loose = world.upload(&[("gate.yaml", &LIVE.replace("decision: deny", "decision: allow"))]);
    assert_eq!(world.try_candidate(&loose, Some(canary(1000, 5))), "done");
    act(&mut world, 0, "read");
    assert_eq!(ended(&world), []);
    world.lose_snapshot(&live);
    let from = world.records.len();
    act(&mut world, 1, "read");
    assert_eq!(world.kinds(from), ["decision.made", "candidate.ended", "alert.raised"]);
    let told = world.records.iter().find_map(|record| match &record.event {
        Event::AlertRaised(e) => Some(e.summary.clone()),
        _other => None,
    });
    assert!(told.unwrap().ends_with("the live policy cannot be had beside it"));
    // What is live cannot be had, so that nothing is granted.
    let after = act(&mut world, 2, "read");
    assert_eq!(
        (after.snapshot.as_ref(), after.decision.decision),
        (Some(&live), Decision::Deny)
    );
    assert!(world.state.candidate().is_none());
}

#[test]
fn a_canary_that_denies_too_much_is_taken_back_by_the_decision_that_shows_it() {
    let mut world = world();
    let live = world.state.live().unwrap().clone();
    let strict = world.upload(&[(
        "gate.yaml",
        &LIVE.replace("'read'\", decision: allow", "'read'\", decision: deny"),
    )]);
    assert_eq!(world.try_candidate(&strict, Some(canary(1000, 5))), "done");
    for number in 0..4 {
        assert_eq!(act(&mut world, number, "read").decision.decision, Decision::Deny);
    }
    assert_eq!(ended(&world), []);
    let from = world.records.len();
    act(&mut world, 4, "read");
    assert_eq!(world.kinds(from), ["decision.made", "candidate.ended", "alert.raised"]);
    let left = world.records.iter().find_map(|record| match &record.event {
        Event::CandidateEnded(e) => e.left,
        _other => None,
    });
    let left = left.unwrap();
    assert_eq!(
        (left.rate, left.candidate, left.live, left.decisions),
        (Rate::Denied, 5, 0, 5)
    );
    assert!(world.alerted("candidate_halted"));
    let after = act(&mut world, 0, "read");
    assert_eq!(
        (after.snapshot.as_ref(), after.decision.decision),
        (Some(&live), Decision::Allow)
    );
    assert!(world.state.candidate().is_none());
    world.holds_together();
}

#[test]
fn a_condition_that_cannot_be_evaluated_takes_a_canary_back() {
    let mut world = world();
    let broken = "- { condition: \"has(args.a) ? true : args.b > 1\", decision: allow }\n";
    let hash = world.upload(&[("gate.yaml", &format!("{LIVE}{broken}"))]);
    assert_eq!(world.try_candidate(&hash, Some(canary(1000, 2))), "done");
    // What is denied anyway shows it as well.
    act(&mut world, 0, "wipe");
    act(&mut world, 1, "wipe");
    assert_eq!(ended(&world), [CandidateEnd::Halted]);
    world.holds_together();
}

#[test]
fn what_a_canary_had_permitted_is_looked_at_anew_once_it_was_taken_back() {
    let mut world = world();
    let loose = world.upload(&[(
        "gate.yaml",
        &LIVE.replace("'wipe'\", decision: deny", "'wipe'\", decision: allow"),
    )]);
    assert_eq!(world.try_candidate(&loose, Some(canary(1000, 1000))), "done");
    let (first, second) = (act(&mut world, 0, "wipe"), act(&mut world, 1, "wipe"));
    world.redeem(first.decision.action_id).unwrap();
    assert_eq!(world.told("alex", Command::WithdrawCandidate(None)), "done");
    let refused = world.redeem(second.decision.action_id).unwrap_err();
    assert_eq!(refused.code, "policy_changed");
    assert_eq!(ended(&world), [CandidateEnd::Withdrawn]);
    world.holds_together();
}

#[test]
fn a_request_that_a_canary_opened_is_voted_on_under_the_canary() {
    let mut world = world();
    let asks = world.upload(&[(
        "gate.yaml",
        &LIVE.replace(
            "'read'\", decision: allow",
            "'read'\", decision: require_approval, approvers: [leads]",
        ),
    )]);
    assert_eq!(world.try_candidate(&asks, Some(canary(1000, 1000))), "done");
    let view = act(&mut world, 0, "read");
    world
        .vote(
            "dana",
            view.decision.action_id,
            countersign_core::event::Verb::Approve,
            None,
        )
        .unwrap();
    assert_eq!(world.view(view.decision.action_id).status, Status::Permitted);
    world.redeem(view.decision.action_id).unwrap();
    world.holds_together();
}

#[test]
fn people_are_practised_with_under_the_live_policy_alone() {
    let mut world = world();
    let live = world.state.live().unwrap().clone();
    let loose = world.upload(&[(
        "gate.yaml",
        &LIVE.replace("require_approval, approvers: [leads]", "allow"),
    )]);
    assert_eq!(world.try_candidate(&loose, Some(canary(1000, 20))), "done");
    let from = world.records.len();
    let drill = PracticeKind::Drill;
    let view = world.practise("alex", drill, &agent(0), r#"{"action":"pay"}"#).unwrap();
    let action = view.decision.action_id;
    assert_eq!(
        (view.snapshot.as_ref(), view.decision.beside.as_ref()),
        (Some(&live), None)
    );
    world
        .vote("dana", action, countersign_core::event::Verb::Approve, None)
        .unwrap();
    assert!(world.kinds(from).contains(&"practice.ended"), "{:?}", world.kinds(from));
    assert_eq!(world.state.candidate().unwrap().tried.decisions, 0);
    world.holds_together();
}

#[test]
fn one_is_tried_at_a_time_until_it_is_live_or_taken_back() {
    let mut world = world();
    let one = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "burn"))]);
    let two = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "drop"))]);
    assert_eq!(
        world.told("alex", Command::PromoteCandidate(None, None)),
        "no_candidate"
    );
    assert_eq!(world.told("alex", Command::WithdrawCandidate(None)), "no_candidate");
    assert_eq!(world.try_candidate(&one, None), "done");
    assert_eq!(world.try_candidate(&two, None), "candidate_running");
    // The same one goes on from the shadow to a share, and to a larger one.
    assert_eq!(world.try_candidate(&one, Some(canary(50, 20))), "done");
    assert_eq!(world.try_candidate(&one, Some(canary(500, 20))), "done");
    assert_eq!(world.told("alex", Command::PromoteCandidate(None, None)), "done");
    assert_eq!(world.state.live(), Some(&one));
    assert_eq!(world.try_candidate(&two, None), "done");
    let back = Command::ActivateSnapshot {
        hash: one.clone(),
        rationale: None,
    };
    assert_eq!(world.told("alex", back), "done");
    assert!(world.state.candidate().is_some(), "what is live already ends nothing");
    let rolled = Command::RollBack {
        from: None,
        rationale: None,
    };
    assert_eq!(world.told("alex", rolled), "done");
    assert_eq!(ended(&world), [CandidateEnd::Promoted, CandidateEnd::Superseded]);
    world.holds_together();
}

#[test]
fn going_back_takes_a_canary_back_first() {
    let mut world = world();
    let live = world.state.live().unwrap().clone();
    let other = world.upload(&[("gate.yaml", &LIVE.replace("wipe", "burn"))]);
    assert_eq!(world.try_candidate(&other, Some(canary(100, 20))), "done");
    assert_eq!(
        world.told(
            "alex",
            Command::RollBack {
                from: None,
                rationale: None
            }
        ),
        "done"
    );
    assert_eq!((world.state.live(), world.state.candidate()), (Some(&live), None));
    assert_eq!(ended(&world), [CandidateEnd::Withdrawn]);
}

const CONTROL: &str = "organization: acme
teams: [governance]
change_control: { policies: { approvers: [team:governance], quorum: 2, within: 12h } }
";

#[test]
fn what_decides_for_a_share_needs_the_people_that_what_is_live_would_need() {
    let mut world = world();
    for person in ["ada", "ben", "cleo"] {
        world.user(person, &["reviewer"], &["governance"], &[]);
    }
    world.policy(&[("org.yaml", CONTROL), ("gate.yaml", LIVE)]);
    let words = || {
        let value = countersign_policy::Value::Map(Default::default());
        let redactor = countersign_core::redact::Redactor::standard();
        Some(countersign_core::stored::store_value(&value, &redactor, &Default::default(), [0; 32], "default").0)
    };
    let loose = world.upload(&[("org.yaml", CONTROL), ("gate.yaml", &LIVE.replace("deny", "allow"))]);
    let wanted = |canary, rationale| {
        Command::TryCandidate(Box::new(TryCandidate {
            hash: loose.clone(),
            canary,
            rationale,
        }))
    };
    let judge = |world: &mut World, who: &str| {
        let command = Command::JudgeSnapshot {
            hash: loose.clone(),
            proposal: world.state.proposal().and_then(|known| known.id),
            agrees: true,
            comment: None,
        };
        world.told(who, command)
    };
    // In the shadow it decides nothing, so nobody has to agree.
    assert_eq!(world.told("ada", wanted(None, None)), "done");
    assert_eq!(
        world.told("ada", wanted(Some(canary(1000, 20)), None)),
        "reason_required"
    );
    assert_eq!(world.told("ada", wanted(Some(canary(1000, 20)), words())), "done");
    assert_eq!(act(&mut world, 0, "wipe").decision.decision, Decision::Deny);
    assert_eq!(judge(&mut world, "ada"), "self_approval");
    assert_eq!(judge(&mut world, "ben"), "done");
    assert_eq!(act(&mut world, 0, "wipe").decision.decision, Decision::Deny);
    assert_eq!(judge(&mut world, "cleo"), "done");
    assert_eq!(act(&mut world, 0, "wipe").decision.decision, Decision::Allow);
    let candidate = world.state.candidate().unwrap();
    assert_eq!(
        (candidate.by.as_str(), candidate.canary),
        ("ada", Some(canary(1000, 20)))
    );
    assert!(world.state.proposal().is_none());
    // To make it live takes them once more, and nothing happens when nobody answers.
    assert_eq!(
        world.told("ada", Command::PromoteCandidate(None, None)),
        "reason_required"
    );
    assert_eq!(world.told("ada", Command::PromoteCandidate(None, words())), "done");
    assert_ne!(world.state.live(), Some(&loose));
    world.pass(countersign_core::Span::hours(13));
    assert_ne!(world.state.live(), Some(&loose));
    assert!(world.state.candidate().is_some());
    world.holds_together();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_larger_share_holds_all_of_a_smaller_one_and_a_whole_one_everybody(
        agent in "[a-z]{1,12}", run in prop::option::of("[a-z]{1,12}"), small in 0_u32..1000, more in 0_u32..1000,
    ) {
        for of in [ShareOf::Agents, ShareOf::Runs] {
            let share = |permille| Canary { of, ..canary(permille, 1) };
            let picked = |permille| picks(&share(permille), "sha256:00", &agent, run.as_deref());
            prop_assert!(!picked(0) && picked(1000));
            prop_assert!(!picked(small) || picked((small + more).min(1000)));
        }
        let runs = Canary { of: ShareOf::Runs, ..canary(500, 1) };
        let other = format!("{agent}x");
        if let Some(run) = &run {
            // All agents of a run are decided by the same policy.
            prop_assert_eq!(picks(&runs, "h", &agent, Some(run)), picks(&runs, "h", &other, Some(run)));
        }
    }
}

#[test]
fn a_share_is_about_as_large_as_it_says() {
    let share = canary(50, 1);
    let picked = (0..10_000).filter(|number| picks(&share, "sha256:07", &agent(*number), None));
    let picked = picked.count();
    assert!((400..600).contains(&picked), "{picked} of 10000");
}
