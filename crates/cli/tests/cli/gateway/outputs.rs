//! What the results of tools let out, by wrapper and gateway.

use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{Gateway, call, initialize};
use crate::hooks_served::notes;
use crate::mcp::{Shop, Wrapper, raw, said};

/// A number of a card that nobody has.
const CARD: &str = "4111 1111 1111 1111";
const RULES: &str = "outputs:
- { name: cards, on: [{ tool: shop/look_up }], redact: [card] }
- { name: cards-of-refunds, on: [{ tool: shop/refund }], withhold: [card] }
- { name: mails, flag: [email] }
";

fn shop() -> Shop {
    let shop = Shop::open();
    shop.activate("p/outputs.yaml", RULES);
    shop
}

/// What is on record and beside it of this type, as text.
fn records(shop: &Shop, kind: &str) -> Vec<Value> {
    let bundle = shop.scene.path("bundle");
    if bundle.exists() {
        std::fs::remove_dir_all(&bundle).expect("an earlier one");
    }
    shop.as_person(&["audit", "export", "--payloads", "--out", &bundle.display().to_string()]);
    let all = shop.scene.read("bundle/records.jsonl") + &shop.scene.read("bundle/disclosures.jsonl");
    assert!(!all.contains("1111 1111"), "{all}");
    let json = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let records = shop.scene.read("bundle/records.jsonl");
    let found = records
        .lines()
        .map(json)
        .filter(|record| record.to_string().contains(kind));
    found.collect()
}

/// Waits until an outcome is on record, and gives what is of this type.
fn reported(shop: &Shop, kind: &str) -> Vec<Value> {
    while records(shop, "\"outcome.reported\"").is_empty() {}
    records(shop, kind)
}

/// A wrapper around a server that answers one call with this line.
fn wrapped(shop: &Shop, answer: &str, more: &[&str]) -> Wrapper {
    shop.scene.write("answer.json", &format!("{answer}\n"));
    let server = ["--", "sh", "-c", "read asked; cat answer.json; cat > rest"];
    Wrapper::start(shop, &[more, &server[..]].concat())
}

fn answer(text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0", "id":1,"result":{{"content":[{{"type":"text", "text":"{text}"}}],"x":1.50}}}}"#)
}

