//! Limits over HTTP: what an action adds, and what stands where.

use serde_json::{Value, json};

use crate::support::Acme;

const GATE: &str = "name: gate\nrules:\n  - { decision: allow }\n";
const ACME: &str = "organization: acme\ncurrency: USD\n";
const LIMITS: &str = "limits:
  - { name: refunds/customer, action: refund, per: args.customer, count: 10, sum: 4500.00 USD, within: 24h }
  - { name: pace, action: read, count: 2, within: 1m }
  - { name: order, action: order, same: [args.vendor, amount], within: 30d }
";

async fn limited() -> Acme {
    let acme = Acme::start().await;
    let files = json!({ "acme.yaml": ACME, "gate.yaml": GATE, "limits.yaml": LIMITS });
    acme.server.policy(&acme.admin, &files).await;
    acme
}

fn refund(customer: &str, amount: &str) -> Value {
    json!({ "action": "refund", "amount": amount, "args": { "customer": customer } })
}

#[tokio::test]
async fn ten_refunds_of_499_to_one_customer_are_seen_with_numbers_and_a_time() {
    let acme = limited().await;
    for _ in 0..9 {
        assert_eq!(acme.decide(&refund("cust_7", "499.00")).await["status"], "permitted");
    }
    let dry = acme
        .server
        .post(&acme.agent, "/v1/actions:dry_run", &refund("cust_7", "499.00"))
        .await
        .good();
    let refused = acme.decide(&refund("cust_7", "499.00")).await;
    for answer in [&dry, &refused] {
        assert_eq!(
            (&answer["status"], &answer["reasons"][0]["code"]),
            (&json!("refused"), &json!("velocity"))
        );
        let message = answer["reasons"][0]["message"].as_str().unwrap();
        let numbers = "within 1d 9 of 10, sum 4491.00 of 4500.00 USD, and this takes 499.00, for this `args.customer`; there is \
                       room again at ";
        assert!(message.starts_with(numbers), "{message}");
        let read = &answer["limits"][0];
        assert_eq!(
            [
                &read["id"],
                &read["counted"],
                &read["at_most"],
                &read["sum"],
                &read["sum_at_most"],
                &read["takes"]
            ],
            [
                &json!("refunds/customer"),
                &json!(9),
                &json!(10),
                &json!("4491.00"),
                &json!("4500.00"),
                &json!("499.00")
            ]
        );
        assert!(message.ends_with(read["room_at"].as_str().unwrap()));
        // Who it is stands in the action alone, which can be erased.
        assert!(!answer["reasons"].to_string().contains("cust_7"));
    }
    assert_eq!(acme.decide(&refund("cust_8", "499.00")).await["status"], "permitted");
}

#[tokio::test]
async fn a_repetition_names_the_action_that_it_repeats() {
    let acme = limited().await;
    let order = json!({ "action": "order", "amount": "12.50", "currency": "USD", "args": { "vendor": "Acme Paper" } });
    let first = acme.decide(&order).await;
    assert_eq!(first["status"], "permitted");
    let second = acme.decide(&order).await;
    assert_eq!(
        (&second["status"], &second["decision"]),
        (&json!("pending"), &json!("require_approval"))
    );
    assert_eq!(second["limits"][0]["repeats"], first["id"]);
    let message = second["reasons"][0]["message"].as_str().unwrap();
    let id = first["id"].as_str().unwrap();
    let told = format!("the same `args.vendor`, `amount` as in `{id}` over 12.50 USD, which `bot` asked for at ");
    assert!(
        message.starts_with(&told) && message.ends_with("which was permitted"),
        "{message}"
    );
}

