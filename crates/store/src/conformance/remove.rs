//! Organizations stay apart, and one can go without the others.

use super::Outcome;
use super::fixture::{append, has_exactly, has_nothing, has_riches, lines, rich, same, secret};
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
