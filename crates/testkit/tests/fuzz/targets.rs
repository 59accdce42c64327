//! The targets: each takes bytes that an outsider sent and says whether they were taken as what they claim to be.
//!
//! A target holds laws, not just "it does not crash"; a broken law is a panic.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use countersign_core::action::{receive, to_value};
use countersign_core::digest::{DigestKey, action_digest, canonical_action};
use countersign_core::key::ApiKey;
use countersign_core::policy::condition::{Condition, Declarations, Fuel};
use countersign_core::policy::json::{self, JsonErrorKind, Limits};
use countersign_core::policy::{Action, Context, Decimal, Facts, Root, Severity, Snapshot, Value, Verdict};
use countersign_core::redact::{Kinds, Redactor};
use countersign_core::stored::{store_action, store_value, stored_action, stored_salt};
use countersign_core::{Record, State};
use countersign_tlog::bundle::verify;
use countersign_tlog::{
    Checkpoint, Note, ProofFile, VerifyingKey, canonical_json, is_canonical_record, leaf_hash, verify_inclusion,
};

use crate::seeds;

/// What separates the files of a bundle in one input.
pub const FILE_MARK: &[u8] = b"\n=== ";

/// Policy documents, separated by `\n=== ` lines: they load or say what is wrong and where, and decide alike in any order.
pub fn policy(data: &[u8]) -> bool {
    let files: Vec<(String, Vec<u8>)> = split(data, FILE_MARK)
        .into_iter()
        .enumerate()
        .map(|(at, part)| (format!("{at:03}.yaml"), part))
        .collect();
    let loaded = Snapshot::load(&files);
    let problems = match &loaded {
        Ok((_, warnings)) => warnings,
        Err(problems) => {
            assert!(
                problems.iter().any(|problem| problem.severity == Severity::Error),
                "refused without an error"
            );
            problems
        }
    };
    for problem in problems {
        let (_, bytes) = files
            .iter()
            .find(|(name, _)| *name == problem.file)
            .expect("a problem names its file");
        assert!(
            problem.span.start <= problem.span.end && problem.span.end <= bytes.len(),
            "{problem:?}"
        );
        assert!(problem.line >= 1 && problem.column >= 1, "{problem:?}");
        assert!(!problem.message.contains('\n'), "{problem:?}");
    }
    let Ok((snapshot, _)) = loaded else { return false };
    let mut turned = files.clone();
    turned.reverse();
    for (at, (name, _)) in turned.iter_mut().enumerate() {
        *name = format!("{at:03}.yaml");
    }
    let (other, _) =
        Snapshot::load(&turned).unwrap_or_else(|problems| panic!("another order does not load: {problems:?}"));
    assert_eq!(snapshot.hash(), other.hash());
    for action in sample_actions() {
        let verdict = decide(&snapshot, &action);
        let again = decide(&other, &action);
        assert_eq!(verdict.decision, again.decision, "the order of files matters");
        assert_eq!(verdict.constraints, again.constraints, "the order of files matters");
        assert!(!verdict.reasons.is_empty());
        // Every rule that spoke was looked at.
        let traces = explain(&snapshot, &action);
        for reason in verdict.reasons.iter().filter(|reason| reason.code == "rule") {
            let told = traces.iter().any(|trace| {
                (&trace.document, trace.line, trace.column) == (&reason.document, reason.line, reason.column)
                    && trace.matched
            });
            assert!(told, "{reason:?} is not in {traces:?}");
        }
    }
    snapshot.run_tests();
    true
}

