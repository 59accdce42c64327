//! Laws of deriving decisions again: what was decided is derived, what was forged is found, what was not kept and read is
//! never taken for fine.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use countersign_core::event::{Scope, Status, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Decision;
use countersign_core::record::{ActorKind, Record};
use countersign_core::replay::{Derivation, Outcome};
use countersign_core::{Command, Event, Span};
use countersign_testkit::{World, by};
use proptest::prelude::*;

const ORGANIZATION: &str = "
organization: acme
currency: USD
default_route: { to: [leads], sla: 10m, deadline: 40m, valid_for: 5m }
";

const MANDATE: &str = "
agent: bound
owner: team:ops
environments: [staging, production]
permissions:
  - { action: pay, allowed: true, max_amount: 500 }
  - { action: mail, allowed: true, where: \"has(args.to) && args.to.endsWith('@example.com')\" }
  - { action: read, allowed: true }
  - { action: delete_record, allowed: false }
data_access:
  - { resource: customer, scope: owned_by_current_user, access: read_write }
  - { resource: notes, scope: all, access: read_only }
escalate_when: [\"has(confidence) && confidence < 0.5\", out_of_scope]
audit: { retention: 7_years, redact: [email, phone], alert_on: [delete_attempt] }
";

const TOOLS: &str = "
tools:
  crm/pay:
    access: write
    schema:
      type: object
      properties:
        card: { type: string }
        n: { type: integer, maximum: 90 }
  crm/read: { class: data, access: read }
";

/// Rules that between them read every part of an action.
const RULES: [&str; 24] = [
    "{ decision: allow }",
    "{ condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"action == 'ship'\", decision: require_approval, evidence_required: true }",
    "{ condition: \"has(args.card) && args.card.startsWith('4')\", decision: deny }",
    "{ condition: \"has(args.card)\", decision: require_approval, approvers: [erin] }",
    "{ condition: \"has(args.n) && args.n > 50\", decision: deny }",
    "{ condition: \"has(args.note) && args.note.contains('card')\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"has(args.list) && args.list.exists(x, x == 'a')\", decision: deny }",
    "{ condition: \"has(args.list) && size(args.list) > 2\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"has(args.list) && args.list == ['a', 'b']\", decision: allow_with_constraints, constraints: { timeout: 9s } }",
    "{ condition: \"has(args.deep.inner) && args.deep.inner == 'x'\", decision: deny }",
    "{ condition: \"has(args.deep) && args.deep.exists(k, k == 'inner')\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"'card' in pii\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"has(env) && env == 'production'\", decision: require_approval, approvers: [dana, erin], quorum: 2 }",
    "{ condition: \"has(principal) && principal.id == 'dana'\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"now.getMinutes() < 30\", decision: allow_with_constraints, constraints: { max_cost: 5.00 } }",
    "{ condition: \"has(agent.identity) && agent.identity == 'verified'\", decision: allow_with_constraints, constraints: { domains: [example.com] } }",
    "{ decision: allow_with_constraints, constraints: { recipients: ['a@example.com'], max_rows: 40 } }",
    "{ condition: \"!has(args.dry_run)\", decision: remediate, remedy: { set: { /args/dry_run: true }, apply: true } }",
    "{ condition: \"has(args.card)\", decision: remediate, remedy: { set: { /args/card: none } } }",
    "{ condition: \"has(args.card)\", decision: remediate, remedy: { remove: [/args/card], apply: true } }",
    "{ condition: \"has(amount) && amount > 100\", decision: require_approval, approvers: [leads] }",
    "{ condition: \"has(args.deep) && args.deep.inner == 'x' || has(args.n)\", decision: deny }",
    "{ condition: \"has(resource) && has(resource.owner) && resource.owner == 'dana'\", decision: deny }",
];

const SELECTORS: [&str; 7] = [
    "",
    "on: [{ action: pay }, { action: mail }]",
    "on: [{ agent: free }]",
    "on: [{ env: 'prod*' }]",
    "on: [{ resource: customer }]",
    "on: [{ tool: 'crm/*' }]",
    "on: [{ class: data }, { action: ship }]",
];

#[derive(Clone, Debug)]
enum Step {
    Submit { agent: u8, body: String, claimed: bool },
    Vote(u8, bool),
    Redeem(u8),
    Pass(u16),
    Kill(u8),
    Release,
    Policy(Vec<(u8, u8)>, bool),
    Register,
}

/// Texts that are kept, and some of which a part or all is not.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "x",
        "4",
        "customer",
        "production",
        "staging",
        "dana",
        "a@example.com",
        "b@other.com",
        "4111111111111111",
        "the card is 4111 1111 1111 1111",
        "sk_live_51H8xQ2eZvKYlo2C0aBcDeFgHiJkLmNoP",
        "123-45-6789",
        "",
    ])
}

