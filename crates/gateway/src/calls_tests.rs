#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_client::{Client, Credential};
use serde_json::{Value, json};

use super::*;
use crate::wire::Message;

fn governor() -> Governor {
    let client = Client::new("http://127.0.0.1:1", &Credential::Nobody).unwrap();
    Governor::new(client, std::path::Path::new("nowhere"))
}

fn go(id: &str, changed: Option<Value>) -> Go {
    let changed = changed.map(|arguments| ("shop/refund".to_owned(), arguments.as_object().unwrap().clone()));
    Go {
        id: id.to_owned(),
        changed,
        timeout: Some(Duration::from_secs(60)),
        permit: "used".to_owned(),
        decision: Value::Null,
        labels: None,
        outputs: Default::default(),
        tool: None,
    }
}

fn call(state: &str) -> (String, Call) {
    let params =
        json!({ "name": "refund", "arguments": { "amount": 900 }, "requestState": state, "inputResponses": {} });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let Message::Call(call) = wire::read(line.as_bytes()) else {
        panic!("{line}")
    };
    (line, *call)
}

fn place(state: &str) -> Place {
    ("agent".to_owned(), "refund of 900".to_owned(), state.to_owned())
}

#[test]
fn what_was_decided_holds_in_each_round_and_a_servers_state_goes_back_to_it() {
    let (line, call) = call("of the server");
    let mut unfinished = Unfinished::default();
    let mut round = Round::first(go("act_1", Some(json!({ "amount": 100 }))));
    round.ran = Duration::from_secs(20);
    assert!(
        unfinished
            .keep(place("of the server"), round, governor(), Instant::now())
            .is_none()
    );
    assert!(unfinished.resume("other", "refund of 900", &call).is_none());
    assert!(unfinished.resume("agent", "refund of 901", &call).is_none());
    let round = unfinished.resume("agent", "refund of 900", &call).unwrap();
    assert!(
        unfinished.resume("agent", "refund of 900", &call).is_none(),
        "it goes on once"
    );
    assert_eq!(round.left(), Some(Duration::from_secs(40)));
    let sent: Value = serde_json::from_slice(&written(line.as_bytes(), &call, &round.go, "shop").unwrap()).unwrap();
    assert_eq!(sent["params"]["arguments"], json!({ "amount": 100 }));
    assert_eq!(sent["params"]["requestState"], "of the server");
    assert_eq!(sent["params"]["inputResponses"], json!({}));
    assert!(written(line.as_bytes(), &call, &round.go, "elsewhere").is_none());
}

#[test]
fn our_own_state_goes_to_no_server() {
    let (line, call) = call("countersign:3");
    for changed in [None, Some(json!({ "amount": 100 }))] {
        let sent = written(line.as_bytes(), &call, &go("act_1", changed.clone()), "shop").unwrap();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["params"].get("requestState"), None);
        assert_eq!(sent["params"]["arguments"], changed.unwrap_or(json!({ "amount": 900 })));
    }
}

#[test]
fn what_no_client_comes_back_with_is_let_go_of_after_half_an_hour_or_where_there_is_no_room() {
    let begun = Instant::now();
    let mut unfinished = Unfinished::default();
    for at in 0..UNFINISHED_AT_MOST {
        let round = Round::first(go("act_1", None));
        assert!(
            unfinished
                .keep(place(&at.to_string()), round, governor(), begun)
                .is_none()
        );
    }
    let one_more = |unfinished: &mut Unfinished, id: &str, state: &str, now| {
        let lost = unfinished.keep(place(state), Round::first(go(id, None)), governor(), now);
        lost.map(|lost| lost.id)
    };
    assert_eq!(
        one_more(&mut unfinished, "act_2", "more", begun).as_deref(),
        Some("act_2")
    );
    assert_eq!(one_more(&mut unfinished, "act_3", "0", begun).as_deref(), Some("act_1"));
    let before = COMES_BACK - Duration::from_millis(1);
    assert_eq!(unfinished.overdue(begun + before).len(), 0);
    assert_eq!(unfinished.overdue(begun + COMES_BACK).len(), UNFINISHED_AT_MOST);
    assert_eq!(one_more(&mut unfinished, "act_4", "more", begun), None);
    assert_eq!(unfinished.all().len(), 1);
    assert_eq!(unfinished.all().len(), 0);
}
