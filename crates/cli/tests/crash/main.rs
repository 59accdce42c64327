//! `kill -9` in a loop under load: the real binary, a real disk, and clients that remember everything they were told.
//!
//! Each round starts the server on the same folder, lets a dozen clients submit, vote, redeem and report, and kills the process
//! after 5 to 200 ms; now and then already while it starts. What a client was told before a crash has to hold after it,
//! what it was not told may or may not have happened, and asking again with the same key settles which. At the end the second
//! model adds up the budgets from the export, and counts again what limits count: every record has to say what is left, to the
//! cent, and how much counted.
//!
//! The kill comes at a random moment. Between signing and committing, and between committing and answering, it is forced in
//! `signed.rs`, by a store that kills its process: there is no such point in the binary, whose path nobody can steer to one.
//!
//! `COUNTERSIGN_CRASHES` says how often (50 when left out), `COUNTERSIGN_CRASH_SEED` repeats the choices of a run;
//! the moments themselves are the machine's.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails loudly and says what it did"
)]

mod credentials;
mod load;
mod nodes;
mod scene;
mod signed;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_client::Client;

use load::{Numbers, Reach, live};
use scene::{BINARY, Folder, Place, Server, prepare, run, seed, serve, setting};
use told::{audit, look};

/// So many clients at once, and where they compete for a budget.
const TASKS: (u64, u64) = (12, 64);
/// So many answers are asked for again after each crash, and at the end.
const AGAIN: (usize, usize) = (12, 500);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill() {
    let crashes = setting("COUNTERSIGN_CRASHES").unwrap_or(50);
    outlived(crashes, TASKS.0, 5..201).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_that_many_clients_compete_for_are_exact_to_the_cent_after_every_kill() {
    let told = outlived(10, TASKS.1, 1000..2500).await;
    for word in ["redemptions", "outcomes", "reservations", "counted"] {
        assert!(!told.contains(&format!(" 0 {word}")), "too little happened: {told}");
    }
}

/// Lets so many clients live through so many crashes, each after a time in this range (ms), and looks at everything. What
/// the second model said.
async fn outlived(crashes: u64, tasks: u64, lives: std::ops::Range<u64>) -> String {
    let seed = seed();
    println!("{crashes} crashes, seed={seed} (COUNTERSIGN_CRASH_SEED)");
    let started = Instant::now();
    let folder = Folder(std::env::temp_dir().join(format!("countersign-crash-{}-{tasks}-{seed}", std::process::id())));
    std::fs::create_dir(&folder.0).unwrap();
    let place = Place::folder(&folder.0.join("data"));
    let oracle = Arc::new(prepare(&folder.0, &place).await);
    let mut numbers = Numbers(seed);
    for crash in 1..=crashes {
        if numbers.below(8) == 0 {
            // A kill while it starts.
            let mut child = serve(&place);
            tokio::time::sleep(Duration::from_millis(1 + numbers.below(40))).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let server = Server::start(&place);
        let clients: Vec<Client> = oracle.keys.iter().map(|key| server.client(key)).collect();
        look(&oracle, &clients, &mut numbers, AGAIN.0).await;
        let reach = Arc::new(Reach::one(clients));
        let tasks: Vec<_> = (0..tasks)
            .map(|_| tokio::spawn(live(oracle.clone(), reach.clone(), numbers.next())))
            .collect();
        tokio::time::sleep(Duration::from_millis(
            lives.start + numbers.below(lives.end - lives.start),
        ))
        .await;
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
    let server = Server::start(&place);
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
    let oracle_py = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/oracle.py");
    let judged = run("python3", &[oracle_py, &format!("{out}/records.jsonl")]);
    print!("{judged}");
    let told = oracle.told();
    println!(
        "{crashes} crashes in {:.0} s: {} acknowledged requests and {} checkpoints hold over {records} records, {redeemed} permits \
         were used once, the export verifies twice, and the second model finds no fault",
        started.elapsed().as_secs_f32(),
        told.done.len(),
        told.checkpoints.len(),
    );
    judged
}
