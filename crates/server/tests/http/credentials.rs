//! Credentials over HTTP: who gets a value, when, and that nothing else ever shows it.

use serde_json::{Value, json};

use crate::support::{Acme, Answer};

const SECRET: &str = "correct-horse-battery-staple-17";
const POLICY: &str = "name: gate\nrules:\n  - { decision: allow }\n";

struct Broker {
    acme: Acme,
    gateway: String,
}

impl Broker {
    async fn start() -> Broker {
        let acme = Acme::start().await;
        acme.server.policy(&acme.admin, &json!({ "gate.yaml": POLICY })).await;
        acme.server.user(&acme.admin, "gate", &[], &[]).await;
        let key = json!({ "user": "gate", "scopes": ["credential"] });
        let key = acme.server.post(&acme.admin, "/v1/keys", &key).await.good();
        let gateway = key["key"].as_str().unwrap().to_owned();
        let broker = Broker { acme, gateway };
        assert_eq!(
            broker.store(SECRET).await.good(),
            json!({ "name": "github", "version": 1 })
        );
        broker
    }

    async fn store(&self, value: &str) -> Answer {
        let body = json!({ "name": "github", "value": value, "tools": ["github/*"], "agents": ["bot"] });
        self.acme.server.post(&self.acme.admin, "/v1/credentials", &body).await
    }

    async fn permit(&self) -> Value {
        let decided = self
            .acme
            .decide(&json!({ "tool": "github/merge", "args": { "n": 1 } }))
            .await;
        decided["permit"].clone()
    }

    async fn redeemed(&self) -> Value {
        let decided = self
            .acme
            .decide(&json!({ "tool": "github/merge", "args": { "n": 1 } }))
            .await;
        let what = json!({ "permit": decided["permit"], "action_digest": decided["action_digest"] });
        self.acme
            .server
            .post(&self.acme.agent, "/v1/permits/redeem", &what)
            .await
            .good();
        decided["permit"].clone()
    }

    async fn release(&self, key: &str, permit: &Value) -> Answer {
        let body = json!({ "permit": permit });
        self.acme.server.post(key, "/v1/permits/credential", &body).await
    }
}

#[tokio::test]
async fn a_gateway_gets_the_value_once_for_a_permit_that_was_redeemed() {
    let broker = Broker::start().await;
    let early = broker.permit().await;
    assert_eq!(
        broker.release(&broker.gateway, &early).await.problem(409),
        "not_redeemed"
    );
    let permit = broker.redeemed().await;
    let released = broker.release(&broker.gateway, &permit).await.good();
    assert_eq!(released["value"], SECRET);
    assert_eq!(
        (&released["name"], &released["version"], &released["agent"]),
        (&json!("github"), &json!(1), &json!("bot"))
    );
    assert_eq!(
        broker.release(&broker.gateway, &permit).await.problem(409),
        "already_released"
    );
    // A repetition under an idempotency key gets no second value either.
    let (permit, Acme { server, .. }) = (broker.redeemed().await, &broker.acme);
    let body = json!({ "permit": permit }).to_string();
    let first = server
        .repeatable(&broker.gateway, "once", "/v1/permits/credential", body.as_bytes())
        .await;
    assert_eq!(first.good()["value"], SECRET);
    let again = server
        .repeatable(&broker.gateway, "once", "/v1/permits/credential", body.as_bytes())
        .await;
    assert_eq!(again.problem(409), "already_released");
}

#[tokio::test]
async fn nobody_gets_a_value_without_the_scope_for_it() {
    let broker = Broker::start().await;
    let permit = broker.redeemed().await;
    let Acme {
        server,
        admin,
        agent,
        lead,
    } = &broker.acme;
    for key in [admin, agent, lead] {
        assert_eq!(broker.release(key, &permit).await.problem(403), "forbidden");
    }
    // An agent's key with the scope is a gateway for those whom it may act for.
    let elsewhere = server.agent(admin, "elsewhere").await;
    assert_eq!(broker.release(&elsewhere, &permit).await.problem(403), "forbidden");
    let of = async |scopes: Value| {
        let key = json!({ "agent": "elsewhere", "scopes": scopes });
        let key = server.post(admin, "/v1/keys", &key).await.good();
        key["key"].as_str().unwrap().to_owned()
    };
    let own = of(json!(["credential"])).await;
    assert_eq!(broker.release(&own, &permit).await.problem(404), "not_found");
    let acting = of(json!(["credential", "act_for:bot"])).await;
    assert_eq!(broker.release(&acting, &permit).await.good()["value"], SECRET);
    let forged = json!("eyJhbGciOiJFZERTQSJ9.e30.c2ln");
    assert_eq!(
        broker.release(&broker.gateway, &forged).await.problem(403),
        "invalid_permit"
    );
}

