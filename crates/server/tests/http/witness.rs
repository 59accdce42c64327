//! The witness over a real port: each answer of the protocol, and what no order of requests makes it do.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_server::serve;
use countersign_server::witness::{Witness, router};
use countersign_tlog::tree::perfect_subtree;
use countersign_tlog::witness::Submission;
use countersign_tlog::{
    Checkpoint, Cosigner, Hash, Note, SigningKey, VerifyingKey, consistency_proof, leaf_hash, tree,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const ORIGIN: &str = "bank.example/t/01/audit/1";

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let root = std::env::temp_dir().join(format!("countersign-witness-{name}-{}", std::process::id()));
        Folder(root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A log whose records are these numbers, and then `twist`, which makes another history of it from some record on.
struct Log {
    origin: String,
    from: u64,
    twist: u64,
}

impl Log {
    fn new(origin: &str) -> Log {
        Log::forked(origin, u64::MAX, 0)
    }

    fn forked(origin: &str, from: u64, twist: u64) -> Log {
        Log {
            origin: origin.to_owned(),
            from,
            twist,
        }
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_seed(&self.origin, &[1; 32]).unwrap()
    }

    fn subtree(&self, level: u8, index: u64) -> Option<Hash> {
        let leaves: Vec<Hash> = (index << level..(index + 1) << level)
            .map(|at| {
                let twist = if at >= self.from { self.twist } else { 0 };
                leaf_hash(format!("{at} {twist}").as_bytes())
            })
            .collect();
        perfect_subtree(&leaves)
    }

    fn checkpoint(&self, size: u64) -> String {
        let root = tree::root(size, &|level, index| self.subtree(level, index)).unwrap();
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root,
        };
        checkpoint.sign(&self.key()).unwrap()
    }

    fn body(&self, old: u64, new: u64) -> String {
        let proof = if old == 0 || old == new {
            Vec::new()
        } else {
            consistency_proof(old, new, &|level, index| self.subtree(level, index)).unwrap()
        };
        Submission {
            old,
            proof,
            note: &self.checkpoint(new),
        }
        .to_text()
    }
}

/// A witness that runs.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn cosigner() -> Cosigner {
    Cosigner::from_seed("witness.example", &[9; 32]).unwrap()
}

async fn run(folder: &Path, keys: Vec<VerifyingKey>) -> Running {
    let witness = Witness::open(folder, cosigner(), keys).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        drop(stopped.await);
    };
    let serving = tokio::spawn(serve(listener, router(Arc::new(witness)), None, shutdown));
    Running { address, stop, serving }
}

impl Running {
    async fn stop(self) {
        drop(self.stop);
        self.serving.await.unwrap().unwrap();
    }

    /// Status, content type, body.
    async fn post(&self, body: impl Into<Vec<u8>>) -> (u16, String, String) {
        let (address, body) = (self.address, body.into());
        tokio::task::spawn_blocking(move || send(address, "POST /add-checkpoint", &body))
            .await
            .unwrap()
    }

    async fn status(&self, body: String) -> u16 {
        self.post(body).await.0
    }
}

fn send(address: SocketAddr, call: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{call} HTTP/1.1\r\nHost: witness\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A witness that has read enough may hang up.
    drop(stream.write_all(body));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    (status, kind.unwrap_or_default(), body.to_owned())
}

