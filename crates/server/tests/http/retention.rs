//! Legal holds and erasure over HTTP.

use serde_json::json;

use crate::support::Acme;

#[tokio::test]
async fn with_two_admins_an_erasure_takes_both_and_a_hold_comes_first() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let second = server.user(admin, "bea", &["admin"], &[]).await;
    let decided = acme.decide(&json!({ "action": "read", "principal": "maria" })).await;
    let payload = format!("/v1/audit/payload/{}", decided["receipt"]["index"]);
    server.get(admin, &payload).await.good();

    let hold = json!({ "subject": "maria", "why": "a claim" });
    let hold = server.post(admin, "/v1/audit/holds", &hold).await.good();
    assert_eq!(hold["by"], "alex");
    let erase = json!({ "subject": "maria", "why": "she asked for it", "legal_basis": "GDPR 17(1)(b)" });
    assert_eq!(
        server.post(admin, "/v1/audit/erasures", &erase).await.problem(409),
        "legal_hold"
    );
    let release = format!("/v1/audit/holds/{}/release", hold["id"].as_str().unwrap());
    let why = json!({ "why": "settled" });
    assert_eq!(server.post(admin, &release, &why).await.good()["released"], false);
    assert_eq!(server.post(&second, &release, &why).await.problem(409), "too_early");
    assert_eq!(
        server.get(admin, "/v1/audit/holds").await.good()["holds"][0]["release_requested_by"],
        "alex"
    );

    // Nobody's but hers is held.
    let erase = json!({ "subject": "agent:bot", "why": "it is retired" });
    acme.decide(&json!({ "action": "read" })).await;
    let asked = server.post(admin, "/v1/audit/erasures", &erase).await.good();
    assert_eq!(asked["state"], "asked");
    let waiting = server.get(admin, "/v1/audit/erasures").await.good();
    assert_eq!(waiting["erasures"][0]["subject"], asked["subject"]);
    assert_eq!(
        server.post(admin, "/v1/audit/erasures", &erase).await.problem(409),
        "second_person_needed"
    );
    let erased = server.post(&second, "/v1/audit/erasures", &erase).await.good();
    assert_eq!(
        (erased["state"].as_str(), erased["payloads"].as_u64()),
        (Some("erased"), Some(1))
    );
    assert_eq!(
        server.get(admin, "/v1/audit/erasures").await.good()["erasures"],
        json!([])
    );
    server.get(admin, &payload).await.good();
}

#[tokio::test]
async fn what_is_to_be_erased_is_read_for_a_legal_purpose_only_and_then_by_nobody() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let second = server.user(admin, "bea", &["admin"], &[]).await;
    let decided = acme.decide(&json!({ "action": "read", "principal": "maria" })).await;
    let payload = format!("/v1/audit/payload/{}", decided["receipt"]["index"]);
    let legal = format!("{payload}?purpose=legal");
    let erase = json!({ "subject": "maria", "why": "she asked for it" });
    server.post(admin, "/v1/audit/erasures", &erase).await.good();
    assert_eq!(server.get(admin, &payload).await.problem(403), "restricted");
    server.get(admin, &legal).await.good();
    let curious = format!("{payload}?purpose=curiosity");
    assert_eq!(server.get(admin, &curious).await.problem(422), "invalid_parameter");
    server.post(&second, "/v1/audit/erasures", &erase).await.good();
    assert_eq!(server.get(admin, &legal).await.problem(410), "erased");
    let hashes = server.get(admin, "/v1/audit/leaf_hashes?limit=5").await.good();
    assert_eq!(
        (hashes["pruned"].as_u64(), hashes["hashes"].as_array().unwrap().len()),
        (Some(0), 5)
    );
}
