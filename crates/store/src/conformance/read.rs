//! What was written comes back as it was.

use countersign_core::digest::Digest;

use super::Outcome;
use super::fixture::{
    THIRD, all_stored, append, has_nothing, holds, own_subject, payload, rich, row, same, secret, stored,
};
use crate::{Append, NewRecord, Payloads, Resealed, SnapshotFiles, Store, StoredPayload, StoredSecret, StoredState};

pub(super) fn an_empty_store_has_nothing(store: &dyn Store) -> Outcome {
    store.ping()?;
    same("organizations", store.organizations()?, Vec::new())?;
    has_nothing(store, "acme")
}

pub(super) fn organizations_are_listed_by_name(store: &dyn Store) -> Outcome {
    store.append(&[append("globex", 0, 1), append("initech", 0, 1)])?;
    store.append(&[append("acme", 0, 1)])?;
    same(
        "organizations",
        store.organizations()?,
        vec![row("acme"), row("globex"), row("initech")],
    )
}

pub(super) fn records_come_in_order_from_any_index(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 10)])?;
    for (from, limit, expected) in [
        (0, 10, 0..10),
        (0, 3, 0..3),
        (4, 3, 4..7),
        (8, 5, 8..10),
        (9, usize::MAX, 9..10),
        (10, 5, 10..10),
        (u64::MAX, 5, 0..0),
        (0, 0, 0..0),
    ] {
        let found = store.records("acme", from, limit)?;
        same(
            &format!("{limit} records from {from}"),
            found,
            all_stored("acme", expected),
        )?;
    }
    Ok(())
}

pub(super) fn leaf_hashes_are_those_of_the_range(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 10)])?;
    for (from, to, expected) in [
        (0, 10, 0..10),
        (3, 4, 3..4),
        (2, 7, 2..7),
        (4, 4, 0..0),
        (5, 4, 0..0),
        (8, 99, 8..10),
        (11, u64::MAX, 0..0),
    ] {
        let expected: Vec<Digest> = expected.map(|seq| stored("acme", seq).leaf_hash).collect();
        same(
            &format!("leaf hashes of {from}..{to}"),
            store.leaf_hashes("acme", from, to)?,
            expected,
        )?;
    }
    Ok(())
}

pub(super) fn subjects_lead_to_their_records_in_order(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 7), append("globex", 0, 4)])?;
    store.append(&[append("acme", 7, 3)])?;
    let thirds: Vec<_> = [0, 3, 6, 9].map(|seq| stored("acme", seq)).into();
    same("records of a shared subject", store.by_subject("acme", THIRD)?, thirds)?;
    same(
        "some records of a shared subject",
        store.by_subject_page("acme", THIRD, 1, 2)?,
        [3, 6].map(|seq| stored("acme", seq)).into(),
    )?;
    same(
        "record of a subject",
        store.by_subject("acme", own_subject(8))?,
        vec![stored("acme", 8)],
    )?;
    same("record of no subject", store.by_subject("acme", 1)?, Vec::new())
}

pub(super) fn payloads_come_back_as_they_were(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 5)])?;
    for seq in 0..6 {
        let expected = if seq < 5 { payload("acme", seq) } else { None };
        holds(
            &format!("payload of record {seq}"),
            store.payload("acme", seq)? == expected,
        )?;
    }
    Ok(())
}

pub(super) fn payloads_are_listed_by_class_and_key(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 40), append("globex", 0, 3)])?;
    let all = Payloads {
        before: u64::MAX,
        limit: usize::MAX,
        ..Payloads::default()
    };
    let expected = |fits: &dyn Fn(&StoredPayload) -> bool| -> Vec<u64> {
        (0..40)
            .filter(|seq| payload("acme", *seq).is_some_and(|payload| fits(&payload)))
            .collect()
    };
    same("all", store.payloads("acme", &all)?, expected(&|_| true))?;
    let class = Payloads {
        class: Some("7_years".into()),
        ..all.clone()
    };
    same(
        "of a class",
        store.payloads("acme", &class)?,
        expected(&|found| found.class == "7_years"),
    )?;
    let key = Payloads {
        key: Some("1/2026".into()),
        ..all.clone()
    };
    same(
        "of a key",
        store.payloads("acme", &key)?,
        expected(&|found| found.key == "1/2026"),
    )?;
    let some = Payloads {
        from: 5,
        before: 20,
        limit: 4,
        ..all
    };
    same("a part", store.payloads("acme", &some)?, vec![5, 6, 8, 9])?;
    same("of nobody", store.payloads("initech", &some)?, Vec::new())
}

