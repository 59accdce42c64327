//! Agents that act for one another: what a chain gets is never more than what any agent in it would get alone.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod bundle;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_policy::verdict::ConstraintValue;
use countersign_policy::{Action, Context, Decimal, Decision, Member, Snapshot, Standing, Value, Verdict};
use proptest::prelude::*;

use bundle::load;

const AGENTS: [&str; 4] = ["a", "b", "c", "d"];
const ACTIONS: [&str; 3] = ["read", "pay", "mail"];

fn action(name: &str, amount: i64) -> Action {
    Action {
        amount: Some(Decimal::from(amount)),
        ..Action::of(name)
    }
}

fn decide(snapshot: &Snapshot, chain: &[&str], agent: &str, action: &Action) -> Verdict {
    let value = |id: &str| Value::Map(BTreeMap::from([("id".to_owned(), Value::from(id))]));
    let values: Vec<Value> = chain.iter().map(|id| value(id)).collect();
    let members = chain.iter().zip(&values).map(|(id, agent)| Member {
        id,
        standing: Standing::Active,
        agent,
    });
    let members: Vec<Member<'_>> = members.collect();
    let agent_value = value(agent);
    let ctx = Context {
        chain: &members,
        ..Context::bare(agent, &agent_value)
    };
    snapshot.evaluate(action, &ctx)
}

/// One permission: for which action, whether it is granted, up to which amount, within which cost, and who looks.
type Permission = (usize, bool, Option<u8>, Option<u8>, Option<bool>);

fn permissions() -> impl Strategy<Value = Vec<Permission>> {
    let bound = || proptest::option::of(1..9u8);
    let look = proptest::option::of(any::<bool>());
    let one = (0..ACTIONS.len(), prop::bool::weighted(0.8), bound(), bound(), look);
    proptest::collection::vec(one, 1..4)
}

/// A mandate that may hand anything on.
fn mandate(agent: &str, permissions: &[Permission]) -> String {
    let mut text = format!("agent: {agent}\ndelegation: {{ may_call: ['*'], depth: 8 }}\npermissions:\n");
    for (action, allowed, most, cost, look) in permissions {
        write!(text, "  - {{ action: {}, allowed: {allowed}", ACTIONS[*action]).unwrap();
        if let Some(most) = most.filter(|_| *allowed) {
            write!(text, ", max_amount: {most}").unwrap();
        }
        if let Some(cost) = cost.filter(|_| *allowed) {
            write!(text, ", constraints: {{ max_cost: {cost}.00 }}").unwrap();
        }
        if let Some(first) = look.filter(|_| *allowed) {
            let team = if first { "leads" } else { "board" };
            write!(text, ", requires_review: true, approvers: [{team}]").unwrap();
        }
        text.push_str(" }\n");
    }
    text
}

fn cost(verdict: &Verdict) -> Option<Decimal> {
    match verdict.constraints.get("max_cost")? {
        ConstraintValue::Text(text) => Some(text.parse().unwrap()),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_handed_on_is_never_more_than_what_any_agent_of_the_chain_has(
        all in proptest::collection::vec(permissions(), AGENTS.len()),
        order in Just(AGENTS.to_vec()).prop_shuffle(),
        length in 2..=AGENTS.len(),
        named in 0..ACTIONS.len(),
        amount in 0..10i64,
    ) {
        let files: Vec<_> = AGENTS.iter().zip(&all).map(|(id, own)| mandate(id, own)).collect();
        let snapshot = load(&files);
        let (agents, action) = (&order[..length], action(ACTIONS[named], amount));
        let (agent, chain) = agents.split_last().unwrap();
        let together = decide(&snapshot, chain, agent, &action);
        let mut strictest = Decision::Allow;
        for id in agents {
            let alone = decide(&snapshot, &[], id, &action);
            strictest = strictest.max(alone.decision);
            if together.decision == Decision::Deny {
                continue;
            }
            let asked = alone.demands.iter().all(|demand| together.demands.contains(demand));
            prop_assert!(asked, "{id} has to ask {:?}", alone.demands);
            if let Some(most) = cost(&alone) {
                prop_assert!(cost(&together).is_some_and(|cost| cost <= most));
            }
        }
        // Nor is it less than all of them have, where nothing but their mandates speaks.
        prop_assert_eq!(together.decision, strictest);
    }
}

#[test]
fn an_agent_hands_on_only_to_whom_both_mandates_let_it_and_not_further_than_they_say() {
    let grant = "permissions: [{ action: read, allowed: true }]";
    let files = [
        ("a", "delegation: { may_call: [b, c], depth: 2 }"),
        ("b", "delegation: { may_call: [c, d, a], may_be_called_by: [a] }"),
        ("c", "delegation: { may_call: ['*'], depth: 8, only_called: true }"),
        ("d", "purpose: knows nobody"),
    ];
    let snapshot = load(&files.map(|(name, more)| format!("agent: {name}\n{more}\n{grant}\n")));
    let codes = |chain: &[&str], agent: &str| {
        let verdict = decide(&snapshot, chain, agent, &action("read", 0));
        let denials = verdict
            .reasons
            .into_iter()
            .filter(|reason| reason.decision == Decision::Deny);
        denials.map(|reason| reason.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&["a"], "b"), Vec::<String>::new());
    assert_eq!(codes(&["a", "b"], "c"), Vec::<String>::new());
    assert_eq!(codes(&["b"], "d"), Vec::<String>::new());
    assert_eq!(codes(&[], "c"), ["not_called"]);
    assert_eq!(codes(&["c"], "b"), ["may_not_be_called"]);
    assert_eq!(codes(&["a", "b"], "d"), ["may_not_call"], "`b` may, `a` may not");
    assert_eq!(codes(&["d"], "a"), ["may_not_call"], "it says nothing of calls");
    assert_eq!(codes(&["b", "c"], "d"), ["delegation_depth"]);
    assert!(codes(&["a", "b"], "a").contains(&"delegation_cycle".to_owned()));
}

#[test]
fn a_call_of_an_agent_is_granted_by_the_mandate_that_lets_it() {
    let snapshot = load(&["agent: a\ndelegation: { may_call: [b] }\n"]);
    let call = |agent: &str| {
        let call = Action {
            tool: Some(format!("agent/{agent}")),
            ..action(agent, 0)
        };
        let verdict = decide(&snapshot, &[], "a", &call);
        (verdict.decision, verdict.reasons[0].code.clone())
    };
    assert_eq!(call("b"), (Decision::Allow, "may_call".to_owned()));
    assert_eq!(call("c"), (Decision::Deny, "may_not_call".to_owned()));
    assert_eq!(call("a").0, Decision::Deny);
}