#[tokio::test]
async fn another_value_takes_the_place_of_the_first_and_removal_ends_it() {
    let broker = Broker::start().await;
    let Acme { server, admin, .. } = &broker.acme;
    assert_eq!(broker.store("second-value").await.good()["version"], 2);
    let permit = broker.redeemed().await;
    let released = broker.release(&broker.gateway, &permit).await.good();
    assert_eq!(
        (&released["value"], &released["version"]),
        (&json!("second-value"), &json!(2))
    );
    let listed = server.get(admin, "/v1/credentials").await.good();
    let first = &listed["credentials"][0];
    assert_eq!(
        (&first["name"], &first["version"], &first["tools"]),
        (&json!("github"), &json!(2), &json!(["github/*"]))
    );
    assert!(first["released"].is_string() && first.get("value").is_none(), "{first}");
    server
        .call(admin, "DELETE", "/v1/credentials/github", None)
        .await
        .good();
    let permit = broker.redeemed().await;
    assert_eq!(
        broker.release(&broker.gateway, &permit).await.problem(409),
        "no_credential"
    );
    let gone = server.call(admin, "DELETE", "/v1/credentials/github", None).await;
    assert_eq!(gone.problem(404), "not_found");
}

#[tokio::test]
async fn storing_again_under_an_idempotency_key_stores_once() {
    let broker = Broker::start().await;
    let Acme { server, admin, .. } = &broker.acme;
    let body = json!({ "name": "mail", "value": SECRET, "tools": ["mail"] }).to_string();
    let first = server.repeatable(admin, "k", "/v1/credentials", body.as_bytes()).await;
    assert_eq!(first.good()["version"], 1);
    let again = server.repeatable(admin, "k", "/v1/credentials", body.as_bytes()).await;
    assert!(again.is_replayed());
    assert_eq!(again.good()["version"], 1);
    let other = body.replace("staple", "stable");
    let other = server.repeatable(admin, "k", "/v1/credentials", other.as_bytes()).await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
}

#[tokio::test]
async fn the_record_tells_of_a_release_without_the_value_or_a_hash_of_it() {
    use countersign_core::digest::Digest;
    let broker = Broker::start().await;
    let Acme { server, admin, .. } = &broker.acme;
    let body = json!({ "name": "mail", "value": SECRET, "tools": ["mail"] }).to_string();
    server
        .repeatable(admin, "k", "/v1/credentials", body.as_bytes())
        .await
        .good();
    let permit = broker.redeemed().await;
    broker.release(&broker.gateway, &permit).await.good();
    let records = String::from_utf8(server.get(admin, "/v1/audit/records").await.body).unwrap();
    for kind in ["credential.stored", "credential.released"] {
        assert!(records.contains(kind), "{kind}");
    }
    let hash_of = |text: &str| Digest::of(text.as_bytes()).to_string();
    for planted in [SECRET.to_owned(), hash_of(SECRET), hash_of(&body)[..32].to_owned()] {
        assert!(!records.contains(&planted), "{planted}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_taken_is_not_repeated() {
    let broker = Broker::start().await;
    let Acme { server, admin, .. } = &broker.acme;
    let long = SECRET.repeat(600);
    for (value, rest) in [
        (json!({ "text": SECRET }), json!(["mail"])),
        (json!([SECRET]), json!(["mail"])),
        (json!(long), json!(["mail"])),
        (json!(SECRET), json!([])),
        (json!(SECRET), json!(["*x"])),
    ] {
        let body = json!({ "name": "mail", "value": value, "tools": rest });
        let answer = server.post(admin, "/v1/credentials", &body).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains(SECRET), "{answer:?}");
        answer.problem(422);
    }
    // Who takes the value for a name of a tool is told so without it, as far as it looks like a secret.
    let body = json!({ "name": "mail", "value": "x", "tools": ["sk_live_4eC39HqLyjWDarjtT1zdp7dcQ8aBx"] });
    assert_eq!(
        server.post(admin, "/v1/credentials", &body).await.problem(422),
        "invalid_pattern"
    );
}
