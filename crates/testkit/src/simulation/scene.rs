//! Who and what a simulated organization has: people, agents, policies, and what no policy may permit.

use std::sync::{Arc, OnceLock};

use countersign_core::event::DecisionMade;
use countersign_core::policy::Snapshot;

/// Rules that all variants share: constraints, evidence, two people, a remedy, a denial, a route, what costs money.
const COMMON: &str = r#"
name: gate
on: [{ action: read }, { action: cap }, { action: pay }, { action: wire }, { action: ship }, { action: purge }, { action: drop }, { action: ladder },
     { action: spend }, { action: order }]
rules:
  - { condition: "action == 'cap'", decision: allow_with_constraints, constraints: { max_cost: "5 USD", timeout: 60s } }
  - { condition: "action == 'wire'", decision: require_approval, approvers: [leads], quorum: 2 }
  - { condition: "action == 'ship'", decision: require_approval, evidence_required: true }
  - condition: "action == 'purge' && !(has(args.dry_run) && args.dry_run == true)"
    decision: remediate
    remedy: { set: { /args/dry_run: true }, apply: true }
  - { condition: "action == 'purge' && has(args.dry_run) && args.dry_run == true", decision: allow }
  - { condition: "action == 'drop'", decision: deny }
  - { condition: "action == 'ladder'", decision: require_approval, approvers: [ladder] }
  - { condition: "action == 'spend'", decision: allow }
  - { condition: "action == 'order'", decision: require_approval, approvers: [leads] }
"#;

/// What the variants say of reading and of paying.
const VARIANTS: [(&str, &[&str]); 3] = [
    (
        r#"  - { condition: "action == 'read'", decision: allow }
  - { condition: "action == 'pay'", decision: require_approval, approvers: [leads] }
"#,
        &["read", "cap", "purge", "spend", "helper"],
    ),
    (
        r#"  - { condition: "action == 'read'", decision: allow }
  - { condition: "action == 'pay'", decision: allow }
"#,
        &["read", "cap", "purge", "pay", "spend", "helper"],
    ),
    (
        r#"  - { condition: "action == 'read'", decision: require_approval, approvers: [user:dana, user:erin], require: all }
  - { condition: "action == 'pay'", decision: deny }
"#,
        &["cap", "purge", "spend", "helper"],
    ),
];

const ORGANIZATION: &str = "
organization: acme
default_route: { to: [alex], sla: 1m, deadline: 5m, valid_for: 2m }
teams: [leads, others]
two_person: auto
routes:
  ladder:
    steps:
      - { to: [leads], within: 40s }
      - { to: [user:finn, user:ada], within: 60s }
      - { to: [leads, user:finn], within: 30s, repeat: 1 }
    sla: 30s
    deadline: 4m
    remind_before: 20s
    on_exhausted: hold
";

/// Accounts small enough that agents compete for them.
const BUDGETS: &str = "
budgets:
  - { name: run, action: spend, per: task, limit: 6.00 USD }
  - { name: day, action: spend, per: day, limit: 14.00 USD }
  - { name: orders, action: order, per: week, of: organization, limit: 9.00 USD }
";

const TOOLS: &str = "
tools:
  cap: { class: reporting, risk: R1, access: read }
  spend: { class: spending, risk: R1, access: write }
";

/// One agent that calls another, which does nothing unless it is called.
const MANDATES: [(&str, &str); 2] = [
    (
        "triage.yaml",
        "
agent: triage
delegation: { may_call: [helper], depth: 1 }
permissions: [{ action: read, allowed: true }, { action: spend, allowed: true }]
",
    ),
    (
        "helper.yaml",
        "
agent: helper
delegation: { may_be_called_by: [triage], only_called: true }
permissions: [{ action: read, allowed: true }, { action: spend, allowed: true }]
",
    ),
];

/// Every operation that agents ask for. The last is unknown to every policy.
pub const ACTIONS: [&str; 11] = [
    "read", "cap", "pay", "wire", "ship", "purge", "ladder", "spend", "order", "drop", "fly",
];

/// People: id, permission roles, teams.
pub const PEOPLE: [(&str, &[&str], &[&str]); 4] = [
    ("ada", &["admin"], &[]),
    ("dana", &["reviewer"], &["leads"]),
    ("erin", &["reviewer"], &["leads"]),
    ("finn", &["reviewer"], &["others"]),
];

/// The first admin, who comes with the organization.
pub const FOUNDER: &str = "alex";
/// Agents with their owners and teams; the second belongs to a person who may decide, the third calls the fourth.
pub const AGENTS: [(&str, &str, Option<&str>); 4] = [
    ("bot", "team:ops", None),
    ("clerk", "user:dana", Some("desk")),
    ("triage", "team:ops", Some("desk")),
    ("helper", "team:ops", None),
];

/// A variant of the policy: its files, its hash, and what it permits without asking people.
pub struct Variant {
    /// Names and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// `sha256:…`.
    pub hash: Arc<str>,
    permits: &'static [&'static str],
}

/// The variants of the policy.
pub fn variants() -> &'static [Variant] {
    static VARIANTS_LOADED: OnceLock<Vec<Variant>> = OnceLock::new();
    VARIANTS_LOADED.get_or_init(|| {
        VARIANTS
            .iter()
            .map(|(rules, permits)| variant(rules, permits))
            .collect()
    })
}

fn variant(rules: &str, permits: &'static [&'static str]) -> Variant {
    let files = vec![
        ("gate.yaml".to_owned(), format!("{COMMON}{rules}").into_bytes()),
        ("organization.yaml".to_owned(), ORGANIZATION.as_bytes().to_vec()),
        ("budgets.yaml".to_owned(), BUDGETS.as_bytes().to_vec()),
        ("tools.yaml".to_owned(), TOOLS.as_bytes().to_vec()),
    ];
    let mandates = MANDATES.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let files = Vec::from_iter(files.into_iter().chain(mandates));
    let (snapshot, _) = Snapshot::load(&files).unwrap_or_else(|problems| panic!("policy: {problems:#?}"));
    Variant {
        files,
        hash: snapshot.hash_text().into(),
        permits,
    }
}

/// Whether the policy of this snapshot permits an action without asking people: said here once more, apart from the
/// engine's evaluation.
pub fn may_permit(snapshot: Option<&str>, decision: &DecisionMade) -> bool {
    let variant = variants().iter().find(|variant| Some(&*variant.hash) == snapshot);
    variant.is_some_and(|variant| variant.permits.contains(&decision.action.as_str()))
}
