//! Agents that show tokens of an authorization server: the Python client gets one by what the gateway says of itself.

use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{Gateway, call, initialize};
use crate::mcp::{Driver, Shop, said, servers};
use crate::packages;
use crate::scene::{repository, text};

/// A key of the gateway, by which it asks for the agents that show tokens.
fn acting_key(shop: &Shop) -> String {
    shop.as_person(&["users", "add", "gate", "--roles", "viewer", "--json"]);
    let scopes = [
        "--scopes",
        "act_for:assistant",
        "--scopes",
        "redeem",
        "--scopes",
        "outcome",
    ];
    let key = shop.as_person(&[&["keys", "add", "--user", "gate", "--json"], &scopes[..]].concat());
    text(&serde_json::from_str(&key).expect("JSON"), "/key")
}

fn records(shop: &Shop) -> String {
    let bundle = shop.scene.path("bundle");
    shop.as_person(&["audit", "export", "--out", &bundle.display().to_string()]);
    shop.scene.read("bundle/records.jsonl")
}

#[test]
fn an_agent_that_shows_a_token_of_the_authorization_server_is_governed_and_the_token_goes_no_further() {
    let shop = Shop::open();
    shop.scene.write("gateway.key", &acting_key(&shop));
    let script = repository().join("tests/mcp/oauth.py").display().to_string();
    let python = packages::python("mcp-2", "mcp/requirements-2.txt")
        .display()
        .to_string();
    let mut client = Driver::start(&shop, &[python, script], &[]);
    let issuer = text(&client.result(), "/issuer");
    let upstream = Upstream::start();
    let log = shop.scene.path("log").display().to_string();
    let (_, command) = servers(&log).remove(1);
    let server = json!({ "files": { "url": upstream.url }, "shop": { "command": command[0], "args": command[1..] } });
    let keys = format!("{issuer}/keys");
    let gateway = Gateway::start(
        &shop,
        &server,
        &[
            "--gateway-key",
            "gateway.key",
            "--hold",
            "30s",
            "--token-issuer",
            &issuer,
            "--token-keys",
            &keys,
            "--token-scope",
            "mcp",
            "--hide-denied",
        ],
    );
    let metadata = gateway
        .send("GET", "/.well-known/oauth-protected-resource/mcp/shop", &[], None)
        .json();
    assert_eq!(metadata["authorization_servers"], json!([issuer]));
    assert_eq!(metadata["scopes_supported"], json!(["mcp"]));
    client.tell(&format!("{}/mcp/shop", gateway.url));
    client.begin(&json!({ "do": "list" }));
    assert_eq!(client.result(), json!({ "tools": ["look_up", "refund"] }));
    let looked = client.call("look_up", json!({ "order": "1" }));
    assert!(said(&looked).starts_with("order 1"), "{looked}");
    let denied = client.call("drop_table", json!({ "name": "orders" }));
    assert!(said(&denied).starts_with("Denied by policy"), "{denied}");
    client.begin(&json!({ "do": "call", "name": "refund", "arguments": { "order": "1", "amount": 700 } }));
    shop.approve_the_one();
    assert_eq!(said(&client.result()), "refunded 700 for 1");
    assert_eq!(shop.ran("log").len(), 2, "a denied call reached the server");

    let resource = format!("{}/mcp/files", gateway.url);
    let mut token = |mut step: Value| {
        if step["resource"].is_null() {
            step["resource"] = resource.as_str().into();
        }
        client.begin(&step);
        text(&client.result(), "/token")
    };
    let good = token(json!({ "do": "token" }));
    assert_eq!(gateway.post("files", &good, None, &initialize()).status, 200);
    let before = upstream.seen().len();
    for (what, step) in [
        (
            "another issuer",
            json!({ "do": "token", "claims": { "iss": "https://login.example.com" } }),
        ),
        ("over", json!({ "do": "token", "claims": { "exp": 1_700_000_000 } })),
        ("an unknown key", json!({ "do": "token", "kid": "two" })),
        (
            "an agent that nobody registered",
            json!({ "do": "token", "claims": { "client_id": "stranger" } }),
        ),
        (
            "a path in place of an agent",
            json!({ "do": "token", "claims": { "client_id": "../agents" } }),
        ),
    ] {
        let got = gateway.post("files", &token(step), None, &initialize());
        let challenge = got.header("www-authenticate").expect("a challenge");
        assert_eq!(got.status, 401, "{what}: {}", got.body);
        assert!(
            challenge.contains("resource_metadata=") && challenge.contains("scope=\"mcp\""),
            "{challenge}"
        );
    }
    // For another resource of the same gateway.
    let elsewhere = token(json!({ "do": "token", "resource": format!("{}/mcp/shop", gateway.url) }));
    assert_eq!(gateway.post("files", &elsewhere, None, &initialize()).status, 401);
    let narrow = gateway.post(
        "files",
        &token(json!({ "do": "token", "claims": { "scope": "other" } })),
        None,
        &initialize(),
    );
    assert_eq!(narrow.status, 403);
    let challenge = narrow.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"mcp\""),
        "{challenge}"
    );
    let (head, rest) = good.split_once('.').expect("three parts");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", rest.split_once('.').expect("three parts").0);
    assert_eq!(
        gateway.post("files", &unsigned, None, &initialize()).status,
        401,
        "{head}"
    );
    // A key of an agent is as good as before, and is another caller: a session is not shared with it.
    let opened = gateway.post("files", &good, None, &initialize());
    let session = opened.header("mcp-session-id").expect("a session");
    let note = call(5, "note", json!({ "text": "a" }));
    assert_eq!(gateway.post("files", &shop.agent, Some(&session), &note).status, 404);
    let before_it = upstream.seen().len();
    assert!(
        gateway
            .post("files", &good, Some(&session), &note)
            .body
            .contains("noted")
    );
    assert_eq!((before_it - before, upstream.seen().len() - before_it), (1, 1));
    for request in upstream.seen() {
        assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
    }
    let records = records(&shop);
    assert!(!records.contains(rest), "a token is on record");
    let decided = records.lines().filter(|line| line.contains("\"decision.made\""));
    let mut decided = decided.filter(|line| line.contains("shop/look_up")).peekable();
    assert!(decided.peek().is_some(), "{records}");
    assert!(decided.all(|line| line.contains("\"verified\":false")), "{records}");
}

