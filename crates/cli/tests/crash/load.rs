//! What clients do: submit, vote, redeem, look, with the same requests again where an answer was lost.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use countersign_client::{Client, ClientError, Method, Problem};
use serde_json::{Value, json};

use crate::scene::{AGENTS, Server};
use crate::told::Oracle;

/// How long a client goes on asking other nodes before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it waits before it asks the next one.
const PAUSE: Duration = Duration::from_millis(25);

/// Splitmix64.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// The servers that clients may ask, each with a client for every key.
pub struct Reach {
    nodes: RwLock<Vec<Option<Arc<Vec<Client>>>>>,
    /// The servers are one cluster: what one does not answer is asked of another.
    cluster: bool,
}

impl Reach {
    /// One server.
    pub fn one(clients: Vec<Client>) -> Reach {
        Reach {
            nodes: RwLock::new(vec![Some(Arc::new(clients))]),
            cluster: false,
        }
    }

    /// A cluster of so many nodes, none of them there yet.
    pub fn cluster(nodes: usize) -> Reach {
        Reach {
            nodes: RwLock::new(vec![None; nodes]),
            cluster: true,
        }
    }

    /// A node of the cluster is there, or gone.
    pub fn set(&self, place: usize, server: Option<&Server>, keys: &[String]) {
        let clients = server.map(|server| Arc::new(keys.iter().map(|key| server.client(key)).collect()));
        self.nodes.write().unwrap()[place] = clients;
    }

    /// The clients of some node that is there.
    pub fn some(&self, numbers: &mut Numbers) -> Option<Arc<Vec<Client>>> {
        let nodes = self.nodes.read().unwrap();
        let there: Vec<_> = nodes.iter().flatten().cloned().collect();
        (!there.is_empty()).then(|| numbers.of(&there).clone())
    }

