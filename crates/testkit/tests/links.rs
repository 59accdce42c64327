//! Links of one use: whoever has one decides as the person it was made for, once, and only where policy lets that be enough.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use countersign_core::event::{Event, KeyIssued, UserAdded, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
use countersign_core::redact::Redactor;
use countersign_core::stored::store_value;
use countersign_core::{Answer, Command, Span, Time};
use countersign_testkit::{World, by};

const GATE: &str = "name: gate
rules:
  - { condition: \"action == 'pay'\", decision: require_approval, approvers: [desk] }
  - { condition: \"action == 'wipe'\", decision: require_approval, approvers: [desk] }
  - { condition: \"action == 'note'\", decision: require_approval, approvers: [leads] }
";
const TOOLS: &str = "tools: [{ tool: wipe, risk: R3 }, { tool: pay, risk: R2 }, { tool: note, risk: R1 }]\n";

fn organization(channels: &str) -> String {
    format!(
        "organization: acme
teams: [leads]
{channels}
routes:
  desk:
    steps: [{{ to: [leads], within: 10m }}, {{ to: [leads], within: 10m }}]
    deadline: 1h
"
    )
}

const LOW: &str = "channels: { mail: { decide: low_risk } }";

fn world() -> World {
    let mut world = World::new();
    for user in ["dana", "erin"] {
        world.user(user, &["reviewer"], &["leads"], &[]);
    }
    world.agent("bot", "team:ops");
    world.policy(&[
        ("gate.yaml", GATE),
        ("tools.yaml", TOOLS),
        ("org.yaml", &organization(LOW)),
    ]);
    world
}

fn ask(world: &mut World, what: &str) -> ActionId {
    let action = format!(r#"{{"action":"{what}","tool":"{what}"}}"#);
    world.submit("bot", &action).unwrap().decision.action_id
}

/// Why something is done: what every such command wants.
fn reason() -> countersign_core::command::Sealed {
    let text = Value::Map([("text".to_owned(), Value::from("we talked"))].into());
    store_value(&text, &Redactor::standard(), &Default::default(), [6; 32], "default").0
}

fn code<T: std::fmt::Debug>(result: Result<T, countersign_core::Refusal>) -> &'static str {
    result.unwrap_err().code
}

#[test]
fn a_link_decides_once_and_the_record_says_by_what() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    assert_ne!(link.0, [1; 32]);
    world.vote_by_link("dana", pay, "mail", link).unwrap();
    let voted = world.records.iter().rev().find_map(|record| match &record.event {
        Event::ApprovalVoted(voted) => Some(voted.clone()),
        _other => None,
    });
    let voted = voted.unwrap();
    assert_eq!(
        (voted.channel.as_deref(), voted.link, voted.counted),
        (Some("mail"), Some(link), true)
    );
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "approval_closed");
}

#[test]
fn a_link_is_worth_nothing_to_anybody_else_nor_for_another_request() {
    let mut world = world();
    let (pay, other) = (ask(&mut world, "pay"), ask(&mut world, "pay"));
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    assert_eq!(code(world.vote_by_link("erin", pay, "mail", link)), "link_over");
    assert_eq!(code(world.vote_by_link("dana", other, "mail", link)), "link_over");
    world.vote_by_link("dana", pay, "mail", link).unwrap();
}

#[test]
fn a_link_ends_with_the_step_that_it_asks_for() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    world.pass(Span::minutes(10));
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    // The next step has a link of its own, which ends with that.
    let second = world.link("dana", pay, "mail", [2; 32]).unwrap();
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    world.vote_by_link("dana", pay, "mail", second).unwrap();
}

#[test]
fn only_the_last_four_links_of_a_person_work() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let links: Vec<_> = (0..5)
        .map(|n| world.link("dana", pay, "mail", [n; 32]).unwrap())
        .collect();
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", links[0])), "link_over");
    world.vote_by_link("dana", pay, "mail", links[1]).unwrap();
}

