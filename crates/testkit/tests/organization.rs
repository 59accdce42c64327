//! Which people a name means at an instant, who may change it, and that what has ended leaves the state.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::command::{NewAbsence, NewOverride};
use countersign_core::event::{Status, UserAdded, Verb};
use countersign_core::policy::Snapshot;
use countersign_core::state::Requester;
use countersign_core::{Command, Span, State};
use countersign_testkit::World;

const GATE: &str = "
name: gate
rules: [{ decision: REQUIRE_APPROVAL, approvers: [oncall] }]
";

const POLICY: &str = "
organization: acme
teams: [support]
duties: [finance]
schedules:
  oncall: { zone: Europe/Berlin, layers: [{ people: [ada, ben], starts: 2026-01-05T09:00, every: 1w }] }
";

/// Monday, 10:00 in Berlin: `ada` has the turn.
fn world() -> World {
    let mut world = World::new();
    world.user("ada", &["reviewer"], &["support"], &[]);
    world.user("ben", &["reviewer"], &["support"], &["finance"]);
    world.user("cleo", &["reviewer"], &[], &[]);
    world.user("vic", &["viewer"], &["support"], &[]);
    world.policy(&[("gate.yaml", GATE), ("org.yaml", POLICY)]);
    world
}

fn snapshot() -> Snapshot {
    Snapshot::load(&[("org.yaml".to_owned(), POLICY.as_bytes().to_vec())])
        .map_err(|problems| format!("{problems:?}"))
        .unwrap()
        .0
}

/// Who is meant, with the reasons.
fn meant(world: &World, name: &str) -> Vec<(String, String)> {
    meant_for(world, name, Requester::default())
}

fn meant_for(world: &World, name: &str, requester: Requester<'_>) -> Vec<(String, String)> {
    let people = world.state.people_meant(name, Some(&snapshot()), requester, world.now);
    people.into_iter().map(|person| (person.user, person.because)).collect()
}

fn users(world: &World, name: &str) -> Vec<String> {
    meant(world, name).into_iter().map(|(user, _)| user).collect()
}

fn absence(world: &World, user: &str, delegate: Option<&str>, days: i64) -> Command {
    Command::RecordAbsence(Box::new(NewAbsence {
        user: user.into(),
        from: world.now,
        to: world.now + Span::days(days),
        delegate: delegate.map(str::to_owned),
    }))
}

fn put_on(world: &World, user: &str, replaces: Option<&str>) -> Command {
    Command::RecordOverride(Box::new(NewOverride {
        schedule: "oncall".into(),
        user: user.into(),
        from: world.now,
        to: world.now + Span::days(1),
        replaces: replaces.map(str::to_owned),
    }))
}

#[test]
fn a_name_means_whoever_may_vote_and_says_why() {
    let world = world();
    assert_eq!(users(&world, "support"), ["ada", "ben"]);
    assert_eq!(meant(&world, "team:support")[0].1, "`ada` is of the team `support`");
    assert_eq!(
        meant(&world, "role:finance"),
        [("ben".into(), "`ben` has the duty `finance`".into())]
    );
    assert_eq!(users(&world, "user:vic"), Vec::<String>::new());
    assert_eq!(meant(&world, "cleo"), [("cleo".into(), "`cleo` is named".into())]);
    let on = [("ada".into(), "`ada` has the turn in layer 1 of `oncall`".into())];
    assert_eq!(meant(&world, "schedule:oncall"), on);
    assert_eq!(meant(&world, "oncall"), on);
    assert_eq!(users(&world, "schedule:support"), Vec::<String>::new());
}

