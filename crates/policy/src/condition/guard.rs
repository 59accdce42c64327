//! What a `has()` that was true (or false) before proves present.

use super::check::{Checker, Key};
use super::node::Base;
use super::syntax::{Id, Kind};
use crate::value::Value;

/// A path that is known to be present.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Present {
    base: Base,
    keys: Vec<String>,
}

impl Checker<'_> {
    /// Whether `base.keys…` is known to be present here.
    pub(super) fn guarded(&self, base: Base, keys: &[Key]) -> bool {
        self.guards.iter().any(|guard| {
            guard.base == base
                && guard.keys.len() == keys.len()
                && guard.keys.iter().zip(keys).all(|(a, (b, _))| a == b)
        })
    }

    /// Everything that is present when `id` is `truth`.
    pub(super) fn implied(&self, id: Id, truth: bool) -> Vec<Present> {
        match &self.tree.get(id).kind {
            Kind::Not(inner) => self.implied(*inner, !truth),
            Kind::And(ids) if truth => ids.iter().flat_map(|id| self.implied(*id, truth)).collect(),
            Kind::Or(ids) if !truth => ids.iter().flat_map(|id| self.implied(*id, truth)).collect(),
            // One of them has that value, nobody knows which: what all of them imply.
            Kind::And(ids) | Kind::Or(ids) => {
                let mut sets = ids.iter().map(|id| self.implied(*id, truth));
                let mut common = sets.next().unwrap_or_default();
                for set in sets {
                    common.retain(|present| set.contains(present));
                }
                common
            }
            Kind::Call {
                base: None, name, args, ..
            } if truth && name == "has" => match args.as_slice() {
                [arg] => self.prefixes(*arg, None),
                _ => Vec::new(),
            },
            Kind::In { item, list } if truth => match &self.tree.get(*item).kind {
                Kind::Literal(Value::String(key)) => self.prefixes(*list, Some(key)),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The path of `id` and every path on the way to it; with `key`, a member of it too.
    fn prefixes(&self, id: Id, key: Option<&String>) -> Vec<Present> {
        let Some((base, keys)) = self.path_of(id) else {
            return Vec::new();
        };
        let keys: Vec<String> = keys.into_iter().map(|(key, _)| key).chain(key.cloned()).collect();
        let prefix = |length| keys.get(..length).unwrap_or_default().to_vec();
        (0..=keys.len())
            .map(|length| Present {
                base,
                keys: prefix(length),
            })
            .collect()
    }
}
