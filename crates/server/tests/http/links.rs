//! Links that do not work. That one which does work decides once is shown with a real mail, in the tests of the binary.

use crate::support::{Acme, Answer};

const FORM: [(&str, &str); 1] = [("Content-Type", "application/x-www-form-urlencoded")];

/// It says as a page that nothing comes of it, and no more.
fn is_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{what}");
    assert_eq!(answer.headers["cache-control"], "no-store", "{what}");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{what}");
    let policy = &answer.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(
        policy.ends_with("form-action 'self'; frame-ancestors 'none'"),
        "{policy}"
    );
}

#[tokio::test]
async fn a_link_that_nobody_was_sent_is_answered_alike_whatever_is_wrong_with_it() {
    let acme = Acme::start().await;
    let pending = acme.pending().await;
    let approval = pending["approval"]["id"].as_str().unwrap();
    let secret = "0".repeat(64);
    let paths = [
        format!("/v1/links/{approval}.{secret}/acme"),
        format!("/v1/links/{approval}.{secret}/nobody"),
        format!("/v1/links/{approval}/acme"),
        format!("/v1/links/{approval}.{}/acme", "g".repeat(64)),
        "/v1/links/x/acme".to_owned(),
        format!("/v1/links/apr_{}.{secret}/acme", "0".repeat(32)),
    ];
    let mut bodies = Vec::new();
    for path in &paths {
        let read = acme.server.send("GET", path, &[], None).await;
        is_refused(&read, path);
        let decided = acme.server.send("POST", path, &FORM, Some(b"what=approve")).await;
        is_refused(&decided, path);
        bodies.extend([read.body, decided.body]);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "they do not say what is wrong");
    let path = format!("/v1/approvals/{approval}");
    let open = acme.server.get(&acme.admin, &path).await.good();
    assert_eq!(open["votes"], serde_json::json!([]), "{open}");
}