/// A condition: compiled or refused with places; never out of bounds, whatever it reads.
pub fn condition(data: &[u8]) -> bool {
    let Ok(source) = std::str::from_utf8(data) else {
        return false;
    };
    let (condition, findings) = match Condition::compile(source, &Declarations::default()) {
        Ok(compiled) => compiled,
        Err(findings) => {
            assert!(
                findings.iter().any(|finding| finding.severity == Severity::Error),
                "refused without an error"
            );
            for finding in findings {
                assert!(
                    source.get(finding.span.clone()).is_some(),
                    "{finding:?} points beside the source"
                );
            }
            return false;
        }
    };
    for finding in &findings {
        assert!(
            finding.severity == Severity::Warning && source.get(finding.span.clone()).is_some(),
            "{finding:?}"
        );
    }
    assert!(condition.reads().windows(2).all(|pair| pair[0] < pair[1]));
    for facts in sample_facts() {
        let facts = facts.facts();
        let mut fuel = Fuel::default();
        let value = condition.eval(&facts, &mut fuel);
        // The same twice, also to the fuel.
        let mut again = Fuel::default();
        assert_eq!(condition.eval(&facts, &mut again), value);
        assert_eq!(again.left(), fuel.left());
        // Less fuel gives the same answer or none, never another.
        let spent = Fuel::FULL - fuel.left();
        for units in [0, 1, spent / 2, spent.saturating_sub(1), spent] {
            let scarce = condition.eval(&facts, &mut Fuel::new(units));
            assert!(
                scarce == value || scarce.is_err(),
                "{units} of {spent} units: {scarce:?}, not {value:?}"
            );
            assert!(
                units < spent || scarce == value,
                "{spent} units are not enough the second time"
            );
        }
        let told = condition.explain(&facts);
        match &value {
            Ok(true) => assert!(told.failed.is_none() && told.error.is_none(), "{told:?}"),
            Ok(false) => assert!(told.failed.is_some(), "{told:?}"),
            Err(error) if error.message.starts_with("fuel") => {}
            Err(error) => assert!(told.error.is_some(), "{error}: {told:?}"),
        }
    }
    true
}

/// JSON: what is taken means the same to other readers, and what is not taken has a reason beyond grammar.
pub fn json(data: &[u8]) -> bool {
    let theirs = serde_json::from_slice::<serde_json::Value>(data);
    match json::parse(data, &Limits::default()) {
        Ok(value) => {
            let theirs = theirs.unwrap_or_else(|error| panic!("taken here, refused elsewhere: {error}"));
            let mut again = String::new();
            json::to_json(&value, &mut again);
            assert_eq!(
                json::parse(again.as_bytes(), &Limits::default()).as_ref(),
                Ok(&value),
                "{again}"
            );
            assert_canonical(&value, &theirs);
            let redactor = Redactor::standard();
            let kinds = Kinds::default();
            let once = redactor.redact(&value, &kinds);
            assert_eq!(
                redactor.redact(&once.value, &kinds).value,
                once.value,
                "redacting again changes something"
            );
            assert_eq!(once.found.is_empty(), once.value == value);
            let (sealed, _) = store_value(&value, &redactor, &kinds, [1; 32], "default");
            assert_eq!(sealed.1.size, sealed.0.body.len() as u64);
            true
        }
        Err(error) => {
            let grammar = matches!(error.kind, JsonErrorKind::Syntax);
            assert!(
                !(grammar && theirs.is_ok()),
                "{error}: refused as no JSON, taken elsewhere"
            );
            assert!(error.offset <= data.len(), "{error}");
            false
        }
    }
}

/// An action's body: what is received, stored and bound by a digest is the same action.
pub fn action(data: &[u8]) -> bool {
    let Ok(value) = json::parse(data, &Limits::default()) else {
        return false;
    };
    let received = match receive(value) {
        Ok(received) => received,
        Err(refusal) => {
            assert!(!refusal.code.is_empty());
            return false;
        }
    };
    let action = received.action;
    let shown = to_value(&action);
    let Ok(again) = receive(shown.clone()) else {
        panic!("the value of an action is not received: {shown:?}")
    };
    assert!(
        again.action == action,
        "receiving an action's value gives another action"
    );

    let key = DigestKey::new([7; 32]);
    let digest = |action: &Action| action_digest(&key, "acme", "bot", action, None);
    assert_eq!(digest(&again.action), digest(&action));
    let bound = canonical_action("acme", "bot", &action, None);
    let read: serde_json::Value = serde_json::from_slice(&bound).expect("the text of a digest is JSON");
    assert_eq!(
        text(&canonical_json(&read).expect("and finite")),
        text(&bound),
        "the text of a digest is not canonical"
    );
    for (agent, org) in [("bot", "acmf"), ("bou", "acme")] {
        assert_ne!(action_digest(&key, org, agent, &action, None), digest(&action));
    }
    let mut other = action.clone();
    other.action.push('x');
    assert_ne!(digest(&other), digest(&action));

    let store = |action: &_| {
        store_action(
            action,
            &digest(&again.action),
            &Redactor::standard(),
            &Kinds::default(),
            [9; 32],
            "default",
        )
    };
    let stored = store(&action);
    assert_eq!(stored_salt(&stored.sealed.0.body), Some(digest(&action).salt));
    let read: serde_json::Value = serde_json::from_slice(&stored.sealed.0.body).expect("a payload is JSON");
    assert_eq!(
        canonical_json(&read).expect("and finite"),
        stored.sealed.0.body,
        "a payload is not canonical"
    );
    match stored_action(&stored.sealed.0.body) {
        Some(kept) if stored.redact.is_empty() => assert!(kept == action, "an action is stored as another"),
        Some(kept) => {
            let once = store(&kept).sealed;
            assert_eq!(
                text(&once.0.body),
                text(&stored.sealed.0.body),
                "storing again changes something"
            );
        }
        None => assert!(!stored.redact.is_empty(), "a stored action cannot be read"),
    }
    true
}

