//! Who is on, over HTTP: questions, absences and overrides by oneself and by admins.

use serde_json::json;

use crate::support::Acme;

const ORGANIZATION: &str = "organization: acme
schedules:
  oncall:
    zone: Europe/Berlin
    layers:
      - { people: [ada, ben], starts: 2026-01-05T09:00, every: 1d, only: [{ days: mon-fri, from: \"09:00\", to: \"18:00\" }] }
routes:
  refunds:
    steps:
      - { to: [schedule:oncall], within: 15m }
      - { to: [role:finance], quorum: 2 }
    deadline: 2h
    on_exhausted: { safe_fallback: open_ticket }
    fallback: [user:alex, user:lea]
";

#[tokio::test]
async fn who_is_on_is_asked_changed_by_oneself_and_forecast() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server.policy(admin, &json!({ "org.yaml": ORGANIZATION })).await;
    let ada = server.user(admin, "ada", &["reviewer"], &[]).await;
    let ben = server.user(admin, "ben", &["reviewer"], &[]).await;
    let cleo = server.user(admin, "cleo", &["reviewer"], &[]).await;
    let on = async |at: &str| {
        let path = format!("/v1/org/schedules/oncall/on?at={at}");
        server.get(&cleo, &path).await.good()
    };
    // A Monday in summer.
    let monday = on("2030-07-01T10:00:00Z").await;
    let person = monday["person"].as_str().unwrap().to_owned();
    assert!(["ada", "ben"].contains(&person.as_str()), "{monday}");
    let sunday = on("2030-06-30T10:00:00Z").await;
    assert_eq!(
        (sunday["person"].is_null(), sunday["because"].as_str().unwrap()),
        (true, "nobody is on in `oncall`")
    );
    assert_eq!(
        server.get(&cleo, "/v1/org/schedules/nights/on").await.problem(404),
        "not_found"
    );
    assert_eq!(
        server
            .get(&cleo, "/v1/org/schedules/oncall/on?at=noon")
            .await
            .problem(422),
        "invalid_parameter"
    );

    let (own, other) = if person == "ada" { (&ada, &ben) } else { (&ben, &ada) };
    let week = json!({ "from": "2030-07-01T00:00:00Z", "to": "2030-07-05T00:00:00Z", "delegate": "cleo" });
    let absence = server.post(own, "/v1/org/absences", &week).await.good();
    assert_eq!(absence["user"], person.as_str());
    assert_eq!(on("2030-07-01T10:00:00Z").await["person"], "cleo");
    let path = format!("/v1/org/absences/{}", absence["id"].as_str().unwrap());
    assert_eq!(
        server.call(other, "DELETE", &path, None).await.problem(403),
        "not_yours"
    );
    assert_eq!(
        server.get(&cleo, "/v1/org/absences").await.good()["absences"],
        json!([absence])
    );
    server.call(admin, "DELETE", &path, None).await.good();
    assert_eq!(on("2030-07-01T10:00:00Z").await["person"], person.as_str());
    let of_another = json!({ "user": "cleo", "from": "2030-07-01T00:00:00Z", "to": "2030-07-05T00:00:00Z" });
    assert_eq!(
        server.post(own, "/v1/org/absences", &of_another).await.problem(403),
        "not_yours"
    );

    let takes = json!({
        "schedule": "oncall", "replaces": person, "from": "2030-07-01T00:00:00Z", "to": "2030-07-02T00:00:00Z",
    });
    let taken = server.post(other, "/v1/org/overrides", &takes).await.good();
    assert_eq!(on("2030-07-01T10:00:00Z").await["person"], taken["user"]);
    assert_eq!(
        server.post(&cleo, "/v1/org/overrides", &takes).await.problem(403),
        "not_of_schedule"
    );
    assert_eq!(
        server.get(&cleo, "/v1/org/overrides").await.good()["overrides"],
        json!([taken])
    );
    let path = format!("/v1/org/overrides/{}", taken["id"].as_str().unwrap());
    server.call(other, "DELETE", &path, None).await.good();
    assert_eq!(on("2030-07-01T10:00:00Z").await["person"], person.as_str());

    let forecast = server
        .get(&cleo, "/v1/org/schedules/oncall/forecast?days=21")
        .await
        .good();
    let people: Vec<_> = forecast["shares"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| &share["person"])
        .collect();
    assert_eq!(people, ["ada", "ben"]);
    // Three weeks from any moment on have fifteen days of nine hours, and nobody is on at night. Within a shift its two
    // ends add up to a day, but each person's share is told in whole seconds, rounded down.
    let seconds: i64 = forecast["shares"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|share| share["seconds"].as_i64())
        .sum();
    let rounded = i64::try_from(people.len()).unwrap();
    assert!((0..rounded).contains(&(15 * 9 * 3600 - seconds)), "{seconds}");
    assert!(forecast["gaps"].as_array().unwrap().len() >= 15);
    assert!(forecast["shifts"].as_array().unwrap().len() >= 15);
    assert_eq!(
        server
            .get(&cleo, "/v1/org/schedules/oncall/forecast?days=93")
            .await
            .problem(422),
        "invalid_parameter"
    );
}

#[tokio::test]
async fn the_routes_of_the_live_policy_are_shown() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    assert_eq!(
        server.get(admin, "/v1/org/routes").await.good(),
        json!({ "routes": [] })
    );
    server.policy(admin, &json!({ "org.yaml": ORGANIZATION })).await;
    let routes = server.get(admin, "/v1/org/routes").await.good();
    let route = &routes["routes"][0];
    assert_eq!(route["name"], "refunds");
    assert_eq!(
        route["steps"][0]["slots"],
        json!([{ "to": ["schedule:oncall"], "count": 1 }])
    );
    assert_eq!(route["steps"][1]["slots"][0]["count"], 2);
    assert_eq!(
        (&route["steps"][0]["within_ms"], &route["deadline_ms"]),
        (&json!(900_000), &json!(7_200_000))
    );
    assert_eq!(
        (&route["on_exhausted"], &route["safe_fallback"]),
        (&json!("safe_fallback"), &json!("open_ticket"))
    );
    assert_eq!(route["separation_of_duties"], json!(["requester"]));
}

#[tokio::test]
async fn a_policy_with_a_route_that_would_reach_nobody_is_not_made_live() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    server.user(admin, "ada", &["reviewer"], &[]).await;
    let route = "organization: acme\nroutes: { r: { steps: [{ to: user:ada }], fallback: [user:ada] } }\n";
    let files = json!({ "files": { "org.yaml": route } });
    let uploaded = server.post(admin, "/v1/policies", &files).await.good();
    let path = format!("/v1/policies/{}/activate", uploaded["hash"].as_str().unwrap());
    let refused = server.post(admin, &path, &json!({ "rationale": "a test" })).await;
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("route `r` reaches nobody if `ada` asks at 20"),
        "{detail}"
    );
    assert_eq!(refused.problem(409), "route_unreachable");
}
