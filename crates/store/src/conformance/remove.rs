//! Organizations stay apart, and one can go without the others; so can payloads and the bytes of old records.

use super::Outcome;
use super::fixture::{
    THIRD, all_stored, append, has_exactly, has_nothing, has_riches, lines, own_subject, payload, rich, same, secret,
    stored,
};
use crate::{Append, Query, Store};

pub(super) fn organizations_do_not_see_each_other(store: &dyn Store) -> Outcome {
    store.append(&[rich("acme", 0, 9)])?;
    store.index("acme", &lines(0..9))?;
    has_nothing(store, "globex")?;
    store.append(&[append("globex", 0, 4)])?;
    has_exactly(store, "globex", 4)?;
    same("state", store.state("globex")?, None)?;
    same("snapshot", store.snapshot("globex", "sha256:01")?, None)?;
    same("secret", store.secret("globex", "api_key", "key_acme")?, None)?;
    same("indexed", store.indexed("globex")?, 0)?;
    same(
        "search",
        store.search(
            "globex",
            &Query {
                limit: 9,
                ..Query::default()
            },
        )?,
        Vec::new(),
    )?;
    has_exactly(store, "acme", 9)?;
    has_riches(store, "acme", 0)
}

pub(super) fn a_removed_organization_leaves_nothing_and_takes_nothing_along(store: &dyn Store) -> Outcome {
    let orgs = ["acme", "globex", "initech"];
    store.append(&orgs.map(|org| rich(org, 0, 9)))?;
    for org in orgs {
        store.index(org, &lines(0..9))?;
    }
    store.remove_organization("globex")?;
    has_nothing(store, "globex")?;
    for org in ["acme", "initech"] {
        has_exactly(store, org, 9)?;
        has_riches(store, org, 0)?;
        same("indexed", store.indexed(org)?, 9)?;
        let found = store.search(
            org,
            &Query {
                limit: 99,
                ..Query::default()
            },
        )?;
        same("lines", found.len(), 9)?;
    }
    store.remove_organization("globex")?;
    same("organizations", store.organizations()?.len(), 2)
}

pub(super) fn a_removed_name_begins_anew(store: &dyn Store) -> Outcome {
    store.append(&[rich("acme", 0, 9)])?;
    store.index("acme", &lines(0..9))?;
    store.remove_organization("acme")?;
    let keys = vec![secret("api_key", "other", b"sealed")];
    store.append(&[Append {
        secrets: keys,
        ..append("acme", 0, 3)
    }])?;
    has_exactly(store, "acme", 3)?;
    same("state", store.state("acme")?, None)?;
    same("indexed", store.indexed("acme")?, 0)?;
    store.index("acme", &lines(0..2))?;
    let found = store.search(
        "acme",
        &Query {
            limit: 99,
            ..Query::default()
        },
    )?;
    same("lines", found.len(), 2)?;
    store.remove_organization("acme")?;
    has_nothing(store, "acme")
}

pub(super) fn destroyed_payloads_are_gone_and_no_others(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 10), append("globex", 0, 10)])?;
    let destroy = vec![1, 4, 7, 99];
    store.append(&[Append {
        destroy: destroy.clone(),
        ..append("acme", 10, 2)
    }])?;
    for seq in 0..12 {
        let expected = if destroy.contains(&seq) {
            None
        } else {
            payload("acme", seq)
        };
        same("payload", store.payload("acme", seq)?, expected)?;
    }
    same("records", store.records("acme", 0, 99)?, all_stored("acme", 0..12))?;
    has_exactly(store, "globex", 10)
}

pub(super) fn pruned_records_leave_their_hashes(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 10), append("globex", 0, 10)])?;
    same("nothing is pruned", store.pruned("acme")?, 0)?;
    let hashes = store.leaf_hashes("acme", 0, 10)?;
    store.append(&[Append {
        prune: Some(6),
        ..append("acme", 10, 2)
    }])?;
    same("pruned", store.pruned("acme")?, 6)?;
    same("records", store.records("acme", 0, 99)?, all_stored("acme", 6..12))?;
    same("records from 3", store.records("acme", 3, 2)?, all_stored("acme", 6..8))?;
    same("hashes", store.leaf_hashes("acme", 0, 10)?, hashes)?;
    same("about", store.by_subject("acme", own_subject(3))?, Vec::new())?;
    let thirds = [6, 9].map(|seq| stored("acme", seq));
    same("about several", store.by_subject("acme", THIRD)?, thirds.to_vec())?;
    // What was pruned stays pruned.
    store.append(&[Append {
        prune: Some(2),
        ..append("acme", 12, 0)
    }])?;
    same("pruned", store.pruned("acme")?, 6)?;
    has_exactly(store, "globex", 10)
}
