//! What the second model finds where a request was revised, and where somebody decided by a link.

use countersign_core::event::Verb;
use countersign_core::policy::Value as Part;
use countersign_testkit::World;
use serde_json::{Value, json};

use crate::oracle::{Tampering, judged, lines, place};

/// A reviewer narrows what another one approves; the agent wants something else; a third request a
/// person approves by a link.
fn revisions() -> Vec<Value> {
    let mut world = World::new();
    for user in ["dana", "erin"] {
        world.user(user, &["reviewer"], &["leads"], &[]);
    }
    world.agent("bot", "team:ops");
    let gate = "name: gate
rules:
  - { decision: require_approval, approvers: [leads], quorum: 2, editable: [/amount] }
  - { condition: has(amount) && amount == 30.0, decision: require_approval, approvers: [desk] }
";
    let rules = "organization: acme
teams: [leads]
channels: { mail: { decide: low_risk } }
routes: { desk: { steps: [{ to: [leads] }], deadline: 1h } }
";
    let tools = "tools: [{ tool: pay, risk: R1 }]\n";
    world.policy(&[("acme.yaml", rules), ("gate.yaml", gate), ("tools.yaml", tools)]);
    let mut ask = |amount: &str| {
        let body = format!(r#"{{"action":"pay","amount":"{amount}"}}"#);
        world.submit("bot", &body).unwrap().decision.action_id
    };
    let (less, other, linked) = (ask("500"), ask("20"), ask("30"));
    let amount = |amount: &str| Part::from(amount);
    world
        .edit("dana", less, &[("/amount".to_owned(), Some(amount("300")))].into())
        .unwrap();
    world.vote("erin", less, Verb::Approve, None).unwrap();
    world.redeem(less).unwrap();
    world
        .revise(other, &[("amount".to_owned(), amount("21"))].into())
        .unwrap();
    world.vote("dana", other, Verb::Approve, None).unwrap();
    world.vote("erin", other, Verb::Approve, None).unwrap();
    // The second model knows nothing of routes, which a link takes; what is rejected needs none of their people.
    let link = world.link("dana", linked, "mail", [9; 32]).unwrap();
    world.vote_by_link("dana", linked, "mail", link).unwrap();
    world.vote("erin", linked, Verb::Reject, Some("no")).unwrap();
    lines(&world)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const TAMPERINGS: [Tampering; 9] = [
    (
        "a revision does not follow from what was there",
        |r| {
            let at = place(r, "approval.revised", 0);
            r[at]["data"]["previous"] = json!("0".repeat(64));
        },
        "does not follow from what was there",
    ),
    (
        "a reviewer edits what nobody may edit",
        |r| {
            let at = place(r, "approval.revised", 0);
            r[at]["data"]["changed"] = json!(["/args/to"]);
        },
        "edited where nothing may be edited",
    ),
    (
        "a revision asks fewer people",
        |r| {
            let at = place(r, "approval.revised", 1);
            r[at]["data"]["slots"] = json!([]);
        },
        "has not to any more",
    ),
    (
        "a revision is left out",
        |r| {
            let at = place(r, "approval.revised", 1);
            r.remove(at);
            for (seq, record) in r.iter_mut().enumerate() {
                record["seq"] = json!(seq);
            }
        },
        "a vote for another action counts",
    ),
    (
        "what was asked for first runs",
        |r| {
            let (asked, used) = (place(r, "decision.made", 0), place(r, "permit.redeemed", 0));
            r[used]["data"]["digest"] = r[asked]["data"]["digest"].clone();
        },
        "not what was decided",
    ),
    (
        "a revision of what policy denies",
        |r| {
            let at = place(r, "approval.revised", 0);
            r[at]["data"]["decision"] = json!("deny");
        },
        "does not grant",
    ),
    (
        "the vote of a link is somebody else's",
        |r| {
            let at = place(r, "approval.linked", 0);
            r[at]["data"]["user"] = json!("erin");
        },
        "by a link that does not work",
    ),
    (
        "a vote by a link that nobody was sent",
        |r| {
            let at = (0..r.len()).find(|at| !r[*at]["data"]["link"].is_null() && r[*at]["type"] == "approval.voted");
            r[at.unwrap()]["data"]["link"] = json!("0".repeat(64));
        },
        "by a link that does not work",
    ),
    (
        "a link works for longer than its request",
        |r| {
            let at = place(r, "approval.linked", 0);
            r[at]["data"]["until"] = json!("2030-01-01T00:00:00.000000Z");
        },
        "a link works after the deadline",
    ),
];

#[test]
fn the_second_model_follows_revisions_and_links_and_finds_each_of_these_tamperings() {
    let whole = revisions();
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
