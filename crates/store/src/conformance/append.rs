//! Appends are whole, in order, all or nothing.

use super::Outcome;
use super::fixture::{append, conflicts, has_exactly, has_nothing, has_riches, head, refused, rich, row, same, secret};
use crate::{Append, Store};

pub(super) fn a_batch_is_there_whole_after_it(store: &dyn Store) -> Outcome {
    store.append(&[rich("acme", 0, 10)])?;
    has_exactly(store, "acme", 10)?;
    has_riches(store, "acme", 0)?;
    same("organizations", store.organizations()?, vec![row("acme")])
}

pub(super) fn a_batch_continues_the_one_before(store: &dyn Store) -> Outcome {
    let mut base = 0;
    for count in [1, 64, 2, 7] {
        store.append(&[append("acme", base, count)])?;
        base += count;
        has_exactly(store, "acme", base)?;
    }
    Ok(())
}

pub(super) fn several_organizations_go_in_at_once(store: &dyn Store) -> Outcome {
    store.append(&[rich("acme", 0, 3), append("globex", 0, 1)])?;
    store.append(&[append("globex", 1, 4), append("initech", 0, 2), append("acme", 3, 5)])?;
    has_exactly(store, "acme", 8)?;
    has_exactly(store, "globex", 5)?;
    has_exactly(store, "initech", 2)
}

pub(super) fn one_organization_may_come_twice_in_a_batch(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 3), append("acme", 3, 2)])?;
    has_exactly(store, "acme", 5)?;
    conflicts(
        store.append(&[append("acme", 5, 1), append("acme", 5, 1)]),
        "acme",
        5,
        6,
    )?;
    has_exactly(store, "acme", 5)
}

pub(super) fn another_base_is_a_conflict_and_writes_nothing(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 5)])?;
    conflicts(store.append(&[rich("acme", 4, 3)]), "acme", 4, 5)?;
    conflicts(store.append(&[rich("acme", 6, 3)]), "acme", 6, 5)?;
    has_exactly(store, "acme", 5)?;
    same("state", store.state("acme")?, None)?;
    same("secret", store.secret("acme", "api_key", "key_acme")?, None)?;
    same("snapshot", store.snapshot("acme", "sha256:01")?, None)?;
    store.append(&[append("acme", 5, 1)])?;
    has_exactly(store, "acme", 6)
}

pub(super) fn a_conflict_of_one_organization_holds_back_all(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 2), append("globex", 0, 2)])?;
    let batch = [rich("acme", 2, 3), rich("initech", 0, 1), append("globex", 7, 1)];
    conflicts(store.append(&batch), "globex", 7, 2)?;
    has_exactly(store, "acme", 2)?;
    has_exactly(store, "globex", 2)?;
    has_nothing(store, "initech")?;
    same("state", store.state("acme")?, None)
}

pub(super) fn an_existing_organization_is_not_created_again(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 2)])?;
    conflicts(store.append(&[append("acme", 0, 2)]), "acme", 0, 2)?;
    has_exactly(store, "acme", 2)
}

pub(super) fn an_unknown_organization_is_not_appended_to(store: &dyn Store) -> Outcome {
    conflicts(store.append(&[append("acme", 3, 2)]), "acme", 3, 0)?;
    refused(
        "without `create`",
        store.append(&[Append {
            create: None,
            ..append("acme", 0, 2)
        }]),
    )?;
    has_nothing(store, "acme")
}

pub(super) fn a_batch_that_is_not_whole_is_refused(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 2)])?;
    let mut gap = append("acme", 2, 4);
    gap.records.remove(1);
    gap.head = head("acme", 5);
    refused("a gap", store.append(&[gap]))?;
    refused(
        "another head",
        store.append(&[Append {
            head: head("acme", 9),
            ..append("acme", 2, 4)
        }]),
    )?;
    refused(
        "another name",
        store.append(&[Append {
            create: Some(row("acme")),
            ..append("globex", 0, 1)
        }]),
    )?;
    has_nothing(store, "globex")?;
    has_exactly(store, "acme", 2)
}

pub(super) fn a_bit_that_flipped_in_memory_is_refused(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 2)])?;
    for place in 0..3 {
        let mut flipped = rich("acme", 2, 3);
        if let Some(byte) = flipped.records.get_mut(place).and_then(|record| record.leaf.last_mut()) {
            *byte ^= 0x10;
        }
        refused("other bytes", store.append(&[append("globex", 0, 1), flipped]))?;
        let mut flipped = append("acme", 2, 3);
        if let Some(record) = flipped.records.get_mut(place) {
            record.leaf_hash.0[31] ^= 1;
        }
        refused("another hash", store.append(&[flipped]))?;
    }
    has_nothing(store, "globex")?;
    has_exactly(store, "acme", 2)?;
    same("state", store.state("acme")?, None)?;
    store.append(&[rich("acme", 2, 3)])?;
    has_exactly(store, "acme", 5)
}

pub(super) fn secrets_can_change_without_a_record(store: &dyn Store) -> Outcome {
    store.append(&[append("acme", 0, 2)])?;
    store.append(&[Append {
        secrets: vec![secret("webhook", "1", b"sealed")],
        ..append("acme", 2, 0)
    }])?;
    same(
        "secret",
        store.secret("acme", "webhook", "1")?,
        Some(b"sealed".to_vec()),
    )?;
    store.append(&[])?;
    has_exactly(store, "acme", 2)
}