/// When the witness cosigned, if the line is its cosignature of this checkpoint.
fn time(note: &str, line: &str) -> u64 {
    cosigner()
        .witness_key()
        .verify(&Note::parse(&format!("{note}{line}")).unwrap())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_the_one_that_the_protocol_names() {
    let folder = Folder::new("answers");
    let log = Log::new(ORIGIN);
    let witness = run(&folder.0, vec![log.key().verifying_key().clone()]).await;

    let (status, _, line) = witness.post(log.body(0, 5)).await;
    assert_eq!(status, 200, "{line}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!((now - 60..=now).contains(&time(&log.checkpoint(5), &line)), "{line}");
    assert_eq!(witness.status(log.body(5, 8)).await, 200);
    assert_eq!(
        witness.status(log.body(8, 8)).await,
        200,
        "the same again, at a later time"
    );

    assert_eq!(witness.status(Log::new("other.example/1").body(0, 5)).await, 404);
    // The epoch that follows is a log of its own, although it has the key.
    assert_eq!(
        witness.status(Log::new("bank.example/t/01/audit/2").body(0, 5)).await,
        404
    );
    let stranger = SigningKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    let text = log.checkpoint(9);
    let text = Note::parse(&text).unwrap().text.to_owned();
    let unsigned = format!("old 8\n\n{}", stranger.sign_note(&text).unwrap());
    assert_eq!(witness.status(unsigned).await, 403);
    for old in [0, 5, 9] {
        let (status, kind, body) = witness.post(log.body(old, 9)).await;
        assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "8\n"));
    }
    let (_, body) = log
        .body(8, 9)
        .split_once('\n')
        .map(|(_, rest)| ((), rest.to_owned()))
        .unwrap();
    assert_eq!(witness.status(body).await, 400, "above the checkpoint");
    assert_eq!(witness.status(log.body(8, 9).replacen("old", "size", 1)).await, 400);
    assert_eq!(witness.post(vec![0xff; 9]).await.0, 400);
    assert_eq!(witness.post(vec![b'a'; 70_000]).await.0, 413);
    let mut cut = log.body(8, 12).lines().map(str::to_owned).collect::<Vec<_>>();
    cut.remove(1);
    assert_eq!(witness.status(cut.join("\n") + "\n").await, 422);
    let address = witness.address;
    let asked = |call: &'static str| tokio::task::spawn_blocking(move || send(address, call, b"").0);
    assert_eq!(asked("GET /add-checkpoint").await.unwrap(), 405);
    assert_eq!(asked("GET /").await.unwrap(), 404);

    assert_eq!(
        witness.status(log.body(8, 12)).await,
        200,
        "none of that changed what it knows"
    );
    witness.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_log_is_refused_also_after_a_restart() {
    let folder = Folder::new("forked");
    let log = Log::new(ORIGIN);
    let fork = Log::forked(ORIGIN, 6, 1);
    let keys = || vec![log.key().verifying_key().clone()];
    let witness = run(&folder.0, keys()).await;
    assert_eq!(witness.status(log.body(0, 10)).await, 200);
    assert!(
        Witness::open(&folder.0, cosigner(), keys()).is_err(),
        "the state is one witness's at a time"
    );
    witness.stop().await;

    let witness = run(&folder.0, keys()).await;
    let (status, kind, body) = witness.post(fork.body(0, 7)).await;
    assert_eq!(
        (status, kind.as_str(), body.as_str()),
        (409, "text/x.tlog.size", "10\n")
    );
    let (status, kind, body) = witness.post(fork.body(10, 10)).await;
    assert_eq!(
        (status, kind.as_str(), body.as_str()),
        (409, "text/x.tlog.size", "10\n")
    );
    assert_eq!(witness.status(fork.body(10, 20)).await, 422);
    assert_eq!(witness.status(log.body(10, 20)).await, 200);
    witness.stop().await;

    // What it knows is its own: another key does not go on from it, nor does anybody from a damaged file.
    let other = Cosigner::from_seed("witness.example", &[8; 32]).unwrap();
    assert!(Witness::open(&folder.0, other, keys()).is_err());
    let files = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path());
    let file = files
        .filter(|path| path.extension().is_some_and(|end| end == "checkpoint"))
        .collect::<Vec<_>>()
        .remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        Checkpoint::open(log.key().verifying_key(), &text).is_ok(),
        "evidence: {text}"
    );
    std::fs::write(&file, text.replacen("\n20\n", "\n10\n", 1)).unwrap();
    assert!(Witness::open(&folder.0, cosigner(), keys()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_histories_at_once_a_witness_cosigns_one() {
    let folder = Folder::new("at-once");
    let origins: Vec<String> = (1..=4).map(|at| format!("bank.example/t/0{at}/audit/1")).collect();
    let keys = origins
        .iter()
        .map(|origin| Log::new(origin).key().verifying_key().clone());
    let witness = Arc::new(run(&folder.0, keys.collect()).await);
    for origin in &origins {
        assert_eq!(witness.status(Log::new(origin).body(0, 4)).await, 200);
        // Eight histories that part after what is known, two sizes of each, all at once.
        let asked: Vec<_> = (0..16_u64)
            .map(|at| {
                let log = Log::forked(origin, 4, 1 + at / 2);
                let (witness, size) = (witness.clone(), 5 + at % 2);
                tokio::spawn(async move {
                    let (status, _, line) = witness.post(log.body(4, size)).await;
                    (status, size, log.checkpoint(size), line)
                })
            })
            .collect();
        let mut cosigned = BTreeSet::new();
        for task in asked {
            let (status, size, note, line) = task.await.unwrap();
            match status {
                200 => {
                    time(&note, &line);
                    cosigned.insert((size, note));
                }
                409 => {}
                other => panic!("{other}: {line}"),
            }
        }
        // All of them said that the witness knows four records, which holds for the first alone.
        assert_eq!(cosigned.len(), 1, "{cosigned:?}");
        let (size, _) = cosigned.pop_first().unwrap();
        let (status, _, body) = witness.post(Log::new(origin).body(4, 5)).await;
        assert_eq!((status, body), (409, format!("{size}\n")));
    }
}