fn argument() -> impl Strategy<Value = String> {
    let quoted = || word().prop_map(|word| format!("{word:?}"));
    prop_oneof![
        2 => quoted().prop_map(|word| format!("\"card\":{word}")),
        2 => quoted().prop_map(|word| format!("\"to\":{word}")),
        2 => quoted().prop_map(|word| format!("\"note\":{word}")),
        2 => (0_u64..120).prop_map(|n| format!("\"n\":{n}")),
        1 => Just("\"n\":4111111111111111".to_owned()),
        1 => (0_u64..120).prop_map(|n| format!("\"rows\":{n}.50")),
        2 => prop::collection::vec(quoted(), 0..4).prop_map(|words| format!("\"list\":[{}]", words.join(","))),
        2 => (quoted(), quoted()).prop_map(|(key, word)| format!("\"deep\":{{{}:1,\"inner\":{word}}}", if key == "\"\"" { "\"k\"".into() } else { key })),
        1 => Just("\"dry_run\":true".to_owned()),
    ]
}

fn field() -> impl Strategy<Value = String> {
    let text = || word().prop_filter("a text field is never empty", |word| !word.is_empty());
    prop_oneof![
        2 => text().prop_map(|word| format!("\"env\":{word:?}")),
        2 => text().prop_map(|word| format!("\"principal\":{word:?}")),
        2 => (text(), text()).prop_map(|(kind, owner)| format!("\"resource\":{{\"type\":{kind:?},\"owner\":{owner:?},\"id\":{owner:?}}}")),
        2 => (0_u64..900).prop_map(|n| format!("\"amount\":\"{n}.00\"")),
        1 => Just("\"amount\":\"-1\"".to_owned()),
        1 => (0_u64..9).prop_map(|n| format!("\"estimated_cost\":\"{n}.5\"")),
        1 => prop::sample::select(vec!["3", "4111111111111111"]).prop_map(|n| format!("\"estimated_cost\":{n:?}")),
        1 => (0_u64..10).prop_map(|n| format!("\"confidence\":0.{n}")),
        1 => text().prop_map(|word| format!("\"evidence\":{{\"reason\":{word:?},\"impact\":\"low\"}}")),
        1 => Just("\"accept_remedy\":true".to_owned()),
        1 => prop::sample::select(vec!["crm/pay", "crm/pay", "crm/read", "pay", "PAY", "4111111111111111"])
            .prop_map(|tool| format!("\"tool\":{tool:?}")),
    ]
}

fn body() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec!["pay", "ship", "read", "mail", "delete_record", "update"]);
    let arguments = prop::collection::vec(argument(), 0..4);
    (action, arguments, prop::collection::vec(field(), 0..4)).prop_map(|(action, arguments, fields)| {
        let name = |member: &String| member.split(':').next().unwrap_or_default().to_owned();
        let once = |members: Vec<String>| {
            let mut seen = Vec::new();
            let kept = members.into_iter().filter(|member| {
                let fresh = !seen.contains(&name(member));
                seen.push(name(member));
                fresh
            });
            kept.collect::<Vec<_>>()
        };
        let mut parts = vec![
            format!("\"action\":{action:?}"),
            format!("\"args\":{{{}}}", once(arguments).join(",")),
        ];
        parts.extend(once(fields));
        format!("{{{}}}", parts.join(","))
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<u8>(), body(), prop::bool::weighted(0.2))
            .prop_map(|(agent, body, claimed)| Step::Submit { agent, body, claimed }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(id, yes)| Step::Vote(id, yes)),
        2 => any::<u8>().prop_map(Step::Redeem),
        2 => (0_u16..2000).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => Just(Step::Release),
        3 => (prop::collection::vec((any::<u8>(), any::<u8>()), 0..4), any::<bool>())
            .prop_map(|(rules, organization)| Step::Policy(rules, organization)),
        1 => Just(Step::Register),
    ]
}

