//! Who is told about a request, by which channel, and when.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::event::{
    ChannelKind, ChannelRegistered, NoticeAttempted, NoticeDue, NoticeKind, NoticeResult, Quiet, Verb,
};
use countersign_core::record::ActorKind;
use countersign_core::{Answer, Command, Event, Span, Time};
use countersign_testkit::{World, by};

const ROUTE: &str = "organization: acme
routes:
  walk:
    steps:
      - { to: [leads], within: 60m }
      - { to: [bea], within: 60m, repeat: 2 }
    remind_before: 10m
    on_exhausted: hold
    deadline: 12h
  slow:
    steps: [{ to: [leads], within: 11h }]
    deadline: 12h
";
const GATE: &str = "
name: gate
on: [{ action: 'pay' }, { action: 'walk' }, { action: 'wait' }, { action: 'both' }]
rules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
  - { condition: \"action == 'walk'\", decision: require_approval, approvers: [walk] }
  - { condition: \"action == 'wait'\", decision: require_approval, approvers: [slow] }
  - { condition: \"action == 'both'\", decision: require_approval, approvers: [leads], quorum: 2 }
";

fn channel(name: &str, kind: ChannelKind, quiet: Option<(&str, &str, &str)>) -> Command {
    Command::RegisterChannel(Box::new(ChannelRegistered {
        channel: name.into(),
        kind,
        quiet: quiet.map(|(zone, from, to)| Quiet {
            from: from.into(),
            to: to.into(),
            zone: zone.into(),
        }),
        target: "example.com".into(),
    }))
}

fn world() -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.user("erin", &["reviewer"], &["leads"], &[]);
    world.user("bea", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[("org.yaml", ROUTE), ("gate.yaml", GATE)]);
    world
}

/// Notices since record `from`, as `channel kind user`.
fn told(world: &World, from: usize) -> Vec<String> {
    due(world, from)
        .iter()
        .map(|due| {
            let user = due.user.as_deref().unwrap_or("-");
            format!("{} {} {user}", due.channel, due.kind.as_str())
        })
        .collect()
}

fn due(world: &World, from: usize) -> Vec<NoticeDue> {
    let records = world.records.iter().skip(from);
    records
        .filter_map(|record| match &record.event {
            Event::NoticeDue(due) => Some((**due).clone()),
            _other => None,
        })
        .collect()
}

/// Everything that is on its way arrives.
fn deliver(world: &mut World) {
    let waiting: Vec<_> = world.state.notices().keys().copied().collect();
    for notice in waiting {
        world.done(Command::NoteNotice(Box::new(NoticeAttempted {
            attempt: 1,
            detail: "taken".into(),
            next: None,
            notice,
            reference: Some("1.2".into()),
            result: NoticeResult::Delivered,
        })));
    }
}

#[test]
fn each_step_tells_its_people_once_and_the_end_is_told_to_those_who_were() {
    let mut world = world();
    world.done(channel("mail", ChannelKind::Email, None));
    world.done(channel("room", ChannelKind::Slack, None));
    let from = world.records.len();
    let walk = world.submit("bot", r#"{"action":"walk"}"#).unwrap();
    assert_eq!(
        told(&world, from),
        [
            "mail step_started dana",
            "mail step_started erin",
            "room step_started -"
        ]
    );
    let approval = walk.approval.unwrap().opened.approval;
    deliver(&mut world);
    assert_eq!(world.state.messages_about(approval, "room"), ["1.2"]);

    let from = world.records.len();
    world.pass(Span::minutes(51));
    assert_eq!(
        told(&world, from),
        ["mail reminded dana", "mail reminded erin", "room reminded -"]
    );
    let from = world.records.len();
    world.pass(Span::minutes(10));
    assert_eq!(told(&world, from), ["mail escalated bea", "room escalated -"]);
    // It is asked again twice, and told again each time; it is reminded once.
    let from = world.records.len();
    world.pass(Span::minutes(130));
    let again = ["mail escalated bea", "room escalated -"];
    let reminded = ["mail reminded bea", "room reminded -"];
    assert_eq!(told(&world, from), [reminded, again, again].concat());

    deliver(&mut world);
    let from = world.records.len();
    world.vote("bea", walk.decision.action_id, Verb::Approve, None).unwrap();
    assert_eq!(
        told(&world, from),
        [
            "mail resolved bea",
            "mail resolved dana",
            "mail resolved erin",
            "room resolved -"
        ]
    );
    assert!(String::from_utf8(world.state.to_bytes()).unwrap().contains("\"told\""));
    deliver(&mut world);
    let bytes = String::from_utf8(world.state.to_bytes()).unwrap();
    assert!(
        !bytes.contains("\"told\""),
        "what has ended and arrived leaves the state"
    );
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn whoever_may_not_vote_or_has_voted_is_not_told() {
    let mut world = world();
    world.agent("danas", "user:dana");
    world.done(channel("mail", ChannelKind::Email, None));
    let from = world.records.len();
    let pay = world.submit("danas", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    assert_eq!(told(&world, from), ["mail opened erin"]);
    world.vote("erin", pay, Verb::Approve, None).unwrap();
    let from = world.records.len();
    let both = world.submit("bot", r#"{"action":"both"}"#).unwrap().decision.action_id;
    world.vote("dana", both, Verb::Approve, None).unwrap();
    let sla = world.state.approvals().values().map(|open| open.sla_due).max().unwrap();
    world.pass((sla + Span::seconds(1)) - world.now);
    let reminded: Vec<_> = told(&world, from)
        .into_iter()
        .filter(|line| line.contains("reminded"))
        .collect();
    assert_eq!(reminded, ["mail reminded erin"]);
}

#[test]
fn what_is_not_urgent_waits_for_the_end_of_quiet_hours() {
    let mut world = world();
    // The night of 1 November 2026 in New York has the hour from 01:00 twice; the world begins before it.
    let begin: Time = "2026-11-01T03:30:00Z".parse().unwrap();
    world.pass(begin - world.now);
    let night = Some(("America/New_York", "22:00", "07:00"));
    world.done(channel("mail", ChannelKind::Email, night));
    world.done(channel(
        "noon",
        ChannelKind::Webhook,
        Some(("America/New_York", "12:00", "13:00")),
    ));
    let from = world.records.len();
    world.submit("bot", r#"{"action":"wait"}"#).unwrap();
    let ends = |notices: Vec<NoticeDue>, channel: &str| {
        let mut notices = notices.into_iter().filter(|due| due.channel == channel);
        notices.next().map(|due| due.after.map(|after| after.to_string()))
    };
    let open = world.state.approvals().values().next().unwrap().deadline;
    let morning: Time = "2026-11-01T12:00:00Z".parse().unwrap();
    assert!(open > morning, "the request is open until after the night");
    assert_eq!(ends(due(&world, from), "mail"), Some(Some(morning.to_string())));
    assert_eq!(ends(due(&world, from), "noon"), Some(None));

    // Its step ends within the night: it is urgent, and so is what follows.
    let from = world.records.len();
    world.submit("bot", r#"{"action":"walk"}"#).unwrap();
    world.pass(Span::minutes(61));
    let mail: Vec<_> = due(&world, from)
        .into_iter()
        .filter(|due| due.channel == "mail")
        .collect();
    assert!(mail.iter().any(|due| due.kind == NoticeKind::Escalated));
    assert!(mail.iter().all(|due| due.after.is_none()), "{mail:?}");
    assert_eq!(world.refolded().hash(), world.state.hash());
}

#[test]
fn a_step_of_many_tells_fifty_and_says_how_many_it_leaves_out() {
    let mut world = world();
    for number in 0..58 {
        world.user(&format!("lead-{number:02}"), &["reviewer"], &["leads"], &[]);
    }
    world.done(channel("mail", ChannelKind::Email, None));
    let from = world.records.len();
    world.submit("bot", r#"{"action":"pay"}"#).unwrap();
    let notices = due(&world, from);
    assert_eq!(notices.len(), 50);
    assert_eq!(notices.iter().map(|due| due.left_out).sum::<u32>(), 10);
}

#[test]
fn a_removed_channel_tells_nothing_and_leaves_nothing() {
    let mut world = world();
    world.done(channel("mail", ChannelKind::Email, None));
    let pay = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    assert_eq!(world.state.notices().len(), 2);
    world.done(Command::RemoveChannel("mail".into()));
    assert!(world.state.notices().is_empty());
    let from = world.records.len();
    world.vote("dana", pay, Verb::Approve, None).unwrap();
    assert_eq!(told(&world, from), Vec::<String>::new());
    assert!(!String::from_utf8(world.state.to_bytes()).unwrap().contains("\"told\""));
}

#[test]
fn channels_have_names_of_their_own_and_quiet_hours_that_exist() {
    let mut world = world();
    let mut code = |command| match world
        .give(by(countersign_core::record::ActorKind::User, "alex"), command)
        .0
    {
        Answer::Refused(refusal) => refusal.code.to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(code(channel("mail", ChannelKind::Email, None)), "Done");
    assert_eq!(code(channel("mail", ChannelKind::Slack, None)), "already_registered");
    for quiet in [
        ("Europe/Nowhere", "22:00", "07:00"),
        ("UTC", "22:00", "22:00"),
        ("UTC", "24:00", "07:00"),
        ("UTC", "7:00", "08:00"),
    ] {
        assert_eq!(
            code(channel("room", ChannelKind::Slack, Some(quiet))),
            "invalid_quiet_hours",
            "{quiet:?}"
        );
    }
    for number in 1..20 {
        assert_eq!(
            code(channel(&format!("room-{number}"), ChannelKind::Slack, None)),
            "Done"
        );
    }
    assert_eq!(code(channel("room", ChannelKind::Slack, None)), "too_many_channels");
}

#[test]
fn a_notice_that_is_dead_is_told_as_an_alert_and_can_be_sent_again() {
    let mut world = world();
    world.done(channel("hook", ChannelKind::Webhook, None));
    world.submit("bot", r#"{"action":"pay"}"#).unwrap();
    let notice = *world.state.notices().keys().next().unwrap();
    let noted = |attempt, result, next| {
        Command::NoteNotice(Box::new(NoticeAttempted {
            attempt,
            detail: "answered with status 500".into(),
            next,
            notice,
            reference: None,
            result,
        }))
    };
    let later = world.now + Span::minutes(5);
    world.done(noted(1, NoticeResult::Retrying, Some(later)));
    assert_eq!(world.state.notices()[&notice].next, later);
    let twice = world.give(
        by(countersign_core::record::ActorKind::System, "system"),
        noted(1, NoticeResult::Dead, None),
    );
    assert!(matches!(twice.0, Answer::Refused(refusal) if refusal.code == "already_noted"));
    world.done(noted(2, NoticeResult::Dead, None));
    assert!(world.alerted("notice_exhausted") && world.state.notices()[&notice].dead);
    world.done(Command::ResendNotice(notice));
    assert!(!world.state.notices()[&notice].dead);
    world.done(noted(1, NoticeResult::Delivered, None));
    assert!(world.state.notices().is_empty());
}

#[test]
fn that_the_glass_was_broken_is_told_to_everybody_concerned_whatever_the_hour() {
    let mut world = world();
    world.user("olga", &[], &[], &[]);
    world.agent("bot", "user:olga");
    let rules = format!("{ROUTE}break_glass: {{ who: [erin], review: [bea] }}\n");
    world.policy(&[("org.yaml", &rules), ("gate.yaml", GATE)]);
    let all_day = Some(("UTC", "00:00", "23:59"));
    world.done(channel("mail", ChannelKind::Email, all_day));
    world.done(channel("room", ChannelKind::Slack, all_day));
    let pay = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    let from = world.records.len();
    world.break_glass(by(ActorKind::User, "erin"), pay, "inc-7").unwrap();
    let due = due(&world, from);
    let broken: Vec<_> = due.iter().filter(|due| due.kind == NoticeKind::GlassBroken).collect();
    let by_mail = broken.iter().filter(|due| due.channel == "mail");
    let people: Vec<_> = by_mail.filter_map(|due| due.user.as_deref()).collect();
    assert_eq!(people, ["alex", "bea", "olga"]);
    assert_eq!(broken.iter().filter(|due| due.channel == "room").count(), 1);
    assert!(broken.iter().all(|due| due.after.is_none()), "{broken:?}");
}

#[test]
fn a_step_that_is_asked_again_tells_its_people_again() {
    let mut world = world();
    world.done(channel("mail", ChannelKind::Email, None));
    world.submit("bot", r#"{"action":"walk"}"#).unwrap();
    world.pass(Span::minutes(61));
    let from = world.records.len();
    world.pass(Span::minutes(60));
    let again: Vec<_> = told(&world, from)
        .into_iter()
        .filter(|told| told.contains("escalated"))
        .collect();
    assert_eq!(again, ["mail escalated bea"]);
}

#[test]
fn a_colleague_who_gets_a_place_is_told() {
    let mut world = world();
    world.done(channel("mail", ChannelKind::Email, None));
    let both = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    world.user("fay", &["reviewer"], &["leads"], &[]);
    let from = world.records.len();
    world.hand_over("dana", "fay", both).unwrap();
    assert_eq!(told(&world, from), ["mail opened fay"]);
}

/// Every notice that waits was tried once, and this came of it.
fn attempted(world: &mut World, result: NoticeResult) {
    let notices = world.state.notices().iter();
    let waiting: Vec<_> = notices.filter(|(_, notice)| !notice.dead).map(|(id, _)| *id).collect();
    for notice in waiting {
        world.done(Command::NoteNotice(Box::new(NoticeAttempted {
            attempt: 1,
            detail: "said by the channel".into(),
            next: None,
            notice,
            reference: None,
            result,
        })));
    }
}

#[test]
fn a_channel_that_does_not_work_raises_one_alert_until_somebody_takes_note() {
    let mut world = world();
    world.done(channel("mail", ChannelKind::Email, None));
    let fail = |world: &mut World| {
        world.submit("bot", r#"{"action":"pay"}"#).unwrap();
        let from = world.records.len();
        attempted(world, NoticeResult::Dead);
        let alerts = world.records.iter().skip(from);
        alerts
            .filter(|record| matches!(record.event, Event::AlertRaised(_)))
            .count()
    };
    assert_eq!(fail(&mut world), 1);
    world.pass(Span::minutes(5));
    assert_eq!(fail(&mut world), 0);
    let alert = *world.state.alerts().keys().next().unwrap();
    world.done(Command::AcknowledgeAlert(alert));
    assert_eq!(fail(&mut world), 1);
}

#[test]
fn a_thousand_notices_that_cannot_be_delivered_are_kept() {
    let mut world = world();
    world.done(channel("room", ChannelKind::Webhook, None));
    let mut first = None;
    for index in 0..1002 {
        let view = world
            .submit("bot", &format!(r#"{{"action":"pay","amount":"{index}"}}"#))
            .unwrap();
        let notice = *world.state.notices().iter().find(|(_, notice)| !notice.dead).unwrap().0;
        first.get_or_insert(notice);
        attempted(&mut world, NoticeResult::Dead);
        world
            .vote("dana", view.decision.action_id, Verb::Reject, Some("no"))
            .unwrap();
        attempted(&mut world, NoticeResult::Delivered);
    }
    assert_eq!(world.state.notices().len(), 1000);
    assert!(!world.state.notices().contains_key(&first.unwrap()));
}
