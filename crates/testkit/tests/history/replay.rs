//! Laws of deriving decisions again: what was decided is derived, what was forged is found, what was not kept and read is
//! never taken for fine.

use countersign_core::Event;
use countersign_core::digest::{hex, salted_action_digest};
use countersign_core::event::{OutcomeStatus, Status};
use countersign_core::policy::Decision;
use countersign_core::record::{Payload, Record};
use countersign_core::replay::{Derivation, Outcome};
use countersign_core::stored::{stored_action, stored_alternative, stored_salt};
use countersign_testkit::{ORIGIN, World};
use proptest::prelude::*;

use crate::steps::{play, step};

fn record_at(world: &World, derivation: &Derivation) -> Record {
    world.records[usize::try_from(derivation.index).unwrap()].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_decision_of_a_random_history_is_derived_again_or_read_what_was_not_kept(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let world = play(&steps);
        let derived = world.derived();
        let decisions = world.records.iter().filter(|record| matches!(record.event, Event::DecisionMade(_)));
        prop_assert_eq!(derived.iter().filter(|one| one.kind == "decision.made").count(), decisions.count());
        for one in &derived {
            let record = record_at(&world, one);
            match &one.outcome {
                Outcome::Agrees => {}
                Outcome::NotDerivable(gaps) => prop_assert!(
                    !record.redact.is_empty() || gaps.iter().all(|gap| gap.field == "decision"),
                    "all of it was kept: {one:?}"
                ),
                Outcome::Differs { .. } => prop_assert!(false, "{one:#?}\n{record:#?}"),
            }
        }
    }

    #[test]
    fn without_payloads_nothing_is_taken_for_derived_that_read_its_action(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let world = play(&steps);
        for one in world.derived_from(&world.records, |_| None) {
            let record = record_at(&world, &one);
            let Event::DecisionMade(made) = &record.event else { continue };
            match &one.outcome {
                Outcome::NotDerivable(gaps) => prop_assert!(gaps.iter().any(|gap| gap.field == "payload")),
                Outcome::Agrees => prop_assert!(
                    made.reasons[0].rule == "kill_switch" || made.facts.standing != "active", "{one:?}"
                ),
                Outcome::Differs { .. } => prop_assert!(false, "{one:#?}"),
            }
        }
    }

    #[test]
    fn a_decision_that_was_changed_is_never_taken_for_derived(
        steps in prop::collection::vec(step(), 1..30), which in any::<prop::sample::Index>(), how in 0_u8..6,
    ) {
        let world = play(&steps);
        let places: Vec<usize> = (0..world.records.len())
            .filter(|place| matches!(world.records[*place].event, Event::DecisionMade(_)))
            .collect();
        prop_assume!(!places.is_empty());
        let place = *which.get(&places);
        let mut records = world.records.clone();
        let Event::DecisionMade(made) = &mut records[place].event else { unreachable!() };
        match how {
            0 => made.decision = if made.decision == Decision::Deny { Decision::Allow } else { Decision::Deny },
            1 => made.status = if made.status == Status::Refused { Status::Permitted } else { Status::Refused },
            2 => { made.constraints.insert("max_calls".into(), countersign_policy::verdict::ConstraintValue::Text("9".into())); }
            3 => made.facts.standing = if made.facts.standing == "active" { "quarantined".into() } else { "active".into() },
            4 => made.reasons[0].rule.push('x'),
            _ => made.amount = Some("7".into()),
        }
        let derived = world.derived_from(&records, |seq| world.payload(seq).cloned());
        let one = derived.iter().find(|one| one.index == records[place].seq && one.kind == "decision.made").unwrap();
        prop_assert!(one.outcome != Outcome::Agrees, "{one:?}");
    }
}

