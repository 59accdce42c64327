//! Batches and expectations of the checks.

use std::fmt::Debug;

use countersign_core::digest::Digest;
use countersign_core::time::Time;

use super::Outcome;
use crate::{
    Append, AppendError, Head, NewRecord, OrganizationRow, SealedSecret, SearchRow, SnapshotFiles, Store,
    StoredPayload, StoredRecord, StoredState,
};

/// Fails unless both are the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}").into())
}

/// Fails unless it holds.
pub(super) fn holds(what: &str, it: bool) -> Outcome {
    if it { Ok(()) } else { Err(what.into()) }
}

/// The time of a record.
pub(super) fn ts(seq: u64) -> Time {
    Time(1_700_000_000_000_000 + i64::try_from(seq).unwrap_or_default() * 1_000)
}

/// A record's subject that no other record has.
pub(super) fn own_subject(seq: u64) -> u128 {
    0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(seq)
}

/// A subject that every third record is about.
pub(super) const THIRD: u128 = u128::MAX;

/// The payload of a record; every fourth has none.
pub(super) fn payload(org: &str, seq: u64) -> Option<StoredPayload> {
    (seq % 4 != 3).then(|| StoredPayload {
        class: if seq.is_multiple_of(2) { "standard" } else { "7_years" }.into(),
        key: format!("{}/2026", seq % 3),
        sealed: [format!("{org} {seq}").as_bytes(), &Digest::of(&seq.to_le_bytes()).0].concat(),
    })
}

fn leaf(org: &str, seq: u64) -> Vec<u8> {
    format!("{{\"log\":\"{org}\",\"seq\":{seq},\"text\":\"\u{fc}\"}}").into_bytes()
}

fn record(org: &str, seq: u64) -> NewRecord {
    let leaf = leaf(org, seq);
    let mut subjects = vec![own_subject(seq)];
    if seq.is_multiple_of(3) {
        // Twice, as when one id is both the action and what it refers to.
        subjects.extend([THIRD, THIRD]);
    }
    NewRecord {
        leaf_hash: NewRecord::hash_of(&leaf),
        leaf,
        payload: payload(org, seq),
        seq,
        subjects,
    }
}

/// What a record reads like once stored.
pub(super) fn stored(org: &str, seq: u64) -> StoredRecord {
    let leaf = leaf(org, seq);
    StoredRecord {
        leaf_hash: NewRecord::hash_of(&leaf),
        leaf,
        seq,
    }
}

/// The records of a range as they are read.
pub(super) fn all_stored(org: &str, range: std::ops::Range<u64>) -> Vec<StoredRecord> {
    range.map(|seq| stored(org, seq)).collect()
}

/// The head after `size` records.
pub(super) fn head(org: &str, size: u64) -> Head {
    Head {
        checkpoint: format!("{org}\n{size}\n"),
        edge: size.to_be_bytes().to_vec(),
        size,
        ts: ts(size.saturating_sub(1)),
    }
}

/// The row of an organization.
pub(super) fn row(org: &str) -> OrganizationRow {
    OrganizationRow {
        created: ts(0),
        name: org.into(),
        origin: format!("countersign-test/t/{org}/audit/1"),
    }
}

/// `count` records on top of `base`; at base 0 the organization is created.
pub(super) fn append(org: &str, base: u64, count: u64) -> Append {
    Append {
        create: (base == 0).then(|| row(org)),
        head: head(org, base + count),
        org: org.into(),
        base,
        records: (base..base + count).map(|seq| record(org, seq)).collect(),
        secrets: Vec::new(),
        snapshots: Vec::new(),
        state: None,
        destroy: Vec::new(),
        prune: None,
    }
}

/// A sealed secret.
pub(super) fn secret(kind: &'static str, id: &str, sealed: &[u8]) -> SealedSecret {
    SealedSecret {
        id: id.into(),
        kind,
        sealed: sealed.to_vec(),
    }
}

/// A batch with one of everything.
pub(super) fn rich(org: &str, base: u64, count: u64) -> Append {
    Append {
        secrets: vec![
            secret("api_key", &format!("key_{org}"), org.as_bytes()),
            secret("webhook", "", b"shared"),
        ],
        snapshots: vec![SnapshotFiles {
            files: vec![
                ("b.yaml".into(), org.as_bytes().to_vec()),
                ("a.yaml".into(), Vec::new()),
            ],
            hash: "sha256:01".into(),
        }],
        state: Some(StoredState {
            at: base,
            bytes: format!("state of {org}").into_bytes(),
        }),
        ..append(org, base, count)
    }
}

