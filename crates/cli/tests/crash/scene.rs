//! Servers, where their ledger is, and who there is.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use countersign_client::{Client, Credential};
use serde_json::{Value, json};

use crate::told::Oracle;

pub const BINARY: &str = env!("CARGO_BIN_EXE_countersign");
pub const AGENTS: usize = 8;

const POLICY: &str = "
name: gate
on: [{ action: read }, { action: pay }, { action: wipe }]
rules:
- { condition: \"action == 'read'\", decision: allow }
- { condition: \"action == 'pay'\", decision: require_approval, approvers: [leads] }
- { condition: \"action == 'wipe'\", decision: deny }
";
/// The first is soon used up, so that callers compete for what is left; the second counts everything that runs.
const BUDGETS: &str = "
budgets:
- { name: reads, action: read, per: month, limit: 1.00 USD }
- { name: all, per: month, of: organization, limit: 100000 USD }
";
/// The first is reached all the time; the second counts everything, in windows with more actions than stay exact.
const LIMITS: &str = "
limits:
- { name: reads-of-one, action: read, per: agent, count: 30, sum: 1000 USD, within: 30s }
- { name: all, per: organization, count: 1000000, within: 1h }
";

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the data is kept in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Where a ledger is: what `init` and `serve` are told, and where the servers' log goes.
#[derive(Clone)]
pub struct Place {
    pub args: Vec<String>,
    pub log: PathBuf,
}

impl Place {
    /// A data folder.
    pub fn folder(data: &Path) -> Place {
        Place {
            args: vec![
                "--data".into(),
                data.to_str().unwrap().into(),
                "--signer-state".into(),
                data.with_extension("signer").to_str().unwrap().into(),
            ],
            log: data.with_extension("log"),
        }
    }
}

/// A server that is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve(place: &Place) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&place.log)
        .unwrap();
    Command::new(BINARY)
        .args(["serve", "--json", "--listen", "127.0.0.1:0"])
        .args(&place.args)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Server {
    /// A server that answers; `None` if it ended instead.
    pub fn try_start(place: &Place) -> Option<Server> {
        let mut child = serve(place);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut server = Server {
            child,
            address: String::new(),
        };
        let announced: Value = serde_json::from_str(&line).ok()?;
        server.address = announced["address"].as_str().unwrap().to_owned();
        Some(server)
    }

    pub fn start(place: &Place) -> Server {
        Server::try_start(place).unwrap_or_else(|| {
            let log = std::fs::read_to_string(&place.log).unwrap_or_default();
            panic!(
                "the server does not start again: {}",
                log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
            )
        })
    }

    pub fn client(&self, key: &str) -> Client {
        Client::new(&self.address, &Credential::Key(key.to_owned())).unwrap()
    }
}

/// Runs a program that has to succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{program} {args:?}: {out}{error}");
    out.into_owned()
}

/// A number from the environment.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// The seed of this run: what the environment says, or the time.
pub fn seed() -> u64 {
    setting("COUNTERSIGN_CRASH_SEED").unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_micros() as u64
    })
}

/// Makes the ledger, the agents and the people.
pub async fn prepare(folder: &Path, place: &Place) -> Oracle {
    let policies = folder.join("policies");
    std::fs::create_dir_all(&policies).unwrap();
    std::fs::write(policies.join("gate.yaml"), POLICY).unwrap();
    std::fs::write(policies.join("budgets.yaml"), BUDGETS).unwrap();
    std::fs::write(policies.join("limits.yaml"), LIMITS).unwrap();
    let mut args = vec!["init", "--json", "--policies", policies.to_str().unwrap()];
    args.extend(place.args.iter().map(String::as_str));
    let made: Value = serde_json::from_str(&run(BINARY, &args)).unwrap();
    let admin_key = made["admin_key"].as_str().unwrap().to_owned();
    let server = Server::start(place);
    let admin = server.client(&admin_key);
    let mut keys = Vec::new();
    for number in 0..AGENTS {
        let agent = json!({"id": format!("bot-{number}"), "owner": "team:ops"});
        let answer: Value = admin.post("/v1/agents", &agent).await.unwrap();
        keys.push(answer["key"].as_str().unwrap().to_owned());
    }
    for id in ["dana", "erin"] {
        let person = json!({"id": id, "roles": ["reviewer"], "teams": ["leads"]});
        let answer: Value = admin.post("/v1/users", &person).await.unwrap();
        keys.push(answer["key"].as_str().unwrap().to_owned());
    }
    keys.push(admin_key);
    Oracle::new(keys, made["vkey"].as_str().unwrap().parse().unwrap())
}