#[test]
fn a_condition_on_what_was_not_kept_is_not_derivable_and_one_beside_it_is() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[(
        "gate.yaml",
        "name: gate\nrules:\n  - { condition: \"action == 'look'\", decision: allow }\n  \
         - { condition: \"action == 'charge' && args.card.startsWith('4')\", decision: allow }\n",
    )]);
    let beside = world
        .submit("bot", r#"{"action":"look","args":{"card":"4111111111111111"}}"#)
        .unwrap();
    let reads = world
        .submit("bot", r#"{"action":"charge","args":{"card":"4111111111111111"}}"#)
        .unwrap();
    assert_eq!(
        (beside.decision.decision, reads.decision.decision),
        (Decision::Allow, Decision::Allow)
    );
    let derived = world.derived();
    assert_eq!(derived[0].outcome, Outcome::Agrees);
    let Outcome::NotDerivable(gaps) = &derived[1].outcome else {
        panic!("{derived:#?}")
    };
    assert_eq!(gaps[0].field, "args.card");
}

#[test]
fn a_request_to_people_that_policy_does_not_ask_for_or_that_is_missing_is_found() {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.agent("bot", "team:ops");
    world.policy(&[(
        "gate.yaml",
        "name: gate\nrules:\n  - { decision: require_approval, approvers: [leads], quorum: 1 }\n",
    )]);
    world.submit("bot", r#"{"action":"pay"}"#).unwrap();
    assert!(world.derived().iter().all(|one| one.outcome == Outcome::Agrees));
    let place = world
        .records
        .iter()
        .position(|record| matches!(record.event, Event::ApprovalOpened(_)))
        .unwrap();

    let mut easier = world.records.clone();
    let Event::ApprovalOpened(opened) = &mut easier[place].event else {
        unreachable!()
    };
    opened.slots[0].names = vec!["alex".into()];
    let derived = world.derived_from(&easier, |seq| world.payload(seq).cloned());
    let Outcome::Differs { differences, rule } = &derived[1].outcome else {
        panic!("{derived:#?}")
    };
    assert_eq!(
        (differences[0].what.as_str(), rule.as_str()),
        ("approval.opened: slots", "gate#rules[0]")
    );

    let mut without = world.records.clone();
    without.truncate(place);
    let derived = world.derived_from(&without, |seq| world.payload(seq).cloned());
    assert!(matches!(derived[1].outcome, Outcome::Differs { .. }), "{derived:#?}");
}

/// A card number, which is never kept.
const CARD: &str = "4111111111111111";

/// A rule or mandate, an action with a card number in it, and the field that is read; none where nothing hidden is read.
const PLACES: [(&str, &str, Option<&str>); 26] = [
    // Conditions.
    (
        "{ condition: \"has(args.card) && args.card == 'x'\", decision: deny }",
        r#""args":{"card":"CARD"}"#,
        Some("args.card"),
    ),
    (
        "{ condition: \"has(args.card)\", decision: deny }",
        r#""args":{"card":"CARD"}"#,
        None,
    ),
    (
        "{ condition: \"has(args.card.last4)\", decision: deny }",
        r#""args":{"card":"CARD"}"#,
        Some("args.card"),
    ),
    (
        "{ condition: \"has(args.n) && args.n > 5\", decision: deny }",
        r#""args":{"n":CARD}"#,
        Some("args.n"),
    ),
    (
        "{ condition: \"has(args.list) && 'a' in args.list\", decision: deny }",
        r#""args":{"list":["b","CARD"]}"#,
        Some("args.list"),
    ),
    (
        "{ condition: \"has(args.list) && size(args.list) > 1\", decision: deny }",
        r#""args":{"list":["b","CARD"]}"#,
        None,
    ),
    (
        "{ condition: \"has(args.map) && has(args.map.a)\", decision: deny }",
        r#""args":{"map":{"CARD":1}}"#,
        Some("args.map"),
    ),
    (
        "{ condition: \"has(args.map) && args.map.exists(k, k == 'a')\", decision: deny }",
        r#""args":{"map":{"CARD":1}}"#,
        Some("args.map"),
    ),
    (
        "{ condition: \"has(args.map) && 'a' in args.map\", decision: deny }",
        r#""args":{"map":{"CARD":1}}"#,
        Some("args.map"),
    ),
    (
        "{ condition: \"has(args.list) && args.list.map(x, x)[0] == 'a'\", decision: deny }",
        r#""args":{"list":["CARD"]}"#,
        Some("a member of an operand"),
    ),
    (
        "{ condition: \"has(args.a) && has(args.b) && args.a == args.b\", decision: deny }",
        r#""args":{"a":{"x":"CARD"},"b":{"x":"CARD"}}"#,
        Some("args.a"),
    ),
    (
        "{ condition: \"has(run) && run.id == 'r'\", decision: deny }",
        r#""run":"CARD""#,
        Some("run.id"),
    ),
    (
        "{ condition: \"has(args.list) && args.list[0].size() > 3\", decision: deny }",
        r#""args":{"list":["CARD"]}"#,
        Some("a member of args.list"),
    ),
    // Constraints.
    (
        "{ decision: allow_with_constraints, constraints: { recipients: [a] } }",
        r#""args":{"to":"CARD"}"#,
        Some("args.to"),
    ),
    (
        "{ decision: allow_with_constraints, constraints: { domains: [a.com] } }",
        r#""args":{"url":"https://a.com/CARD"}"#,
        Some("args.url"),
    ),
    (
        "{ decision: allow_with_constraints, constraints: { max_rows: 5 } }",
        r#""args":{"rows":CARD}"#,
        Some("args.rows"),
    ),
    (
        "{ decision: allow_with_constraints, constraints: { environments: [a] } }",
        r#""env":"CARD""#,
        Some("env"),
    ),
    (
        "{ decision: allow_with_constraints, constraints: { timeout: 5s } }",
        r#""args":{"to":"CARD"},"env":"CARD""#,
        None,
    ),
    // Remedies.
    (
        "{ decision: remediate, remedy: { set: { /args/card: none } } }",
        r#""args":{"card":"CARD"}"#,
        Some("args.card"),
    ),
    (
        "{ decision: remediate, remedy: { set: { /args/card/x: none } } }",
        r#""args":{"card":"CARD"}"#,
        Some("args.card.x"),
    ),
    (
        "{ decision: remediate, remedy: { remove: [/args/card], apply: true } }",
        r#""args":{"card":"CARD"},"accept_remedy":true"#,
        None,
    ),
    (
        "{ decision: remediate, remedy: { set: { /env: a } } }",
        r#""env":"CARD""#,
        Some("env"),
    ),
    (
        "{ decision: remediate, remedy: { set: { /resource/owner: a } } }",
        r#""resource":{"owner":"CARD"}"#,
        Some("resource.owner"),
    ),
    (
        "{ decision: remediate, remedy: { set: { /labels/a: b } } }",
        r#""labels":{"a":"CARD"}"#,
        Some("labels.a"),
    ),
    // What nobody reads.
    (
        "{ decision: allow }",
        r#""args":{"card":"CARD"},"evidence":{"reason":"CARD"},"labels":{"x":"CARD"},"env":"CARD""#,
        None,
    ),
    (
        "{ decision: require_approval, evidence_required: true }",
        r#""evidence":{"reason":"CARD"}"#,
        None,
    ),
];

fn gaps_of(files: &[(&str, &str)], agent: &str, members: &str) -> Option<String> {
    let mut world = World::new();
    world.agent(agent, "team:ops");
    world.policy(files);
    let body = format!("{{\"action\":\"read\",{}}}", members.replace("CARD", CARD));
    world
        .submit(agent, &body)
        .unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"));
    match &world.derived()[0].outcome {
        Outcome::Agrees => None,
        Outcome::NotDerivable(gaps) => Some(gaps[0].field.clone()),
        Outcome::Differs { differences, .. } => panic!("{body}: {differences:#?}"),
    }
}

#[test]
fn whatever_a_decision_reads_is_noted_and_nothing_else() {
    for (rule, members, field) in PLACES {
        let gate = format!("name: gate\nrules:\n  - {rule}\n");
        assert_eq!(
            gaps_of(&[("gate.yaml", &gate)], "bot", members).as_deref(),
            field,
            "{rule}"
        );
    }
}

#[test]
fn selectors_mandates_and_schemas_note_what_they_read() {
    let gate = |on: &str| format!("name: gate\non: [{on}]\nrules:\n  - {{ decision: allow }}\n");
    for (on, members, field) in [
        ("{ env: a }", r#""env":"CARD""#, Some("env")),
        ("{ action: other, env: a }", r#""env":"CARD""#, None),
        (
            "{ resource: a }",
            r#""resource":{"type":"CARD"}"#,
            Some("resource.type"),
        ),
    ] {
        assert_eq!(
            gaps_of(&[("gate.yaml", &gate(on))], "bot", members).as_deref(),
            field,
            "{on}"
        );
    }
    let owned = "data_access: [{ resource: customer, scope: owned_by_current_user, access: read_write }]";
    for (more, members, field) in [
        ("environments: [a]", r#""env":"CARD""#, Some("env")),
        (
            "permissions: [{ action: read, allowed: true }]",
            r#""env":"CARD""#,
            None,
        ),
        (owned, r#""resource":{"type":"CARD"}"#, Some("resource.type")),
        (
            owned,
            r#""principal":"CARD","resource":{"type":"customer","owner":"a"}"#,
            Some("principal"),
        ),
        (
            owned,
            r#""principal":"a","resource":{"type":"customer","owner":"CARD"}"#,
            Some("resource.owner"),
        ),
        (owned, r#""resource":{"type":"customer","owner":"CARD"}"#, None),
    ] {
        let mandate = format!("agent: bot\nowner: team:ops\n{more}\n");
        assert_eq!(
            gaps_of(&[("m.yaml", &mandate)], "bot", members).as_deref(),
            field,
            "{more}"
        );
    }
    for (schema, members, field) in [
        (
            "{ type: object, properties: { card: { maxLength: 4 } } }",
            r#""args":{"card":"CARD"}"#,
            Some("args.card"),
        ),
        (
            "{ type: object, properties: { card: { enum: [a] } } }",
            r#""args":{"card":"CARD"}"#,
            Some("args.card"),
        ),
        (
            "{ type: object, additionalProperties: false }",
            r#""args":{"CARD":1}"#,
            Some("args"),
        ),
        ("{ type: object, required: [card] }", r#""args":{"card":"CARD"}"#, None),
        (
            "{ type: object, properties: { other: { type: string } } }",
            r#""args":{"card":"CARD"}"#,
            None,
        ),
    ] {
        let tools = format!("tools:\n  read:\n    schema: {schema}\n");
        assert_eq!(
            gaps_of(&[("tools.yaml", &tools)], "bot", members).as_deref(),
            field,
            "{schema}"
        );
    }
}

#[test]
fn a_name_or_number_that_was_not_kept_leaves_nothing_to_derive() {
    let gate = "name: gate\nrules:\n  - { decision: allow }\n";
    assert_eq!(
        gaps_of(&[("gate.yaml", gate)], "bot", r#""tool":"CARD""#).as_deref(),
        Some("tool")
    );
    assert_eq!(
        gaps_of(&[("gate.yaml", gate)], "bot", r#""estimated_cost":"CARD""#).as_deref(),
        Some("estimated_cost")
    );
    assert_eq!(
        gaps_of(&[("gate.yaml", gate)], "bot", r#""amount":"CARD""#).as_deref(),
        Some("amount")
    );
}

#[test]
fn without_the_live_policy_everything_is_denied_and_the_record_says_why() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", "name: gate\nrules:\n  - { decision: allow }\n")]);
    world.without_policy = true;
    let denied = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision;
    assert_eq!(
        (denied.decision, denied.reasons[0].rule.as_str()),
        (Decision::Deny, "no_policy")
    );
    assert!(denied.facts.policy_unavailable && denied.permit.is_none());
    assert_eq!(world.derived()[0].outcome, Outcome::Agrees);

    // A record that does not say that its policy could not be had is not taken at its word.
    let mut records = world.records.clone();
    let place = records
        .iter()
        .position(|record| matches!(record.event, Event::DecisionMade(_)))
        .unwrap();
    let Event::DecisionMade(made) = &mut records[place].event else {
        unreachable!()
    };
    made.facts.policy_unavailable = false;
    let derived = world.derived_from(&records, |seq| world.payload(seq).cloned());
    assert!(
        matches!(&derived[0].outcome, Outcome::NotDerivable(gaps) if gaps[0].field == "snapshot"),
        "{derived:#?}"
    );
}

#[test]
fn an_amount_whose_digits_must_not_be_kept_is_not_in_the_record() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", "name: gate\nrules:\n  - { decision: allow }\n")]);
    let body = format!("{{\"action\":\"pay\",\"amount\":\"{CARD}\"}}");
    let id = world.submit("bot", &body).unwrap().decision.action_id;
    world.redeem(id).unwrap();
    world.report(id, OutcomeStatus::Succeeded, Some(CARD)).unwrap();
    for record in &world.records {
        let text = String::from_utf8(record.encode(ORIGIN).unwrap()).unwrap();
        assert!(!text.contains(CARD), "{text}");
    }
}

/// A policy whose gate puts a safer action in the place of another.
const SAFER: &str = "name: gate\nrules:\n  - { condition: \"action == 'delete'\", decision: remediate, \
                     remedy: { set: { /action: archive }, apply: true } }\n  - { decision: allow }\n";

#[test]
fn the_salt_of_a_digest_is_in_the_payload_alone_and_reproduces_the_digest_of_what_may_run() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", SAFER)]);
    for body in [
        r#"{"action":"look","args":{"order":"4521"}}"#,
        r#"{"action":"delete","accept_remedy":true}"#,
        r#"{"action":"delete"}"#,
    ] {
        let view = world.submit("bot", body).unwrap();
        let payload = world.payload(view.seq).unwrap();
        let salt = stored_salt(&payload.body).unwrap();
        let line = serde_json::to_string(&view.decision).unwrap();
        assert!(!line.contains("salt") && !line.contains(&hex(&salt)), "{line}");
        let (digest, action) = match &view.decision.remedy {
            Some(remedy) if remedy.applied => (remedy.digest, stored_alternative(&payload.body)),
            Some(_) | None => (view.decision.digest, stored_action(&payload.body)),
        };
        assert_eq!(salted_action_digest(&salt, "acme", "bot", &action.unwrap()), digest);
    }
    for one in world.derived() {
        assert_eq!(one.outcome, Outcome::Agrees, "{one:#?}");
    }
}

/// The records and payloads of a world as version 0.1 wrote them: the salt in the record.
fn as_of_old(world: &World) -> (Vec<Record>, Vec<Option<Payload>>) {
    let (mut records, mut payloads) = (world.records.clone(), Vec::new());
    for record in &mut records {
        let mut payload = world.payload(record.seq).cloned();
        if let (Event::DecisionMade(made), Some(payload)) = (&mut record.event, &mut payload) {
            made.salt = stored_salt(&payload.body).map(|salt| hex(&salt));
            let mut form: serde_json::Value = serde_json::from_slice(&payload.body).unwrap();
            form.as_object_mut().unwrap().remove("salt").unwrap();
            payload.body = countersign_tlog::canonical_json(&form).unwrap();
            record.payload = Some(payload.commitment());
        }
        payloads.push(payload);
    }
    (records, payloads)
}

#[test]
fn decisions_of_an_earlier_version_are_derived_with_the_salt_in_their_records() {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[("gate.yaml", SAFER)]);
    world.submit("bot", r#"{"action":"look"}"#).unwrap();
    world
        .submit("bot", r#"{"action":"delete","accept_remedy":true}"#)
        .unwrap();
    let (mut records, payloads) = as_of_old(&world);
    let at = |seq: u64| payloads[usize::try_from(seq).unwrap()].clone();
    let derived = world.derived_from(&records, at);
    assert_eq!(derived.len(), 2);
    assert!(derived.iter().all(|one| one.outcome == Outcome::Agrees), "{derived:#?}");

    let place = usize::try_from(derived[0].index).unwrap();
    let Event::DecisionMade(made) = &mut records[place].event else {
        unreachable!()
    };
    made.salt = Some("00".repeat(16));
    let derived = world.derived_from(&records, at);
    assert!(matches!(derived[0].outcome, Outcome::Differs { .. }), "{derived:#?}");
    let Event::DecisionMade(made) = &mut records[place].event else {
        unreachable!()
    };
    made.salt = None;
    let derived = world.derived_from(&records, at);
    let Outcome::NotDerivable(gaps) = &derived[0].outcome else {
        panic!("{derived:#?}")
    };
    assert_eq!(gaps[0].field, "digest");
}
