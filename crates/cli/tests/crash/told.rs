//! What clients were told, and whether it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use countersign_client::{Client, Problem};
use countersign_core::key::ApiKey;
use countersign_testkit::history::{self, Line, Operation, Saw};
use countersign_tlog::{Checkpoint, Edge, Hash, VerifyingKey, leaf_hash, verify_consistency};
use serde_json::{Value, json};

use crate::load::{Numbers, Outcome, Reach, Sent, send};

/// A permit that nobody used yet, as far as its holder knows.
#[derive(Clone)]
pub struct Permit {
    pub who: usize,
    pub token: String,
    pub digest: String,
}

/// What clients were told.
#[derive(Default)]
pub struct Told {
    pub done: Vec<(Sent, Value)>,
    /// What each client did and saw, and when.
    pub history: Vec<Operation>,
    pub doubtful: Vec<Sent>,
    permits: Vec<Permit>,
    pub checkpoints: BTreeMap<u64, String>,
}

/// Everything that outlives a crash: what was told, and who there is.
pub struct Oracle {
    told: Mutex<Told>,
    over: AtomicBool,
    begun: Instant,
    /// What the keys are known by.
    kids: Vec<String>,
    /// Agents, reviewers, and last the admin.
    pub keys: Vec<String>,
    pub vkey: VerifyingKey,
}

