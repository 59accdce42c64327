//! Credentials are given out once at most, however often the server is killed while they are.

use std::collections::BTreeMap;

use countersign_client::{Client, ClientError};
use serde_json::{Value, json};

use crate::load::Numbers;
use crate::scene::{AGENTS, Folder, Place, Server, prepare, seed};

const VALUE: &str = "words-that-open-doors";
/// So many kills, and so many permits that are shown at once before each.
const CRASHES: u64 = 8;
const PERMITS: usize = 16;

async fn redeemed(agent: &Client) -> String {
    let decided: Value = agent
        .post(
            "/v1/actions",
            &json!({ "action": "read", "amount": "1", "estimated_cost": "0.001" }),
        )
        .await
        .unwrap();
    let what = json!({ "permit": decided["permit"], "action_digest": decided["action_digest"] });
    agent.post::<Value>("/v1/permits/redeem", &what).await.unwrap();
    decided["permit"].as_str().unwrap().to_owned()
}

/// Asks for a permit's credential; `None` if the server was gone before it answered.
async fn release(gateway: &Client, permit: &str) -> Option<Result<(), String>> {
    let asked = gateway
        .post::<Value>("/v1/permits/credential", &json!({ "permit": permit }))
        .await;
    match asked {
        Ok(answer) => {
            assert_eq!(answer["value"], VALUE);
            Some(Ok(()))
        }
        Err(ClientError::Problem(problem)) => Some(Err(problem.code)),
        Err(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_given_out_once_at_most_over_every_kill() {
    let seed = seed();
    println!("seed={seed} (COUNTERSIGN_CRASH_SEED)");
    let folder = Folder(std::env::temp_dir().join(format!("countersign-crash-{}-broker-{seed}", std::process::id())));
    std::fs::create_dir(&folder.0).unwrap();
    let place = Place::folder(&folder.0.join("data"));
    let oracle = prepare(&folder.0, &place).await;
    let admin_key = oracle.keys.last().unwrap();
    let mut server = Server::start(&place);
    let admin = server.client(admin_key);
    let stored = json!({ "name": "reader", "value": VALUE, "tools": ["read"] });
    admin.post::<Value>("/v1/credentials", &stored).await.unwrap();
    let key: Value = (admin
        .post("/v1/keys", &json!({ "user": "dana", "scopes": ["credential"] }))
        .await)
        .unwrap();
    let gateway_key = key["key"].as_str().unwrap();

    let mut numbers = Numbers(seed);
    let mut received: BTreeMap<String, u32> = BTreeMap::new();
    for crash in 1..=CRASHES {
        let mut permits = Vec::new();
        // In turn, since policy lets each of them read so and so often.
        for agent_key in oracle.keys.iter().take(AGENTS).cycle().take(PERMITS) {
            permits.push(redeemed(&server.client(agent_key)).await);
        }
        let (answered, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let asking: Vec<_> = permits
            .iter()
            .map(|permit| {
                let (gateway, permit) = (server.client(gateway_key), permit.clone());
                let answered = answered.clone();
                tokio::spawn(async move {
                    let answer = release(&gateway, &permit).await;
                    let _ = answered.send(());
                    (answer, permit)
                })
            })
            .collect();
        // Killed when some have their answer and others may be committed without one.
        for _ in 0..numbers.below(8) {
            arrived.recv().await;
        }
        drop(server);
        for asked in asking {
            let (answer, permit) = asked.await.unwrap();
            let got = matches!(answer, Some(Ok(())));
            *received.entry(permit).or_default() += u32::from(got);
            assert!(!matches!(answer, Some(Err(_))), "crash {crash}: {answer:?}");
        }
        server = Server::start(&place);
        let gateway = server.client(gateway_key);
        for permit in &permits {
            let count = received.get_mut(permit).unwrap();
            match release(&gateway, permit).await.unwrap() {
                Ok(()) => *count += 1,
                // Recorded before the kill, whether or not anybody heard of it.
                Err(code) => assert_eq!(code, "already_released"),
            }
            assert!(*count <= 1, "crash {crash}: given out {count} times");
            assert_eq!(
                release(&gateway, permit).await,
                Some(Err("already_released".to_owned()))
            );
        }
    }
    let records = server
        .client(admin_key)
        .text("/v1/audit/records?limit=10000")
        .await
        .unwrap();
    let released = records
        .lines()
        .filter(|line| line.contains("\"credential.released\""))
        .count();
    assert_eq!(released, received.len(), "each permit has one record");
    let heard: u32 = received.values().sum();
    println!("{CRASHES} crashes: {released} credentials given out for as many permits, {heard} of them arrived");
    assert!(heard > 0);
}
