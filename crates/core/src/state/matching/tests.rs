//! The matcher against trying everything.

use super::*;

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % bound
    }
}

/// The most places that can be filled, found by trying every way to seat people.
fn by_trying(places: &[Place], taken: &BTreeSet<&str>) -> usize {
    let Some((first, rest)) = places.split_first() else {
        return 0;
    };
    let empty = by_trying(rest, taken);
    let seated = first
        .iter()
        .filter(|person| !taken.contains(person.as_str()))
        .map(|person| {
            let mut taken = taken.clone();
            taken.insert(person);
            1 + by_trying(rest, &taken)
        });
    seated.max().unwrap_or_default().max(empty)
}

#[test]
fn the_matcher_equals_trying_everything_on_100_000_small_cases() {
    let mut numbers = Numbers(1);
    let people: Vec<String> = (0..5).map(|number| format!("p{number}")).collect();
    for case in 0..100_000 {
        let places: Vec<Place> = (0..=numbers.below(4))
            .map(|_| {
                let set = numbers.below(32);
                let among = |number: &usize| set & (1 << number) != 0;
                (0..5)
                    .filter(among)
                    .filter_map(|number| people.get(number).cloned())
                    .collect()
            })
            .collect();
        let most = by_trying(&places, &BTreeSet::new());
        assert_eq!(matched(&places), most, "case {case}: {places:?}");
        assert_eq!(can_fill(&places), most == places.len(), "case {case}: {places:?}");
    }
}
