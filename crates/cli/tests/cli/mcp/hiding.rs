//! Tools that policy always denies are not shown, to any client and in front of any server; everything else is.

use serde_json::{Value, json};

use super::{Driver, Shop, Wrapper, clients, said, servers};
use crate::scene::BINARY;

/// What the wrapper shows of a server that answers each request with this line.
fn shown(shop: &Shop, line: &str) -> String {
    shop.scene.write("answer.json", &format!("{line}\n"));
    let server = [
        "--hide-denied",
        "--",
        "sh",
        "-c",
        "read asked; cat answer.json; cat > rest",
    ];
    let mut wrapper = Wrapper::start(shop, &server);
    wrapper.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let shown = wrapper.line();
    wrapper.end();
    shown
}

#[test]
fn no_client_is_shown_a_tool_that_policy_always_denies_and_all_are_shown_the_others() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    for (era, command) in servers(&log) {
        for (client, program) in clients() {
            let case = format!("{client}, a server {era}");
            let mut wrapped: Vec<String> = [BINARY, "mcp", "wrap", "--server", "shop", "--hide-denied", "--"]
                .map(str::to_owned)
                .to_vec();
            wrapped.extend_from_slice(&command);
            let mut governed = Driver::start(&shop, &program, &wrapped);
            governed.begin(&json!({ "do": "list" }));
            // A refund may be denied and may be allowed; nothing that is said makes policy allow `drop_table`.
            assert_eq!(governed.result(), json!({ "tools": ["look_up", "refund"] }), "{case}");
            let denied = governed.call("drop_table", json!({ "name": "orders" }));
            assert!(said(&denied).starts_with("Denied by policy"), "{case}: {denied}");
            let order = governed.call("look_up", json!({ "order": "4521" }));
            assert!(said(&order).starts_with("order 4521"), "{case}: {order}");
        }
    }
    let ran = shop.ran("log");
    assert!(ran.iter().all(|line| line.contains("look_up")), "{ran:?}");
}

#[test]
fn a_page_of_a_list_keeps_every_other_byte() {
    let shop = Shop::open();
    let page = |tools: &str| {
        format!(r#"{{"jsonrpc": "2.0","id":1, "result":{{ "tools":[ {tools} ],"nextCursor":"\u00e9/2" , "x":1.50}}}}"#)
    };
    let (kept, gone) = (r#"{"name":"look_up", "title":"Look"}"#, r#"{"name":"drop_table"}"#);
    assert_eq!(
        shown(&shop, &page(&format!("{gone}, {kept}"))),
        format!("{}\n", page(kept))
    );
    assert_eq!(
        shown(&shop, &page(&format!("{kept} ,{gone}"))),
        format!("{}\n", page(kept))
    );
    assert_eq!(shown(&shop, &page(kept)), format!("{}\n", page(kept)));
}

#[test]
fn nothing_is_hidden_when_nobody_can_say_what_is_denied() {
    let shop = Shop::open();
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop_table"}]}}"#;
    shop.server.signal(rustix::process::Signal::KILL);
    assert_eq!(shown(&shop, list), format!("{list}\n"));
}

#[test]
fn a_client_with_a_session_hears_that_policy_hides_other_tools_now() {
    let shop = Shop::open();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(0);
    let arguments: Vec<&str> = ["--hide-denied", "--"]
        .into_iter()
        .chain(command.iter().map(String::as_str))
        .collect();
    let mut wrapper = Wrapper::start(&shop, &arguments);
    let asks = |wrapper: &mut Wrapper, id: u32, method: &str, params: Value| -> Value {
        wrapper.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        serde_json::from_str(&wrapper.line()).expect("JSON")
    };
    let about = json!({ "name": "t", "version": "1" });
    let opens = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about });
    asks(&mut wrapper, 1, "initialize", opens);
    wrapper.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let names = |list: &Value| -> Vec<String> {
        let tools = list["result"]["tools"].as_array().expect("a list");
        tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let before = asks(&mut wrapper, 2, "tools/list", json!({}));
    assert_eq!(names(&before), ["look_up", "refund"]);
    shop.activate(
        "p/mandate.yaml",
        &super::MANDATE.replace("allowed: false", "allowed: true"),
    );
    let order = json!({ "name": "look_up", "arguments": { "order": "4521" } });
    wrapper.send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": order }).to_string());
    let mut said = [wrapper.line(), wrapper.line()];
    said.sort_by_key(|line| line.contains("list_changed"));
    assert!(said[0].contains("order 4521"), "{said:?}");
    assert_eq!(
        said[1],
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n"
    );
    let after = asks(&mut wrapper, 4, "tools/list", json!({}));
    assert_eq!(names(&after), ["look_up", "refund", "drop_table"]);
    assert_eq!(wrapper.end().0, 0);
}
