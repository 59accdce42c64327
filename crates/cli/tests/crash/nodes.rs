//! Three servers over one PostgreSQL while things break: nodes are killed, the database is killed and restarted, and
//! connections between them are cut in the middle of what is said. Clients go from node to node, with the same
//! idempotency key until somebody answers. What they were told has to hold, in one order that fits what they saw.
//!
//! `COUNTERSIGN_CHAOS_S` says for how many seconds (25 when left out).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_client::Client;
use countersign_testkit_postgres::{Cut, Postgres, Side, database_of};

use crate::load::{Numbers, Reach, live};
use crate::scene::{BINARY, Folder, Place, Server, prepare, run, seed, setting};
use crate::told::{Oracle, audit, look};

const NODES: usize = 3;
const TASKS: u64 = 18;
/// So many answers are asked for again at the end.
const AGAIN: usize = 500;

/// The cluster: the database, a line to it for each node, and the nodes that run.
struct Cluster {
    postgres: Postgres,
    lines: Vec<Cut>,
    places: Vec<Place>,
    servers: Vec<Option<Server>>,
    reach: Arc<Reach>,
}

impl Cluster {
    fn new(folder: &Path) -> Cluster {
        let postgres = Postgres::start();
        let url = postgres.database();
        let lines: Vec<Cut> = (0..NODES).map(|_| Cut::before(postgres.port())).collect();
        let place = |number: usize| {
            let (key, signer) = (folder.join("instance.key"), folder.join(format!("signer-{number}")));
            let url = postgres.url(database_of(&url), lines[number].port());
            let args = [
                "--database-url",
                &url,
                "--key-file",
                key.to_str().unwrap(),
                "--signer-state",
                signer.to_str().unwrap(),
            ];
            Place {
                args: args.map(str::to_owned).to_vec(),
                log: folder.join(format!("node-{number}.log")),
            }
        };
        Cluster {
            places: (0..NODES).map(place).collect(),
            postgres,
            lines,
            servers: (0..NODES).map(|_| None).collect(),
            reach: Arc::new(Reach::cluster(NODES)),
        }
    }

    /// Starts a node that does not run. It may fail while the database is gone; then it stays away for now.
    fn start(&mut self, node: usize, oracle: &Oracle) {
        if self.servers[node].is_none() {
            self.servers[node] = Server::try_start(&self.places[node]);
            self.reach.set(node, self.servers[node].as_ref(), &oracle.keys);
        }
    }

    fn kill(&mut self, node: usize) {
        // Dropping kills it; clients find out by themselves.
        self.servers[node] = None;
    }

    /// Breaks something; `database` says whether it is the database's turn.
    fn break_something(&mut self, numbers: &mut Numbers, database: bool) -> &'static str {
        if database {
            self.postgres.kill();
            self.postgres.restart();
            return "the database was killed";
        }
        let node = numbers.below(NODES as u64) as usize;
        match numbers.below(5) {
            0 => {
                self.kill(node);
                "a node was killed"
            }
            1 => {
                self.lines[node].now();
                "a node's connections were cut"
            }
            2 => {
                self.lines[node].after(Side::Client, 1 + numbers.below(60_000) as u32);
                "a node's next words are cut"
            }
            3 => {
                self.lines[node].after(Side::Server, 1 + numbers.below(20_000) as u32);
                "the database's next words to a node are cut"
            }
            _ => {
                self.lines[node].mute();
                "a node hears nothing of the database"
            }
        }
    }

    fn mend(&mut self, oracle: &Oracle) {
        self.lines.iter().for_each(Cut::mend);
        for node in 0..NODES {
            self.start(node, oracle);
        }
    }

    fn clients(&self, oracle: &Oracle) -> Vec<Client> {
        let server = self.servers[0].as_ref().unwrap();
        oracle.keys.iter().map(|key| server.client(key)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_lose_and_double_nothing_while_everything_breaks() {
    let (seconds, seed) = (setting("COUNTERSIGN_CHAOS_S").unwrap_or(25), seed());
    println!("{seconds} s of chaos, seed={seed} (COUNTERSIGN_CRASH_SEED)");
    let folder = Folder(std::env::temp_dir().join(format!("countersign-nodes-{}-{seed}", std::process::id())));
    std::fs::create_dir(&folder.0).unwrap();
    let mut numbers = Numbers(seed);
    let mut cluster = Cluster::new(&folder.0);
    let oracle = Arc::new(prepare(&folder.0, &cluster.places[0]).await);
    cluster.mend(&oracle);
    let reach = cluster.reach.clone();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(live(oracle.clone(), reach.clone(), numbers.next())))
        .collect();

    let (started, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut restarts = [length / 3, length * 2 / 3].into_iter().peekable();
    let mut broken = BTreeSet::new();
    let mut breaks = 0;
    // Whatever breaks blocks this thread only; the clients go on.
    let (mut cluster, mut numbers) = tokio::task::block_in_place(|| {
        while started.elapsed() < length {
            std::thread::sleep(Duration::from_millis(200 + numbers.below(600)));
            let database = restarts.next_if(|at| started.elapsed() > *at).is_some();
            broken.insert(cluster.break_something(&mut numbers, database));
            breaks += 1;
            std::thread::sleep(Duration::from_millis(200 + numbers.below(1_500)));
            cluster.mend(&oracle);
        }
        (cluster, numbers)
    });
    println!("{breaks} breaks in {:.0} s", started.elapsed().as_secs_f32());
    assert!(restarts.next().is_none(), "the database was not restarted twice");
    oracle.end();
    for task in tasks {
        task.await.unwrap_or_else(|error| panic!("seed={seed}: {error}"));
    }
    tokio::task::block_in_place(|| cluster.mend(&oracle));

    println!("clients ended after {:.0} s", started.elapsed().as_secs_f32());
    let clients = cluster.clients(&oracle);
    look(&oracle, &clients, &mut numbers, AGAIN).await;
    let (records, redeemed) = audit(&oracle, clients.last().unwrap()).await;
    println!("looked and audited after {:.0} s", started.elapsed().as_secs_f32());
    let (vkey, out) = (oracle.vkey.to_string(), folder.0.join("export"));
    let (out, address) = (out.to_str().unwrap(), &cluster.servers[1].as_ref().unwrap().address);
    let admin = oracle.keys.last().unwrap();
    run(
        BINARY,
        &["audit", "export", "--out", out, "--server", address, "--key", admin],
    );
    run("python3", &[&format!("{out}/verify.py"), &vkey, out]);
    let told = oracle.told();
    assert!(
        told.done.len() > 200,
        "only {} answers: the nodes hardly worked",
        told.done.len()
    );
    println!(
        "{breaks} breaks ({}): {} acknowledged requests, {} checkpoints and the order of {} operations hold over {records} \
         records, {redeemed} permits were used once",
        Vec::from_iter(broken).join(", "),
        told.done.len(),
        told.checkpoints.len(),
        told.history.len(),
    );
}
