//! One person, one place: whether votes of distinct people fill every place that a decision asks for.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

/// People who may fill one place.
pub(super) type Place = BTreeSet<String>;

/// Whether every place can be filled by a person of its own.
pub(super) fn can_fill(places: &[Place]) -> bool {
    matched(places) == places.len()
}

/// How many places can be filled at once, each by a person of its own: a maximum bipartite matching by augmenting paths.
pub(super) fn matched(places: &[Place]) -> usize {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    (0..places.len())
        .filter(|place| seat(*place, places, &mut taken, &mut BTreeSet::new()))
        .count()
}

/// Finds a person for `place`, moving others where that helps. Depth is at most the number of people.
fn seat<'a>(
    place: usize,
    places: &'a [Place],
    taken: &mut BTreeMap<&'a str, usize>,
    tried: &mut BTreeSet<&'a str>,
) -> bool {
    let Some(people) = places.get(place) else { return false };
    for person in people {
        if !tried.insert(person) {
            continue;
        }
        let free = match taken.get(person.as_str()).copied() {
            None => true,
            Some(other) => seat(other, places, taken, tried),
        };
        if free {
            taken.insert(person, place);
            return true;
        }
    }
    false
}