#[test]
fn nothing_of_high_risk_is_decided_by_a_link_nor_over_another_channel() {
    let mut world = world();
    let (pay, wipe) = (ask(&mut world, "pay"), ask(&mut world, "wipe"));
    assert_eq!(code(world.link("dana", wipe, "mail", [1; 32])), "not_by_link");
    assert_eq!(code(world.link("dana", pay, "pager", [1; 32])), "not_by_link");
}

#[test]
fn what_takes_no_route_is_not_decided_by_a_link() {
    let mut world = world();
    let note = ask(&mut world, "note");
    assert_eq!(code(world.link("dana", note, "mail", [1; 32])), "not_by_link");
}

#[test]
fn a_link_ends_when_policy_does_not_want_it_any_more_or_the_tool_becomes_risky() {
    let risky = "tools: [{ tool: pay, risk: R4 }]\n";
    for (channels, tools) in [("", TOOLS), (LOW, risky)] {
        let mut world = world();
        let pay = ask(&mut world, "pay");
        let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
        world.policy(&[
            ("gate.yaml", GATE),
            ("tools.yaml", tools),
            ("org.yaml", &organization(channels)),
        ]);
        assert_eq!(
            code(world.vote_by_link("dana", pay, "mail", link)),
            "not_by_link",
            "{tools}"
        );
    }
}

#[test]
fn a_link_ends_with_the_right_to_decide_and_does_not_come_back_with_it() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    world.user("dana", &["reviewer"], &[], &[]);
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "not_eligible");
    world.user("dana", &["viewer"], &["leads"], &[]);
    world.user("dana", &["reviewer"], &["leads"], &[]);
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    let again = world.link("dana", pay, "mail", [2; 32]).unwrap();
    world.vote_by_link("dana", pay, "mail", again).unwrap();
}

#[test]
fn a_link_ends_when_its_person_is_removed_and_does_not_come_back_with_the_name() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    let others = world.link("erin", pay, "mail", [2; 32]).unwrap();
    world.give(by(ActorKind::User, "root"), Command::RemoveUser("dana".into()));
    world.user("dana", &["reviewer"], &["leads"], &[]);
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    world.vote_by_link("erin", pay, "mail", others).unwrap();
}

#[test]
fn a_link_ends_with_the_address_that_it_was_sent_to_and_with_nothing_else_of_a_person() {
    let mut world = world();
    let (pay, other) = (ask(&mut world, "pay"), ask(&mut world, "pay"));
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    let second = world.link("dana", other, "mail", [2; 32]).unwrap();
    world.user("dana", &["reviewer", "viewer"], &["leads"], &[]);
    world.vote_by_link("dana", pay, "mail", link).unwrap();
    let added = UserAdded {
        duties: Vec::new(),
        manager: None,
        roles: vec!["reviewer".into()],
        teams: vec!["leads".into()],
        user: "dana".into(),
        zone: None,
    };
    let profile = Value::Map([("email".to_owned(), Value::from("dana@example.org"))].into());
    let address = store_value(&profile, &Redactor::standard(), &Default::default(), [5; 32], "default").0;
    world.give(
        by(ActorKind::Operator, "setup"),
        Command::PutUser(Box::new(added), Some(address), None),
    );
    assert_eq!(code(world.vote_by_link("dana", other, "mail", second)), "link_over");
}

/// Gives somebody a key of this name.
fn key(world: &mut World, user: &str, kid: &str, expires: Option<Time>) {
    let issued = KeyIssued {
        expires,
        fingerprint: "00".into(),
        kid: kid.into(),
        kind: ActorKind::User,
        scopes: Vec::new(),
        subject: user.into(),
    };
    world.give(by(ActorKind::User, "alex"), Command::IssueKey(Box::new(issued)));
}

fn revoke(world: &mut World, kid: &str) {
    let (answer, _) = world.give(by(ActorKind::User, "alex"), Command::RevokeKey(kid.into()));
    assert_eq!(answer, Answer::Done);
}

