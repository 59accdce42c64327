//! Random histories of one organization: policies that between them read every part of an action, actions with values that
//! are not kept, people, permits, switches.

use std::sync::Arc;

use countersign_core::command::TryCandidate;
use countersign_core::event::{Bands, Canary, Scope, ShareOf, Verb};
use countersign_core::ids::ActionId;
use countersign_core::policy::Value;
use countersign_core::record::ActorKind;
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
    "{ condition: \"action == 'pay'\", decision: require_approval, approvers: [leads], editable: [/amount, /args/n] }",
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
pub enum Step {
    Submit {
        agent: u8,
        body: String,
        claimed: bool,
    },
    Vote(u8, bool),
    Change(u8, u8),
    Redeem(u8),
    Credential(u8),
    Give(u8),
    Pass(u16),
    Kill(u8),
    Release,
    Policy(Vec<(u8, u8)>, bool),
    /// Another policy is tried, in the shadow or for a share.
    Try(Vec<(u8, u8)>, u16),
    Withdraw,
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
        1 => prop::sample::select(vec!["-1", "4111111111111111"]).prop_map(|n| format!("\"amount\":{n:?}")),
        1 => (0_u64..9).prop_map(|n| format!("\"estimated_cost\":\"{n}.5\"")),
        1 => prop::sample::select(vec!["3", "4111111111111111"]).prop_map(|n| format!("\"estimated_cost\":{n:?}")),
        1 => (0_u64..10).prop_map(|n| format!("\"confidence\":0.{n}")),
        1 => text().prop_map(|word| format!("\"evidence\":{{\"reason\":{word:?},\"impact\":\"low\"}}")),
        1 => Just("\"accept_remedy\":true".to_owned()),
        1 => prop::sample::select(vec!["crm/pay", "crm/pay", "crm/read", "pay", "PAY", "4111111111111111"])
            .prop_map(|tool| format!("\"tool\":{tool:?}")),
    ]
}

pub fn body() -> impl Strategy<Value = String> {
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

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<u8>(), body(), prop::bool::weighted(0.2))
            .prop_map(|(agent, body, claimed)| Step::Submit { agent, body, claimed }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(id, yes)| Step::Vote(id, yes)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(id, what)| Step::Change(id, what)),
        2 => any::<u8>().prop_map(Step::Redeem),
        1 => any::<u8>().prop_map(Step::Credential),
        2 => any::<u8>().prop_map(Step::Give),
        2 => (0_u16..2000).prop_map(Step::Pass),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => Just(Step::Release),
        3 => (prop::collection::vec((any::<u8>(), any::<u8>()), 0..4), any::<bool>())
            .prop_map(|(rules, organization)| Step::Policy(rules, organization)),
        2 => (prop::collection::vec((any::<u8>(), any::<u8>()), 0..4), 0_u16..1200)
            .prop_map(|(rules, share)| Step::Try(rules, share)),
        1 => Just(Step::Withdraw),
        1 => Just(Step::Register),
    ]
}

fn policy(world: &mut World, rules: &[(u8, u8)], organization: bool) {
    let hash = uploaded(world, rules, organization);
    world.done(Command::ActivateSnapshot { hash, rationale: None });
}

/// Tries a policy: beyond a thousand thousandths in the shadow.
fn try_policy(world: &mut World, rules: &[(u8, u8)], share: u16) {
    let bands = Bands {
        after: 3,
        asked: 200,
        denied: 200,
        erred: 0,
    };
    let canary = (1..=1000).contains(&share).then(|| Canary {
        bands,
        of: if share.is_multiple_of(2) {
            ShareOf::Agents
        } else {
            ShareOf::Runs
        },
        permille: u32::from(share),
    });
    let hash = uploaded(world, rules, true);
    let wanted = TryCandidate {
        hash,
        canary,
        rationale: None,
    };
    drop(world.give(by(ActorKind::User, "alex"), Command::TryCandidate(Box::new(wanted))));
}

fn uploaded(world: &mut World, rules: &[(u8, u8)], organization: bool) -> Arc<str> {
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
    world.upload(&files)
}

/// Less is made of an action by a reviewer, or something else is wanted by its agent.
fn change(world: &mut World, id: ActionId, what: u8) {
    let number = i64::from(what / 2);
    if what.is_multiple_of(2) {
        let place = if number % 3 == 0 { "/args/n" } else { "/amount" };
        let value = Value::Number(number.into());
        drop(world.edit("dana", id, &[(place.to_owned(), Some(value))].into()));
    } else {
        let fields = [
            ("amount".to_owned(), Value::from(number.to_string())),
            (
                "args".to_owned(),
                Value::Map([("n".to_owned(), Value::Number(number.into()))].into()),
            ),
        ];
        drop(world.revise(id, &fields.into()));
    }
}

pub fn play(steps: &[Step]) -> World {
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
            Step::Change(id, what) => {
                if let Some(id) = pick(&ids, *id).filter(|id| world.view(*id).approval.is_some()) {
                    change(&mut world, id, *what);
                }
            }
            Step::Redeem(id) => drop(pick(&ids, *id).map(|id| world.redeem(id))),
            Step::Credential(which) => match which % 4 {
                0 => drop(world.give(by(ActorKind::User, "alex"), Command::RemoveCredential("one".into()))),
                1 => drop(world.store_credential("other", &["crm/*", "pay"], &[], &["free"])),
                _ => drop(world.store_credential("one", &["*"], &[], &[])),
            },
            // Used, and asked for: else hardly any permit is still good when it is.
            Step::Give(id) => {
                if let Some(id) = pick(&ids, *id) {
                    if id.0 % 3 != 0 {
                        drop(world.redeem(id));
                    }
                    drop(world.release_credential(id, Some("one")));
                }
            }
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
            Step::Try(rules, share) => try_policy(&mut world, rules, *share),
            Step::Withdraw => drop(world.give(by(ActorKind::User, "alex"), Command::WithdrawCandidate(None))),
            Step::Register => world.agent("ghost", "team:ops"),
        }
    }
    world
}
