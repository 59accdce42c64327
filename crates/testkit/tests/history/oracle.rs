//! The second model, `tests/oracle/oracle.py`, over ledgers of random histories; and what it is there to find.

use std::process::Command as Process;

use countersign_core::event::{OutcomeStatus, Scope, Verb};
use countersign_core::record::ActorKind;
use countersign_core::{Command, Span};
use countersign_testkit::{ORIGIN, World, by};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::steps::{play, step};

/// What the model says of these records, one a line.
pub(crate) fn judged(lines: &[String]) -> (bool, String) {
    let name = format!(
        "countersign-oracle-{}-{:?}.jsonl",
        std::process::id(),
        std::thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/oracle.py");
    let output = Process::new("python3").arg(oracle).arg(&path).output().unwrap();
    std::fs::remove_file(path).unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), said)
}

pub(crate) fn lines(world: &World) -> Vec<String> {
    let encoded = world.records.iter().map(|record| record.encode(ORIGIN).unwrap());
    encoded.map(|leaf| String::from_utf8(leaf).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_model_agrees_with_every_random_history(steps in prop::collection::vec(step(), 20..80)) {
        let (holds, said) = judged(&lines(&play(&steps)));
        prop_assert!(holds, "{said}");
    }
}

/// One allow that was used, one approval by two people that was used, one refusal, one kill and its release.
fn life() -> Vec<Value> {
    let mut world = World::new();
    for user in ["dana", "erin", "finn"] {
        world.user(user, &["reviewer"], &["leads"], &[]);
    }
    world.user("mallory", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    let gate = "name: gate\nrules:\n  - { condition: \"action == 'read'\", decision: allow }\n  \
         - { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads], quorum: 2 }\n";
    let rules = "organization: acme\nbreak_glass: { who: [dana], review: [mallory] }\n";
    world.policy(&[("acme.yaml", rules), ("gate.yaml", gate)]);
    let read = world.submit("bot", r#"{"action":"read"}"#).unwrap().decision.action_id;
    world.redeem(read).unwrap();
    world.store_credential("reader", &["read"], &[], &[]).unwrap();
    world.release_credential(read, None).unwrap();
    world.report(read, OutcomeStatus::Succeeded, None).unwrap();
    let pay = world
        .submit("bot", r#"{"action":"pay","principal":"finn"}"#)
        .unwrap()
        .decision
        .action_id;
    world.vote("dana", pay, Verb::Approve, None).unwrap();
    world.vote("erin", pay, Verb::Approve, None).unwrap();
    world.redeem(pay).unwrap();
    world.report(pay, OutcomeStatus::Succeeded, None).unwrap();
    world.submit("bot", r#"{"action":"fly"}"#).unwrap();
    world.submit("bot", r#"{"action":"read","args":{"n":1}}"#).unwrap();
    let scope = Scope::Agent("bot".into());
    world.done(Command::Kill {
        scope: scope.clone(),
        reason: None,
    });
    world.submit("bot", r#"{"action":"read","args":{"n":2}}"#).unwrap();
    world.done(Command::Release { scope, reason: None });
    let urgent = world.submit("bot", r#"{"action":"pay","principal":"finn","args":{"n":3}}"#);
    let urgent = urgent.unwrap().decision.action_id;
    world.break_glass(by(ActorKind::User, "dana"), urgent, "inc-7").unwrap();
    world.redeem(urgent).unwrap();
    world.report(urgent, OutcomeStatus::Succeeded, None).unwrap();
    world.pass(Span::hours(30));
    let reason = countersign_core::stored::store_value(
        &countersign_core::policy::Value::Map(Default::default()),
        &countersign_core::redact::Redactor::standard(),
        &Default::default(),
        [0; 32],
        "default",
    );
    world.done(Command::RestoreGlass {
        user: "dana".into(),
        reason: reason.0,
    });
    let rules = "organization: acme\nautonomy: { modes: [{ mode: periodic_batch, sample: 50%, within: 9d }] }\n";
    world.policy(&[("acme.yaml", rules), ("gate.yaml", gate)]);
    for write in ["a", "b", "c", "d", "e", "f"] {
        let write = world.submit(
            "bot",
            &format!(r#"{{"action":"read","access":"write","args":{{"n":"{write}"}}}}"#),
        );
        let write = write.unwrap().decision.action_id;
        world.redeem(write).unwrap();
        world.report(write, OutcomeStatus::Succeeded, None).unwrap();
    }
    world.pass(Span::days(7));
    lines(&world)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Changes a ledger, and gives what the model has to say about it.
pub(crate) type Tampering = (&'static str, fn(&mut Vec<Value>), &'static str);

pub(crate) fn place(records: &[Value], kind: &str, nth: usize) -> usize {
    let mut places = (0..records.len()).filter(|place| records[*place]["type"] == kind);
    places.nth(nth).unwrap_or_else(|| panic!("no {kind} {nth}"))
}

/// Puts a copy of a record at the end, where it is a moment later than the last.
fn repeat(records: &mut Vec<Value>, at: usize) {
    let mut again = records[at].clone();
    again["seq"] = json!(records.len());
    again["ts"] = json!("2026-03-01T00:00:00.000000Z");
    records.push(again);
}

/// Moves a record behind another.
fn after(records: &mut Vec<Value>, from: usize, to: usize) {
    let mut moved = records[from].clone();
    records.remove(from);
    moved["ts"] = records[to - 1]["ts"].clone();
    records.insert(to, moved);
    renumber(records);
}

fn renumber(records: &mut [Value]) {
    for (seq, record) in records.iter_mut().enumerate() {
        record["seq"] = json!(seq);
    }
}

/// Lets pass what a policy lacks, right after the first policy was stored.
fn waive(records: &mut Vec<Value>, hash: Option<&str>, failing: u64) {
    let at = place(records, "snapshot.uploaded", 0);
    let mut waived = records[at].clone();
    let hash = hash.map_or_else(|| waived["data"]["hash"].clone(), |hash| json!(hash));
    waived["type"] = json!("snapshot.waived");
    waived["data"] = json!({ "by": "alex", "failing": failing, "hash": hash, "untried": 0 });
    if let Some(fields) = waived.as_object_mut() {
        fields.remove("idem");
    }
    records.insert(at + 1, waived);
    renumber(records);
}

const TAMPERINGS: [Tampering; 31] = [
    (
        "what a policy lacks is let pass that was never stored",
        |r| waive(r, Some("sha256:none"), 1),
        "let pass, and it was never stored",
    ),
    (
        "something is let pass of a policy that lacks nothing",
        |r| waive(r, None, 0),
        "that lacks nothing",
    ),
    (
        "the sample leaves out what the key of its week draws",
        |r| {
            let at = place(r, "sample.drawn", 0);
            r.remove(at);
            let end = place(r, "sample.revealed", 0);
            let drawn = r[end]["data"]["drawn"].as_u64().unwrap();
            r[end]["data"]["drawn"] = json!(drawn - 1);
            renumber(r);
        },
        "is drawn otherwise",
    ),
    (
        "the key of a week is another one",
        |r| {
            let at = place(r, "sample.revealed", 0);
            r[at]["data"]["key"] = json!("0".repeat(64));
        },
        "is drawn otherwise",
    ),
    (
        "a credential is given out twice",
        |r| {
            let at = place(r, "credential.released", 0);
            repeat(r, at);
        },
        "a second credential",
    ),
    (
        "a credential is given out before the permit is used",
        |r| {
            let (at, used) = (place(r, "credential.released", 0), place(r, "permit.redeemed", 0));
            after(r, used, at);
        },
        "not used",
    ),
    (
        "a credential is given out that was replaced",
        |r| {
            let at = place(r, "credential.released", 0);
            r[at]["data"]["secret"] = json!("another");
        },
        "another value",
    ),
    (
        "the glass is broken, and nothing comes of it",
        |r| {
            let at = place(r, "approval.resolved", 1);
            r.remove(at);
            renumber(r);
        },
        "goes on",
    ),
    (
        "let through, and nobody broke the glass",
        |r| {
            let at = place(r, "glass.broken", 0);
            r.remove(at);
            renumber(r);
        },
        "nobody broke the glass",
    ),
    (
        "let through by the requester",
        |r| {
            let at = place(r, "glass.broken", 0);
            r[at]["data"]["user"] = json!("finn");
        },
        "let through by somebody who is excluded",
    ),
    (
        "let through for longer than half an hour",
        |r| {
            let at = place(r, "approval.resolved", 1);
            r[at]["data"]["permit"]["expires"] = json!("2027-01-01T00:00:00.000000Z");
        },
        "more than half an hour",
    ),
    (
        "the own right restored",
        |r| {
            let at = place(r, "glass.restored", 0);
            r[at]["data"]["by"] = json!("dana");
        },
        "by themselves",
    ),
    (
        "everybody approved, and nothing comes of it",
        |r| {
            let at = place(r, "approval.resolved", 0);
            r.remove(at);
            renumber(r);
        },
        "everybody who has to approve has",
    ),
    (
        "a used permit is used again",
        |r| {
            let at = place(r, "permit.redeemed", 0);
            repeat(r, at);
        },
        "was used before",
    ),
    (
        "a permit that nobody issued",
        |r| {
            let at = place(r, "permit.redeemed", 0);
            r[at]["data"]["permit"] = json!("prm_00");
        },
        "never opened",
    ),
    (
        "a permit of another action",
        |r| {
            let (a, b) = (place(r, "permit.redeemed", 0), place(r, "permit.redeemed", 1));
            r[b]["data"]["permit"] = r[a]["data"]["permit"].clone();
        },
        "for another action",
    ),
    (
        "another digest runs",
        |r| {
            let at = place(r, "permit.redeemed", 0);
            r[at]["data"]["digest"] = json!("0".repeat(64));
        },
        "not what was decided",
    ),
    (
        "a permit after its end",
        |r| {
            let at = place(r, "decision.made", 0);
            r[at]["data"]["permit"]["expires"] = r[at]["ts"].clone();
        },
        "over when it is issued",
    ),
    (
        "a deny with a permit",
        |r| {
            let at = place(r, "decision.made", 0);
            r[at]["data"]["decision"] = json!("deny");
        },
        "without a decision that allows",
    ),
    (
        "a decision twice",
        |r| {
            let at = place(r, "decision.made", 0);
            repeat(r, at);
        },
        "was decided before",
    ),
    (
        "one of two votes is gone",
        |r| {
            let at = place(r, "approval.voted", 0);
            r.remove(at);
            renumber(r);
        },
        "without the people who have to approve",
    ),
    (
        "one person votes for two",
        |r| {
            let at = place(r, "approval.voted", 1);
            r[at]["data"]["user"] = json!("dana");
        },
        "one person votes twice",
    ),
    (
        "a vote of the requester",
        |r| {
            let at = place(r, "approval.voted", 1);
            r[at]["data"]["user"] = json!("finn");
        },
        "excluded counts",
    ),
    (
        "a vote of a stranger",
        |r| {
            let at = place(r, "approval.voted", 1);
            r[at]["data"]["user"] = json!("mallory");
        },
        "may not decide counts",
    ),
    (
        "a vote for another action",
        |r| {
            let at = place(r, "approval.voted", 1);
            r[at]["data"]["digest"] = json!("0".repeat(64));
        },
        "another action counts",
    ),
    (
        "a late vote counts",
        |r| {
            let at = place(r, "approval.voted", 1);
            repeat(r, at);
        },
        "has ended",
    ),
    (
        "an outcome of what never ran",
        |r| {
            let (at, denied) = (place(r, "outcome.reported", 0), place(r, "decision.made", 2));
            r[at]["data"]["action_id"] = r[denied]["data"]["action_id"].clone();
            let outcome = r.remove(at);
            let end = r.len();
            r.insert(end, outcome);
            let last = r[end - 1]["ts"].clone();
            r[end]["ts"] = json!(last.as_str().unwrap().replace("Z", "9Z"));
            renumber(r);
        },
        "without an allow",
    ),
    (
        "a permit of a killed agent",
        |r| {
            let at = place(r, "kill.engaged", 0);
            let decision = place(r, "decision.made", 3);
            after(r, at, decision);
        },
        "engaged kill switch",
    ),
    (
        "a permit is used after a kill",
        |r| {
            let at = place(r, "decision.made", 3);
            let mut used = r[place(r, "permit.redeemed", 0)].clone();
            used["data"]["permit"] = r[at]["data"]["permit"]["id"].clone();
            used["data"]["action_id"] = r[at]["data"]["action_id"].clone();
            used["data"]["digest"] = r[at]["data"]["digest"].clone();
            let kill = place(r, "kill.engaged", 0);
            used["ts"] = json!(r[kill]["ts"].as_str().unwrap().replace("Z", "5Z"));
            r.insert(kill + 1, used);
            renumber(r);
        },
        "although a kill came",
    ),
    (
        "a record is left out",
        |r| {
            r.remove(3);
        },
        "gap",
    ),
    (
        "another policy is cited",
        |r| {
            let at = place(r, "decision.made", 0);
            r[at]["snapshot"] = json!("sha256:00");
        },
        "policy that decides",
    ),
];

#[test]
fn the_second_model_finds_each_of_these_tamperings() {
    let whole = life();
    let text = |records: &[Value]| records.iter().map(Value::to_string).collect::<Vec<_>>();
    let (holds, said) = judged(&text(&whole));
    assert!(holds, "{said}");
    for (what, tamper, fault) in TAMPERINGS {
        let mut records = whole.clone();
        tamper(&mut records);
        let (holds, said) = judged(&text(&records));
        assert!(!holds && said.contains(fault), "{what}: `{fault}` is not in {said}");
    }
}

/// A budget that two actions share, one of which costs more than it reserved, and one that nobody uses.
fn spending() -> Vec<Value> {
    let mut world = World::new();
    world.agent("bot", "team:ops");
    world.policy(&[
        ("gate.yaml", "name: gate\nrules:\n  - { decision: allow }\n"),
        ("budgets.yaml", "budgets: [{ name: day, per: day, limit: 10.00 USD }]"),
    ]);
    let mut submit = |cost: &str| {
        let body = format!(r#"{{"action":"read","estimated_cost":"{cost}"}}"#);
        world.submit("bot", &body).unwrap().decision.action_id
    };
    let (dear, cheap) = (submit("3.00"), submit("2.00"));
    world.redeem(dear).unwrap();
    world.report(dear, OutcomeStatus::Succeeded, Some("4.50")).unwrap();
    world.redeem(cheap).unwrap();
    world.report(cheap, OutcomeStatus::Succeeded, Some("0.50")).unwrap();
    world
        .submit("bot", r#"{"action":"read","estimated_cost":"5.00"}"#)
        .unwrap();
    world.pass(Span::minutes(6));
    world
        .submit("bot", r#"{"action":"read","estimated_cost":"5.00"}"#)
        .unwrap();
    lines(&world)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const SPENDING_TAMPERINGS: [Tampering; 6] = [
    (
        "more is left than the records come to",
        |r| {
            let at = place(r, "decision.made", 3);
            r[at]["data"]["reserved"][0]["left"] = json!("5.00");
        },
        "left, not 5.00",
    ),
    (
        "an outcome takes less",
        |r| {
            let at = place(r, "outcome.reported", 0);
            r[at]["data"]["settled"][0]["amount"] = json!("3.00");
        },
        "left, not 0.00",
    ),
    (
        "an overrun is not stated",
        |r| {
            let at = place(r, "outcome.reported", 0);
            r[at]["data"]["settled"][0].as_object_mut().unwrap().remove("over");
        },
        "overrun by 1.50",
    ),
    (
        "a reservation is never settled",
        |r| {
            let at = place(r, "outcome.reported", 1);
            r[at]["data"]["settled"] = json!([]);
        },
        "not what was reserved",
    ),
    (
        "more is reserved than is left",
        |r| {
            let at = place(r, "decision.made", 3);
            r[at]["data"]["reserved"][0]["amount"] = json!("5.01");
            r[at]["data"]["reserved"][0]["left"] = json!("-0.01");
        },
        "is overspent",
    ),
    (
        "a permit that nobody used is taken to hold what it held",
        |r| {
            let at = place(r, "decision.made", 2);
            r[at]["data"]["permit"]["expires"] = json!("2030-01-01T00:00:00.000000Z");
        },
        "left, not 0.00",
    ),
];

#[test]
fn the_second_model_adds_up_budgets_and_finds_each_of_these_tamperings() {
    let whole = spending();
    let text = |records: &[Value]| records.iter().map(Value::to_string).collect::<Vec<_>>();
    let (holds, said) = judged(&text(&whole));
    assert!(holds && said.contains("4 reservations"), "{said}");
    for (what, tamper, fault) in SPENDING_TAMPERINGS {
        let mut records = whole.clone();
        tamper(&mut records);
        let (holds, said) = judged(&text(&records));
        assert!(!holds && said.contains(fault), "{what}: `{fault}` is not in {said}");
    }
}

#[test]
fn the_second_model_draws_drills_again_and_finds_one_at_another_moment_and_one_that_hides_who_was_silent() {
    let mut world = World::new();
    world.user("dana", &["reviewer"], &[], &[]);
    world.agent("bot", "team:ops");
    let org = "organization: acme
practice: { odd: { kind: drill, every: 2d, agent: bot, actions: [{ action: odd }] } }
";
    let gate = "name: odd\nrules:\n  - { decision: require_approval, approvers: [dana] }\n";
    world.policy(&[("odd.yaml", gate), ("org.yaml", org)]);
    world.pass(Span::days(10));
    let lines = lines(&world);
    let (holds, said) = judged(&lines);
    assert!(holds, "{said}");
    for (from, to, fault) in [
        ("\"draw\":0", "\"draw\":1", "due at another moment"),
        ("\"unanswered\":[\"dana\"]", "\"unanswered\":[]", "not to have answered"),
    ] {
        let tampered: Vec<String> = lines.iter().map(|line| line.replace(from, to)).collect();
        assert_ne!(tampered, lines, "{from}");
        let (holds, said) = judged(&tampered);
        assert!(!holds && said.contains(fault), "{said}");
    }
}
