//! Times end at their microsecond, numbers at their limit, texts at a whole character: each is tried at its edge and
//! beside it. What takes no clockwork to say is in `tests/cases/`.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::command::{Redeem, Vote};
use countersign_core::digest::Digest;
use countersign_core::event::{ApprovalOpened, Verb};
use countersign_core::ids::{ActionId, PermitId};
use countersign_core::record::ActorKind;
use countersign_core::redact::Redactor;
use countersign_core::refusal::Category;
use countersign_core::{ActionView, Answer, Command, Event, Record, Refusal, Span, State, Time};
use countersign_policy::Value;
use countersign_testkit::{World, by};

const POLICY: &str = "
name: gate
rules:
  - { condition: \"action == 'read'\", decision: allow }
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
  - { condition: \"action == 'ship'\", decision: require_approval, approvers: [leads], evidence_required: true }
  - { condition: \"action == 'ghost'\", decision: require_approval, approvers: [night-shift] }
  - { condition: \"action == 'walk'\", decision: require_approval, approvers: [walk] }
";
const ORGANIZATION: &str = "
organization: acme
routes:
  walk:
    steps: [{ to: [dana], within: 20m }]
    remind_before: 5m
    clarify: { within: 10m, rounds: 2 }
    deadline: 1h
";
const MICROSECOND: Span = Span(1);
const EVIDENCE: [&str; 6] = [
    "sources",
    "references",
    "confidence",
    "alternatives",
    "reason",
    "next_step",
];

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.user("erin", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.agent("other", "team:ops");
    world.policy(&[("gate.yaml", POLICY), ("org.yaml", ORGANIZATION)]);
    world
}

fn submit(world: &mut World, action: &str) -> ActionView {
    let body = format!(r#"{{"action":"{action}"}}"#);
    world.submit("bot", &body).unwrap()
}

/// A request of `action`, in a world of its own.
fn request(action: &str) -> (World, ActionId, ApprovalOpened) {
    let mut world = world();
    let view = submit(&mut world, action);
    (world, view.decision.action_id, view.approval.unwrap().opened)
}

/// Lets the clock show `time`, without any timer having fired.
fn at(world: &mut World, time: Time) {
    assert!(time > world.state.last_ts(), "{time} is over");
    world.now = time;
}

fn answer(world: &mut World, opened: &ApprovalOpened) -> Result<(), Refusal> {
    let words = Value::Map(Default::default());
    let (stored, redact) =
        countersign_core::stored::store_value(&words, &Redactor::standard(), &Default::default(), [0; 32], "default");
    let command = Command::Answer {
        approval: opened.approval,
        agent: opened.agent.clone(),
        parts: EVIDENCE.iter().map(|part| (*part).to_owned()).collect(),
        stored,
        redact,
    };
    outcome(world.give(by(ActorKind::Agent, "bot"), command).0)
}

fn outcome(answer: Answer) -> Result<(), Refusal> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Refused(refusal) => Err(refusal),
        Answer::Replayed(seq) => panic!("replayed {seq}"),
    }
}

/// The refusal's kind, code and words.
fn told<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (Category, &'static str, String) {
    let refusal = result.unwrap_err();
    (refusal.category, refusal.code, refusal.detail)
}

/// Names and summaries of the alerts that these records raise.
fn alerts(records: &[Record]) -> Vec<(&str, &str)> {
    records
        .iter()
        .filter_map(|record| match &record.event {
            Event::AlertRaised(alert) => Some((alert.name.as_str(), alert.summary.as_str())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_permit_is_used_until_the_microsecond_before_it_ends() {
    for (before, good) in [(MICROSECOND, true), (Span(0), false)] {
        let mut world = world();
        let view = submit(&mut world, "read");
        let (_, issued, permit) = view.permit.unwrap();
        assert_eq!(permit.expires - issued, Span::minutes(5));
        at(&mut world, permit.expires - before);
        let used = world.redeem(view.decision.action_id);
        if good {
            used.unwrap();
        } else {
            let words = format!("`{}` ended at {}", permit.id, permit.expires);
            assert_eq!(told(used), (Category::Gone, "permit_expired", words));
            assert_eq!(world.records.last().unwrap().event.kind(), "permit.refused");
        }
    }
}

#[test]
fn the_permit_of_an_approval_lapses_at_its_microsecond() {
    for (before, good) in [(MICROSECOND, true), (Span(0), false)] {
        let (mut world, id, _) = request("pay");
        world.vote("dana", id, Verb::Approve, None).unwrap();
        let (_, _, permit) = world.view(id).permit.unwrap();
        at(&mut world, permit.expires - before);
        let used = world.redeem(id);
        if good {
            used.unwrap();
        } else {
            assert_eq!(told(used).1, "approval_lapsed");
        }
    }
}

#[test]
fn an_outcome_is_due_a_day_after_the_permit_was_used() {
    let mut world = world();
    let id = submit(&mut world, "read").decision.action_id;
    world.redeem(id).unwrap();
    let record = world.records.last().unwrap();
    match &record.event {
        Event::PermitRedeemed(redeemed) => assert_eq!(redeemed.outcome_due - record.ts, Span::hours(24)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_vote_counts_until_the_microsecond_before_the_deadline() {
    let (mut world, id, opened) = request("pay");
    at(&mut world, opened.deadline - MICROSECOND);
    world.vote("dana", id, Verb::Approve, None).unwrap();

    let (mut world, id, opened) = request("pay");
    at(&mut world, opened.deadline);
    let before = world.records.len();
    let words = format!("`{}` has expired", opened.approval);
    let voted = world.vote("dana", id, Verb::Approve, None);
    assert_eq!(told(voted), (Category::Gone, "expired", words));
    assert_eq!(world.kinds(before), ["approval.voted", "approval.resolved"]);
    assert_eq!(world.view(id).reason_code.as_deref(), Some("expired"));
}

#[test]
fn evidence_is_taken_until_the_microsecond_before_it_is_due() {
    let (mut world, _, opened) = request("ship");
    let due = opened.evidence_due.unwrap();
    at(&mut world, due - MICROSECOND);
    answer(&mut world, &opened).unwrap();

    let (mut world, _, opened) = request("ship");
    assert!(due < opened.deadline, "the deadline is not what ends it");
    at(&mut world, due);
    let words = format!("the time for evidence of `{}` is over", opened.approval);
    assert_eq!(told(answer(&mut world, &opened)), (Category::Gone, "expired", words));
}

#[test]
fn a_question_is_answered_until_the_microsecond_before_the_deadline() {
    for (before, good) in [(MICROSECOND, true), (Span(0), false)] {
        let (mut world, id, opened) = request("pay");
        world.now = opened.deadline - Span::minutes(1);
        world.vote("dana", id, Verb::Clarify, Some("which one?")).unwrap();
        let asked = &world.state.approvals()[&opened.approval];
        assert_eq!(asked.question.as_ref().unwrap().due, opened.deadline);
        at(&mut world, opened.deadline - before);
        let answered = answer(&mut world, &opened);
        if good {
            answered.unwrap();
        } else {
            assert_eq!(told(answered).1, "expired");
        }
    }
}

#[test]
fn a_claim_holds_others_up_until_the_microsecond_before_it_ends() {
    let claimed = || {
        let (mut world, id, opened) = request("pay");
        world.vote("dana", id, Verb::Claim, None).unwrap();
        let until = world.state.approvals()[&opened.approval].claim.clone().unwrap().until;
        assert_eq!(until - world.state.last_ts(), Span::minutes(10));
        (world, id, until)
    };
    let (mut world, id, until) = claimed();
    at(&mut world, until - MICROSECOND);
    let words = format!("`dana` is on it until {until}");
    let voted = world.vote("erin", id, Verb::Approve, None);
    assert_eq!(told(voted), (Category::Conflict, "claimed", words));

    let (mut world, id, until) = claimed();
    at(&mut world, until);
    world.vote("erin", id, Verb::Approve, None).unwrap();

    let (mut world, id, until) = claimed();
    at(&mut world, until - MICROSECOND);
    world.vote("dana", id, Verb::Approve, None).unwrap();
}

#[test]
fn an_answer_gives_a_step_and_its_reminder_back_the_time_that_the_question_took() {
    let (mut world, id, opened) = request("walk");
    let track = |world: &World| world.state.approvals()[&opened.approval].tracks[0].clone();
    let before = track(&world);
    let started = before.due.unwrap();
    assert_eq!(started - before.remind.unwrap(), Span::minutes(5));
    world.now = world.now + Span::minutes(8);
    world.vote("dana", id, Verb::Clarify, Some("which one?")).unwrap();
    let asked = world.state.last_ts();
    world.now = world.now + Span::minutes(7);
    answer(&mut world, &opened).unwrap();
    let stood = world.state.last_ts() - asked;
    assert_eq!(stood, Span::minutes(7));
    assert_eq!(track(&world).due, Some(started + stood));
    assert_eq!(track(&world).remind, Some(before.remind.unwrap() + stood));
}

#[test]
fn a_question_never_moves_a_step_behind_the_deadline() {
    let (mut world, id, opened) = request("walk");
    world.now = world.now + Span::minutes(13);
    world.vote("dana", id, Verb::Clarify, Some("which one?")).unwrap();
    world.now = opened.deadline - Span::minutes(1);
    answer(&mut world, &opened).unwrap();
    let track = &world.state.approvals()[&opened.approval].tracks[0];
    assert_eq!(
        (track.due, track.remind),
        (Some(opened.deadline), Some(opened.deadline))
    );
}

#[test]
fn a_stored_state_knows_how_many_questions_were_asked_and_says_nothing_of_none() {
    let (mut world, id, opened) = request("pay");
    assert!(
        !String::from_utf8(world.state.to_bytes())
            .unwrap()
            .contains("\"questions\"")
    );
    world.vote("dana", id, Verb::Clarify, Some("which one?")).unwrap();
    let loaded = State::from_bytes(&world.state.to_bytes()).unwrap();
    assert_eq!(loaded.approvals()[&opened.approval].questions, 1);
}

#[test]
fn the_same_alert_comes_again_a_minute_later_to_the_microsecond() {
    let mut world = world();
    let ghost = |world: &mut World| {
        let before = world.records.len();
        submit(world, "ghost");
        alerts(&world.records[before..]).len()
    };
    assert_eq!(ghost(&mut world), 1);
    let raised = world.state.alerts().values().next().unwrap().raised;
    world.now = raised + Span::minutes(1) - MICROSECOND;
    assert_eq!(ghost(&mut world), 0);
    let mut world = world_with_ghost_alert(raised);
    assert_eq!(ghost(&mut world), 1);
}

/// A world that raised the alert of a ghost at `raised` and has come to the minute after.
fn world_with_ghost_alert(raised: Time) -> World {
    let mut world = world();
    submit(&mut world, "ghost");
    assert_eq!(world.state.alerts().values().next().unwrap().raised, raised);
    world.now = raised + Span::minutes(1);
    world
}

#[test]
fn an_alert_that_somebody_took_note_of_is_raised_again_at_once() {
    let mut world = world();
    for _ in 0..2 {
        let before = world.records.len();
        submit(&mut world, "ghost");
        let raised = alerts(&world.records[before..]);
        assert_eq!(raised, [("unresolved_approvers", "no one is known as `night-shift`")]);
        let alert = *world.state.alerts().keys().next().unwrap();
        world.done(Command::AcknowledgeAlert(alert));
    }
}

#[test]
fn a_refusal_is_turned_away_after_ten_within_a_minute_and_decided_again_at_its_end() {
    let refused = || {
        let mut world = world();
        let began = submit(&mut world, "fly").decided_at;
        for _ in 1..10 {
            submit(&mut world, "fly");
        }
        (world, began + Span::minutes(1))
    };
    let again = |world: &mut World| world.submit("bot", r#"{"action":"fly"}"#);
    for (left, seconds) in [(Span::seconds(59), 60), (Span::seconds(1), 2), (MICROSECOND, 1)] {
        let (mut world, over) = refused();
        at(&mut world, over - left);
        let refusal = again(&mut world).unwrap_err();
        assert_eq!(
            (refusal.category, refusal.code),
            (Category::Throttled, "repeated_refusal")
        );
        let hint = format!("do not repeat it unchanged; it is decided again in {seconds} s");
        assert_eq!(refusal.hint, Some(hint));
    }
    let (mut world, over) = refused();
    at(&mut world, over);
    assert_eq!(again(&mut world).unwrap().reason_code.as_deref(), Some("denied"));
}

#[test]
fn what_was_turned_away_is_told_a_minute_later_with_its_number() {
    let mut world = world();
    for _ in 0..10 {
        submit(&mut world, "fly");
    }
    let since = world.now + Span::seconds(5);
    for second in [5, 6, 7] {
        world.now = since + Span::seconds(second - 5);
        world.submit("bot", r#"{"action":"fly"}"#).unwrap_err();
    }
    world.now = since + Span::minutes(1) - MICROSECOND;
    assert_eq!(world.done(Command::Tick), []);
    world.now = since + Span::minutes(1);
    let records = world.done(Command::Tick);
    match &records[0].event {
        Event::RefusalsRepeated(told) => {
            assert_eq!((&*told.agent, told.count, told.since), ("bot", 3, since));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(records.len(), 1);
}

#[test]
fn a_callback_goes_to_a_registered_address_or_a_path_below_it() {
    let mut world = world();
    for url in ["https://a.example/hook", "https://b.example/in/"] {
        world.done(Command::RegisterReceiver { url: url.into() });
    }
    let taken = |world: &mut World, url: &str| {
        let body = format!(r#"{{"action":"read","args":{{"to":"{url}"}},"callback_url":"{url}"}}"#);
        match world.submit("bot", &body) {
            Ok(view) => {
                assert_eq!(view.decision.callback.unwrap().url, url);
                true
            }
            Err(refusal) => {
                assert_eq!(refusal.code, "callback_not_registered");
                false
            }
        }
    };
    for (url, good) in [
        ("https://a.example/hook", true),
        ("https://a.example/hook/", true),
        ("https://a.example/hook/1", true),
        ("https://a.example/hook..", false),
        ("https://a.example/hook/a..b", true),
        ("https://a.example/hooks", false),
        ("https://a.example/", false),
        ("https://a.example/hook/../x", false),
        ("https://a.example/hook/..", false),
        ("https://b.example/in/", true),
        ("https://b.example/in/1", true),
        ("https://b.example/in", false),
        ("https://b.example/inn", false),
        ("https://b.example/in/..", false),
        ("https://c.example/hook", false),
    ] {
        assert_eq!(taken(&mut world, url), good, "{url}");
    }
}

#[test]
fn a_text_in_a_record_ends_at_a_whole_character_within_three_hundred_bytes() {
    let cut = |message: &str| {
        let mut world = world();
        let gate = format!("name: gate\nrules: [{{ decision: deny, message: \"{message}\" }}]\n");
        world.policy(&[("gate.yaml", &gate)]);
        submit(&mut world, "x").decision.reasons[0].message.clone()
    };
    let a = |count: usize| "a".repeat(count);
    assert_eq!(cut(&a(300)), a(300));
    assert_eq!(cut(&a(301)), a(300));
    assert_eq!(cut(&format!("{}é", a(298))), format!("{}é", a(298)));
    assert_eq!(cut(&format!("{}é", a(299))), a(299));
    assert_eq!(cut(&format!("{}🙂", a(297))), a(297));
}

#[test]
fn an_alert_ends_within_three_hundred_bytes_as_well() {
    let mut world = world();
    let words = "b".repeat(290);
    let gate =
        format!("name: gate\nrules: [{{ decision: require_approval, approvers: [alex], message: \"{words}\" }}]\n");
    world.policy(&[("gate.yaml", &gate)]);
    world.submit("bot", r#"{"action":"x","principal":"alex"}"#).unwrap();
    let summary = format!("x was refused: {}", "b".repeat(285));
    assert_eq!(summary.len(), 300);
    assert_eq!(alerts(&world.records), [("unroutable", summary.as_str())]);
}

#[test]
fn a_record_shows_twelve_reasons_at_most() {
    let mut world = world();
    let rule = |n: usize| format!("  - {{ decision: deny, message: \"reason {n}\" }}\n");
    let rules: String = (0..13).map(rule).collect();
    world.policy(&[("gate.yaml", &format!("name: gate\nrules:\n{rules}"))]);
    let reasons = submit(&mut world, "x").decision.reasons;
    let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    assert_eq!(messages.len(), 12);
    assert_eq!((messages[0], messages[11]), ("reason 0", "reason 11"));
}

#[test]
fn a_thousand_strangers_are_kept_track_of_and_registered_agents_take_nobodys_place() {
    let mut world = world();
    for n in 0..5 {
        world.agent(&format!("known-{n}"), "team:ops");
    }
    let sighted = |world: &mut World, agent: &str| {
        let before = world.records.len();
        let view = world.submit(agent, r#"{"action":"read"}"#).unwrap();
        assert_eq!(view.reason_code.as_deref(), Some("denied"));
        world.kinds(before).contains(&"agent.sighted")
    };
    for n in 0..1000 {
        assert!(sighted(&mut world, &format!("stranger-{n}")), "{n}");
    }
    assert!(!sighted(&mut world, "late"));
    assert!(!sighted(&mut world, "stranger-0"), "once is enough");
    world.agent("stranger-0", "team:ops");
    assert!(sighted(&mut world, "late"));
    assert!(!sighted(&mut world, "later"));
}

#[test]
fn a_hundred_votes_that_do_not_count_leave_a_record_and_the_last_one_still_ends_the_request() {
    let (mut world, id, opened) = request("pay");
    for n in 0..101 {
        let before = world.records.len();
        let voted = world.vote("alex", id, Verb::Approve, None);
        assert_eq!(told(voted).1, "not_eligible");
        assert_eq!(world.records.len() - before, usize::from(n < 100), "{n}");
    }
    at(&mut world, opened.deadline);
    let before = world.records.len();
    assert_eq!(told(world.vote("dana", id, Verb::Approve, None)).1, "expired");
    assert_eq!(world.kinds(before), ["approval.voted", "approval.resolved"]);
}

#[test]
fn a_permit_belongs_to_its_agent_and_needs_the_action_only_under_another_policy() {
    let mut world = world();
    let view = submit(&mut world, "read");
    let id = view.decision.action_id;
    let redeem = |world: &mut World, agent: &str| {
        let command = Command::Redeem(Box::new(Redeem {
            permit: PermitId::from(id),
            digest: view.decision.digest,
            agent: Some(agent.into()),
            action: None,
        }));
        let before = world.records.len();
        let answer = world.give(by(ActorKind::Agent, agent), command).0;
        (outcome(answer), world.kinds(before))
    };
    let (used, kinds) = redeem(&mut world, "other");
    assert_eq!((told(used).0, kinds.len()), (Category::Missing, 0));
    let commented = format!("# the same\n{POLICY}");
    world.policy(&[("gate.yaml", &commented), ("org.yaml", ORGANIZATION)]);
    let (used, kinds) = redeem(&mut world, "bot");
    assert_eq!((told(used).1, kinds.len()), ("policy_changing", 0));
    world.done(Command::RollBack {
        from: None,
        rationale: None,
    });
    let (used, kinds) = redeem(&mut world, "bot");
    used.unwrap();
    assert_eq!(kinds, ["permit.redeemed"]);
}

#[test]
fn a_record_says_that_the_live_policy_could_not_be_had_only_where_one_was_live() {
    let unavailable = |world: &mut World| submit(world, "read").decision.facts.policy_unavailable;
    let mut world = World::new();
    world.agent("bot", "team:ops");
    assert!(!unavailable(&mut world), "none was ever live");
    let mut world = self::world();
    assert!(!unavailable(&mut world), "it is there");
    world.without_policy = true;
    assert!(unavailable(&mut world));
}

#[test]
fn where_the_policy_changed_and_cannot_be_had_nothing_that_people_approved_is_permitted_or_used() {
    let commented = format!("# the same\n{POLICY}");
    let changed = |world: &mut World| {
        world.policy(&[("gate.yaml", &commented), ("org.yaml", ORGANIZATION)]);
        world.without_policy = true;
    };
    let words = || "the live policy cannot be had".to_owned();
    let waits = (Category::Unavailable, "policy_unavailable", words());
    let (mut world, id, _) = request("pay");
    changed(&mut world);
    let before = world.records.len();
    assert_eq!(told(world.vote("dana", id, Verb::Approve, None)), waits);
    assert_eq!(world.kinds(before), [""; 0]);
    world.without_policy = false;
    world.vote("dana", id, Verb::Approve, None).unwrap();
    assert!(world.view(id).permit.is_some(), "the vote was not lost");

    let (mut world, id, _) = request("pay");
    world.vote("dana", id, Verb::Approve, None).unwrap();
    changed(&mut world);
    let before = world.records.len();
    assert_eq!(told(world.redeem(id)), waits);
    assert_eq!(world.kinds(before), [""; 0]);
    world.without_policy = false;
    world.redeem(id).unwrap();
}

#[test]
fn a_vote_for_another_action_or_another_snapshot_does_not_count() {
    let (mut world, id, opened) = request("pay");
    let view = world.view(id);
    let snapshot = view.snapshot.as_deref().unwrap().to_owned();
    for (digest, snapshot, code) in [
        (Digest([9; 32]), snapshot.clone(), "digest_mismatch"),
        (opened.digest, "sha256:00".to_owned(), "snapshot_mismatch"),
    ] {
        let vote = Vote {
            assertion: None,
            approval: opened.approval,
            batch: None,
            user: "dana".into(),
            verb: Verb::Approve,
            digest,
            snapshot,
            comment: None,
            to: None,
            presentation: None,
            action: None,
            view: Some(Box::new(view.clone())),
            edit: None,
            via: None,
        };
        let before = world.records.len();
        let answer = world.give(by(ActorKind::User, "dana"), Command::Vote(Box::new(vote))).0;
        assert_eq!(told(outcome(answer)).1, code);
        match &world.records[before].event {
            Event::ApprovalVoted(voted) => assert_eq!(voted.not_counted.as_deref(), Some(code)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_vote_counts_only_for_what_its_person_was_shown_last() {
    let (mut world, id, opened) = request("pay");
    world.show("dana", id, [1; 32]).unwrap();
    let records = world.records.len();
    world.show("dana", id, [1; 32]).unwrap();
    assert_eq!(
        world.records.len(),
        records,
        "a second reading of the same leaves no record"
    );
    world.show("dana", id, [2; 32]).unwrap();
    let view = world.view(id);
    let vote = |presentation: [u8; 32]| Vote {
        assertion: None,
        approval: opened.approval,
        batch: None,
        user: "dana".into(),
        verb: Verb::Approve,
        digest: opened.digest,
        snapshot: view.snapshot.as_deref().unwrap().to_owned(),
        comment: None,
        to: None,
        presentation: Some(Digest(presentation)),
        action: None,
        view: Some(Box::new(view.clone())),
        edit: None,
        via: None,
    };
    for seen in [[1; 32], [3; 32]] {
        let answer = world
            .give(by(ActorKind::User, "dana"), Command::Vote(Box::new(vote(seen))))
            .0;
        assert_eq!(told(outcome(answer)).1, "presentation_mismatch");
    }
    let answer = world
        .give(by(ActorKind::User, "dana"), Command::Vote(Box::new(vote([2; 32]))))
        .0;
    assert_eq!(answer, countersign_core::Answer::Done);
    let kept = world.records.iter().rev().find_map(|record| match &record.event {
        Event::ApprovalVoted(voted) => voted.presentation,
        _other => None,
    });
    assert_eq!(kept, Some(Digest([2; 32])));
}

#[test]
fn an_answer_of_the_agent_takes_back_what_was_shown_before() {
    let (mut world, id, opened) = request("pay");
    world.show("dana", id, [1; 32]).unwrap();
    world.vote("dana", id, Verb::Clarify, Some("which one?")).unwrap();
    world.answer_question(id).unwrap();
    assert!(world.state.approvals()[&opened.approval].viewed.is_empty());
    world.show("dana", id, [1; 32]).unwrap();
    let viewed = world
        .records
        .iter()
        .filter(|record| matches!(record.event, Event::ApprovalViewed(_)));
    assert_eq!(viewed.count(), 2, "who reads what came later is recorded again");
}
