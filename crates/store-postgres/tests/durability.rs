//! A history of what nodes were told, held against what is in the database in the end, while the server is killed and
//! connections are cut at random moments.
#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod support;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_store::{Append, AppendError, NewRecord, Org, Shared as _, Store as _};
use countersign_store_postgres::PostgresStore;
use countersign_testkit_postgres::{Cut, Postgres, Side, database_of};

use support::{batch, leaf, open};

const ORGS: [&str; 2] = ["acme", "globex"];

/// A number below `end`.
fn random(end: u64) -> u64 {
    RandomState::new().build_hasher().finish() % end
}

/// Who wrote a record.
fn author(leaf: &[u8]) -> String {
    let text = std::str::from_utf8(leaf).unwrap();
    text.split(' ').nth(2).unwrap().to_owned()
}

/// What a node was told of one batch, or found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Acknowledged,
    Absent,
    /// The commit was not answered, and the head said this.
    Found(bool),
}

struct Attempt {
    by: String,
    shares: Vec<(&'static str, u64, u64)>,
    told: Told,
}

/// What the threads of a history share.
#[derive(Default)]
struct Course {
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl Course {
    /// Waits until so many more batches were acknowledged.
    fn go_on(&self, batches: u64) {
        let until = Instant::now() + Duration::from_secs(60);
        let end = self.acknowledged.load(Ordering::Acquire) + batches;
        while self.acknowledged.load(Ordering::Acquire) < end {
            assert!(Instant::now() < until, "nothing is acknowledged any more");
            std::thread::yield_now();
        }
    }
}

/// Appends through turns until it is told to stop.
fn append_until(store: &PostgresStore, name: &str, course: &Course) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for round in 0_u64.. {
        if course.stop.load(Ordering::Acquire) {
            break;
        }
        let orgs = ORGS.map(Org::from);
        let Ok(turn) = store.turn(&orgs) else { continue };
        let by = format!("{name}-{round}");
        let counts = [1 + round * 7 % 60, round % 3];
        let shares: Vec<(&str, u64, u64)> = (ORGS.into_iter().zip(counts))
            .filter(|(_, count)| *count > 0)
            .map(|(org, count)| (org, turn.head(org).unwrap().size, count))
            .collect();
        let batch: Vec<Append> = (shares.iter())
            .map(|(org, base, count)| batch(org, *base, *count, &by))
            .collect();
        let told = match turn.append(&batch) {
            Ok(()) => {
                course.acknowledged.fetch_add(1, Ordering::AcqRel);
                Told::Acknowledged
            }
            Err(AppendError::Unknown(_)) => Told::Found(is_there(store, &shares, &by)),
            Err(AppendError::Failed(_)) => Told::Absent,
            Err(other) => panic!("{name}, round {round}: {other}"),
        };
        attempts.push(Attempt { by, shares, told });
    }
    attempts
}

/// What the head says of a batch, once it can be read.
fn is_there(store: &PostgresStore, shares: &[(&'static str, u64, u64)], by: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    let all = shares.iter().map(|(org, base, count)| {
        let head = loop {
            match store.head(org) {
                Ok(head) => break head.unwrap(),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        };
        // Others may have gone on from there.
        head.size >= base + count && {
            let found = loop {
                match store.records(org, *base, 1) {
                    Ok(found) => break found,
                    Err(error) => assert!(Instant::now() < until, "{error}"),
                }
            };
            author(&found.first().unwrap().leaf) == by
        }
    });
    let all: Vec<bool> = all.collect();
    assert!(
        all.iter().all(|there| *there) || all.iter().all(|there| !*there),
        "half of {by} is there"
    );
    all.first().copied().unwrap_or_default()
}

/// Lets two nodes append while `disturb` goes on, and holds what they were told against what is there.
fn hold_against(urls: [&str; 2], direct: &str, disturb: impl FnOnce(&Course)) {
    let first = open(direct);
    first.append(&ORGS.map(|org| batch(org, 0, 1, "first"))).unwrap();
    let nodes = urls.map(open);
    let course = Course::default();
    let attempts: Vec<Attempt> = std::thread::scope(|scope| {
        let threads = [("a", &nodes[0]), ("b", &nodes[1])]
            .map(|(name, store)| scope.spawn(|| append_until(store, name, &course)));
        disturb(&course);
        course.stop.store(true, Ordering::Release);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut written: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for org in ORGS {
        let size = first.head(org).unwrap().unwrap().size;
        let records = first.records(org, 0, usize::MAX).unwrap();
        assert_eq!(records.len() as u64, size, "records of {org}");
        for (seq, record) in (0..).zip(records) {
            let by = author(&record.leaf);
            assert_eq!((record.seq, &record.leaf), (seq, &leaf(org, seq, &by)));
            assert_eq!(record.leaf_hash, NewRecord::hash_of(&record.leaf));
            *written.entry((by, org)).or_default() += 1;
        }
        for seq in size.saturating_sub(50)..size {
            assert!(first.payload(org, seq).unwrap().is_some());
            let about = first.by_subject(org, u128::from(seq / 2)).unwrap();
            assert!(about.iter().any(|record| record.seq == seq));
        }
        assert!(
            first.payload(org, size).unwrap().is_none(),
            "a payload without its record"
        );
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for attempt in &attempts {
        let there = attempt.told == Told::Acknowledged || attempt.told == Told::Found(true);
        for (org, base, count) in &attempt.shares {
            let found = written.remove(&(attempt.by.clone(), *org)).unwrap_or_default();
            let expected = if there { *count } else { 0 };
            assert_eq!(
                found, expected,
                "{} of {org} at {base}, told {:?}",
                attempt.by, attempt.told
            );
        }
        *counts.entry(format!("{:?}", attempt.told)).or_default() += 1;
    }
    written.retain(|(by, _), _| by != "first");
    assert!(written.is_empty(), "nobody wrote {written:?}");
    assert!(
        counts.get("Acknowledged").is_some_and(|count| *count > 10),
        "{counts:?}"
    );
    writeln(&counts);
}

fn writeln(counts: &BTreeMap<String, u64>) {
    use std::io::Write as _;
    // Seen with `--nocapture`.
    let _ = writeln!(std::io::stdout(), "{counts:?}");
}

#[test]
fn what_was_acknowledged_survives_kill_9_of_the_server_at_any_moment() {
    let server = Postgres::start();
    let url = server.database();
    hold_against([&url, &url], &url, |course| {
        for _ in 0..8 {
            course.go_on(1 + random(6));
            std::thread::sleep(Duration::from_micros(random(10_000)));
            server.kill();
            server.restart();
        }
        course.go_on(4);
    });
}

#[test]
fn connections_cut_at_random_points_lose_and_double_nothing() {
    let server = Postgres::shared();
    let direct = server.database();
    let cuts = [Cut::before(server.port()), Cut::before(server.port())];
    let [a, b] = [&cuts[0], &cuts[1]].map(|cut| server.url(database_of(&direct), cut.port()));
    hold_against([&a, &b], &direct, |course| {
        for round in 0..60_u64 {
            let cut = &cuts[usize::from(round % 2 == 1)];
            let some = |bytes| u32::try_from(random(bytes)).unwrap();
            match round % 3 {
                0 => cut.after(Side::Client, some(60_000)),
                1 => cut.after(Side::Server, some(600)),
                _ => cut.now(),
            }
            course.go_on(1 + random(3));
        }
        cuts.iter().for_each(Cut::mend);
        course.go_on(4);
    });
}
