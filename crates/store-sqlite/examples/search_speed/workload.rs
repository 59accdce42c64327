//! A year of records, and searches of every combination of filters: the same for every store.

use std::fmt::Write as _;
use std::time::Instant;

use countersign_core::digest::Digest;
use countersign_core::time::Time;
use countersign_store::{Append, Head, NewRecord, OrganizationRow, Query, SearchRow, Store, StoredPayload};

const ORG: &str = "acme";
const AGENTS: u64 = 200;
const ACTIONS: u64 = 60;
const DECISIONS: [(&str, u64); 5] = [
    ("allow", 900),
    ("allow_with_constraints", 60),
    ("require_approval", 25),
    ("deny", 14),
    ("remediate", 1),
];
const KINDS: [&str; 6] = [
    "permit.redeemed",
    "outcome.reported",
    "approval.opened",
    "approval.voted",
    "callback.due",
    "callback.attempted",
];
/// 2026-01-01, microseconds.
const BEGIN_US: i64 = 1_767_225_600_000_000;
const YEAR_US: i64 = 365 * 86_400_000_000;
/// Records in one transaction; a real record with its payload is written only for the first so many of each size.
const BATCH: u64 = 500;
/// Searches of each kind.
const SEARCHES: usize = 200;
/// The largest page that the API gives.
const PAGE: usize = 500;

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

    /// Skewed towards 0: the product of two is below a tenth of the range half of the time.
    fn skewed(&mut self, end: u64) -> u64 {
        let (a, b, c) = (self.below(end), self.below(end), self.below(end));
        a * b / end * c / end
    }

    fn decision(&mut self) -> &'static str {
        let mut at = self.below(DECISIONS.iter().map(|(_, weight)| weight).sum());
        for (decision, weight) in DECISIONS {
            if at < weight {
                return decision;
            }
            at -= weight;
        }
        "allow"
    }
}

fn agent(number: u64) -> String {
    format!("agent-{number:03}")
}

fn action(number: u64) -> String {
    format!("tools/operation-{number:02}")
}

/// Three of ten records are decisions; the last agent appears once in a hundred thousand records.
fn line(numbers: &mut Numbers, seq: u64, records: u64) -> SearchRow {
    let spread = i64::try_from(u128::from(seq) * u128::from(YEAR_US.unsigned_abs()) / u128::from(records)).unwrap();
    let mut row = SearchRow {
        kind: "state.sealed".into(),
        seq,
        ts: Time(BEGIN_US + spread),
        ..SearchRow::default()
    };
    match numbers.below(1000) {
        0..300 => {
            let rare = numbers.below(30_000) == 0;
            let who = if rare { AGENTS - 1 } else { numbers.skewed(AGENTS - 1) };
            row.kind = "decision.made".into();
            row.agent = Some(agent(who));
            row.action = Some(action(numbers.skewed(ACTIONS)));
            row.decision = Some(numbers.decision().into());
        }
        300..999 => {
            row.kind = KINDS[usize::try_from(numbers.below(6)).unwrap()].into();
            if row.kind == "approval.opened" {
                row.agent = Some(agent(numbers.skewed(AGENTS - 1)));
            }
        }
        _ => {}
    }
    row
}

fn record(seq: u64) -> NewRecord {
    let number = Digest::of(&seq.to_be_bytes());
    let leaf = vec![b'l'; 700];
    NewRecord {
        leaf_hash: NewRecord::hash_of(&leaf),
        leaf,
        payload: seq.is_multiple_of(3).then(|| StoredPayload {
            class: "standard".into(),
            key: "1/2026".into(),
            sealed: vec![b'p'; 472],
        }),
        seq,
        subjects: vec![(u128::from(seq) << 64) | u128::from_be_bytes(number.0[..16].try_into().unwrap()) >> 64],
    }
}

fn append(store: &dyn Store, base: u64, count: u64) {
    let org = OrganizationRow {
        created: Time(0),
        name: ORG.into(),
        origin: "bench/t/acme".into(),
    };
    let batch = Append {
        head: Head {
            checkpoint: "c".repeat(250),
            edge: vec![0; 640],
            size: base + count,
            ts: Time(i64::try_from(base).unwrap()),
        },
        org: org.name.clone(),
        create: (base == 0).then_some(org),
        base,
        records: (base..base + count).map(record).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    };
    store.append(&[batch]).unwrap();
}

/// Milliseconds at p50, p95 and the slowest.
struct Spread {
    p50: f64,
    p95: f64,
    slowest: f64,
}

fn spread(mut times: Vec<f64>) -> Spread {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Spread {
        p50: at(50),
        p95: at(95),
        slowest: at(100),
    }
}

fn json(spread: &Spread) -> String {
    format!(
        r#"{{"p50": {:.2}, "p95": {:.2}, "max": {:.2}}}"#,
        spread.p50, spread.p95, spread.slowest
    )
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64() * 1e3, result)
}

