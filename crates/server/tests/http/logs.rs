//! What is logged: enough to find a request, nothing of what it carried.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::Acme;

/// Keeps every line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_request_is_one_line_without_payload_path_query_or_credential() {
    let lines = Lines::default();
    // Other tests of this program log here too; what is planted below is only ours.
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let acme = Acme::start().await;
    let body = json!({ "action": "read", "args": { "note": "planted-in-args" }, "principal": "planted-principal" });
    let body = body.to_string();
    let answer = acme
        .server
        .repeatable(&acme.agent, "planted-key", "/v1/actions", body.as_bytes())
        .await;
    let id = answer.good()["id"].as_str().unwrap().to_owned();
    acme.server
        .repeatable(&acme.agent, "k", "/v1/actions", b"{\"action\": \"planted-broken")
        .await
        .problem(400);
    acme.server
        .get(&acme.agent, &format!("/v1/actions/{id}?wait=0s"))
        .await
        .good();
    acme.server
        .get(&acme.admin, "/v1/audit?agent=planted-query")
        .await
        .good();
    acme.server
        .get("cs_agent_planted-credential", "/v1/whoami")
        .await
        .problem(401);
    acme.server.get(&acme.admin, "/planted-path").await.problem(404);

    let lines = lines.0.lock().unwrap();
    let request_id = &answer.headers["x-request-id"];
    let of_request: Vec<_> = lines.iter().filter(|line| line.contains(request_id.as_str())).collect();
    assert_eq!(of_request.len(), 1, "{of_request:?}");
    for part in [
        "method=\"POST\"",
        "route=\"/v1/actions\"",
        "status=200",
        "org=\"acme\"",
        "took_us=",
    ] {
        assert!(of_request[0].contains(part), "{part}: {}", of_request[0]);
    }
    for absent in ["planted", &acme.agent, &acme.admin, &id] {
        assert!(!lines.iter().any(|line| line.contains(absent)), "{absent}");
    }
}
