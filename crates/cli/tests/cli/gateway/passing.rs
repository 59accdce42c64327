//! What a client proves itself with stays at the gateway, whatever it sends and wherever its server is.

use serde_json::{Value, json};

use super::upstream::Upstream;
use super::{Gateway, call, initialize};
use crate::mcp::Shop;

/// What of a client no server of tools may see: its key, and whatever else proves somebody.
const PROOFS: [(&str, &str); 4] = [
    ("Cookie", "session=of-the-client"),
    ("Proxy-Authorization", "Basic b2YtdGhlLWNsaWVudA=="),
    ("X-Api-Key", "of-the-client"),
    ("Forwarded", "for=of-the-client"),
];

#[test]
fn no_request_to_a_server_of_tools_has_anything_that_its_client_proved_itself_with() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    // Neither without a proof of its own nor with one that the configuration names.
    let server = json!({
        "files": { "url": upstream.url },
        "shop": { "url": upstream.url, "headers": { "Authorization": "Bearer of-the-configuration" } },
    });
    let gateway = Gateway::start(&shop, &server, &[]);
    let bearer = format!("Bearer {}", shop.agent);
    for name in ["files", "shop"] {
        let path = format!("/mcp/{name}");
        let send = |method: &str, session: Option<&str>, body: Option<&Value>| {
            let mut headers = vec![("Authorization", bearer.as_str()), ("Accept", "application/json")];
            headers.extend(PROOFS);
            headers.extend(session.map(|id| ("Mcp-Session-Id", id)));
            gateway.send(method, &path, &headers, body)
        };
        let session = send("POST", None, Some(&initialize())).header("mcp-session-id");
        let session = session.as_deref();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        send("POST", session, Some(&ready));
        send(
            "POST",
            session,
            Some(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })),
        );
        let tool = if name == "shop" { "look_up" } else { "note" };
        let ran = send("POST", session, Some(&call(3, tool, json!({ "order": "1" }))));
        assert!(ran.body.contains("noted"), "{}", ran.body);
        send("GET", session, None);
        send("DELETE", session, None);
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 12, "{seen:#?}");
    for request in &seen {
        let (low, key) = (request.to_ascii_lowercase(), shop.agent.to_ascii_lowercase());
        assert!(!low.contains(&key) && !low.contains("of-the-client"), "{request}");
        assert!(!low.contains("b2ytdghllwnsawvuda"), "{request}");
        let proofs = low.matches("authorization:").count();
        assert_eq!(proofs, low.matches("of-the-configuration").count(), "{request}");
    }
    assert_eq!(
        seen.iter()
            .filter(|request| request.contains("of-the-configuration"))
            .count(),
        6
    );
}

#[test]
fn the_metadata_of_a_resource_names_it_and_says_that_the_key_goes_into_a_header() {
    let shop = Shop::open();
    let upstream = Upstream::start();
    let server = json!({ "files": { "url": upstream.url } });
    let gateway = Gateway::start(&shop, &server, &[]);
    let path = "/.well-known/oauth-protected-resource/mcp/files";
    let metadata = gateway.send("GET", path, &[], None);
    assert_eq!(metadata.status, 200);
    assert_eq!(
        metadata.json(),
        json!({
            "resource": format!("{}/mcp/files", gateway.url),
            "resource_name": "files, governed by Countersign",
            "bearer_methods_supported": ["header"],
        })
    );
    let elsewhere = "/.well-known/oauth-protected-resource/mcp/elsewhere";
    assert_eq!(gateway.send("GET", elsewhere, &[], None).status, 404);
    // A key in the address, or in the body, is none.
    let by_query = gateway.send(
        "POST",
        &format!("/mcp/files?access_token={}", shop.agent),
        &[],
        Some(&initialize()),
    );
    assert_eq!(by_query.status, 401);
    assert_eq!(upstream.seen(), Vec::<String>::new());
}
