//! How long requests take, told from counts by bounds.
//!
//! Kaplan and Meier's estimate: a request without an answer is known to have waited so long, and no more. To leave it out
//! would make answers look the faster, the more of them are missing.

use countersign_core::state::{BOUNDS_S, Times};

/// One, in the parts by which shares are counted here.
const ONE: u128 = 1_000_000_000_000;

/// The bound within which so many of 1,000 requests have their answer; `None` where it lies beyond what is known.
pub(super) fn answered_within(answered: &Times, unanswered: &Times, per_mille: u128) -> Option<u64> {
    let count = |times: &Times, place: u8| u128::from(times.get(&place).copied().unwrap_or(0));
    let all = |times: &Times| times.values().map(|count| u128::from(*count)).sum::<u128>();
    let mut waiting = all(answered) + all(unanswered);
    let mut left = ONE;
    for (place, bound) in (0_u8..).zip(BOUNDS_S) {
        if waiting == 0 {
            return None;
        }
        let here = count(answered, place);
        left = left * (waiting - here) / waiting;
        if left * 1000 <= ONE * (1000 - per_mille) {
            return u64::try_from(bound).ok();
        }
        waiting -= here + count(unanswered, place);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(counts: &[(u8, u64)]) -> Times {
        counts.iter().copied().collect()
    }

    #[test]
    fn without_anything_missed_it_is_the_nearest_rank() {
        let answered = times(&[(0, 50), (3, 45), (6, 5)]);
        assert_eq!(answered_within(&answered, &Times::new(), 500), Some(60));
        assert_eq!(answered_within(&answered, &Times::new(), 510), Some(600));
        assert_eq!(answered_within(&answered, &Times::new(), 950), Some(600));
        assert_eq!(answered_within(&answered, &Times::new(), 951), Some(3600));
    }

    #[test]
    fn to_miss_more_never_makes_it_faster() {
        let answered = times(&[(0, 50), (3, 45), (6, 5)]);
        // Ten more, of which nothing is known but that they waited longer than ten minutes.
        let missed = times(&[(6, 10)]);
        assert_eq!(answered_within(&answered, &missed, 500), Some(600));
        assert_eq!(
            answered_within(&answered, &missed, 950),
            None,
            "more than 5 of 100 wait still"
        );
    }

    #[test]
    fn of_nothing_and_of_what_nobody_answers_nothing_is_said() {
        assert_eq!(answered_within(&Times::new(), &Times::new(), 500), None);
        assert_eq!(answered_within(&Times::new(), &times(&[(2, 3)]), 500), None);
        let beyond = u8::try_from(BOUNDS_S.len()).unwrap_or(u8::MAX);
        assert_eq!(answered_within(&times(&[(beyond, 3)]), &Times::new(), 500), None);
    }
}