#[tokio::test]
async fn people_see_where_every_limit_stands_and_find_an_agent_or_a_value() {
    let acme = limited().await;
    let Acme { server, admin, .. } = &acme;
    let fresh = server.get(admin, "/v1/limits").await.good();
    let names: Vec<_> = fresh["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(names, ["order", "pace", "refunds/customer"]);
    assert_eq!(fresh["limits"][0]["counts"], "repetitions");
    for (customer, amount) in [("a", "1.00"), ("b", "2.00"), ("b", "4498.00")] {
        acme.decide(&refund(customer, amount)).await;
    }
    for _ in 0..2 {
        acme.decide(&json!({ "action": "read" })).await;
    }
    let one = server.get(admin, "/v1/limits/refunds%2Fcustomer").await.good();
    assert_eq!(
        [
            &one["per"],
            &one["count"],
            &one["sum"],
            &one["unit"],
            &one["within_s"],
            &one["at_cap"],
            &one["windows_in_use"]
        ],
        [
            &json!(["args.customer"]),
            &json!(10),
            &json!("4500.00"),
            &json!("USD"),
            &json!(86_400),
            &json!("deny"),
            &json!(2)
        ]
    );
    let fullest = &one["windows"][0];
    assert_eq!([&fullest["counted"], &fullest["sum"]], [&json!(2), &json!("4500.00")]);
    assert!(fullest["room_at"].is_string() && fullest["whose"].as_str().unwrap().starts_with("key:"));
    let found = server.get(admin, "/v1/limits?value=B").await.good();
    assert_eq!(found["limits"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["limits"][0]["windows_in_use"], &found["limits"][0]["windows"][0]),
        (&json!(1), fullest)
    );
    let own = server.get(admin, "/v1/limits?agent=bot").await.good();
    assert_eq!(own["limits"].as_array().unwrap().len(), 2);
    let pace = &own["limits"][0];
    assert_eq!(
        [&pace["id"], &pace["windows"][0]["whose"]],
        [&json!("pace"), &json!("agent:bot")]
    );
    assert!(pace["windows"][0]["room_at"].is_string());
    for path in ["/v1/limits?value=", "/v1/limits?agent=", "/v1/limits/reads?value="] {
        assert_eq!(
            server.get(admin, path).await.problem(422),
            "invalid_parameter",
            "{path}"
        );
    }
    let nobody = server.get(admin, "/v1/limits?agent=nobody").await.good();
    assert_eq!(nobody["limits"], json!([]));
    server.get(admin, "/v1/limits/nope").await.problem(404);
    server.get(admin, "/v1/limits?who=bot").await.problem(422);
}

#[tokio::test]
async fn an_open_circuit_is_shown_denies_and_is_closed_by_a_person_with_a_reason() {
    let acme = Acme::start().await;
    let Acme { server, admin, .. } = &acme;
    let limits = "limits: [{ name: crm-down, tool: crm/read, failures: 1, within: 1h, open_for: 1h }]\n";
    let files = json!({ "gate.yaml": GATE, "limits.yaml": limits });
    server.policy(admin, &files).await;
    let read = json!({ "tool": "crm/read", "action": "read" });
    let ran = acme.decide(&read).await;
    let redeem = json!({ "permit": ran["permit"], "action": read });
    server.post(&acme.agent, "/v1/permits/redeem", &redeem).await.good();
    let outcome = format!("/v1/actions/{}/outcome", ran["id"].as_str().unwrap());
    let failed = json!({ "status": "failed", "cause": "conflicting_instructions" });
    let told = server.post(&acme.agent, &outcome, &failed).await.good();
    assert_eq!(told["outcome"]["cause"], "conflicting_instructions");

    let refused = acme.decide(&read).await;
    assert_eq!(refused["reasons"][0]["code"], "breaker_open");
    let shown = server.get(admin, "/v1/limits/crm-down").await.good();
    assert_eq!(
        [&shown["counts"], &shown["open_for_s"], &shown["circuits"][0]["circuit"]],
        [&json!("failures"), &json!(3600), &json!("agent:bot,tool:crm/read")]
    );
    let message = refused["reasons"][0]["message"].as_str().unwrap();
    assert!(
        message.ends_with(shown["circuits"][0]["try_at"].as_str().unwrap()),
        "{message}"
    );

    let close = json!({ "limit": "crm-down", "circuit": "agent:bot,tool:crm/read", "reason": "the vendor mended it" });
    server.post(admin, "/v1/limits:close_circuit", &close).await.good();
    let again = server.post(admin, "/v1/limits:close_circuit", &close).await;
    assert_eq!(again.problem(404), "not_found");
    assert_eq!(acme.decide(&read).await["status"], "permitted");
}