/// One record: canonical bytes that are read are written again, byte by byte.
pub fn record(data: &[u8]) -> bool {
    let canonical = is_canonical_record(data).is_ok();
    if canonical {
        let read: serde_json::Value = serde_json::from_slice(data).expect("canonical bytes are JSON");
        assert_eq!(
            canonical_json(&read).expect("and finite"),
            data,
            "two opinions of what is canonical"
        );
    }
    let Ok((record, origin)) = Record::decode(data) else {
        return false;
    };
    let bytes = record.encode(&origin);
    if canonical {
        assert_eq!(text(&bytes.expect("what was read can be written")), text(data));
    } else if let Ok(bytes) = bytes {
        let (again, log) = Record::decode(&bytes).expect("what was written can be read");
        assert_eq!((again, log), (record, origin));
    }
    true
}

/// A ledger, a record a line: whatever can be read can be folded, and the state survives being stored.
pub fn ledger(data: &[u8]) -> bool {
    let (mut state, mut all) = (State::default(), true);
    for line in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // The engine folds nothing else: what it stored was canonical, and a leaf hash covers it.
        match (is_canonical_record(line), Record::decode(line)) {
            (Ok(()), Ok((record, _))) => state.apply(&record),
            _ => all = false,
        }
    }
    let bytes = state.to_bytes();
    let again = State::from_bytes(&bytes).expect("a stored state can be read");
    assert_eq!(again.to_bytes(), bytes);
    all
}

/// A checkpoint: nothing opens but what the log signed.
pub fn checkpoint(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    if let Ok(body) = Checkpoint::parse_body(text) {
        assert!(text.starts_with(&body.body()), "a body is read as another");
    }
    let key = seeds::log_key();
    match Checkpoint::open(key.verifying_key(), text) {
        Ok(opened) => {
            let log = seeds::log();
            assert_eq!(opened.root, log.root(opened.size), "a checkpoint that nobody signed");
            let note = Note::parse(text).expect("what opens is a note");
            assert_eq!(note.text, opened.body(), "text that nobody signed");
            true
        }
        Err(_) => false,
    }
}

/// The text of a verifying key has one spelling.
pub fn vkey(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(key) = text.parse::<VerifyingKey>() else {
        return false;
    };
    assert_eq!(key.to_string(), text);
    true
}

/// A proof file: it holds for the one record that it was made for.
pub fn proof(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(proof) = ProofFile::parse(text) else {
        return false;
    };
    assert_eq!(proof.to_text(), text, "a proof file has two spellings");
    let (key, log) = (seeds::log_key(), seeds::log());
    let mut taken = false;
    for (index, leaf) in log.leaves.iter().enumerate() {
        if let Ok(checkpoint) = proof.verify(key.verifying_key(), leaf) {
            assert_eq!(proof.index, index as u64, "a proof for one record holds for another");
            assert_eq!(checkpoint.root, log.root(checkpoint.size));
            assert_eq!(
                proof.hashes,
                log.inclusion(proof.index, checkpoint.size),
                "two proofs of one record"
            );
            taken = true;
        }
        // Without the signature in the way: numbers and hashes of an attacker's choice.
        for size in [
            0,
            1,
            proof.index,
            proof.index.wrapping_add(1),
            log.leaves.len() as u64,
            u64::MAX,
        ] {
            let root = log.root(size.min(log.leaves.len() as u64));
            let holds = verify_inclusion(leaf_hash(leaf), proof.index, size, &proof.hashes, root).is_ok();
            assert!(
                !holds || proof.index == index as u64,
                "a proof for one record holds for another"
            );
        }
    }
    taken
}