    /// Sends a request; in a cluster until some node answers it.
    pub async fn send(&self, sent: &Sent, numbers: &mut Numbers) -> Outcome {
        let begun = Instant::now();
        loop {
            let outcome = match self.some(numbers) {
                Some(clients) => send(&clients, sent).await,
                None => Outcome::Unknown,
            };
            let settled = match &outcome {
                Outcome::Done { .. } => true,
                Outcome::Refused(problem) => problem.status < 500,
                Outcome::Unknown => false,
            };
            if settled || !self.cluster || begun.elapsed() > PATIENCE {
                return outcome;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads; in a cluster until some node answers. `None` when the server is gone.
    pub async fn read(&self, who: usize, path: &str, numbers: &mut Numbers) -> Option<Value> {
        let begun = Instant::now();
        loop {
            if let Some(clients) = self.some(numbers) {
                match clients[who].send(Method::GET, path, None, None).await {
                    Ok(answer) => return Some(serde_json::from_slice(&answer.body).unwrap()),
                    Err(ClientError::Problem(problem)) if problem.status < 500 => panic!("{path}: {problem:?}"),
                    Err(_) => {}
                }
            }
            if !self.cluster || begun.elapsed() > PATIENCE {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A request that can be sent again as it was.
#[derive(Clone)]
pub struct Sent {
    /// Whose key: a place in [`People::keys`].
    pub who: usize,
    pub path: String,
    pub body: Value,
    pub key: String,
    /// Nobody else tries the same thing, so it has to succeed when it is repeated.
    pub sole: bool,
}

/// What a request came to.
pub enum Outcome {
    Done {
        replayed: bool,
        answer: Value,
    },
    Refused(Problem),
    /// No answer: it may have happened.
    Unknown,
}

pub async fn send(clients: &[Client], sent: &Sent) -> Outcome {
    let body = serde_json::to_vec(&sent.body).unwrap();
    match clients[sent.who]
        .send(Method::POST, &sent.path, Some(body), Some(&sent.key))
        .await
    {
        Ok(answer) => Outcome::Done {
            replayed: answer.replayed,
            answer: serde_json::from_slice(&answer.body).unwrap(),
        },
        Err(ClientError::Problem(problem)) => Outcome::Refused(*problem),
        Err(ClientError::Unreachable { .. }) => Outcome::Unknown,
        Err(error) => panic!("{}: {error}", sent.path),
    }
}

/// One client's life: submit, have it approved, redeem, look at the ledger, until the server is gone.
pub async fn live(oracle: Arc<Oracle>, reach: Arc<Reach>, seed: u64) {
    let mut numbers = Numbers(seed);
    while !oracle.is_over() && round(&oracle, &reach, &mut numbers).await.is_some() {}
}

async fn round(oracle: &Oracle, reach: &Reach, numbers: &mut Numbers) -> Option<()> {
    let who = numbers.below(AGENTS as u64) as usize;
    let action = *numbers.of(&["read", "read", "read", "pay", "pay", "wipe"]);
    let cost = format!("0.{:02}", numbers.below(10));
    let body = json!({"action": action, "estimated_cost": cost, "amount": cost, "args": {"n": format!("{:016x}", numbers.next())}});
    let key = |numbers: &mut Numbers| format!("{:032x}", u128::from(numbers.next()) << 64 | u128::from(numbers.next()));
    let sent = Sent {
        who,
        path: "/v1/actions".into(),
        body,
        key: key(numbers),
        sole: true,
    };
    let decided = match oracle.ask(reach, sent, numbers).await? {
        Ok(answer) => answer,
        Err(problem) => panic!("an action is refused: {problem:?}"),
    };
    let text = |name: &str| decided[name].as_str().unwrap_or_default().to_owned();
    let mut permit = decided["permit"].as_str().map(str::to_owned);
    if text("status") == "pending" {
        let reviewer = AGENTS + numbers.below(2) as usize;
        let approves = numbers.below(4) > 0;
        let (verb, comment) = if approves {
            ("approve", "fine")
        } else {
            ("reject", "no")
        };
        let path = format!("/v1/approvals/{}/votes", decided["approval"]["id"].as_str().unwrap());
        let body = json!({
            "verb": verb, "comment": comment, "action_digest": text("action_digest"), "snapshot": text("snapshot"),
        });
        let sent = Sent {
            who: reviewer,
            path,
            body,
            key: key(numbers),
            sole: true,
        };
        let voted = oracle.ask(reach, sent, numbers).await?;
        let voted = voted.unwrap_or_else(|problem| panic!("a vote is refused: {problem:?}"));
        assert_eq!(voted["state"], if approves { "approved" } else { "rejected" });
        // The agent has to ask for its permit: a reviewer is not shown it.
        let now = reach.read(who, &format!("/v1/actions/{}", text("id")), numbers).await?;
        assert_eq!(now["status"], if approves { "permitted" } else { "refused" });
        permit = now["permit"].as_str().map(str::to_owned);
    }
    if action == "read" && permit.is_some() && numbers.below(4) == 0 {
        // It ran without being redeemed, and cost something else. Whether this arrives, the ledger says.
        let cost = format!("0.{:02}", numbers.below(20));
        let sent = Sent {
            who,
            path: format!("/v1/actions/{}/outcome", text("id")),
            body: json!({"status": "succeeded", "cost": {"amount": cost, "currency": "USD"}}),
            key: key(numbers),
            sole: true,
        };
        if let Outcome::Refused(problem) = reach.send(&sent, numbers).await {
            panic!("an outcome is refused: {problem:?}");
        }
        return Some(());
    }
    if let Some(token) = permit {
        oracle.hold(who, token, text("action_digest"));
    }
    if numbers.below(3) > 0 {
        redeem(oracle, reach, numbers).await?;
    }
    if numbers.below(8) == 0 {
        let admin = oracle.keys.len() - 1;
        let began = oracle.now();
        let answer = reach.read(admin, "/v1/audit/checkpoint", numbers).await?;
        oracle.read(began, answer["checkpoint"].as_str().unwrap());
    }
    Some(())
}

/// Uses a permit that some client was given, perhaps before a crash; every third by two clients at once.
async fn redeem(oracle: &Oracle, reach: &Reach, numbers: &mut Numbers) -> Option<()> {
    let Some(permit) = oracle.some_permit(numbers) else {
        return Some(());
    };
    let sole = numbers.below(3) > 0;
    let sent = |numbers: &mut Numbers| Sent {
        who: permit.who,
        path: "/v1/permits/redeem".into(),
        body: json!({"permit": permit.token, "action_digest": permit.digest}),
        key: format!("{:032x}", u128::from(numbers.next())),
        sole,
    };
    let fine = |problem: &Problem| {
        ["already_redeemed", "permit_expired", "approval_lapsed", "rate_limited"].contains(&&*problem.code)
    };
    if sole {
        let request = sent(numbers);
        let answer = oracle.ask(reach, request, numbers).await?;
        assert!(
            answer
                .as_ref()
                .err()
                // A permit that was kept over several crashes needs room anew.
                .is_none_or(|problem| problem.code.ends_with("expired") || problem.code == "rate_limited"),
            "{answer:?}"
        );
        return Some(());
    }
    let (one, two) = (sent(numbers), sent(numbers));
    let (mut mine, mut other) = (Numbers(numbers.next()), Numbers(numbers.next()));
    let (one, two) = tokio::join!(oracle.ask(reach, one, &mut mine), oracle.ask(reach, two, &mut other));
    let (one, two) = (one?, two?);
    assert!(!(one.is_ok() && two.is_ok()), "a permit was redeemed twice");
    for problem in [one, two].into_iter().filter_map(Result::err) {
        assert!(fine(&problem), "{problem:?}");
    }
    Some(())
}
