#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::requests;
use crate::event::ApprovalOpened;

/// A request by dana's key on a route with separation of duties.
fn opened() -> ApprovalOpened {
    let body = json!({
        "action_id": "act_00000000000000000000000000000001",
        "agent": "bot",
        "approval": "apr_00000000000000000000000000000001",
        "deadline": "2026-11-21T08:00:00.000000Z",
        "digest": "00".repeat(32),
        "excluded": [{ "reason": "requester", "user": "dana" }],
        "requester": "dana",
        "sla_due": "2026-11-21T07:15:00.000000Z",
        "slots": [],
        "state": "pending",
        "tracks": [{
            "clarify_rounds": 3, "clarify_s": 900, "on_exhausted": "reject", "route": "money",
            "separation": ["same_team"], "source": "gate#pay", "steps": []
        }],
        "valid_for_s": 900
    });
    serde_json::from_value(body).unwrap()
}

#[test]
fn a_record_that_does_not_say_who_asked_or_what_keeps_duties_apart_agrees() {
    let mut old = opened();
    old.requester = None;
    old.tracks[0].separation.clear();
    assert_eq!(requests(&old, &opened()), []);
}

#[test]
fn a_record_that_says_something_else_of_them_differs() {
    let mut other = opened();
    other.requester = Some("erin".to_owned());
    let found = requests(&other, &opened());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, "approval.opened: requester");

    let mut fewer = opened();
    fewer.excluded.clear();
    fewer.requester = None;
    let found = requests(&fewer, &opened());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, "approval.opened: excluded");
}