#[test]
fn tokens_need_a_key_of_the_gateways_own_and_an_issuer_whose_keys_nobody_can_replace() {
    let shop = Shop::open();
    shop.scene
        .write("servers.json", r#"{"mcpServers": {"files": {"command": "cat"}}}"#);
    let serve = |more: &[&str]| {
        let serve = [
            "mcp",
            "serve",
            "--servers",
            "servers.json",
            "--listen",
            "127.0.0.1:0",
            "--at",
            "http://127.0.0.1:9",
        ];
        let ran = shop.scene.run(&[&serve[..], more].concat());
        assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
        ran.err
    };
    shop.scene.write("gateway.key", "cs_user_x");
    let issuer = ["--token-issuer", "https://login.example.com", "--token-keys"];
    let with = |more: &[&'static str]| serve(&[&issuer[..], more].concat());
    assert!(with(&["https://login.example.com/keys"]).contains("key of the gateway's own"));
    assert!(with(&["http://login.example.com/keys", "--gateway-key", "gateway.key"]).contains("replaced on the way"));
    let twice = ["--token-agent", "a=one", "--token-agent", "a=two"];
    let key = ["https://login.example.com/keys", "--gateway-key", "gateway.key"];
    assert!(with(&[&key[..], &twice].concat()).contains("two agents"));
    assert!(serve(&["--token-issuer", "https://login.example.com"]).contains("--token-keys"));
}
