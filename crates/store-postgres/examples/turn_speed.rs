//! How fast batches become durable in a PostgreSQL database, beside a bare batched insert of the same rows into it:
//! `cargo run --release -p countersign-store-postgres --example turn_speed URL [SECONDS]`.
//!
//! Every record is a 700-byte leaf with a 472-byte payload and one subject. Each writer is a node with an organization of
//! its own. The bare insert is what the database can do: the same statements with `unnest` and one commit for each batch,
//! without turns, heads or notices. Use an empty database; both make their tables in schemas of their own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measurement, not the product"
)]

use std::time::{Duration, Instant};

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{
    Append, Head, NewRecord, Org, OrganizationRow, Query, SearchRow, Shared, Store, StoredPayload,
};
use countersign_store_postgres::{Address, PostgresStore};
use tokio_postgres::NoTls;

fn record(seq: u64) -> NewRecord {
    let number = Digest::of(&seq.to_be_bytes());
    let leaf = vec![b'l'; 700];
    // As in UUIDv7: time, then randomness.
    let subject = (u128::from(seq) << 64) | u128::from_be_bytes(number.0[..16].try_into().unwrap()) >> 64;
    NewRecord {
        leaf_hash: NewRecord::hash_of(&leaf),
        leaf,
        payload: Some(StoredPayload {
            class: "standard".into(),
            key: "1/2026".into(),
            sealed: vec![b'p'; 472],
        }),
        seq,
        subjects: vec![subject],
    }
}

fn batch(org: &Org, base: u64, count: u64) -> Append {
    Append {
        create: (base == 0).then(|| OrganizationRow {
            created: Time(0),
            name: org.clone(),
            origin: format!("bench/t/{org}"),
        }),
        head: Head {
            checkpoint: "c".repeat(250),
            edge: vec![0; 640],
            size: base + count,
            ts: Time(i64::try_from(base).unwrap()),
        },
        org: org.clone(),
        base,
        records: (base..base + count).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}

/// What one writer did: records, and how long each batch took.
type Written = (u64, Vec<Duration>);

/// Appends through turns.
fn append(url: &str, org: &Org, count: u64, time: Duration) -> Written {
    let store = PostgresStore::open(Address::parse(url).unwrap()).unwrap();
    let mut base = store.head(org).unwrap().map(|head| head.size).unwrap_or_default();
    let (mut records, mut latencies) = (0, Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let batch = [batch(org, base, count)];
        let started = Instant::now();
        let turn = store.turn(std::slice::from_ref(org)).unwrap();
        turn.append(&batch).unwrap();
        latencies.push(started.elapsed());
        base += count;
        records += count;
    }
    (records, latencies)
}

/// Inserts the same rows, and nothing else.
fn insert(url: &str, org: i64, count: u64, time: Duration) -> Written {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "WITH r AS (INSERT INTO bare.records SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[])),
                p AS (INSERT INTO bare.payloads SELECT $1, s, 'standard', '1/2026', b FROM unnest($2::bigint[], $5::bytea[]) AS x (s, b))
            INSERT INTO bare.subjects SELECT $1, * FROM unnest($6::text[]::uuid[], $2::bigint[])";
        let statement = client.prepare(sql).await.unwrap();
        let next = "SELECT coalesce(max(seq) + 1, 0) FROM bare.records WHERE org = $1";
        let mut base: i64 = client.query_one(next, &[&org]).await.unwrap().get(0);
        let (mut records, mut latencies) = (0, Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < time {
            let range = base..base + i64::try_from(count).unwrap();
            let rows: Vec<NewRecord> = range.clone().map(|seq| record(u64::try_from(seq).unwrap())).collect();
            let seqs: Vec<i64> = range.collect();
            let hashes: Vec<&[u8]> = rows.iter().map(|row| &row.leaf_hash.0[..]).collect();
            let leaves: Vec<&[u8]> = rows.iter().map(|row| &row.leaf[..]).collect();
            let sealed: Vec<&[u8]> = rows.iter().map(|row| &row.payload.as_ref().unwrap().sealed[..]).collect();
            let subjects: Vec<String> = rows.iter().map(|row| format!("{:032x}", row.subjects[0])).collect();
            let started = Instant::now();
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&org, &seqs, &hashes, &leaves, &sealed, &subjects];
            client.execute(&statement, &params).await.unwrap();
            latencies.push(started.elapsed());
            base += i64::try_from(count).unwrap();
            records += count;
        }
        (records, latencies)
    })
}

