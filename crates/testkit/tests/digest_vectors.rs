//! Golden vectors of the action digest: `tests/golden/digest/*.json`. `tests/official/check.py` recomputes them in Python.
//!
//! A vector that changes breaks every permit and every ledger that is out there. `UPDATE_GOLDEN=1` writes new ones.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;

use countersign_core::action::receive;
use countersign_core::digest::{DigestKey, action_digest, canonical_action, hex};
use countersign_core::policy::json::{Limits, parse};
use serde_json::{Value, json};

/// Name, what it shows, organization, agent, schema of the tool, body.
type Vector = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

const VECTORS: [Vector; 12] = [
    (
        "refund",
        "the example of docs/api.md",
        "acme",
        "customer_support",
        None,
        r#"{"action":"issue_refund","amount":"340","currency":"USD","args":{"order":"4521"}}"#,
    ),
    (
        "refund-spelled-otherwise",
        "another order of keys, other spaces, 340.00 for 340: the same digest as `refund`",
        "acme",
        "customer_support",
        None,
        "{ \"args\": {\"order\": \"\\u0034521\"}, \"currency\": \"USD\",\n \"amount\": \"340.00\", \"action\": \"issue_refund\" }",
    ),
    (
        "tool-only",
        "the operation is the last part of the tool's name",
        "acme",
        "ops",
        None,
        r#"{"tool":"server/aws-cli"}"#,
    ),
    (
        "not-bound",
        "evidence, labels, confidence, run, model and the rest are not part of it: the same digest as `tool-only`",
        "acme",
        "ops",
        None,
        r#"{"tool":"server/aws-cli","evidence":{"reason":"r"},"labels":{"a":1},"confidence":0.5,"run":"r1","step":"s","parent":"p","model":{"name":"m"},"delegation":["a"],"conflicts":[],"estimated_cost":"2.50","callback_url":"https://example.com/","accept_remedy":true}"#,
    ),
    (
        "everything",
        "every field that is bound",
        "acme",
        "ops",
        Some("sha256:00ff"),
        r#"{"access":"write","action":"create","agent":"ignored","amount":"-0.50","args":{"name":"db","size":3},"currency":"EUR","env":"production","principal":"ann","resource":{"type":"database","id":"db-1","owner":"team:ops","labels":{"tier":"gold"}},"tool":"aws-cli"}"#,
    ),
    (
        "numbers",
        "numbers as ECMAScript writes them",
        "acme",
        "bot",
        None,
        r#"{"action":"n","args":{"a":[0,-0.0,1.0,50.00,0.1,-2.50,1e3,1e-7,123456789012345e-10,9007199254740991,-9007199254740991,0.30000000000000004,1e15,0.000001]}}"#,
    ),
    (
        "text",
        "escapes, control characters, and what is not escaped",
        "acme",
        "bot",
        None,
        r#"{"action":"t","args":{"s":"\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u2028\u2029<>&'é€😀\ud83d\ude00"}}"#,
    ),
    (
        "keys",
        "keys in the order of UTF-16 code units",
        "acme",
        "bot",
        None,
        r#"{"action":"k","args":{"\ufb33":1,"😀":2,"€":3,"é":4,"z":5,"a":6,"Z":7,"":8,"10":9,"2":10}}"#,
    ),
    (
        "nested",
        "null, true, empty lists and objects",
        "acme",
        "bot",
        None,
        r#"{"action":"d","args":{"a":{"b":[{},[],null,true,false,[{"c":[[""]]}]]}}}"#,
    ),
    (
        "amount-long",
        "the longest amount",
        "acme",
        "bot",
        None,
        r#"{"action":"pay","amount":"999999999999999999.999999999","currency":"JPY"}"#,
    ),
    (
        "amount-zero",
        "zeros and no currency",
        "acme",
        "bot",
        None,
        r#"{"action":"pay","amount":"-0.000"}"#,
    ),
    (
        "other-organization",
        "the first example in another organization",
        "acme-eu",
        "customer_support",
        None,
        r#"{"action":"issue_refund","amount":"340","currency":"USD","args":{"order":"4521"}}"#,
    ),
];

fn vector(about: &str, org: &str, agent: &str, tool_schema: Option<&str>, body: &str) -> Value {
    let key = [0x42; 32];
    let received = receive(parse(body.as_bytes(), &Limits::default()).unwrap())
        .unwrap_or_else(|refusal| panic!("{}", refusal.detail));
    let digest = action_digest(&DigestKey::new(key), org, agent, &received.action, tool_schema);
    json!({
        "about": about,
        "body": body,
        "org": org,
        "agent": agent,
        "tool_schema": tool_schema,
        "key": hex(&key),
        "text": String::from_utf8(canonical_action(org, agent, &received.action, tool_schema)).unwrap(),
        "salt": hex(&digest.salt),
        "digest": digest.digest.to_string(),
    })
}

#[test]
fn digests_are_what_they_always_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/digest");
    for (name, about, org, agent, tool_schema, body) in VECTORS {
        let path = folder.join(format!("{name}.json"));
        let text = format!("{:#}\n", vector(about, org, agent, tool_schema, body));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    }
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, VECTORS.len(), "a file that no vector stands for");
}

#[test]
fn spelling_does_not_matter_and_everything_bound_does() {
    let digest = |wanted: &str| {
        let (_, about, org, agent, schema, body) = VECTORS.into_iter().find(|vector| vector.0 == wanted).unwrap();
        vector(about, org, agent, schema, body)["digest"].clone()
    };
    assert_eq!(digest("refund"), digest("refund-spelled-otherwise"));
    assert_eq!(digest("tool-only"), digest("not-bound"));
    assert_ne!(digest("refund"), digest("other-organization"));
}
