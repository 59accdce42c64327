//! The record for other programs, sent as it is read.

use serde_json::{Value, json};

use crate::support::Acme;

async fn acme_with_records() -> Acme {
    let acme = Acme::start().await;
    let actions: Vec<Value> = (0..700)
        .map(|number| json!({ "action": if number % 7 == 0 { "seventh" } else { "other" }, "args": { "n": number } }))
        .collect();
    let path = "/v1/actions:batch";
    acme.server
        .post(&acme.agent, path, &json!({ "actions": actions }))
        .await
        .good();
    acme
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_is_the_ledger_byte_by_byte_however_many_pages_it_takes() {
    let acme = acme_with_records().await;
    let Acme { server, admin, .. } = &acme;
    let sent = server.get(admin, "/v1/audit/export").await;
    assert_eq!(sent.status, 200);
    assert_eq!(sent.headers["content-type"], "application/octet-stream");
    let kept = server.get(admin, "/v1/audit/records?limit=10000").await;
    assert!(lines(&sent.text()).len() > 700);
    assert_eq!(sent.text(), kept.text());
}

#[tokio::test]
async fn filters_and_times_are_those_of_a_search() {
    let acme = acme_with_records().await;
    let Acme { server, admin, .. } = &acme;
    let of = async |query: &str| lines(&server.get(admin, &format!("/v1/audit/export?{query}")).await.text());
    let seventh = of("action=seventh&type=decision.made").await;
    assert_eq!(seventh.len(), 100);
    assert!(seventh.iter().all(|record| record["data"]["action"] == "seventh"));
    let all = of("").await;
    let at = |index: usize| all[index]["ts"].as_str().unwrap().to_owned();
    let some = of(&format!("from={}&to={}", at(20), at(400))).await;
    assert_eq!(some, all[20..400], "not before the one, and before the other");
    assert!(of("agent=nobody").await.is_empty());
    assert!(of("from=2100-01-01T00:00:00Z").await.is_empty());
}

#[tokio::test]
async fn each_format_has_a_line_for_each_record() {
    let acme = acme_with_records().await;
    let Acme { server, admin, .. } = &acme;
    let count = lines(&server.get(admin, "/v1/audit/export?format=jsonl").await.text()).len();
    let csv = server.get(admin, "/v1/audit/export?format=csv").await.text();
    assert!(csv.starts_with("seq,ts,type,"), "{}", &csv[..80]);
    assert_eq!(
        csv.split("\r\n").count(),
        count + 2,
        "names, records, and the end of the last"
    );
    let events = lines(&server.get(admin, "/v1/audit/export?format=ocsf").await.text());
    assert_eq!(events.len(), count);
    assert_eq!(
        (&events[0]["class_uid"], &events[0]["metadata"]["sequence"]),
        (&json!(6003), &json!(0))
    );
    for wrong in [
        "format=parquet",
        "format=xml",
        "decision=maybe",
        "from=yesterday",
        "limit=3",
    ] {
        let refused = server.get(admin, &format!("/v1/audit/export?{wrong}")).await;
        assert_eq!(refused.problem(422), "invalid_parameter", "{wrong}");
    }
}

#[tokio::test]
async fn an_auditor_takes_the_record_along_and_nobody_without_the_role() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    for (role, status) in [("auditor", 200), ("reviewer", 403), ("viewer", 403), ("operator", 403)] {
        let key = server.user(admin, &format!("one-{role}"), &[role], &[]).await;
        assert_eq!(server.get(&key, "/v1/audit/export").await.status, status, "{role}");
    }
    assert_eq!(server.get(&acme.agent, "/v1/audit/export").await.status, 403);
    // A place is given back: one after the other, as often as anybody likes.
    for _ in 0..4 {
        server.get(admin, "/v1/audit/export").await.text();
    }
}