/// Fills a store. Reports what an append of one record and of 100 cost at each size.
pub fn fill(store: &dyn Store, records: u64, report: &mut String) {
    let mut numbers = Numbers(7);
    let mut size = 0;
    let mut stops: Vec<u64> = [10_000, 100_000, 1_000_000, 10_000_000]
        .into_iter()
        .filter(|stop| *stop < records)
        .collect();
    stops.push(records);
    for stop in stops {
        let (mut lines, begun) = (Vec::new(), Instant::now());
        let from = size;
        while size < stop {
            let count = BATCH.min(stop - size);
            append(store, size, count);
            lines.extend((size..size + count).map(|seq| line(&mut numbers, seq, records)));
            size += count;
            if lines.len() >= 20_000 || size == stop {
                store.index(ORG, &std::mem::take(&mut lines)).unwrap();
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let mut costs = Vec::new();
        for count in [1, 100] {
            let mut times = Vec::new();
            for _ in 0..200 {
                times.push(timed(|| append(store, size, count)).0);
                lines.extend((size..size + count).map(|seq| line(&mut numbers, seq, records)));
                size += count;
            }
            costs.push(json(&spread(times)));
        }
        store.index(ORG, &lines).unwrap();
        let read = (0..1000).map(|_| numbers.below(size)).collect::<Vec<_>>();
        let read = spread(
            read.iter()
                .map(|seq| timed(|| store.records(ORG, *seq, 1).unwrap()).0)
                .collect(),
        );
        let _ = writeln!(
            report,
            r#"    {{"records": {stop}, "filled_per_s": {:.0}, "append_1_ms": {}, "append_100_ms": {}, "read_1_ms": {}}},"#,
            (stop.saturating_sub(from)) as f64 / seconds,
            costs[0],
            costs[1],
            json(&read),
        );
        eprintln!("{stop} records after {seconds:.0} s");
    }
}

/// Which filters a search has.
const FILTERS: [&str; 5] = ["agent", "action", "decision", "type", "time"];

fn query(numbers: &mut Numbers, filters: u32, size: u64) -> Query {
    let has = |bit: u32| filters & (1 << bit) != 0;
    let mut query = Query {
        limit: PAGE,
        ..Query::default()
    };
    if has(0) {
        // Half of the time any agent, the rare ones too.
        let who = if numbers.below(2) == 0 {
            numbers.skewed(AGENTS - 1)
        } else {
            numbers.below(AGENTS)
        };
        query.agent = Some(agent(who));
    }
    if has(1) {
        query.action = Some(action(numbers.below(ACTIONS)));
    }
    if has(2) {
        let which = usize::try_from(numbers.below(5)).unwrap();
        query.decision = Some(DECISIONS[which].0.into());
    }
    if has(3) {
        let types = ["decision.made", "approval.opened", "state.sealed", "callback.due"];
        query.kind = Some(types[usize::try_from(numbers.below(4)).unwrap()].into());
    }
    if has(4) {
        let day = 86_400_000_000;
        let length = [day, 7 * day, 90 * day][usize::try_from(numbers.below(3)).unwrap()];
        let begin = BEGIN_US + i64::try_from(numbers.below((YEAR_US - length).unsigned_abs())).unwrap();
        (query.from, query.to) = (Some(Time(begin)), Some(Time(begin + length)));
    }
    // A third of the pages lie deep.
    if numbers.below(3) == 0 {
        query.before = Some(numbers.below(size));
    }
    query
}

/// Searches. Returns the kinds that are too slow, and the worst of all in words.
pub fn search(store: &dyn Store, report: &mut String) -> (Vec<String>, String) {
    let mut numbers = Numbers(11);
    let size = store.indexed(ORG).unwrap();
    let mut slow = Vec::new();
    let (mut worst, mut slowest) = ((0.0, String::new()), 0.0_f64);
    let mut ask = |name: &str, queries: Vec<Query>| {
        let mut found = 0;
        let times: Vec<f64> = queries
            .iter()
            .map(|query| {
                let (time, rows) = timed(|| store.search(ORG, query).unwrap());
                found += rows.len();
                time
            })
            .collect();
        let spread = spread(times);
        slowest = slowest.max(spread.slowest);
        if spread.p95 > worst.0 {
            worst = (spread.p95, name.to_owned());
        }
        if spread.p95 >= 1000.0 {
            slow.push(name.to_owned());
        }
        let _ = writeln!(
            report,
            r#"    {{"search": "{name}", "searches": {}, "found": {found}, "ms": {}}},"#,
            queries.len(),
            json(&spread)
        );
    };
    for filters in 0..32_u32 {
        let names: Vec<&str> = (0..5)
            .filter(|bit| filters & (1 << bit) != 0)
            .map(|bit| FILTERS[bit as usize])
            .collect();
        let name = if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join("+")
        };
        ask(
            &name,
            (0..SEARCHES).map(|_| query(&mut numbers, filters, size)).collect(),
        );
    }
    let text = |text: &str| Some(text.to_owned());
    let whole_year = (Some(Time(BEGIN_US)), Some(Time(BEGIN_US + YEAR_US)));
    let rare = |action: Option<String>, decision: Option<String>| Query {
        action,
        agent: text("agent-199"),
        decision,
        from: whole_year.0,
        limit: PAGE,
        to: whole_year.1,
        ..Query::default()
    };
    ask("a rare agent in the whole year", vec![rare(None, None); 50]);
    ask(
        "a rare agent, the commonest decision, the whole year",
        vec![rare(None, text("allow")); 50],
    );
    let never = Query {
        action: text("tools/operation-59"),
        agent: text("agent-198"),
        decision: text("remediate"),
        limit: PAGE,
        ..Query::default()
    };
    ask("nothing found: rare agent, action and decision", vec![never; 50]);
    // Lists that are long and share nothing: the worst case for walking them side by side.
    let disjoint = Query {
        agent: text("agent-000"),
        kind: text("callback.due"),
        limit: PAGE,
        ..Query::default()
    };
    ask("nothing found: two long lists that share nothing", vec![disjoint; 20]);
    let unknown = Query {
        agent: text("nobody"),
        limit: PAGE,
        ..Query::default()
    };
    ask("nothing found: an agent that never was", vec![unknown; 50]);
    let (p95, name) = worst;
    let words = format!("p95 at most {p95:.0} ms ({name}), slowest of all {slowest:.0} ms");
    (slow, words)
}

/// Lines of a JSON list, without the last comma.
pub fn list(lines: &str) -> &str {
    lines.trim_end().trim_end_matches(',')
}