fn policy(world: &mut World, rules: &[(u8, u8)], organization: bool) {
    let mut files = vec![
        ("mandate.yaml".to_owned(), MANDATE.to_owned()),
        ("tools.yaml".to_owned(), TOOLS.to_owned()),
    ];
    if organization {
        files.push(("organization.yaml".to_owned(), ORGANIZATION.to_owned()));
    }
    files.push((
        "grant.yaml".to_owned(),
        "name: grant\non: [{ agent: free }]\nrules:\n  - { decision: allow }\n".to_owned(),
    ));
    for (number, (rule, selector)) in rules.iter().enumerate() {
        let rule = RULES[usize::from(*rule) % RULES.len()];
        let selector = SELECTORS[usize::from(*selector) % SELECTORS.len()];
        files.push((
            format!("gate-{number}.yaml"),
            format!("name: gate-{number}\n{selector}\nrules:\n  - {rule}\n"),
        ));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    world.policy(&files);
}

fn play(steps: &[Step]) -> World {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &["leads"], &[]);
    world.user("erin", &["reviewer"], &["leads"], &[]);
    world.agent("bound", "user:erin");
    world.agent("free", "team:ops");
    policy(&mut world, &[(0, 0)], true);
    let mut ids: Vec<ActionId> = Vec::new();
    let pick = |ids: &[ActionId], n: u8| ids.get(usize::from(n) % ids.len().max(1)).copied();
    for step in steps {
        match step {
            Step::Submit { agent, body, claimed } => {
                let agent = ["free", "bound", "free", "bound", "free", "free", "free", "ghost"][usize::from(agent % 8)];
                let Ok(mut submit) = world.submission(agent, body) else {
                    continue;
                };
                submit.verified = !claimed;
                let mut actor = by(ActorKind::Agent, agent);
                actor.verified = !claimed;
                for record in world.give(actor, Command::Submit(Box::new(submit))).1 {
                    if let Event::DecisionMade(made) = &record.event {
                        ids.push(made.action_id);
                    }
                }
            }
            Step::Vote(id, yes) => {
                if let Some(id) = pick(&ids, *id).filter(|id| world.view(*id).approval.is_some()) {
                    let verb = if *yes { Verb::Approve } else { Verb::Reject };
                    drop(world.vote("dana", id, verb, Some("because")));
                }
            }
            Step::Redeem(id) => drop(pick(&ids, *id).map(|id| world.redeem(id))),
            Step::Pass(seconds) => world.pass(Span::seconds(i64::from(*seconds))),
            Step::Kill(which) => {
                let scopes = [
                    Scope::Organization,
                    Scope::Agent("free".into()),
                    Scope::Tool("pay".into()),
                ];
                let scope = scopes[usize::from(which % 3)].clone();
                world.done(Command::Kill { scope, reason: None });
            }
            Step::Release => {
                for scope in world.state.kills().map(|kill| kill.scope.clone()).collect::<Vec<_>>() {
                    drop(world.give(by(ActorKind::User, "alex"), Command::Release { scope, reason: None }));
                }
            }
            Step::Policy(rules, organization) => policy(&mut world, rules, *organization),
            Step::Register => world.agent("ghost", "team:ops"),
        }
    }
    world
}

fn record_at(world: &World, derivation: &Derivation) -> Record {
    world.records[usize::try_from(derivation.index).unwrap()].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

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
fn a_name_that_was_not_kept_leaves_nothing_to_derive() {
    let gate = "name: gate\nrules:\n  - { decision: allow }\n";
    assert_eq!(
        gaps_of(&[("gate.yaml", gate)], "bot", r#""tool":"CARD""#).as_deref(),
        Some("tool")
    );
    assert_eq!(
        gaps_of(&[("gate.yaml", gate)], "bot", r#""estimated_cost":"CARD""#).as_deref(),
        Some("estimated_cost")
    );
}
