//! `kill -9` in a loop under load: the real binary, a real disk, and clients that remember everything they were told.
//!
//! Each round starts the server on the same folder, lets a dozen clients submit, vote and redeem, and kills the process
//! after 5 to 200 ms; now and then already while it starts. What a client was told before a crash has to hold after it,
//! what it was not told may or may not have happened, and asking again with the same key settles which.
//!
//! The kill comes at a random moment, so over the rounds it also hits between signing and committing; there is no
//! failpoint in the binary that would force it there (`crates/engine/tests` does that with a store that fails).
//!
//! `COUNTERSIGN_CRASHES` says how often (50 when left out), `COUNTERSIGN_CRASH_SEED` repeats the choices of a run;
//! the moments themselves are the machine's.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails loudly and says what it did"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use countersign_client::{Client, ClientError, Credential, Method, Problem};
use countersign_tlog::{Checkpoint, Edge, Hash, VerifyingKey, leaf_hash, verify_consistency};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
const AGENTS: usize = 8;
const TASKS: u64 = 12;
/// So many answers are asked for again after each crash, and at the end.
const AGAIN: (usize, usize) = (12, 500);

const POLICY: &str = "
name: gate
on: [{ action: read }, { action: pay }, { action: wipe }]
rules:
- { condition: \"action == 'read'\", decision: allow }
- { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
- { condition: \"action == 'wipe'\", decision: deny }
";

/// Splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the data is kept in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A server that is killed when it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(data: &Path) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(data.with_extension("log"))
        .unwrap();
    Command::new(BINARY)
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("COUNTERSIGN_SIGNER_STATE", data.with_extension("signer"))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Server {
    fn start(data: &Path) -> Server {
        let mut child = serve(data);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
            panic!(
                "the server does not start again: {}",
                log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
            )
        });
        Server {
            child,
            address: announced["address"].as_str().unwrap().to_owned(),
        }
    }

    fn client(&self, key: &str) -> Client {
        Client::new(&self.address, &Credential::Key(key.to_owned())).unwrap()
    }
}

/// A request that can be sent again as it was.
#[derive(Clone)]
struct Sent {
    /// Whose key: a place in [`People::keys`].
    who: usize,
    path: String,
    body: Value,
    key: String,
    /// Nobody else tries the same thing, so it has to succeed when it is repeated.
    sole: bool,
}

/// What a request came to.
enum Outcome {
    Done {
        replayed: bool,
        answer: Value,
    },
    Refused(Problem),
    /// No answer: it may have happened.
    Unknown,
}

async fn send(clients: &[Client], sent: &Sent) -> Outcome {
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

/// A permit that nobody used yet, as far as its holder knows.
#[derive(Clone)]
struct Permit {
    who: usize,
    token: String,
    digest: String,
}

/// What clients were told.
#[derive(Default)]
struct Told {
    done: Vec<(Sent, Value)>,
    doubtful: Vec<Sent>,
    permits: Vec<Permit>,
    checkpoints: BTreeMap<u64, String>,
}

/// Everything that outlives a crash: what was told, and who there is.
struct Oracle {
    told: Mutex<Told>,
    keys: Vec<String>,
    vkey: VerifyingKey,
}

impl Oracle {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Sends and remembers. `None` when the server is gone.
    async fn ask(&self, clients: &[Client], sent: Sent) -> Option<Result<Value, Problem>> {
        match send(clients, &sent).await {
            Outcome::Done { answer, .. } => {
                self.told().done.push((sent, answer.clone()));
                Some(Ok(answer))
            }
            Outcome::Refused(problem) => {
                assert!(
                    problem.status < 500 || problem.code == "stopping",
                    "{}: {problem:?}",
                    sent.path
                );
                Some(Err(problem))
            }
            Outcome::Unknown => {
                self.told().doubtful.push(sent);
                None
            }
        }
    }

    fn saw(&self, checkpoint: &str) -> Checkpoint {
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

/// One client's life: submit, have it approved, redeem, look at the ledger, until the server is gone.
async fn live(oracle: Arc<Oracle>, clients: Arc<Vec<Client>>, seed: u64) {
    let mut numbers = Numbers(seed);
    while round(&oracle, &clients, &mut numbers).await.is_some() {}
}

async fn round(oracle: &Oracle, clients: &[Client], numbers: &mut Numbers) -> Option<()> {
    let who = numbers.below(AGENTS as u64) as usize;
    let action = *numbers.of(&["read", "read", "read", "pay", "pay", "wipe"]);
    let body = json!({"action": action, "args": {"n": format!("{:016x}", numbers.next())}});
    let key = |numbers: &mut Numbers| format!("{:032x}", u128::from(numbers.next()) << 64 | u128::from(numbers.next()));
    let sent = Sent {
        who,
        path: "/v1/actions".into(),
        body,
        key: key(numbers),
        sole: true,
    };
    let decided = match oracle.ask(clients, sent).await? {
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
        let voted = oracle
            .ask(
                clients,
                Sent {
                    who: reviewer,
                    path,
                    body,
                    key: key(numbers),
                    sole: true,
                },
            )
            .await?;
        let voted = voted.unwrap_or_else(|problem| panic!("a vote is refused: {problem:?}"));
        assert_eq!(voted["state"], if approves { "approved" } else { "rejected" });
        // The agent has to ask for its permit: a reviewer is not shown it.
        let answer = clients[who]
            .send(Method::GET, &format!("/v1/actions/{}", text("id")), None, None)
            .await;
        let Ok(answer) = answer else { return None };
        let now: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(now["status"], if approves { "permitted" } else { "refused" });
        permit = now["permit"].as_str().map(str::to_owned);
    }
    if let Some(token) = permit {
        oracle.told().permits.push(Permit {
            who,
            token,
            digest: text("action_digest"),
        });
    }
    if numbers.below(3) > 0 {
        redeem(oracle, clients, numbers).await?;
    }
    if numbers.below(8) == 0 {
        let admin = clients.last().unwrap();
        let answer = admin.send(Method::GET, "/v1/audit/checkpoint", None, None).await.ok()?;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        oracle.saw(answer["checkpoint"].as_str().unwrap());
    }
    Some(())
}

/// Uses a permit that some client was given, perhaps before a crash; every third by two clients at once.
async fn redeem(oracle: &Oracle, clients: &[Client], numbers: &mut Numbers) -> Option<()> {
    let permit = {
        let mut told = oracle.told();
        let held = told.permits.len() as u64;
        if held == 0 {
            return Some(());
        }
        told.permits.swap_remove(numbers.below(held) as usize)
    };
    let sole = numbers.below(3) > 0;
    let mut sent = || Sent {
        who: permit.who,
        path: "/v1/permits/redeem".into(),
        body: json!({"permit": permit.token, "action_digest": permit.digest}),
        key: format!("{:032x}", u128::from(numbers.next())),
        sole,
    };
    let fine = |problem: &Problem| ["already_redeemed", "permit_expired", "approval_lapsed"].contains(&&*problem.code);
    if sole {
        let answer = oracle.ask(clients, sent()).await?;
        assert!(
            answer
                .as_ref()
                .err()
                .is_none_or(|problem| problem.code.ends_with("expired")),
            "{answer:?}"
        );
        return Some(());
    }
    let (one, two) = tokio::join!(oracle.ask(clients, sent()), oracle.ask(clients, sent()));
    let (one, two) = (one?, two?);
    assert!(!(one.is_ok() && two.is_ok()), "a permit was redeemed twice");
    for problem in [one, two].into_iter().filter_map(Result::err) {
        assert!(fine(&problem), "{problem:?}");
    }
    Some(())
}

/// What has to be there after a restart, as far as it can be seen quickly.
async fn look(oracle: &Oracle, clients: &[Client], numbers: &mut Numbers, again: usize) {
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

/// Compares everything that was told with every record of the ledger.
async fn audit(oracle: &Oracle, admin: &Client) -> (u64, usize) {
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
    for (sent, answer) in &told.done {
        let (receipt, data) = match sent.path.as_str() {
            path if path.ends_with("/votes") => {
                let votes = answer["votes"].as_array().unwrap();
                let index = votes.last().unwrap()["index"].as_u64().unwrap();
                let record = &records[index as usize];
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

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{program} {args:?}: {out}{error}");
    out.into_owned()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Makes the folder, the agents and the people.
async fn prepare(folder: &Path) -> (PathBuf, Oracle) {
    let (data, policies) = (folder.join("data"), folder.join("policies"));
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("gate.yaml"), POLICY).unwrap();
    let (at, from) = (data.to_str().unwrap(), policies.to_str().unwrap());
    let signer = data.with_extension("signer");
    let signer = signer.to_str().unwrap();
    let made: Value = serde_json::from_str(&run(
        BINARY,
        &[
            "init",
            "--json",
            "--data",
            at,
            "--policies",
            from,
            "--signer-state",
            signer,
        ],
    ))
    .unwrap();
    let admin_key = made["admin_key"].as_str().unwrap().to_owned();
    let server = Server::start(&data);
    let admin = server.client(&admin_key);
    let mut keys = Vec::new();
    for number in 0..AGENTS {
        let answer: Value = admin
            .post(
                "/v1/agents",
                &json!({"id": format!("bot-{number}"), "owner": "team:ops"}),
            )
            .await
            .unwrap();
        keys.push(answer["key"].as_str().unwrap().to_owned());
    }
    for id in ["dana", "erin"] {
        let answer: Value = admin
            .post(
                "/v1/users",
                &json!({"id": id, "roles": ["reviewer"], "teams": ["leads"]}),
            )
            .await
            .unwrap();
        keys.push(answer["key"].as_str().unwrap().to_owned());
    }
    keys.push(admin_key);
    let vkey = made["vkey"].as_str().unwrap().parse().unwrap();
    (
        data,
        Oracle {
            told: Mutex::default(),
            keys,
            vkey,
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill() {
    let crashes = setting("COUNTERSIGN_CRASHES").unwrap_or(50);
    let seed = setting("COUNTERSIGN_CRASH_SEED").unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_micros() as u64
    });
    println!("{crashes} crashes, seed={seed} (COUNTERSIGN_CRASH_SEED)");
    let started = Instant::now();
    let folder = Folder(std::env::temp_dir().join(format!("countersign-crash-{}-{seed}", std::process::id())));
    let (data, oracle) = prepare(&folder.0).await;
    let oracle = Arc::new(oracle);
    let mut numbers = Numbers(seed);
    for crash in 1..=crashes {
        if numbers.below(8) == 0 {
            // A kill while it starts.
            let mut child = serve(&data);
            tokio::time::sleep(Duration::from_millis(1 + numbers.below(40))).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let server = Server::start(&data);
        let clients: Arc<Vec<Client>> = Arc::new(oracle.keys.iter().map(|key| server.client(key)).collect());
        look(&oracle, &clients, &mut numbers, AGAIN.0).await;
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| tokio::spawn(live(oracle.clone(), clients.clone(), numbers.next())))
            .collect();
        tokio::time::sleep(Duration::from_millis(5 + numbers.below(196))).await;
        drop(server);
        for task in tasks {
            task.await
                .unwrap_or_else(|error| panic!("seed={seed}, crash {crash}: {error}"));
        }
        if crash % 10 == 0 {
            let told = oracle.told();
            println!(
                "{crash} crashes in {:.0} s: {} answers, {} checkpoints, {} requests in doubt",
                started.elapsed().as_secs_f32(),
                told.done.len(),
                told.checkpoints.len(),
                told.doubtful.len()
            );
        }
    }
    let server = Server::start(&data);
    let clients: Vec<Client> = oracle.keys.iter().map(|key| server.client(key)).collect();
    look(&oracle, &clients, &mut numbers, AGAIN.1).await;
    let (records, redeemed) = audit(&oracle, clients.last().unwrap()).await;

    let (vkey, out) = (oracle.vkey.to_string(), folder.0.join("export"));
    let (out, older) = (out.to_str().unwrap(), folder.0.join("older"));
    std::fs::write(&older, oracle.told().checkpoints.values().next().unwrap()).unwrap();
    let older = older.to_str().unwrap();
    run(
        BINARY,
        &[
            "audit",
            "export",
            "--out",
            out,
            "--server",
            &server.address,
            "--key",
            oracle.keys.last().unwrap(),
        ],
    );
    run(BINARY, &["audit", "verify", "--vkey", &vkey, "--older", older, out]);
    run("python3", &[&format!("{out}/verify.py"), &vkey, out]);
    let told = oracle.told();
    println!(
        "{crashes} crashes in {:.0} s: {} acknowledged requests and {} checkpoints hold over {records} records, {redeemed} permits \
         were used once, the export verifies twice",
        started.elapsed().as_secs_f32(),
        told.done.len(),
        told.checkpoints.len(),
    );
}
