//! Who may decide: names to people, who is left out, and whether votes of distinct people fill every slot.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::Demand;
use countersign_policy::verdict::Quorum;

use super::{OpenApproval, State, User};
use crate::event::{Excluded, Slot, Verb};

/// How many people of a slot its record names.
const PEOPLE_SHOWN: usize = 50;

/// People who may fill one place of a slot.
pub(super) type Place = BTreeSet<String>;

impl State {
    /// People that `name` means: a person, a team or a duty; `team:`, `duty:`, `role:` and `user:` say which.
    /// Only people who may vote count.
    pub(super) fn people_named(&self, name: &str) -> Place {
        let (kind, bare) = name.split_once(':').unwrap_or(("", name));
        let means = |id: &str, user: &User| match kind {
            "user" => id == bare,
            "team" => user.teams.iter().any(|team| team == bare),
            "role" | "duty" => user.duties.iter().any(|duty| duty == bare),
            _ => {
                id == name || user.teams.iter().any(|team| team == name) || user.duties.iter().any(|duty| duty == name)
            }
        };
        self.people(|id, user| may_vote(user) && means(id, user))
    }

    fn people(&self, wanted: impl Fn(&str, &User) -> bool) -> Place {
        (self.users.iter())
            .filter(|(id, user)| wanted(id, user))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// People with permission `admin`: who decides where nobody else is named.
    pub(super) fn admins(&self) -> Place {
        self.people(|_, user| user.roles.iter().any(|role| role == "admin"))
    }

    /// The slots that `demands` come to now, and the names that mean nobody. Demands for the same names are one slot, so
    /// that one person is not asked twice for one thing.
    pub(super) fn slots(&self, demands: &[Demand], default_route: &[String]) -> (Vec<Slot>, Vec<String>) {
        let mut unresolved = BTreeSet::new();
        let mut slots: Vec<Slot> = Vec::new();
        for demand in demands {
            let (known, unknown): (Vec<_>, Vec<_>) = demand
                .names
                .iter()
                .cloned()
                .partition(|name| !self.people_named(name).is_empty());
            unresolved.extend(unknown.iter().cloned());
            let default = || self.default_names(default_route);
            match demand.quorum {
                // Each name has to be there; the default route stands in for each that is not.
                Quorum::All => {
                    if !known.is_empty() {
                        add(&mut slots, known, Quorum::All, &demand.source, self);
                    }
                    let stand_ins = u32::try_from(unknown.len())
                        .unwrap_or(u32::MAX)
                        .max(u32::from(demand.names.is_empty()));
                    if stand_ins > 0 {
                        add(&mut slots, default(), Quorum::Any(stand_ins), &demand.source, self);
                    }
                }
                Quorum::Any(count) if known.is_empty() => {
                    add(&mut slots, default(), Quorum::Any(count), &demand.source, self);
                }
                Quorum::Any(count) => add(&mut slots, known, Quorum::Any(count), &demand.source, self),
            }
        }
        (slots, unresolved.into_iter().collect())
    }

    fn default_names(&self, default_route: &[String]) -> Vec<String> {
        let known = default_route.iter().filter(|name| !self.people_named(name).is_empty());
        known.cloned().collect()
    }

    /// People of a slot's names, now. No names: the admins.
    fn people_of(&self, names: &[String]) -> Vec<String> {
        if names.is_empty() {
            return self.admins().into_iter().collect();
        }
        let all: Place = names.iter().flat_map(|name| self.people_named(name)).collect();
        all.into_iter().collect()
    }

    /// The places that a set of slots has now: each has to be filled by a person of its own.
    pub(super) fn places(&self, slots: &[Slot], excluded: &[Excluded]) -> Vec<Place> {
        let mut places = Vec::new();
        for slot in slots {
            match slot.quorum {
                Quorum::Any(count) => {
                    let people: Place = self.people_of(&slot.names).into_iter().collect();
                    // One place more than there are people cannot be filled; more need not be tried.
                    let most = u32::try_from(people.len()).unwrap_or(u32::MAX).saturating_add(1);
                    for _ in 0..count.clamp(1, most) {
                        places.push(people.clone());
                    }
                }
                Quorum::All => places.extend(slot.names.iter().map(|name| self.people_named(name))),
            }
        }
        for place in &mut places {
            place.retain(|user| !excluded.iter().any(|out| out.user == *user));
        }
        places
    }

    /// Whether this person may decide an open request now.
    pub fn may_decide(&self, approval: &OpenApproval, user: &str) -> bool {
        approval.evidence_due.is_none()
            && self
                .places(&approval.slots, &approval.excluded)
                .iter()
                .any(|place| place.contains(user))
    }

    /// Whether people who may vote now, and said yes, fill every place.
    pub(super) fn is_approved(&self, approval: &OpenApproval, also: Option<&str>) -> bool {
        let mut voters: Place = (approval.votes.iter())
            .filter(|(_, verb)| **verb == Verb::Approve)
            .map(|(user, _)| user.clone())
            .collect();
        voters.extend(also.map(str::to_owned));
        let mut places = self.places(&approval.slots, &approval.excluded);
        for place in &mut places {
            place.retain(|user| voters.contains(user));
        }
        can_fill(&places)
    }
}

/// Adds a slot, unless one for the same names is there.
fn add(slots: &mut Vec<Slot>, names: Vec<String>, quorum: Quorum, source: &str, state: &State) {
    match slots
        .iter_mut()
        .find(|other| other.names == names && other.quorum == quorum)
    {
        Some(same) => same.source = format!("{}, {source}", same.source),
        None => {
            let mut people = state.people_of(&names);
            people.truncate(PEOPLE_SHOWN);
            slots.push(Slot {
                names,
                people,
                quorum,
                source: source.to_owned(),
            });
        }
    }
}

fn may_vote(user: &User) -> bool {
    user.roles.iter().any(|role| role == "reviewer" || role == "admin")
}

/// Names that `user` answers to in a route, for showing why somebody was chosen.
pub fn eligible_names(id: &str, user: &User) -> Vec<String> {
    let mut names = vec![id.to_owned()];
    names.extend(user.teams.iter().cloned());
    names.extend(user.duties.iter().cloned());
    names
}

/// Whether every place can be filled by a person of its own: a maximum bipartite matching by augmenting paths.
pub(super) fn can_fill(places: &[Place]) -> bool {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    (0..places.len()).all(|place| seat(place, places, &mut taken, &mut BTreeSet::new()))
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
