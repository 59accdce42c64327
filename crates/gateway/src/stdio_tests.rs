#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_client::{Client, Credential};
use serde_json::json;

use super::*;
use crate::wire::Message;

/// A wrapper whose server and client are channels.
fn wrapper() -> (Arc<Wrapper>, mpsc::Receiver<Vec<u8>>) {
    let client = Client::new("http://127.0.0.1:1", &Credential::Nobody).unwrap();
    let (to_client, told) = mpsc::channel(QUEUE);
    let wrapper = Wrapper {
        governor: Governor::new(client, std::path::Path::new("nowhere")),
        options: Options {
            server: "shop".to_owned(),
            env: None,
            run: None,
            hold: Duration::ZERO,
            hide: false,
            elicit: false,
        },
        calls: Mutex::default(),
        to_client,
        reports: Mutex::default(),
        hiding: None,
        tasks: Tasks::default(),
        elicitation: Elicitation::new(false),
        told: AtomicBool::new(false),
    };
    (Arc::new(wrapper), told)
}

fn line(id: &Value, method: &str) -> Vec<u8> {
    let params = json!({ "name": "refund", "arguments": {} });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn the_answer_to_another_request_is_never_the_outcome_of_a_call() {
    let (wrapper, mut told) = wrapper();
    let (to_server, mut sent) = mpsc::channel(QUEUE);
    let mut said = async || serde_json::from_slice::<Value>(&told.recv().await.unwrap()).unwrap();
    lock(&wrapper.calls).held.insert("7".to_owned(), None);
    // Some servers answer both under one id.
    for id in [json!(7), json!(7.0)] {
        assert!(wrapper.is_ours(&line(&id, "ping"), &to_server), "{id} went on");
        assert_eq!(said().await["error"]["message"], json!(BUSY));
    }
    // Nor the other way round, until it is answered.
    assert!(!wrapper.is_ours(&line(&json!(8), "ping"), &to_server));
    let Message::Call(call) = wire::read(&line(&json!(8), "tools/call")) else {
        panic!("it is a call")
    };
    wrapper.begin(*call, Vec::new(), &to_server);
    assert_eq!(said().await["error"]["message"], json!(BUSY));
    lock(&wrapper.calls).asked.remove("8");
    assert!(!lock(&wrapper.calls).have("8"));
    assert!(sent.try_recv().is_err());
}

#[tokio::test]
async fn what_answers_too_late_is_no_outcome_of_a_later_call() {
    let (wrapper, mut told) = wrapper();
    let (to_server, _sent) = mpsc::channel(QUEUE);
    let Message::Call(call) = wire::read(&line(&json!(9), "tools/call")) else {
        panic!("it is a call")
    };
    let go = crate::govern::Go {
        id: String::new(),
        changed: None,
        timeout: Some(Duration::ZERO),
        permit: String::new(),
        decision: Value::Null,
        labels: None,
        outputs: Default::default(),
        tool: None,
    };
    lock(&wrapper.calls).held.insert("9".to_owned(), None);
    let round = Round::first(go);
    wrapper
        .hand_on(&call, line(&json!(9), "tools/call"), round, String::new(), &to_server)
        .await;
    assert!(told.recv().await.unwrap().windows(5).any(|part| part == b"Ended"));
    assert!(lock(&wrapper.calls).have("9"), "the server may answer yet");
}