pub(super) fn secrets_are_written_replaced_and_removed(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    let steps: [(&[u8], Option<&[u8]>); 5] = [
        (b"", None),
        (b"one", Some(b"one")),
        (b"two", Some(b"two")),
        (b"", None),
        (b"three", Some(b"three")),
    ];
    for (write, expected) in steps {
        store.append(&[Append {
            secrets: vec![secret("api_key", "k", write)],
            ..append("acme", 1, 0)
        }])?;
        same("secret", store.secret("acme", "api_key", "k")?.as_deref(), expected)?;
        same("secret of another kind", store.secret("acme", "webhook", "k")?, None)?;
        same("secret of another id", store.secret("acme", "api_key", "l")?, None)?;
        same(
            "secret of another organization",
            store.secret("globex", "api_key", "k")?,
            None,
        )?;
    }
    let both = vec![secret("api_key", "k", b"four"), secret("api_key", "k", b"")];
    store.append(&[Append {
        secrets: both,
        ..append("acme", 1, 0)
    }])?;
    same(
        "secret written and removed",
        store.secret("acme", "api_key", "k")?,
        None,
    )
}

pub(super) fn a_secret_leads_to_its_only_organization(store: &dyn Store) -> Outcome {
    store.append(&[rich("acme", 0, 1), rich("globex", 0, 1)])?;
    let owner = |kind: &str, id: &str| store.organization_of_secret(kind, id);
    same("owner", owner("api_key", "key_acme")?.as_deref(), Some("acme"))?;
    same("owner", owner("api_key", "key_globex")?.as_deref(), Some("globex"))?;
    same("owner by another kind", owner("webhook", "key_acme")?, None)?;
    same("owner of what two have", owner("webhook", "")?, None)?;
    store.append(&[Append {
        secrets: vec![secret("webhook", "", b"")],
        ..append("globex", 1, 0)
    }])?;
    same(
        "owner of what one has left",
        owner("webhook", "")?.as_deref(),
        Some("acme"),
    )
}

pub(super) fn snapshots_come_back_by_name(store: &dyn Store) -> Outcome {
    let files = |names: &[&str]| -> Vec<(String, Vec<u8>)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), name.repeat(3).into_bytes()))
            .collect()
    };
    let snapshot = |hash: &str, names: &[&str]| SnapshotFiles {
        files: files(names),
        hash: hash.into(),
    };
    let two = vec![snapshot("sha256:aa", &["b", "a", "c"]), snapshot("sha256:bb", &["a"])];
    store.append(&[
        Append {
            snapshots: two,
            ..append("acme", 0, 1)
        },
        append("globex", 0, 1),
    ])?;
    // Uploaded again, as a roll back does.
    store.append(&[Append {
        snapshots: vec![snapshot("sha256:bb", &["a"])],
        ..append("acme", 1, 1)
    }])?;
    same(
        "snapshot",
        store.snapshot("acme", "sha256:aa")?,
        Some(files(&["a", "b", "c"])),
    )?;
    same(
        "other snapshot",
        store.snapshot("acme", "sha256:bb")?,
        Some(files(&["a"])),
    )?;
    same("unknown snapshot", store.snapshot("acme", "sha256:cc")?, None)?;
    same(
        "snapshot of another organization",
        store.snapshot("globex", "sha256:aa")?,
        None,
    )
}

pub(super) fn a_newer_state_replaces_the_older_one(store: &dyn Store) -> Outcome {
    let state = |at: u64| StoredState {
        at,
        bytes: vec![b'x'; 5_000],
    };
    store.append(&[append("acme", 0, 1), append("globex", 0, 1)])?;
    same("state", store.state("acme")?, None)?;
    for at in [1, 2] {
        store.append(&[Append {
            state: Some(state(at)),
            ..append("acme", at, 1)
        }])?;
        same("state", store.state("acme")?, Some(state(at)))?;
    }
    store.append(&[append("acme", 3, 1)])?;
    same("state", store.state("acme")?, Some(state(2)))?;
    same("state of another organization", store.state("globex")?, None)
}

