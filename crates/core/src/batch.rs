//! Several requests decided at once: only what is of one kind, and nothing that stands out.

use std::collections::BTreeSet;

use countersign_policy::Decimal;

use crate::digest::Digest;
use crate::event::{Slot, Verb};
use crate::ids::ApprovalId;
use crate::view::ActionView;

/// How many requests are decided at once, at most.
pub const VOTES_AT_MOST: usize = 20;
/// An amount stands out when its modified z-score, 0.6745 · |x − median| / MAD, is above 3.5 (Iglewicz and Hoaglin).
const SCALE: Decimal = Decimal::from_parts(6745, 0, 0, false, 4);
const BOUND: Decimal = Decimal::from_parts(35, 0, 0, false, 1);

/// The first of these actions that is not of one kind with the first one, and what it differs in.
pub fn odd_one_out(views: &[ActionView]) -> Option<(usize, &'static str)> {
    let (first, rest) = views.split_first()?;
    (1..)
        .zip(rest)
        .find_map(|(index, view)| Some((index, difference(first, view)?)))
}

fn difference(one: &ActionView, other: &ActionView) -> Option<&'static str> {
    let (a, b) = (&one.decision, &other.decision);
    if (&a.tool, &a.action) != (&b.tool, &b.action) {
        return Some("tool");
    }
    if a.currency != b.currency {
        return Some("currency");
    }
    let (Some(a), Some(b)) = (&one.approval, &other.approval) else {
        return Some("rule");
    };
    if rules(a.opened.slots.iter()) != rules(b.opened.slots.iter()) {
        return Some("rule");
    }
    // The rules of a route are frozen in the request: an older version of it is another route.
    (a.opened.tracks != b.opened.tracks).then_some("route")
}

/// Who is asked by which rules, whoever that was at the time.
fn rules<'a>(slots: impl Iterator<Item = &'a Slot>) -> BTreeSet<(&'a str, &'a [String])> {
    slots
        .map(|slot| (slot.source.as_str(), slot.names.as_slice()))
        .collect()
}

/// Which of these amounts stand out: they are decided alone. Where more than half are the same, every other one does; an
/// action without an amount stands out among actions with one.
pub fn outliers(amounts: &[Option<Decimal>]) -> BTreeSet<usize> {
    let known: Vec<Decimal> = amounts.iter().copied().flatten().collect();
    let Some(middle) = median(known.clone()) else {
        return BTreeSet::new();
    };
    let distances = known
        .iter()
        .filter_map(|amount| amount.checked_sub(middle))
        .map(|far| far.abs());
    let spread = median(distances.collect()).unwrap_or_default();
    let stands_out = |amount: &Option<Decimal>| {
        let far = amount
            .and_then(|amount| amount.checked_sub(middle))
            .map(|far| far.abs());
        let scores = far.and_then(|far| Some((far.checked_mul(SCALE)?, spread.checked_mul(BOUND)?)));
        // What cannot be computed is looked at alone.
        scores.is_none_or(|(far, bound)| far > bound)
    };
    let numbered = amounts.iter().enumerate();
    numbered
        .filter(|(_, amount)| stands_out(amount))
        .map(|(index, _)| index)
        .collect()
}

fn median(mut amounts: Vec<Decimal>) -> Option<Decimal> {
    amounts.sort_unstable();
    let upper = *amounts.get(amounts.len() / 2)?;
    if amounts.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *amounts.get(amounts.len() / 2 - 1)?;
    lower.checked_add(upper)?.checked_div(Decimal::TWO)
}

/// What names the votes that somebody gives at once: everybody can compute it from their records.
pub fn name(user: &str, verb: Verb, items: &[(ApprovalId, Digest)]) -> Digest {
    let mut items: Vec<String> = items.iter().map(|(id, digest)| format!("{id} {digest}\n")).collect();
    items.sort_unstable();
    let verb = format!("{verb:?}\n").to_lowercase();
    Digest::tagged(
        "countersign-batch-v1",
        &[verb.as_bytes(), user.as_bytes(), b"\n", items.concat().as_bytes()],
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn outstanding(amounts: &[&str]) -> Vec<usize> {
        let amount = |text: &&str| (!text.is_empty()).then(|| text.parse().unwrap());
        let amounts: Vec<Option<Decimal>> = amounts.iter().map(amount).collect();
        outliers(&amounts).into_iter().collect()
    }

    #[test]
    fn an_amount_far_from_the_others_stands_out_on_either_side() {
        assert_eq!(outstanding(&["20", "25", "22", "900", "19"]), [3]);
        assert_eq!(outstanding(&["1000", "1010", "990", "1005", "1"]), [4]);
        assert_eq!(outstanding(&["20", "25", "22", "19"]), [0_usize; 0]);
    }

    #[test]
    fn the_bound_itself_does_not_stand_out() {
        // Median 10, MAD 0.6745: the score of 13.5 is 0.6745 · 3.5 / 0.6745, which is the bound.
        let around = ["9.3255", "10.6745", "10", "13.5", "6.5"];
        assert_eq!(outstanding(&around), [0_usize; 0]);
        assert_eq!(outstanding(&["9.3255", "10.6745", "10", "13.500000001", "6.5"]), [3]);
    }

    #[test]
    fn what_differs_from_a_majority_of_equals_stands_out() {
        assert_eq!(outstanding(&["20", "20", "20", "20.01"]), [3]);
        assert_eq!(outstanding(&["20", "20", "20"]), [0_usize; 0]);
    }

    #[test]
    fn an_action_without_an_amount_stands_out_among_those_with_one() {
        assert_eq!(outstanding(&["20", "", "21"]), [1]);
        assert_eq!(outstanding(&["", ""]), [0_usize; 0]);
    }

    #[test]
    fn two_amounts_are_too_few_to_stand_out() {
        assert_eq!(outstanding(&["1", "1000000"]), [0_usize; 0]);
    }

    #[test]
    fn amounts_of_any_size_are_weighed() {
        let most = "999999999999999999.999999999";
        assert_eq!(
            outstanding(&[most, "1", "2", "1.5", "-999999999999999999.999999999"]),
            [0, 4]
        );
    }

    #[test]
    fn the_name_of_a_batch_does_not_depend_on_the_order_of_its_items() {
        let (a, b) = ((ApprovalId(1), Digest([1; 32])), (ApprovalId(2), Digest([2; 32])));
        assert_eq!(name("fay", Verb::Approve, &[a, b]), name("fay", Verb::Approve, &[b, a]));
        assert_ne!(name("fay", Verb::Approve, &[a, b]), name("fay", Verb::Reject, &[a, b]));
        assert_ne!(name("fay", Verb::Approve, &[a]), name("fay", Verb::Approve, &[a, b]));
    }
}
