//! Tasks of the gateway's clients: as long as people take, and beyond the gateway's end.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Gateway, Got};
use crate::mcp::{Shop, raw, said};
use crate::scene::text;

/// A request of a client that takes tasks, with the headers that belong to it.
fn ask(gateway: &Gateway, server: &str, key: &str, id: u32, method: &str, mut params: Value) -> Got {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    let bearer = format!("Bearer {key}");
    let about = params
        .get("taskId")
        .or_else(|| params.get("name"))
        .and_then(Value::as_str);
    let about = about.expect("what it is about").to_owned();
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
        ("Mcp-Name", &about),
    ];
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    gateway.send("POST", &format!("/mcp/{server}"), &headers, Some(&body))
}

fn refund(order: &str) -> Value {
    json!({ "name": "refund", "arguments": { "order": order, "amount": 900 } })
}

/// Two servers that are one program, so that what a task of one would do at the other is seen.
fn start(shop: &Shop) -> Gateway {
    let server = raw::server(shop);
    let server = json!({ "command": server[0], "args": server[1..] });
    Gateway::start(
        shop,
        &json!({ "shop": server.clone(), "files": server }),
        &["--hold", "600s"],
    )
}

fn end(mut gateway: Gateway, signal: Signal) {
    let pid = i32::try_from(gateway.child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process"), signal).expect("it is told to end");
    gateway.child.wait().expect("it ends");
}

/// Asks for a task until it is over.
fn followed(gateway: &Gateway, shop: &Shop, task: &Value) -> Value {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let got = ask(gateway, "shop", &shop.agent, 9, "tasks/get", task.clone()).json();
        if got["result"]["status"] != "working" {
            return got["result"].clone();
        }
        assert!(std::time::Instant::now() < end, "{got}");
    }
}

/// The calls that the server of tools got.
fn calls(shop: &Shop) -> Vec<Value> {
    let read = raw::read(shop);
    read.into_iter()
        .filter(|message| message["method"] == "tools/call")
        .collect()
}

#[test]
fn a_task_outlives_the_gateway_and_runs_once_and_only_when_its_own_agent_asks() {
    let shop = Shop::open();
    let gateway = start(&shop);
    let made = ask(&gateway, "shop", &shop.agent, 1, "tools/call", refund("of-a-secret"));
    let made = made.json()["result"].clone();
    assert_eq!(made["resultType"], "task", "{made}");
    let task = json!({ "taskId": made["taskId"] });
    let waits = ask(&gateway, "shop", &shop.agent, 2, "tasks/get", task.clone()).json();
    assert_eq!(waits["result"]["status"], "working", "{waits}");
    assert!(text(&waits, "/result/statusMessage").starts_with("PENDING approval apr_"));
    // Nothing on the disk says what the call is.
    let kept = shop.scene.path("state");
    let found = std::process::Command::new("grep")
        .args(["-r", "of-a-secret"])
        .arg(&kept)
        .output();
    assert_eq!(found.expect("grep runs").status.code(), Some(1));
    end(gateway, Signal::KILL);
    shop.approve_the_one();

    let gateway = start(&shop);
    let other = shop.as_person(&["agents", "add", "other", "--owner", "team:x", "--json"]);
    let other = text(&serde_json::from_str(&other).expect("JSON"), "/key");
    for (server, key) in [("shop", &other), ("files", &shop.agent)] {
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            let got = ask(&gateway, server, key, 3, method, task.clone()).json();
            assert_eq!(got["error"]["code"], -32602, "{server} {method}: {got}");
        }
    }
    assert_eq!(
        calls(&shop),
        Vec::<Value>::new(),
        "approved, and its agent has not asked"
    );
    let running = ask(&gateway, "shop", &shop.agent, 4, "tasks/get", task.clone()).json();
    assert_eq!(running["result"]["resultType"], "complete", "{running}");
    // The server of tools asks for another round first, which a task does not have.
    let over = followed(&gateway, &shop, &task);
    assert_eq!(over["status"], "failed", "{over}");
    let ran = calls(&shop);
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert_eq!(ran[0]["params"]["arguments"]["order"], "of-a-secret");
    let able = &ran[0]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(able, &json!({ "extensions": {} }), "the server hears of no task");
    // What came of it is told again after another restart, and nothing runs again.
    end(gateway, Signal::TERM);
    let gateway = start(&shop);
    assert_eq!(followed(&gateway, &shop, &task), over);
    assert_eq!(calls(&shop).len(), 1);
}

#[test]
fn a_task_whose_call_ran_as_another_one_or_that_was_rejected_or_cancelled_runs_nothing() {
    let shop = Shop::open();
    let gateway = start(&shop);
    let make = |id, order: &str| {
        let made = ask(&gateway, "shop", &shop.agent, id, "tools/call", refund(order)).json();
        json!({ "taskId": made["result"]["taskId"] })
    };
    let task = make(1, "1");
    let request = shop.the_one();
    shop.as_person(&["approvals", "reject", &request, "--comment", "not this one"]);
    let rejected = followed(&gateway, &shop, &task);
    assert_eq!(rejected["status"], "completed", "{rejected}");
    assert!(
        said(&rejected["result"]).starts_with("A reviewer rejected this"),
        "{rejected}"
    );

    let task = make(2, "2");
    let cancelled = ask(&gateway, "shop", &shop.agent, 3, "tasks/cancel", task.clone()).json();
    assert_eq!(cancelled["result"]["resultType"], "complete", "{cancelled}");
    shop.approve_the_one();
    assert_eq!(followed(&gateway, &shop, &task)["status"], "cancelled");
    // Its approval is for whoever calls again, as a task or not: once.
    let again = make(4, "2");
    assert_eq!(calls(&shop).len(), 1, "{again}");
    assert_eq!(followed(&gateway, &shop, &task)["status"], "cancelled");
    assert_eq!(calls(&shop).len(), 1);

    // Two tasks of the same call are one request: what one of them has run, the other does not.
    let (first, second) = (make(5, "3"), make(6, "3"));
    shop.approve_the_one();
    followed(&gateway, &shop, &first);
    let late = followed(&gateway, &shop, &second);
    assert!(said(&late["result"]).contains("has run already"), "{late}");
    assert_eq!(calls(&shop).len(), 2);
}
