//! A client that takes tasks waits for people as long as they take: driven by the Python client, whose own way to take
//! extensions is the only one of the released clients that can be made to.

use serde_json::{Value, json};

use super::{Driver, Shop, Wrapper, said, servers, wrapped};
use crate::packages;
use crate::scene::repository;

fn client() -> Vec<String> {
    let script = repository().join("tests/mcp/tasks.py").display().to_string();
    let python = packages::python("mcp-2", "mcp/requirements-2.txt");
    vec![python.display().to_string(), script]
}

fn refund(order: &str) -> Value {
    json!({ "name": "refund", "arguments": { "order": order, "amount": 900 } })
}

#[test]
fn a_call_that_waits_for_people_is_a_task_until_they_have_said_yes_or_no() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(1);
    // Nobody holds it: a client without tasks would be told to come back at once.
    let mut governed = Driver::start(&shop, &client(), &wrapped("0s", "shop", &command));
    governed.begin(&json!({ "name": "look_up", "arguments": { "order": "1" } }));
    let at_once = governed.result();
    assert_eq!(at_once["states"], json!([]), "what is allowed is no task: {at_once}");

    governed.begin(&refund("1"));
    shop.approve_the_one();
    let done = governed.result();
    assert_eq!(said(&done["result"]), "refunded 900 for 1", "{done}");
    assert_eq!(done["states"], json!(["working", "completed"]), "{done}");

    governed.begin(&refund("2"));
    let request = shop.the_one();
    shop.as_person(&["approvals", "reject", &request, "--comment", "not this one"]);
    let rejected = governed.result();
    assert_eq!(rejected["result"]["isError"], true, "{rejected}");
    assert!(
        said(&rejected["result"]).starts_with("A reviewer rejected this"),
        "{rejected}"
    );
    assert_eq!(rejected["states"], json!(["working", "completed"]), "{rejected}");

    let mut cancelled = refund("3");
    cancelled["cancel"] = true.into();
    governed.begin(&cancelled);
    assert_eq!(governed.result()["states"], json!(["working", "cancelled"]));
    // The request stays, and its approval is for whoever calls again.
    shop.approve_the_one();
    let refunds = || shop.ran("log").iter().filter(|line| line.contains("refund")).count();
    assert_eq!(refunds(), 1, "a cancelled task ran: {:?}", shop.ran("log"));
    governed.begin(&refund("3"));
    let again = governed.result();
    assert_eq!(said(&again["result"]), "refunded 900 for 3", "{again}");
    assert_eq!(refunds(), 2);
}

/// A message of a client that takes tasks.
fn modern(id: u32, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {
            "elicitation": { "url": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} },
        },
        "progressToken": "p",
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

fn ask(wrapper: &mut Wrapper, line: &str) -> Value {
    wrapper.send(line);
    serde_json::from_str(&wrapper.line()).expect("JSON")
}

#[test]
fn an_approved_task_runs_only_once_its_client_asks_and_the_server_hears_of_no_task() {
    let shop = Shop::open();
    // It answers nothing: what it got is looked at.
    let mut wrapper = Wrapper::start(&shop, &super::KEEPS);
    let made = ask(&mut wrapper, &modern(1, "tools/call", refund("1")));
    assert_eq!(made["result"]["resultType"], "task", "{made}");
    assert_eq!(made["result"]["status"], "working", "{made}");
    let task = json!({ "taskId": made["result"]["taskId"] });
    shop.approve_the_one();
    let elsewhere = json!({ "taskId": "countersign-00" });
    let unknown = ask(&mut wrapper, &modern(2, "tasks/get", elsewhere));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert_eq!(shop.ran("seen"), Vec::<String>::new(), "approved, and nobody has asked");
    let running = ask(&mut wrapper, &modern(3, "tasks/get", task.clone()));
    assert_eq!(running["result"]["status"], "working", "{running}");
    // Asked twice, it still runs once; a task of the server's own goes on to the server.
    ask(&mut wrapper, &modern(4, "tasks/get", task.clone()));
    wrapper.send(&modern(5, "tasks/get", json!({ "taskId": "of the server" })));
    assert_eq!(ask(&mut wrapper, &modern(6, "tasks/cancel", task.clone()))["id"], 6);
    let over = ask(&mut wrapper, &modern(7, "tasks/get", task));
    assert_eq!(over["result"]["status"], "cancelled", "{over}");
    assert_eq!(wrapper.end().0, 0);
    let seen: Vec<Value> = (shop.ran("seen").iter())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let methods: Vec<_> = seen
        .iter()
        .map(|message| message["method"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(methods, ["tools/call", "tasks/get", "notifications/cancelled"]);
    let meta = &seen[0]["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({ "extensions": {} }),
        "{meta}"
    );
    assert!(meta["progressToken"].is_null());
}