#[test]
fn a_delegate_stands_in_until_the_absence_ends() {
    let mut world = world();
    let command = absence(&world, "ada", Some("cleo"), 2);
    assert_eq!(world.told("ada", command), "done");
    assert_eq!(users(&world, "oncall"), ["cleo"]);
    assert_eq!(users(&world, "team:support"), ["ben", "cleo"]);
    let because = "`ada` is of the team `support`, is absent, and `cleo` stands in";
    assert_eq!(meant(&world, "team:support")[1].1, because);
    // No chain: whoever stands in for the delegate does not stand in for her.
    let command = absence(&world, "cleo", Some("ben"), 1);
    assert_eq!(world.told("cleo", command), "done");
    assert_eq!(users(&world, "user:ada"), Vec::<String>::new());
    world.pass(Span::days(1));
    assert_eq!(users(&world, "user:ada"), ["cleo"]);
    world.pass(Span::days(1));
    assert_eq!(users(&world, "user:ada"), ["ada"]);
}

#[test]
fn whoever_is_on_when_a_request_is_opened_decides_it() {
    let mut world = world();
    world.agent("bot", "team:support");
    let command = absence(&world, "ada", Some("cleo"), 2);
    assert_eq!(world.told("ada", command), "done");
    let asked = world.submit("bot", r#"{"action":"pay"}"#).unwrap();
    let slots = asked.approval.unwrap().opened.slots;
    let slot = slots.first().unwrap();
    assert_eq!(
        (slot.names.clone(), slot.people.clone()),
        (vec!["schedule:oncall".to_owned()], vec!["cleo".to_owned()])
    );
    let action = asked.decision.action_id;
    let refused = world.vote("ben", action, Verb::Approve, None).unwrap_err();
    assert_eq!(refused.code, "not_eligible");
    world.vote("cleo", action, Verb::Approve, None).unwrap();
    assert_eq!(world.view(action).status, Status::Permitted);
}

#[test]
fn what_has_ended_leaves_the_state_with_the_next_record() {
    let mut world = world();
    let empty = world.state.to_bytes();
    let commands = [absence(&world, "ada", None, 2), put_on(&world, "ben", Some("ada"))];
    for command in commands {
        assert_eq!(world.told("alex", command), "done");
    }
    assert_eq!((world.state.absences().len(), world.state.overrides().len()), (1, 1));
    let mut loaded = State::from_bytes(&world.state.to_bytes()).unwrap();
    assert_eq!(loaded.hash(), world.state.hash());
    world.pass(Span::days(1));
    world.user("dan", &[], &[], &[]);
    loaded.apply(world.records.last().unwrap());
    assert_eq!((world.state.absences().len(), world.state.overrides().len()), (1, 0));
    world.pass(Span::days(1));
    world.user("dan", &[], &[], &[]);
    loaded.apply(world.records.last().unwrap());
    assert!(world.state.absences().is_empty());
    assert_eq!(loaded.hash(), world.state.hash());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(!text(empty).contains("rota") && !text(world.state.to_bytes()).contains("rota"));
}

#[test]
fn people_speak_for_themselves_and_admins_for_everybody() {
    let mut world = world();
    let mut try_it = |who: &str, command: fn(&World) -> Command, wanted: &str| {
        let command = command(&world);
        assert_eq!(world.told(who, command), wanted, "{who}");
    };
    try_it("ben", |world| absence(world, "ada", None, 1), "not_yours");
    try_it("alex", |world| absence(world, "ada", None, 1), "done");
    try_it("ada", |world| absence(world, "nobody", None, 1), "not_found");
    try_it("ada", |world| absence(world, "ada", Some("vic"), 1), "may_not_vote");
    try_it("ada", |world| absence(world, "ada", Some("ada"), 1), "own_delegate");
    try_it("ada", |world| absence(world, "ada", Some("ben"), 31), "too_long");
    try_it("ada", |world| absence(world, "ada", None, 31), "done");
    try_it("ada", |world| absence(world, "ada", None, 367), "too_long");
    try_it("ada", |world| absence(world, "ada", None, 0), "empty_span");
    try_it("ben", |world| put_on(world, "ben", Some("ada")), "done");
    try_it("ada", |world| put_on(world, "ben", Some("ada")), "done");
    try_it("ada", |world| put_on(world, "ben", None), "not_yours");
    // Nobody makes themselves somebody who decides.
    try_it("cleo", |world| put_on(world, "cleo", None), "not_of_schedule");
    try_it("ada", |world| put_on(world, "cleo", Some("ada")), "not_of_schedule");
    try_it("alex", |world| put_on(world, "cleo", None), "done");
    try_it("alex", |world| put_on(world, "ada", Some("ada")), "own_turn");
    let (absence, other) = (
        *world.state.absences().keys().next().unwrap(),
        *world.state.overrides().keys().next().unwrap(),
    );
    assert_eq!(world.told("ben", Command::WithdrawAbsence(absence)), "not_yours");
    assert_eq!(world.told("ada", Command::WithdrawAbsence(absence)), "done");
    assert_eq!(world.told("ada", Command::WithdrawAbsence(absence)), "not_found");
    assert_eq!(world.told("cleo", Command::WithdrawOverride(other)), "not_yours");
    assert_eq!(world.told("ben", Command::WithdrawOverride(other)), "done");
}

#[test]
fn a_manager_is_found_through_the_requester_or_the_owner() {
    let mut world = world();
    let with_manager = |user: &str, manager: &str, zone: &str| {
        Command::PutUser(
            Box::new(UserAdded {
                duties: Vec::new(),
                manager: Some(manager.to_owned()),
                roles: vec!["reviewer".to_owned()],
                teams: vec!["support".to_owned()],
                user: user.to_owned(),
                zone: Some(zone.to_owned()),
            }),
            None,
            None,
        )
    };
    world.done(with_manager("ada", "cleo", "Europe/Berlin"));
    world.agent("bot", "user:ada");
    world.agent("team-bot", "team:support");
    let manager = [("cleo".into(), "`cleo` is the manager of `ada`".into())];
    let asks = |person, agent| Requester { person, agent };
    assert_eq!(
        meant_for(&world, "manager_of:requester", asks(Some("ada"), None)),
        manager
    );
    assert_eq!(meant_for(&world, "manager_of:owner", asks(None, Some("bot"))), manager);
    assert_eq!(
        meant_for(&world, "manager_of:owner", asks(None, Some("team-bot"))),
        manager
    );
    assert!(meant_for(&world, "manager_of:requester", asks(Some("ben"), Some("bot"))).is_empty());
    assert!(meant(&world, "manager_of:requester").is_empty());
    for (manager, zone, code) in [
        ("nobody", "UTC", "unknown_manager"),
        ("ada", "UTC", "unknown_manager"),
        ("ben", "Mars/Base", "unknown_zone"),
    ] {
        assert_eq!(world.told("alex", with_manager("ada", manager, zone)), code);
    }
}

/// The counter-example for an organization of these documents, if there is one: who, and how many hours from now.
fn stuck(world: &World, routes: &str) -> Option<(Option<String>, i64)> {
    let text = format!("{POLICY}routes: {{ r: {routes} }}\n");
    let (snapshot, _) = Snapshot::load(&[("org.yaml".to_owned(), text.into_bytes())])
        .map_err(|p| format!("{p:?}"))
        .unwrap();
    let found = world.state.people_alone().unreachable(&snapshot, world.now)?;
    assert!(found.refusal().detail.starts_with("route `r` reaches nobody if "));
    Some((found.requester, (found.at - world.now).as_seconds() / 3600))
}

#[test]
fn a_route_that_would_reach_nobody_is_found_with_who_asks_and_when() {
    let mut world = world();
    // `alex` is the only admin, and so the fallback of a route that names none.
    assert_eq!(stuck(&world, "{ steps: [{ to: team:support }] }"), None);
    assert_eq!(
        stuck(&world, "{ steps: [{ to: user:cleo }], fallback: [user:ben] }"),
        None
    );
    let alone = "{ steps: [{ to: user:cleo }], fallback: [user:cleo] }";
    assert_eq!(stuck(&world, alone), Some((Some("cleo".into()), 0)));
    assert_eq!(
        stuck(&world, "{ steps: [{ to: user:alex }] }"),
        Some((Some("alex".into()), 0))
    );
    let two = "{ steps: [{ to: team:support, quorum: 2 }], fallback: [user:nobody] }";
    assert_eq!(stuck(&world, two), Some((Some("ada".into()), 0)));
    let nobody = "{ steps: [{ to: user:nobody }], fallback: [user:vic] }";
    assert_eq!(stuck(&world, nobody), Some((None, 0)));
    // A second step helps, unless it is asked only once the first has approved.
    let later = "{ steps: [{ to: user:nobody, within: 1m }, { to: team:support }], fallback: [user:vic] }";
    assert_eq!(stuck(&world, later), None);
    assert!(
        stuck(
            &world,
            &later.replace("to: team:support", "to: team:support, when: approved")
        )
        .is_some()
    );
    // From the second day on `ada` is absent, and then `ben`, who is left, could ask.
    let schedule = "{ steps: [{ to: schedule:oncall }], fallback: [user:ben] }";
    assert_eq!(stuck(&world, schedule), Some((Some("ben".into()), 7 * 24 - 1)));
    let away = Command::RecordAbsence(Box::new(NewAbsence {
        user: "ada".into(),
        from: world.now + Span::days(1),
        to: world.now + Span::days(3),
        delegate: None,
    }));
    assert_eq!(world.told("ada", away), "done");
    assert_eq!(stuck(&world, schedule), Some((Some("ben".into()), 24)));
}

#[test]
fn where_one_person_alone_may_vote_no_route_is_refused() {
    let mut world = World::new();
    world.user("vic", &["viewer"], &[], &[]);
    assert_eq!(stuck(&world, "{ steps: [{ to: user:alex }] }"), None);
    world.user("ada", &["reviewer"], &[], &[]);
    assert!(stuck(&world, "{ steps: [{ to: user:alex }] }").is_some());
}

/// A world whose route asks the duty first and then the manager of the agent's owner.
fn routed() -> World {
    let route = "
organization: acme
routes:
  pay:
    steps:
      - { to: [\"duty:finance\"], within: 10m }
      - { to: [\"manager_of:owner\"], within: 10m }
    deadline: 1h
";
    let gate = "name: gate\nrules: [{ decision: require_approval, approvers: [pay] }]\n";
    let mut world = world();
    world.done(Command::PutUser(
        Box::new(UserAdded {
            duties: Vec::new(),
            manager: Some("cleo".into()),
            roles: vec!["viewer".into()],
            teams: Vec::new(),
            user: "olga".into(),
            zone: None,
        }),
        None,
        None,
    ));
    world.agent("bot", "user:olga");
    world.policy(&[("gate.yaml", gate), ("org.yaml", route)]);
    world
}

#[test]
fn the_delegate_of_somebody_absent_is_asked_and_decides() {
    let mut world = routed();
    let away = absence(&world, "ben", Some("ada"), 3);
    assert_eq!(world.told("ben", away), "done");
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    let steps = world.view(id).approval.unwrap().steps;
    let countersign_core::view::StepFact::Started(started) = &steps[0].what else {
        unreachable!()
    };
    assert_eq!((started.step, &*started.slots[0].people), (0, &["ada".to_owned()][..]));
    world.vote("ada", id, Verb::Approve, None).unwrap();
    assert_eq!(world.view(id).status, Status::Permitted);
}

#[test]
fn a_step_whose_people_are_all_away_is_passed_over_to_the_manager_of_the_owner() {
    let mut world = routed();
    let away = absence(&world, "ben", None, 3);
    assert_eq!(world.told("ben", away), "done");
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    assert_eq!(world.asked(id), ["cleo"]);
    world.vote("cleo", id, Verb::Approve, None).unwrap();
    assert_eq!(world.view(id).status, Status::Permitted);
}

#[test]
fn the_manager_is_asked_when_the_step_before_lets_its_time_pass() {
    let mut world = routed();
    let id = world.submit("bot", r#"{"action":"pay"}"#).unwrap().decision.action_id;
    assert_eq!(world.asked(id), ["ben"]);
    world.pass(Span::minutes(10));
    assert_eq!(world.asked(id), ["ben", "cleo"]);
}