impl Oracle {
    pub fn new(keys: Vec<String>, vkey: VerifyingKey) -> Oracle {
        Oracle {
            told: Mutex::default(),
            over: AtomicBool::new(false),
            begun: Instant::now(),
            kids: keys.iter().map(|key| ApiKey::parse(key).unwrap().kid).collect(),
            keys,
            vkey,
        }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Clients end with what they are doing.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// An agent was given a permit.
    pub fn hold(&self, who: usize, token: String, digest: String) {
        self.told().permits.push(Permit { who, token, digest });
    }

    /// Takes some permit that was given.
    pub fn some_permit(&self, numbers: &mut Numbers) -> Option<Permit> {
        let mut told = self.told();
        let held = told.permits.len() as u64;
        (held > 0).then(|| told.permits.swap_remove(numbers.below(held) as usize))
    }

    /// Microseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// Sends and remembers. `None` when the server is gone.
    pub async fn ask(&self, reach: &Reach, sent: Sent, numbers: &mut Numbers) -> Option<Result<Value, Problem>> {
        let began = self.now();
        let outcome = reach.send(&sent, numbers).await;
        let ended = self.now();
        let mut told = self.told();
        let mut remember = |saw: Saw| {
            told.history.push(Operation {
                began,
                ended: (saw != Saw::Unknown).then_some(ended),
                key: Some(self.key_of(&sent)),
                name: format!("{} {}", sent.path, sent.body),
                saw,
            });
        };
        match outcome {
            Outcome::Done { answer, .. } => {
                remember(match answer["receipt"]["index"].as_u64() {
                    Some(index) if !sent.path.ends_with("/votes") => Saw::Appended {
                        index,
                        leaf_hash: answer["receipt"]["leaf_hash"].as_str().unwrap().to_owned(),
                    },
                    Some(_) | None => Saw::Happened,
                });
                told.done.push((sent, answer.clone()));
                Some(Ok(answer))
            }
            Outcome::Refused(problem) => {
                assert!(
                    problem.status < 500 || problem.code == "stopping",
                    "{}: {problem:?}",
                    sent.path
                );
                // What refused the last try may be what an earlier one did.
                Some(Err(problem))
            }
            Outcome::Unknown => {
                remember(Saw::Unknown);
                told.doubtful.push(sent);
                None
            }
        }
    }

    /// The idempotency key as the ledger has it.
    fn key_of(&self, sent: &Sent) -> String {
        // Where the path has no parameter, it names the call.
        let route = if sent.path.ends_with("/votes") {
            format!("POST {}", sent.path)
        } else {
            sent.path.clone()
        };
        history::key_of(&self.kids[sent.who], &route, &sent.key)
    }

    /// A client read a checkpoint.
    pub fn read(&self, began: u64, checkpoint: &str) {
        let seen = self.saw(checkpoint);
        let ended = Some(self.now());
        self.told().history.push(Operation {
            began,
            ended,
            key: None,
            name: "checkpoint".into(),
            saw: Saw::Read {
                size: seen.size,
                root: Some(seen.root),
            },
        });
    }

    pub fn saw(&self, checkpoint: &str) -> Checkpoint {
        let opened = Checkpoint::open(&self.vkey, checkpoint).expect("a checkpoint that the log signed");
        let mut told = self.told();
        let known = told
            .checkpoints
            .entry(opened.size)
            .or_insert_with(|| checkpoint.to_owned());
        assert_eq!(known, checkpoint, "two checkpoints of one size");
        opened
    }
}

/// What has to be there after a restart, as far as it can be seen quickly.
pub async fn look(oracle: &Oracle, clients: &[Client], numbers: &mut Numbers, again: usize) {
    // What was in doubt is settled by asking again.
    let doubtful = std::mem::take(&mut oracle.told().doubtful);
    for sent in doubtful {
        match send(clients, &sent).await {
            Outcome::Done { answer, .. } => oracle.told().done.push((sent, answer)),
            Outcome::Refused(problem) => {
                let late = ["permit_expired", "approval_lapsed", "expired"].contains(&&*problem.code);
                assert!(late || !sent.sole, "{} cannot be repeated: {problem:?}", sent.path);
            }
            Outcome::Unknown => panic!("the server is gone and nobody killed it"),
        }
    }
    // What was told is told again.
    let (first, all): (usize, Vec<_>) = {
        let told = oracle.told();
        let first = told.done.len().saturating_sub(again / 2);
        let chosen = (0..again).map(|_| numbers.below(told.done.len().max(1) as u64) as usize);
        let places: BTreeSet<usize> = chosen.chain(first..told.done.len()).collect();
        (
            first,
            places
                .into_iter()
                .filter_map(|place| told.done.get(place).cloned())
                .collect(),
        )
    };
    assert!(first == 0 || !all.is_empty());
    for (sent, before) in all {
        let Outcome::Done { replayed, answer } = send(clients, &sent).await else {
            panic!("{} was done before the crash, and cannot be repeated now", sent.path);
        };
        assert!(
            replayed,
            "{}: repeated with the same key, it was carried out again",
            sent.path
        );
        for part in [
            "id",
            "decision",
            "action_digest",
            "receipt",
            "snapshot",
            "decided_at",
            "action_id",
            "go",
        ] {
            assert_eq!(
                answer[part], before[part],
                "{}: `{part}` is another after the crash",
                sent.path
            );
        }
        if sent.path.ends_with("/votes") {
            assert_eq!(answer["votes"], before["votes"], "a vote is another after the crash");
        }
        if before["status"] == "refused" {
            assert_eq!(
                (&answer["status"], &answer["reason_code"]),
                (&before["status"], &before["reason_code"])
            );
        }
        if let (Some(permit), "permitted") = (before["permit"].as_str(), answer["status"].as_str().unwrap_or_default())
        {
            assert_eq!(
                answer["permit"].as_str(),
                Some(permit),
                "a permit is another after the crash"
            );
        }
    }
    // The ledger goes on where it was.
    let admin = clients.last().unwrap();
    let answer: Value = admin.get("/v1/audit/checkpoint").await.unwrap();
    let head = oracle.saw(answer["checkpoint"].as_str().unwrap());
    let known: Vec<String> = {
        let told = oracle.told();
        told.checkpoints
            .range(..head.size)
            .next_back()
            .into_iter()
            .map(|(_, text)| text.clone())
            .collect()
    };
    assert!(
        oracle.told().checkpoints.range(head.size + 1..).next().is_none(),
        "the ledger is shorter than a checkpoint"
    );
    for text in known {
        let old = Checkpoint::open(&oracle.vkey, &text).unwrap();
        let path = format!("/v1/audit/consistency?from={}&to={}", old.size, head.size);
        let proof: Value = admin.get(&path).await.unwrap();
        let hashes: Vec<Hash> = proof["hashes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| read_hash(hash.as_str().unwrap()))
            .collect();
        verify_consistency(old.size, old.root, head.size, head.root, &hashes).expect("the ledger extends what it was");
    }
}

fn read_hash(hex: &str) -> Hash {
    Hash(std::array::from_fn(|at| {
        u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()
    }))
}

/// Where the ledger has what an answer tells of.
fn index_of(sent: &Sent, answer: &Value) -> u64 {
    let index = if sent.path.ends_with("/votes") {
        &answer["votes"].as_array().unwrap().last().unwrap()["index"]
    } else {
        &answer["receipt"]["index"]
    };
    index.as_u64().unwrap()
}

/// Compares everything that was told with every record of the ledger.
pub async fn audit(oracle: &Oracle, admin: &Client) -> (u64, usize) {
    let (mut leaves, mut from) = (Vec::new(), 0);
    loop {
        let text = admin
            .text(&format!("/v1/audit/records?from={from}&limit=10000"))
            .await
            .unwrap();
        let before = leaves.len();
        leaves.extend(text.lines().map(|line| line.as_bytes().to_vec()));
        if leaves.len() == before {
            break;
        }
        from = leaves.len();
    }
    let records: Vec<Value> = leaves
        .iter()
        .map(|leaf| serde_json::from_slice(leaf).unwrap())
        .collect();
    let (mut redeemed, mut decided) = (BTreeSet::new(), BTreeSet::new());
    for (seq, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], seq, "the ledger has a gap");
        let data = &record["data"];
        match record["type"].as_str().unwrap() {
            "permit.redeemed" => assert!(
                redeemed.insert(data["permit"].to_string()),
                "a permit is redeemed twice"
            ),
            "decision.made" => assert!(
                decided.insert(data["action_id"].to_string()),
                "an action is decided twice"
            ),
            _ => {}
        }
    }
    // Every checkpoint that anybody ever saw is of this ledger.
    let told = oracle.told();
    let (mut edge, mut size) = (Edge::new(), 0_u64);
    for (wanted, text) in &told.checkpoints {
        for leaf in &leaves[size as usize..*wanted as usize] {
            edge.push(leaf_hash(leaf));
        }
        size = *wanted;
        let checkpoint = Checkpoint::open(&oracle.vkey, text).unwrap();
        assert_eq!(
            edge.root(),
            checkpoint.root,
            "the checkpoint of {wanted} records is of another ledger"
        );
    }
    let ledger: Vec<Line> = leaves.iter().map(|leaf| Line::of(leaf).unwrap()).collect();
    let breaches = history::check(&told.history, &ledger);
    assert!(
        breaches.is_empty(),
        "the clients' history does not fit: {}",
        breaches[0]
    );
    for (sent, answer) in &told.done {
        let (receipt, data) = match sent.path.as_str() {
            path if path.ends_with("/votes") => {
                let record = &records[index_of(sent, answer) as usize];
                assert_eq!(
                    (&record["type"], &record["data"]["verb"]),
                    (&json!("approval.voted"), &sent.body["verb"])
                );
                continue;
            }
            _ => (
                &answer["receipt"],
                &records[answer["receipt"]["index"].as_u64().unwrap() as usize]["data"],
            ),
        };
        let index = receipt["index"].as_u64().unwrap() as usize;
        assert_eq!(
            receipt["leaf_hash"],
            leaf_hash(&leaves[index]).to_string(),
            "record {index} is another than was told"
        );
        let id = if sent.path == "/v1/actions" {
            &answer["id"]
        } else {
            &answer["action_id"]
        };
        assert_eq!(data["action_id"], *id);
        if sent.path == "/v1/actions" {
            assert_eq!(data["decision"], answer["decision"]);
        }
    }
    (leaves.len() as u64, redeemed.len())
}