pub(super) fn secrets_are_listed_in_order_and_sealed_anew(store: &dyn Store) -> Outcome {
    // In the order of bytes, whatever language the store sorts in.
    let names = [
        ("api_key", "B"),
        ("api_key", "a"),
        ("api_key", "\u{e9}"),
        ("key", "0/2026"),
        ("key", "log"),
    ];
    for org in ["acme", "globex"] {
        let mut share = append(org, 0, 1);
        share.secrets = names
            .iter()
            .rev()
            .map(|(kind, id)| secret(kind, id, id.as_bytes()))
            .collect();
        store.append(&[share])?;
    }
    let whole = store.secrets("acme", None, 9)?;
    let listed: Vec<(&str, &str)> = whole.iter().map(|found| (&*found.kind, &*found.id)).collect();
    same("secrets", listed, names.to_vec())?;
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store.secrets(
            "acme",
            after.as_ref().map(|(kind, id): &(String, String)| (&**kind, &**id)),
            2,
        )?;
        let Some(last) = page.last() else { break };
        after = Some((last.kind.clone(), last.id.clone()));
        paged.extend(page);
    }
    same("pages", &paged, &whole)?;
    let anew = |was: &StoredSecret| Resealed {
        sealed: [b"anew ", was.id.as_bytes()].concat(),
        was: was.clone(),
    };
    let mut resealed: Vec<Resealed> = whole.iter().skip(1).map(anew).collect();
    // One was sealed otherwise meanwhile, and one is gone.
    store.append(&[Append {
        secrets: vec![secret("api_key", "a", b"meanwhile"), secret("key", "log", b"")],
        ..append("acme", 1, 0)
    }])?;
    store.reseal("acme", &resealed)?;
    resealed.retain(|resealed| resealed.was.id == "0/2026" || resealed.was.id == "\u{e9}");
    let found = store.secrets("acme", None, 9)?;
    let sealed: Vec<&[u8]> = found.iter().map(|found| &*found.sealed).collect();
    let expected: [&[u8]; 4] = [b"B", b"meanwhile", "anew \u{e9}".as_bytes(), b"anew 0/2026"];
    same("sealed anew", sealed, expected.to_vec())?;
    same("another's", store.secrets("globex", None, 9)?.len(), names.len())?;
    same(
        "another's",
        store.secret("globex", "key", "0/2026")?,
        Some(b"0/2026".to_vec()),
    )?;
    same("nobody's", store.secrets("initech", None, 9)?, Vec::new())?;
    Ok(store.reseal("initech", &resealed)?)
}

pub(super) fn large_values_come_back_as_they_were(store: &dyn Store) -> Outcome {
    let big = |bytes: usize| -> Vec<u8> {
        (0..bytes)
            .map(|at| u8::try_from(at % 251).unwrap_or_default())
            .collect()
    };
    let mut share = append("acme", 0, 3);
    for (record, bytes) in share.records.iter_mut().zip([16 * 1024, 0, 4_061]) {
        record.leaf = big(bytes);
        record.leaf_hash = NewRecord::hash_of(&record.leaf);
        record.payload = Some(StoredPayload {
            class: String::new(),
            key: String::new(),
            sealed: big(bytes * 20),
        });
    }
    share.state = Some(StoredState {
        at: 0,
        bytes: big(3 << 20),
    });
    store.append(&[share])?;
    let found = store.records("acme", 0, 9)?;
    let leaves: Vec<Vec<u8>> = found.into_iter().map(|record| record.leaf).collect();
    holds("leaves", leaves == [big(16 * 1024), big(0), big(4_061)])?;
    let sealed = store.payload("acme", 0)?.map(|payload| payload.sealed);
    holds("payload", sealed == Some(big(16 * 1024 * 20)))?;
    holds(
        "state",
        store.state("acme")?.map(|state| state.bytes) == Some(big(3 << 20)),
    )
}
