//! The OpenAPI document and the page that is made from it.

use countersign_api::calls::Permission;
use countersign_api::{CALLS, openapi};
use serde_json::Value;

use crate::support::Acme;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/openapi.json");

#[test]
fn the_document_is_the_golden_one() {
    let text = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        golden == text,
        "the API changed: look at it, then run this test with UPDATE_GOLDEN=1"
    );
}

#[test]
fn every_example_is_a_body_of_its_call() {
    for call in CALLS.iter() {
        if let Some(body) = &call.body {
            assert_eq!((body.reads)(body.example), Ok(()), "{}", call.id);
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(path)) = map.get("$ref") {
                    assert!(document.pointer(path.strip_prefix('#').unwrap()).is_some(), "{path}");
                }
                map.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|item| check(document, item)),
            _ => {}
        }
    }
    let document = openapi();
    check(&document, &document);
}

#[test]
fn calls_have_names_and_places_of_their_own() {
    let mut names: Vec<&str> = CALLS.iter().map(|call| call.id).collect();
    let mut places: Vec<_> = CALLS.iter().map(|call| (call.method, call.path)).collect();
    names.sort_unstable();
    places.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(places.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(CALLS.iter().all(|call| !call.summary.is_empty()));
}

#[test]
fn every_call_with_a_caller_says_that_the_outcome_of_a_commit_may_be_unknown() {
    // Reads wait for the commit of what they show, so they may end like that as well.
    for call in CALLS.iter().filter(|call| call.permission != Permission::Anyone) {
        let problems = call.all_problems();
        let not_now = problems.iter().find(|(status, _)| *status == 503).unwrap();
        assert!(not_now.1.contains(&"outcome_unknown"), "{}", call.id);
    }
}

#[tokio::test]
async fn the_server_serves_the_document_and_a_page_without_script() {
    let acme = Acme::start().await;
    assert_eq!(
        acme.server.send("GET", "/openapi.json", &[], None).await.good(),
        openapi()
    );
    let docs = acme.server.send("GET", "/docs", &[], None).await;
    let html = String::from_utf8(docs.body).unwrap();
    assert!(docs.headers["content-security-policy"].contains("style-src 'sha256-"));
    assert!(!html.contains("<script") && !html.contains("style=\"") && !html.contains("http://"));
    for call in CALLS.iter() {
        assert!(html.contains(&format!("id=\"{}\"", call.id)), "{}", call.id);
        for (_, codes) in call.all_problems() {
            for code in codes {
                assert!(html.contains(&format!("<tr id=\"{code}\">")), "{code}");
            }
        }
    }
}
