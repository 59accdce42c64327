//! Which of two lists' items are the same thing, before and after.

use crate::yaml::{Kind, Node};

/// A thing before and after.
#[derive(Clone, Copy)]
pub(super) enum Paired<'n> {
    /// It is new.
    Added(&'n Node),
    /// It is gone.
    Removed(&'n Node),
    /// It is there on both sides.
    Both(&'n Node, &'n Node),
}

impl<'n> Paired<'n> {
    pub(super) fn of(old: Option<&'n Node>, new: Option<&'n Node>) -> Option<Paired<'n>> {
        match (old, new) {
            (Some(old), Some(new)) => Some(Paired::Both(old, new)),
            (Some(old), None) => Some(Paired::Removed(old)),
            (None, Some(new)) => Some(Paired::Added(new)),
            (None, None) => None,
        }
    }

    /// Nothing is different.
    pub(super) fn same(&self) -> bool {
        match self {
            Paired::Both(old, new) => alike(old, new),
            Paired::Added(_) | Paired::Removed(_) => false,
        }
    }
}

/// Whether two parts say the same, wherever they stand. Members of a map may stand in another order; a number is what it
/// is worth.
pub(super) fn alike(old: &Node, new: &Node) -> bool {
    match (&old.kind, &new.kind) {
        (Kind::Seq(old), Kind::Seq(new)) => old.len() == new.len() && old.iter().zip(new).all(|(a, b)| alike(a, b)),
        (Kind::Map(members), Kind::Map(others)) => {
            let same = |(key, value): &(Node, Node)| {
                let other = key.text().and_then(|key| new.member(key));
                other.is_some_and(|other| alike(value, other))
            };
            members.len() == others.len() && members.iter().all(same)
        }
        (Kind::Scalar { .. }, Kind::Scalar { .. }) => match (old.number(), new.number()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => old.text() == new.text() && old.kind_name() == new.kind_name(),
            (Some(_), None) | (None, Some(_)) => false,
        },
        _other_kinds => false,
    }
}

/// By what an item is known, if it has that.
pub(super) type KeyOf<'f> = &'f dyn Fn(&Node) -> Option<String>;
/// An item of a list with its place there.
pub(super) type At<'n> = (usize, &'n Node);

/// Finds for each item of `new` what it was in `old`: the item with the same key, else one that says exactly the same, else
/// the first one left of the same likeness. What is left has no other side.
pub(super) fn pairs<'n>(old: &'n [Node], new: &'n [Node], keys: &[KeyOf<'_>]) -> Vec<(Option<At<'n>>, Option<At<'n>>)> {
    let mut rest_old: Vec<At<'n>> = old.iter().enumerate().collect();
    let mut rest_new: Vec<At<'n>> = new.iter().enumerate().collect();
    let mut found: Vec<(Option<At<'n>>, Option<At<'n>>)> = Vec::new();
    let mut match_by = |same: &dyn Fn(&Node, &Node) -> bool| {
        rest_new.retain(|after| {
            let place = rest_old.iter().position(|before| same(before.1, after.1));
            if let Some(place) = place {
                found.push((Some(rest_old.remove(place)), Some(*after)));
            }
            place.is_none()
        });
    };
    match_by(&alike);
    for key in keys {
        match_by(&|before, after| matches!((key(before), key(after)), (Some(a), Some(b)) if a == b));
    }
    found.extend(rest_old.into_iter().map(|before| (Some(before), None)));
    found.extend(rest_new.into_iter().map(|after| (None, Some(after))));
    found.sort_by_key(|(before, after)| (after.or(*before).map(|at| at.0), before.is_none()));
    found
}
