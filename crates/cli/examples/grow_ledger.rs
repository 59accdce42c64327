//! Makes a data folder with a ledger of half a year: `cargo run --release -p countersign-cli --example grow_ledger DATA POLICIES RECORDS AGENTS`.
//!
//! Every record beyond the first few is a decision as the real engine makes it, nine of ten allowed, made a second and a half
//! after the one before, so that nothing is open any more when somebody serves the folder. Prints the organization's keys:
//! first the admin's, then one for each agent.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a preparation of measurements, not the product"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countersign_core::event::AgentRegistered;
use countersign_core::{Span, Time};
use countersign_engine::{
    Caller, Clock, Credential, Engine, NewOrganization, Reading, Request, Settings, SystemClock, Vault,
};
use countersign_store::Store as _;
use countersign_store_sqlite::SqliteStore;

/// How far apart decisions are: ten million of them fit into half a year.
const BETWEEN: Span = Span(1_500_000);
/// How many callers ask at once.
const CALLERS: u64 = 512;

/// A clock that goes on when somebody asks for a decision.
#[derive(Clone)]
struct Past(Arc<AtomicI64>);

impl Clock for Past {
    fn read(&self) -> Reading {
        Reading {
            now: Time(self.0.load(Ordering::Relaxed)),
            jumped: None,
        }
    }
    fn accept(&self) {}
    fn follow(&self, _: Time) {}
    fn not_before(&self, instant: Time) {
        self.0.fetch_max(instant.0 + 1, Ordering::Relaxed);
    }
}

fn request<'a>(caller: &'a Caller, body: &'a [u8]) -> Request<'a> {
    Request {
        caller,
        route: "grow",
        idempotency_key: None,
        body,
    }
}

/// The organization with its policies and agents, and their callers.
async fn begin(engine: &Engine, policies: &Path, agents: u64) -> Result<Vec<Caller>, Box<dyn Error>> {
    let new = NewOrganization {
        name: "main".into(),
        instance: None,
        currency: "USD".into(),
        zone: "UTC".into(),
        admin: "admin".into(),
    };
    let opened = engine.create_organization(new).await?;
    println!("{}", opened.admin_key.text);
    let admin = engine.authenticate(Credential(&opened.admin_key.text)).await?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(policies)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        files.push((name.unwrap_or_default(), std::fs::read(&path)?));
    }
    files.sort();
    let checked = engine.upload_policies(&request(&admin, b"{}"), files).await?;
    let hash = checked.hash.ok_or("the policies do not load")?;
    engine
        .activate_policy(&request(&admin, b"{}"), &hash, Some("first"))
        .await?;
    let mut callers = Vec::new();
    for number in 0..agents {
        let agent = AgentRegistered {
            agent: format!("bot-{number}"),
            labels: BTreeMap::new(),
            owner: "team:bench".into(),
            team: None,
        };
        let registered = engine.register_agent(&request(&admin, b"{}"), agent).await?;
        let key = registered.key.ok_or("a new agent has no key")?.text;
        callers.push(engine.authenticate(Credential(&key)).await?);
        println!("{key}");
    }
    Ok(callers)
}

fn body(number: u64) -> String {
    let path = if number.is_multiple_of(10) {
        "/etc/passwd"
    } else {
        "/srv/data/report"
    };
    format!(
        r#"{{"tool":"tool-{:03}","action":"update","env":"production","amount":"120.50","currency":"USD","args":{{"path":"{path}","order":"grow-{number}","region":"eu-west-1","rows":[1,2,3]}},"labels":{{"team":"support"}},"evidence":{{"reason":"the customer was charged twice","sources":["ticket 4521"]}},"confidence":0.92}}"#,
        number * 7 % 20
    )
}

/// Decides until the ledger has so many records.
async fn grow(engine: &Engine, clock: &Past, callers: Vec<Caller>, wanted: u64) -> Result<(), Box<dyn Error>> {
    let (callers, next) = (Arc::new(callers), Arc::new(AtomicU64::new(0)));
    let mut tasks: tokio::task::JoinSet<Result<(), String>> = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (engine, clock, callers, next) = (engine.clone(), clock.clone(), callers.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let place = usize::try_from(number).unwrap_or_default() % callers.len().max(1);
                let Some(caller) = callers.get(place).filter(|_| number < wanted) else {
                    return Ok(());
                };
                clock.0.fetch_add(BETWEEN.0, Ordering::Relaxed);
                engine
                    .decide(&request(caller, body(number).as_bytes()))
                    .await
                    .map_err(|error| error.to_string())?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, policies, records, agents] = arguments.as_slice() else {
        return Err("grow_ledger DATA POLICIES RECORDS AGENTS".into());
    };
    let (data, wanted, agents) = (Path::new(data), records.parse::<u64>()?, agents.parse()?);
    std::fs::create_dir_all(data)?;
    let begins = SystemClock::default().read().now - Span::days(180);
    let clock = Past(Arc::new(AtomicI64::new(begins.0)));
    let store = Arc::new(SqliteStore::open(data)?);
    let vault = Vault::from_file(&data.join("instance.key"), true)?;
    let settings = Settings {
        key_days: None,
        ..Settings::default()
    };
    let engine = Engine::start(store.clone(), vault, Box::new(clock.clone()), settings)?;
    let callers = begin(&engine, Path::new(policies), agents).await?;
    let there = store.head("main")?.map_or(0, |head| head.size);
    grow(&engine, &clock, callers, wanted.saturating_sub(there)).await?;
    engine.stop();
    eprintln!("{} records", store.head("main")?.map_or(0, |head| head.size));
    Ok(())
}