#[test]
fn a_wrapper_replaces_what_may_not_leave_and_the_rest_is_as_it_came() {
    let shop = shop();
    let mut wrapper = wrapped(&shop, &answer(&format!("paid with {CARD}")), &[]);
    wrapper.send(&call(1, "look_up", json!({ "order": "1" })).to_string());
    let told = wrapper.line();
    assert!(
        told.contains("paid with [redacted:card:1111]") && told.contains("\"x\":1.50"),
        "{told}"
    );
    assert_eq!(wrapper.end().0, 0);
    let filtered = reported(&shop, "\"output.filtered\"");
    assert_eq!(filtered.len(), 1, "{filtered:?}");
    let data = filtered[0].to_string();
    assert!(
        data.contains(r#""redacted":{"card":1}"#) && data.contains("outputs#cards"),
        "{data}"
    );
    // Record and policy are enough to derive the decision again, with what it says of results.
    shop.as_person(&["audit", "export", "--payloads", "--out", "to-replay"]);
    let replayed = shop.scene.run(&["audit", "replay", "--vkey", &shop.vkey, "to-replay"]);
    assert_eq!(replayed.code, 0, "{}{}", replayed.out, replayed.err);
}

#[test]
fn what_holds_nothing_passes_a_wrapper_byte_for_byte() {
    let shop = shop();
    let mut wrapper = wrapped(&shop, &answer("on its  way"), &[]);
    wrapper.send(&call(1, "look_up", json!({ "order": "1" })).to_string());
    assert_eq!(wrapper.line().trim_end(), answer("on its  way"));
    assert_eq!(wrapper.end().0, 0);
    assert_eq!(reported(&shop, "\"output.filtered\""), Vec::<Value>::new());
}

#[test]
fn a_client_of_either_era_is_told_what_was_withheld_and_not_what_it_was() {
    for modern in [false, true] {
        let shop = shop();
        let mut wrapper = wrapped(&shop, &answer(&format!("{CARD} is paid")), &[]);
        let arguments = json!({ "order": "1", "amount": 5 });
        let asked = match modern {
            true => raw::call(1, "refund", arguments, None),
            false => call(1, "refund", arguments),
        };
        wrapper.send(&asked.to_string());
        let told: Value = serde_json::from_str(&wrapper.line()).expect("JSON");
        assert_eq!(told["result"]["isError"], true, "{told}");
        assert_eq!(told["result"]["resultType"].is_string(), modern, "{told}");
        let sentence = said(&told["result"]);
        assert!(sentence.contains("1 × card (outputs#cards-of-refunds)"), "{sentence}");
        assert!(!told.to_string().contains("1111"), "{told}");
        assert_eq!(wrapper.end().0, 0);
        let filtered = reported(&shop, "\"output.filtered\"");
        assert!(filtered[0].to_string().contains(r#""whole":true"#), "{filtered:?}");
        // The tool ran, and well.
        let outcome = records(&shop, "\"outcome.reported\"");
        assert!(outcome[0].to_string().contains("succeeded"), "{outcome:?}");
        assert_eq!(records(&shop, "\"output_filtered\"").len(), 1, "a person hears of it");
    }
}

#[test]
fn a_gateway_over_http_lets_out_what_a_wrapper_does() {
    let shop = shop();
    let upstream = Upstream::start();
    upstream.behaves().says = "paid with 4111 1111 1111 1111 by ann@shop.example";
    let gateway = Gateway::start(&shop, &json!({ "shop": { "url": upstream.url } }), &[]);
    let session = gateway
        .post("shop", &shop.agent, None, &initialize())
        .header("mcp-session-id");
    let post = |body: &Value| gateway.post("shop", &shop.agent, session.as_deref(), body);
    let got = post(&call(2, "look_up", json!({ "order": "1" })));
    assert!(
        got.body.contains("paid with [redacted:card:1111] by ann@shop.example"),
        "{}",
        got.body
    );
    let got = post(&call(3, "refund", json!({ "order": "1", "amount": 5 })));
    assert!(
        got.body.contains("Withheld by policy") && !got.body.contains("1111"),
        "{}",
        got.body
    );
    let filtered = reported(&shop, "\"output.filtered\"");
    assert_eq!(filtered.len(), 2, "{filtered:?}");
    assert!(
        filtered[0].to_string().contains(r#""flagged":{"email":1}"#),
        "{filtered:?}"
    );
}

#[test]
fn whoever_looks_on_changes_no_result_and_notes_what_would_have_been_done() {
    let shop = shop();
    let came = answer(&format!("paid with {CARD}"));
    let mut wrapper = wrapped(&shop, &came, &["--observe"]);
    wrapper.send(&call(1, "look_up", json!({ "order": "1" })).to_string());
    assert_eq!(wrapper.line().trim_end(), came);
    assert_eq!(wrapper.end().0, 0);
    let noted = notes(&shop);
    let filtered: Vec<&Value> = noted.iter().filter(|note| !note["filtered"].is_null()).collect();
    assert_eq!(filtered.len(), 1, "{noted:?}");
    assert_eq!(filtered[0]["filtered"], json!({ "redacted": { "card": 1 } }));
}

#[test]
fn what_an_agent_reports_of_a_result_is_kept_without_what_a_rule_replaces() {
    let shop = shop();
    shop.activate("p/outputs.yaml", "outputs:\n- { name: mails, redact: [email] }\n");
    let mut wrapper = wrapped(
        &shop,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no ann@shop.example"}}"#,
        &[],
    );
    wrapper.send(&call(1, "look_up", json!({ "order": "1" })).to_string());
    let told = wrapper.line();
    assert!(told.contains("no [redacted:email]"), "{told}");
    assert_eq!(wrapper.end().0, 0);
    assert_eq!(reported(&shop, "\"output.filtered\"").len(), 1);
    assert!(!shop.scene.read("bundle/disclosures.jsonl").contains("ann@"));
}