/// Lines of the search index for a range.
pub(super) fn lines(range: std::ops::Range<u64>) -> Vec<SearchRow> {
    range.map(line).collect()
}

fn line(seq: u64) -> SearchRow {
    let decided = seq.is_multiple_of(2);
    SearchRow {
        action: decided.then(|| format!("tool.{}", seq % 3)),
        agent: (seq % 5 != 4).then(|| format!("agent-{}", seq % 5)),
        decision: decided.then(|| {
            if seq.is_multiple_of(10) {
                "deny".into()
            } else {
                "allow".into()
            }
        }),
        kind: if decided {
            "decision.made".into()
        } else {
            "outcome.reported".into()
        },
        seq,
        ts: ts(seq),
    }
}

/// Fails unless `org` holds exactly `size` records, a head that says so, and what belongs to each record.
pub(super) fn has_exactly(store: &dyn Store, org: &str, size: u64) -> Outcome {
    same("head", store.head(org)?, Some(head(org, size)))?;
    same("records", store.records(org, 0, usize::MAX)?, all_stored(org, 0..size))?;
    for seq in 0..=size {
        let expected = (seq < size).then(|| payload(org, seq)).flatten();
        holds(
            &format!("payload of record {seq}"),
            store.payload(org, seq)? == expected,
        )?;
        let about: Vec<StoredRecord> = (seq < size).then(|| stored(org, seq)).into_iter().collect();
        same(
            "record of its own subject",
            store.by_subject(org, own_subject(seq))?,
            about,
        )?;
    }
    let thirds: Vec<StoredRecord> = (0..size).step_by(3).map(|seq| stored(org, seq)).collect();
    same("records of a shared subject", store.by_subject(org, THIRD)?, thirds)
}

/// Fails unless `rich` was appended to `org` on top of `base`.
pub(super) fn has_riches(store: &dyn Store, org: &str, base: u64) -> Outcome {
    let key = format!("key_{org}");
    same(
        "secret",
        store.secret(org, "api_key", &key)?,
        Some(org.as_bytes().to_vec()),
    )?;
    same(
        "secret without id",
        store.secret(org, "webhook", "")?,
        Some(b"shared".to_vec()),
    )?;
    same(
        "owner of the secret",
        store.organization_of_secret("api_key", &key)?.as_deref(),
        Some(org),
    )?;
    let files = vec![
        ("a.yaml".to_owned(), Vec::new()),
        ("b.yaml".to_owned(), org.as_bytes().to_vec()),
    ];
    same("snapshot", store.snapshot(org, "sha256:01")?, Some(files))?;
    let state = StoredState {
        at: base,
        bytes: format!("state of {org}").into_bytes(),
    };
    same("state", store.state(org)?, Some(state))
}

/// Fails unless nothing is known of `org`.
pub(super) fn has_nothing(store: &dyn Store, org: &str) -> Outcome {
    same("head", store.head(org)?, None)?;
    same("records", store.records(org, 0, usize::MAX)?, Vec::new())?;
    same("leaf hashes", store.leaf_hashes(org, 0, u64::MAX)?, Vec::new())?;
    same("records of a subject", store.by_subject(org, THIRD)?, Vec::new())?;
    holds("a payload", store.payload(org, 0)?.is_none())?;
    let key = format!("key_{org}");
    same("secret", store.secret(org, "api_key", &key)?, None)?;
    same(
        "owner of the secret",
        store.organization_of_secret("api_key", &key)?,
        None,
    )?;
    same("snapshot", store.snapshot(org, "sha256:01")?, None)?;
    same("state", store.state(org)?, None)?;
    same("indexed", store.indexed(org)?, 0)?;
    same(
        "search",
        store.search(
            org,
            &crate::Query {
                limit: 10,
                ..Default::default()
            },
        )?,
        Vec::new(),
    )?;
    let listed = store.organizations()?.iter().any(|row| &*row.name == org);
    same("listed", listed, false)
}

/// Fails unless it is a conflict between these sizes.
pub(super) fn conflicts(outcome: Result<(), AppendError>, on: &str, wanted: u64, there: u64) -> Outcome {
    match outcome {
        Err(AppendError::Conflict { org, expected, found }) => {
            same("the conflict", (&*org, expected, found), (on, wanted, there))
        }
        other => Err(format!("expected a conflict, got {other:?}").into()),
    }
}

/// Fails unless it was refused as wrong in itself.
pub(super) fn refused(what: &str, outcome: Result<(), AppendError>) -> Outcome {
    match outcome {
        Err(AppendError::Failed(_)) => Ok(()),
        other => Err(format!("{what}: expected a failure, got {other:?}").into()),
    }
}
