//! A client that can lead its user to an address leads them to the page where people decide. What it says of that decides
//! nothing; the vote does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Driver, KEEPS, Shop, Wrapper, clients, said, servers, wrapped};
use crate::gateway::Gateway;

/// Clients of the era without sessions, whose users answer so when they are to be led somewhere.
fn answering(answer: &str) -> Vec<(&'static str, Vec<String>)> {
    let modern = ["Python 2", "TypeScript 2, whatever the server speaks"];
    let mut clients = clients();
    clients.retain(|(name, _)| modern.contains(name));
    assert_eq!(clients.len(), modern.len());
    for (_, program) in &mut clients {
        program.splice(0..0, ["env".to_owned(), format!("MCP_ELICIT={answer}")]);
    }
    clients
}

fn refund(order: &str) -> Value {
    json!({ "do": "call", "name": "refund", "arguments": { "order": order, "amount": 700 } })
}

/// The wrapper with an option before its own.
fn with(option: &str, command: &[String]) -> Vec<String> {
    let mut wrapped = wrapped("30s", "shop", command);
    wrapped.splice(3..3, option.split(' ').map(str::to_owned));
    wrapped
}

fn refunds(shop: &Shop) -> usize {
    shop.ran("log").iter().filter(|line| line.contains("refund")).count()
}

#[test]
fn a_user_is_led_to_the_page_and_only_the_vote_there_lets_the_call_run() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(1);
    let server = json!({ "shop": { "command": command[0], "args": command[1..] } });
    let gateway = Gateway::start(&shop, &server, &["--hold", "30s", "--elicit"]);
    let ways = [
        ("a pipe", with("--elicit", &command), vec!["decline", "cancel"]),
        // One gateway leads to five pages in a minute, which is not what is tried here.
        ("HTTP", vec![format!("{}/mcp/shop", gateway.url)], vec!["cancel"]),
    ];
    let console = shop.server.url.replace("127.0.0.1", "localhost");
    let mut ran = 0;
    for (way, reached, noes) in &ways {
        for (client, program) in answering("accept") {
            let case = format!("{client} over {way}");
            let mut governed = Driver::start(&shop, &program, reached);
            governed.begin(&refund(&case));
            let request = shop.the_one();
            assert_eq!(refunds(&shop), ran, "{case}: saying yes to a page is no approval");
            shop.as_person(&["approvals", "approve", &request, "--comment", "looked at"]);
            let got = governed.result();
            ran += 1;
            assert_eq!(said(&got["result"]), format!("refunded 700 for {case}"), "{got}");
            assert_eq!(refunds(&shop), ran, "{case}");
            let led = got["led"].as_array().expect("where it was led to");
            assert_eq!(led.len(), 1, "{case}: {got}");
            assert_eq!(led[0]["mode"], "url", "{case}");
            assert_eq!(led[0]["url"], format!("{console}/approvals/{request}"), "{case}");
            let message = led[0]["message"].as_str().expect("a text");
            assert!(
                message.contains("`shop/refund`") && message.contains(&request),
                "{message}"
            );
        }
        for answer in noes {
            for (client, program) in answering(answer) {
                let case = format!("{answer}, {client} over {way}");
                let mut governed = Driver::start(&shop, &program, reached);
                governed.begin(&refund(&case));
                let got = governed.result();
                assert_eq!(got["result"]["isError"], true, "{case}: {got}");
                assert!(said(&got["result"]).contains("was not opened"), "{case}: {got}");
                assert_eq!(got["led"].as_array().map(Vec::len), Some(1), "{case}: {got}");
                // The request stays: a later call finds it, leads nobody anywhere again, and runs by the vote.
                governed.begin(&refund(&case));
                shop.approve_the_one();
                let again = governed.result();
                ran += 1;
                assert_eq!(said(&again["result"]), format!("refunded 700 for {case}"), "{again}");
                assert_eq!(again["led"], json!([]), "{case}: {again}");
                assert_eq!(refunds(&shop), ran, "{case}");
            }
        }
    }
}

#[test]
fn nobody_is_led_anywhere_whose_client_does_not_say_it_can_or_where_its_user_may_not_decide() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(1);
    for (client, program) in answering("accept") {
        for option in ["--elicit=no", "--hide-denied"] {
            let case = format!("{client} {option}");
            let mut governed = Driver::start(&shop, &program, &with(option, &command));
            governed.begin(&refund(&case));
            shop.approve_the_one();
            let got = governed.result();
            assert_eq!(said(&got["result"]), format!("refunded 700 for {case}"), "{got}");
            assert_eq!(got["led"], json!([]), "{case}: {got}");
        }
    }
    for (client, program) in clients() {
        let mut governed = Driver::start(&shop, &program, &with("--elicit", &command));
        governed.begin(&refund(client));
        shop.approve_the_one();
        assert_eq!(said(&governed.result()), format!("refunded 700 for {client}"));
    }
}

/// A round of a call whose client can lead its user somewhere.
fn round(id: u32, order: &str, able: &Value, answer: Option<&str>) -> String {
    let mut params = refund(order);
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": able,
    });
    if let Some(answer) = answer {
        params["requestState"] = "countersign:1".into();
        params["inputResponses"] = json!({ "countersign": { "action": answer } });
    }
    params.as_object_mut().expect("an object").remove("do");
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

#[test]
fn what_a_client_says_of_the_page_runs_nothing_and_a_no_runs_nothing_even_if_people_said_yes() {
    let shop = Shop::open();
    let arguments = ["--elicit", "--hold", "0s"].into_iter().chain(KEEPS);
    let mut wrapper = Wrapper::start(&shop, &arguments.collect::<Vec<_>>());
    let url = json!({ "elicitation": { "form": {}, "url": {} } });
    let mut ask = |line: &str| -> Value {
        wrapper.send(line);
        serde_json::from_str(&wrapper.line()).expect("JSON")
    };
    // `elicitation: {}` means forms alone.
    for (id, able) in [(1, json!({})), (2, json!({ "elicitation": {} }))] {
        let plain = ask(&round(id, "1", &able, None));
        assert_eq!(plain["result"]["requestState"], "countersign:1", "{plain}");
        assert_eq!(plain["result"].get("inputRequests"), None, "{plain}");
    }
    let led = ask(&round(3, "1", &url, None));
    assert_eq!(led["result"]["resultType"], "input_required", "{led}");
    assert_eq!(
        led["result"]["inputRequests"]["countersign"]["method"], "elicitation/create",
        "{led}"
    );
    let waits = ask(&round(4, "1", &url, Some("accept")));
    assert_eq!(waits["result"]["requestState"], "countersign:2", "{waits}");
    assert_eq!(waits["result"].get("inputRequests"), None, "once is enough: {waits}");
    shop.approve_the_one();
    let cancelled = ask(&round(5, "1", &url, Some("cancel")));
    assert!(said(&cancelled["result"]).contains("was not opened"), "{cancelled}");
    assert_eq!(
        shop.ran("seen"),
        Vec::<String>::new(),
        "approved, and its user did not want it"
    );
    wrapper.send(&round(6, "1", &url, Some("accept")));
    let end = Instant::now() + Duration::from_secs(20);
    while shop.ran("seen").is_empty() {
        assert!(Instant::now() < end, "the approval was lost");
        std::thread::yield_now();
    }
    assert_eq!(wrapper.end().0, 0);
    let seen: Vec<Value> = (shop.ran("seen").iter())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
    // What is between its client and us is not for the server.
    let params = &seen[0]["params"];
    assert_eq!((params.get("requestState"), params.get("inputResponses")), (None, None));
}