#[test]
fn a_link_ends_with_the_last_key_of_its_person_and_no_other_is_sent_until_there_is_one_again() {
    let mut world = world();
    let soon = world.now + Span::minutes(1);
    key(&mut world, "dana", "desk", None);
    key(&mut world, "dana", "phone", None);
    key(&mut world, "dana", "loan", Some(soon));
    key(&mut world, "erin", "own", None);
    world.pass(Span::minutes(1));
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    let others = world.link("erin", pay, "mail", [2; 32]).unwrap();
    let approval = world.view(pay).approval.unwrap().opened.approval;
    revoke(&mut world, "desk");
    assert!(
        world.state.open_link(approval, &link, world.now).is_some(),
        "one of two keys is another matter"
    );
    revoke(&mut world, "phone");
    assert_eq!(world.state.open_link(approval, &link, world.now), None);
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    assert_eq!(code(world.link("dana", pay, "mail", [3; 32])), "not_by_link");
    key(&mut world, "dana", "new", None);
    assert_eq!(
        code(world.vote_by_link("dana", pay, "mail", link)),
        "link_over",
        "it does not come back"
    );
    let again = world.link("dana", pay, "mail", [4; 32]).unwrap();
    world.vote_by_link("dana", pay, "mail", again).unwrap();
    assert_eq!(world.refolded().hash(), world.state.hash());
    // Nobody else's links ended.
    assert_eq!(code(world.vote_by_link("erin", pay, "mail", others)), "approval_closed");
}

#[test]
fn a_link_ends_when_its_person_is_suspended_and_does_not_come_back_with_the_right_to_vote() {
    let mut world = world();
    let organization = organization(&format!("{LOW}\ntheatre: {{ streak: {{ of: 2, then: suspend }} }}"));
    world.policy(&[("gate.yaml", GATE), ("tools.yaml", TOOLS), ("org.yaml", &organization)]);
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    for _ in 0..2 {
        let other = ask(&mut world, "pay");
        world.vote("dana", other, Verb::Approve, None).unwrap();
    }
    assert!(world.state.users()["dana"].suspended);
    let restored = Command::RestoreReviewer("dana".into(), reason());
    assert_eq!(world.give(by(ActorKind::User, "alex"), restored).0, Answer::Done);
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
    let again = world.link("dana", pay, "mail", [2; 32]).unwrap();
    world.vote_by_link("dana", pay, "mail", again).unwrap();
}

#[test]
fn who_is_not_asked_any_more_is_shown_nothing_by_a_link() {
    let mut world = world();
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    let approval = world.view(pay).approval.unwrap().opened.approval;
    assert!(world.state.open_link(approval, &link, world.now).is_some());
    assert!(world.state.asked_until(approval, "dana").is_some());
    world.user("dana", &["reviewer"], &[], &[]);
    assert_eq!(world.state.open_link(approval, &link, world.now), None);
    assert_eq!(world.state.asked_until(approval, "dana"), None);
}

#[test]
fn nothing_is_decided_by_a_link_that_may_count_as_high_or_of_which_nothing_is_known() {
    let tainted = "tools: [{ tool: pay, risk: R1, when_tainted: { risk: R3 } }]\n";
    let unknown = "tools: [{ tool: pay, class: money }]\n";
    for tools in [tainted, unknown, "tools: [{ tool: wipe, risk: R3 }]\n"] {
        let mut world = world();
        world.policy(&[
            ("gate.yaml", GATE),
            ("tools.yaml", tools),
            ("org.yaml", &organization(LOW)),
        ]);
        let pay = ask(&mut world, "pay");
        assert_eq!(code(world.link("dana", pay, "mail", [1; 32])), "not_by_link", "{tools}");
    }
}

#[test]
fn whoever_has_voted_by_a_key_has_no_link_left() {
    let mut world = world();
    let organization = organization(LOW).replace("within: 10m }, {", "within: 10m, quorum: 2 }, {");
    world.policy(&[("gate.yaml", GATE), ("tools.yaml", TOOLS), ("org.yaml", &organization)]);
    let pay = ask(&mut world, "pay");
    let link = world.link("dana", pay, "mail", [1; 32]).unwrap();
    world.vote("dana", pay, Verb::Approve, None).unwrap();
    assert_eq!(code(world.vote_by_link("dana", pay, "mail", link)), "link_over");
}