/// An export, its files separated by `\n=== NAME\n`: what verifies is, byte by byte, what was exported.
pub fn bundle(data: &[u8]) -> bool {
    let mut files = BTreeMap::new();
    for part in split(data, FILE_MARK) {
        let Some(at) = part.iter().position(|byte| *byte == b'\n') else {
            continue;
        };
        let (name, content) = part.split_at(at);
        files.insert(String::from_utf8_lossy(name).into_owned(), content[1..].to_vec());
    }
    let key = seeds::log_key();
    let Ok(report) = verify(&key.verifying_key().to_string(), &files, None) else {
        return false;
    };
    let original = seeds::bundle_files();
    assert_eq!(report.size, seeds::log().leaves.len() as u64);
    for (name, content) in &files {
        let same = original.get(name) == Some(content);
        let covered = match name.as_str() {
            "verify.py" | "README.md" => true,
            // Somebody may add a signature of another key, which is ignored.
            "checkpoint" | "checkpoint.old" => {
                let signed = |note: &[u8]| Note::parse(&text(note)).map(|note| note.text.to_owned());
                signed(content) == signed(&original[name])
            }
            // Fewer lines, or lines in another order, open the same commitments.
            "disclosures.jsonl" => {
                let signed = text(&original[name]);
                text(content)
                    .lines()
                    .all(|line| signed.lines().any(|signed| signed == line))
            }
            // Only their bytes are covered, not their names.
            name if name.starts_with("schemas/") || name.starts_with("snapshots/") => {
                original.values().any(|bytes| bytes == content) || !cited(name)
            }
            // A proof holds or it does not; that is the other target's business.
            name if name.starts_with("proofs/") => true,
            _ => same,
        };
        assert!(covered, "`{name}` was changed and the export still verifies");
    }
    true
}

/// Snapshots that no record cites may be anything that its own name vouches for.
fn cited(name: &str) -> bool {
    seeds::bundle_files().keys().any(|known| {
        name.rsplit_once('/')
            .is_some_and(|(folder, _)| known.starts_with(folder))
    })
}

/// An API key has one spelling, and no typing error is one.
pub fn api_key(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Some(key) = ApiKey::parse(text) else { return false };
    assert_eq!(key.reveal(), text);
    let shown = format!("{key:?}");
    let secret = &text[text.len() - 49..text.len() - 6];
    assert!(!shown.contains(secret));
    true
}

/// A permit: nothing verifies but what was signed.
pub fn permit(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    if seeds::permit_key().verify(text).is_err() {
        return false;
    }
    assert!(
        seeds::permits().iter().any(|token| token == data),
        "a permit that nobody signed"
    );
    true
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn split(data: &[u8], mark: &[u8]) -> Vec<Vec<u8>> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while at + mark.len() <= data.len() {
        if data[at..].starts_with(mark) {
            parts.push(data[from..at].to_vec());
            at += mark.len();
            from = at;
        } else {
            at += 1;
        }
    }
    parts.push(data[from..].to_vec());
    parts
}