fn measure(what: &str, writers: usize, count: u64, time: Duration, write: impl Fn(usize) -> Written + Sync) {
    let written: Vec<Written> = std::thread::scope(|scope| {
        let write = &write;
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || write(writer))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let records: u64 = written.iter().map(|(records, _)| records).sum();
    let mut latencies: Vec<Duration> = written.into_iter().flat_map(|(_, latencies)| latencies).collect();
    latencies.sort();
    let at = |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{what:<12} {writers} writers, {count:>3} a batch: {:>7.0} records/s; batch p50 {:.2} ms, p99 {:.2} ms ({} batches)",
        records as f64 / time.as_secs_f64(),
        at(50),
        at(99),
        latencies.len(),
    );
}

fn bare_tables(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare;
            CREATE TABLE bare.records (org bigint, seq bigint, leaf_hash bytea, leaf bytea, PRIMARY KEY (org, seq));
            CREATE TABLE bare.payloads (org bigint, seq bigint, class text, key text, sealed bytea, PRIMARY KEY (org, seq));
            CREATE TABLE bare.subjects (org bigint, subject uuid, seq bigint, PRIMARY KEY (org, subject, seq));";
        client.batch_execute(sql).await.unwrap();
    });
}

/// What searches cost in an index of so many lines.
fn search(store: &PostgresStore, org: &str, size: u64) {
    let rows: Vec<SearchRow> = (0..size)
        .map(|seq| SearchRow {
            action: Some(format!("tool.operation_{}", seq % 40)),
            agent: Some(format!("agent-{}", seq % 97)),
            decision: Some(if seq % 1_000 == 0 { "deny" } else { "allow" }.into()),
            kind: "decision.made".into(),
            seq,
            ts: Time(i64::try_from(seq).unwrap()),
        })
        .collect();
    let begun = Instant::now();
    for part in rows.chunks(1_000) {
        store.index(org, part).unwrap();
    }
    println!(
        "search index: {:.0} lines/s in parts of 1,000",
        size as f64 / begun.elapsed().as_secs_f64()
    );
    let text = |text: &str| Some(text.to_owned());
    let (all, agent) = (Query::default(), text("agent-5"));
    for (what, query) in [
        ("the newest 100", all.clone()),
        (
            "100 of an agent",
            Query {
                agent: agent.clone(),
                ..all.clone()
            },
        ),
        (
            "100 of an agent that were denied",
            Query {
                agent,
                decision: text("deny"),
                ..all.clone()
            },
        ),
        (
            "a time range",
            Query {
                from: Some(Time(1_000)),
                to: Some(Time(2_000)),
                ..all
            },
        ),
    ] {
        let begun = Instant::now();
        let found = store.search(org, &Query { limit: 100, ..query }).unwrap().len();
        println!(
            "search {what}: {found} lines in {:.2} ms",
            begun.elapsed().as_secs_f64() * 1e3
        );
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap();
    let seconds = args.next().map_or(5, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let store = PostgresStore::open(Address::parse(&url).unwrap()).unwrap();
    bare_tables(&url);
    let orgs: [Org; 2] = ["acme".into(), "globex".into()];
    for writers in [1, 2] {
        for count in [64, 256] {
            measure("bare insert", writers, count, time, |writer| {
                insert(&url, i64::try_from(writer).unwrap(), count, time)
            });
            measure("turns", writers, count, time, |writer| {
                append(&url, &orgs[writer], count, time)
            });
        }
    }
    let size = store.head("acme").unwrap().unwrap().size.min(200_000);
    search(&store, "acme", size);
    let begun = Instant::now();
    let count = store.leaf_hashes("acme", 0, u64::MAX).unwrap().len();
    println!("{count} leaf hashes in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
}