/// The canonical form of a value that we read is that of the value that others read.
fn assert_canonical(ours: &Value, theirs: &serde_json::Value) {
    let mut bytes = Vec::new();
    countersign_core::digest::push_value(&mut bytes, ours);
    let theirs = canonical_json(theirs).expect("a value within our depth is canonical");
    assert_eq!(text(&bytes), text(&theirs));
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn number(text: &str) -> Value {
    Value::Number(text.parse::<Decimal>().expect("a number"))
}

static AGENT: LazyLock<Value> = LazyLock::new(|| {
    map([
        ("id", "customer_support".into()),
        ("owner", "team:support".into()),
        ("labels", map([("stage", "pilot".into())])),
    ])
});

fn context<'a>(pii: &'a Value, counters: &'a Value) -> Context<'a> {
    Context {
        pii,
        counters: Some(counters),
        now: 1_767_603_600_000_000,
        accept_remedy: true,
        ..Context::bare("customer_support", &AGENT)
    }
}

fn decide(snapshot: &Snapshot, action: &Action) -> Verdict {
    let (pii, counters) = (Value::List(vec!["card".into()]), map([("calls", number("3"))]));
    snapshot.evaluate(action, &context(&pii, &counters))
}

fn explain(snapshot: &Snapshot, action: &Action) -> Vec<countersign_core::policy::Trace> {
    let (pii, counters) = (Value::List(vec!["card".into()]), map([("calls", number("3"))]));
    snapshot.explain(action, &context(&pii, &counters))
}

fn sample_actions() -> Vec<Action> {
    seeds::actions()
        .iter()
        .filter_map(|body| receive(json::parse(body, &Limits::default()).ok()?).ok())
        .map(|received| received.action)
        .take(5)
        .collect()
}

/// Values for every root, to be borrowed by [`Facts`].
struct Roots(BTreeMap<Root, Value>);

impl Roots {
    fn facts(&self) -> Facts<'_> {
        let mut facts = Facts::default();
        for (root, value) in &self.0 {
            facts.set(*root, value);
        }
        facts
    }
}

/// An ordinary action, an empty one, and one whose values are of unexpected kinds and sizes.
fn sample_facts() -> Vec<Roots> {
    let always = [
        (Root::Agent, AGENT.clone()),
        (Root::Action, "issue_refund".into()),
        (Root::Access, "write".into()),
        (Root::Args, map([])),
        (Root::Pii, Value::List(Vec::new())),
        (Root::Now, Value::Timestamp(1_767_603_600_000_000)),
    ];
    let mut ordinary: BTreeMap<Root, Value> = always.iter().cloned().collect();
    ordinary.extend([
        (
            Root::Tool,
            map([
                ("id", "crm/refund".into()),
                ("class", "money".into()),
                ("reversible", true.into()),
            ]),
        ),
        (
            Root::Args,
            map([
                ("to", "ann@example.com".into()),
                ("n", number("3.5")),
                ("list", Value::List(vec![number("1"), number("2"), number("3")])),
                (
                    "rows",
                    Value::List(vec![map([("x", number("1"))]), map([("x", number("2"))])]),
                ),
                ("flag", false.into()),
                ("nothing", Value::Null),
            ]),
        ),
        (
            Root::Resource,
            map([
                ("type", "customer_data".into()),
                ("id", "4521".into()),
                ("labels", map([("eu", "yes".into())])),
            ]),
        ),
        (Root::Env, "production".into()),
        (Root::Amount, number("340.00")),
        (Root::Currency, "USD".into()),
        (Root::Confidence, number("0.75")),
        (Root::Evidence, map([("sources", Value::List(vec!["ticket".into()]))])),
        (Root::Labels, map([("team", "support".into())])),
        (Root::Principal, map([("id", "ann".into()), ("verified", true.into())])),
        (Root::Run, map([("id", "run_1".into()), ("depth", number("2"))])),
        (Root::Pii, Value::List(vec!["card".into()])),
        (
            Root::Counters,
            map([("calls", number("79228162514264337593543950335"))]),
        ),
        (Root::Delegation, Value::List(vec!["a".into(), "b".into()])),
        (Root::Conflicts, Value::List(Vec::new())),
        (Root::Model, map([("name", "m".into())])),
    ]);
    let mut odd: BTreeMap<Root, Value> = always.iter().cloned().collect();
    let long: String = "aé😀".repeat(2000);
    odd.extend([
        (
            Root::Args,
            map([
                ("to", number("-1")),
                ("n", long.as_str().into()),
                (
                    "list",
                    Value::List((0..3000).map(|n| Value::Number(Decimal::from(n))).collect()),
                ),
                ("rows", Value::List(vec![Value::Null, map([]), "x".into()])),
                ("flag", Value::List(Vec::new())),
            ]),
        ),
        (Root::Env, long.as_str().into()),
        (Root::Amount, number("-79228162514264337593543950335")),
        (Root::Labels, map([("team", Value::Null)])),
    ]);
    vec![Roots(always.into_iter().collect()), Roots(ordinary), Roots(odd)]
}
