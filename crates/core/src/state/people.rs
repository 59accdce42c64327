//! Who may decide: names to people, who is left out, and whether votes of distinct people fill every slot.

use std::collections::BTreeSet;

use countersign_policy::verdict::Quorum;
use countersign_policy::{Demand, Snapshot};

use super::matching::Place;
use super::track::full_name;
use super::{Ctx, OpenApproval, OpenTrack, Requester, State, User};
use crate::event::{Excluded, Slot, Verb};
use crate::ids::{ActionId, ApprovalId};
use crate::time::Time;

/// How many people of a slot its record names.
const PEOPLE_SHOWN: usize = 50;

impl State {
    /// People that `name` means: a person, a team or a duty; `team:`, `duty:`, `role:` and `user:` say which.
    /// Only people who may vote count.
    pub(super) fn people_named(&self, name: &str) -> Place {
        self.people(|id, user| may_vote(user) && is_meant(name, id, user))
    }

    /// Everybody whom a name could mean at some time.
    pub(super) fn roster(&self, name: &str, live: Option<&Snapshot>) -> Place {
        let schedule = name.strip_prefix("schedule:");
        match schedule.and_then(|name| live?.organization()?.schedule(name)) {
            Some(schedule) => schedule.layers.iter().flat_map(|layer| layer.people.clone()).collect(),
            None => self.people_named(name),
        }
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
    pub(super) fn slots(
        &self,
        demands: &[Demand],
        default_route: &[String],
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> (Vec<Slot>, Vec<String>) {
        let mut unresolved = BTreeSet::new();
        let mut slots: Vec<Slot> = Vec::new();
        let mut add = |names: Vec<String>, quorum: Quorum, source: &str| {
            let same = |other: &&mut Slot| other.names == names && other.quorum == quorum;
            match slots.iter_mut().find(same) {
                Some(same) => same.source = format!("{}, {source}", same.source),
                None => slots.push(self.slot(names, quorum, source, requester, ctx)),
            }
        };
        for demand in demands {
            let (known, unknown): (Vec<_>, Vec<_>) = demand
                .names
                .iter()
                .cloned()
                .partition(|name| !self.people_asked(name, requester, ctx).is_empty());
            unresolved.extend(unknown.iter().cloned());
            let default = || self.default_names(default_route, requester, ctx);
            match demand.quorum {
                // Each name has to be there; the default route stands in for each that is not.
                Quorum::All => {
                    if !known.is_empty() {
                        add(known, Quorum::All, &demand.source);
                    }
                    let stand_ins = u32::try_from(unknown.len())
                        .unwrap_or(u32::MAX)
                        .max(u32::from(demand.names.is_empty()));
                    if stand_ins > 0 {
                        add(default(), Quorum::Any(stand_ins), &demand.source);
                    }
                }
                Quorum::Any(count) if known.is_empty() => {
                    add(default(), Quorum::Any(count), &demand.source);
                }
                Quorum::Any(count) => add(known, Quorum::Any(count), &demand.source),
            }
        }
        (slots, unresolved.into_iter().collect())
    }

    fn default_names(&self, default_route: &[String], requester: Requester<'_>, ctx: &Ctx<'_>) -> Vec<String> {
        let organization = ctx.live.and_then(Snapshot::organization);
        let names = default_route.iter();
        let names = names.map(|name| organization.map_or_else(|| name.clone(), |known| full_name(name, known)));
        names
            .filter(|name| !self.people_asked(name, requester, ctx).is_empty())
            .collect()
    }

    /// People whom a name means if it is asked now.
    fn people_asked(&self, name: &str, requester: Requester<'_>, ctx: &Ctx<'_>) -> Place {
        let slot = self.slot(vec![name.to_owned()], Quorum::Any(1), "", requester, ctx);
        self.people_of(&slot)
    }

    /// A slot as it stands now, with the first of those who are there.
    pub(super) fn slot(
        &self,
        names: Vec<String>,
        quorum: Quorum,
        source: &str,
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> Slot {
        let mut on_call = Place::new();
        for name in &names {
            let meant = self.people_meant(name, ctx.live, requester, ctx.now).into_iter();
            let meant = meant.map(|person| person.user);
            if depends_on_the_hour(name) {
                on_call.extend(meant);
            } else if quorum != Quorum::All {
                // Delegates of those who are not there; beside one name of several that all have to approve there is no
                // telling for which of them they would stand in.
                let named = self.people_named(name);
                on_call.extend(meant.filter(|user| !named.contains(user)));
            }
        }
        let mut slot = Slot {
            on_call: on_call.into_iter().collect(),
            names,
            people: Vec::new(),
            quorum,
            source: source.to_owned(),
        };
        let everybody = self.people_of(&slot);
        let there: Vec<String> = everybody
            .iter()
            .filter(|user| self.is_there(user, ctx.now))
            .cloned()
            .collect();
        slot.people = if there.is_empty() {
            everybody.into_iter().collect()
        } else {
            there
        };
        slot.people.truncate(PEOPLE_SHOWN);
        slot
    }

    /// Whether a person has not recorded an absence.
    pub(super) fn is_there(&self, user: &str, now: Time) -> bool {
        !self.changes().is_absent(user, now)
    }

    /// People of a slot, now. No names: the admins.
    fn people_of(&self, slot: &Slot) -> Place {
        if slot.names.is_empty() {
            return self.admins();
        }
        let mut people: Place = slot.names.iter().flat_map(|name| self.people_for(slot, name)).collect();
        people.extend(
            slot.on_call
                .iter()
                .filter(|id| self.users.get(*id).is_some_and(may_vote))
                .cloned(),
        );
        people
    }

    /// People whom one name of a slot means: for what depends on the hour, those whom it meant when the slot was asked.
    fn people_for(&self, slot: &Slot, name: &str) -> Place {
        if depends_on_the_hour(name) {
            let on_call = slot
                .on_call
                .iter()
                .filter(|id| self.users.get(*id).is_some_and(may_vote));
            return on_call.cloned().collect();
        }
        self.people_named(name)
    }

    /// The places that a set of slots has now: each has to be filled by a person of its own.
    pub(super) fn places(&self, slots: &[Slot], excluded: &[Excluded]) -> Vec<Place> {
        let mut places = Vec::new();
        for slot in slots {
            match slot.quorum {
                Quorum::Any(count) => {
                    let people = self.people_of(slot);
                    // One place more than there are people cannot be filled; more need not be tried.
                    let most = u32::try_from(people.len()).unwrap_or(u32::MAX).saturating_add(1);
                    for _ in 0..count.clamp(1, most) {
                        places.push(people.clone());
                    }
                }
                Quorum::All => places.extend(slot.names.iter().map(|name| self.people_for(slot, name))),
            }
        }
        for place in &mut places {
            place.retain(|user| !excluded.iter().any(|out| out.user == *user));
        }
        places
    }

    /// The places of an open request's slots, with colleagues in the place of those who handed it over.
    pub(super) fn places_of(&self, approval: &OpenApproval, slots: &[Slot]) -> Vec<Place> {
        let mut places = self.places(slots, &approval.excluded);
        for (to, by) in &approval.handed {
            let able = self.users.get(to).is_some_and(may_vote) && !approval.excluded.iter().any(|out| out.user == *to);
            for place in &mut places {
                if place.remove(by) && able {
                    place.insert(to.clone());
                }
            }
        }
        places
    }

    /// Whether a person is asked about an open request now: by name, or in the place of somebody who handed it over.
    pub(super) fn is_asked(&self, approval: &OpenApproval, user: &str) -> bool {
        let out = |user: &str| approval.excluded.iter().any(|out| out.user == user);
        if out(user) || !self.users.get(user).is_some_and(may_vote) {
            return false;
        }
        let has_place = |user: &str| {
            let steps = approval.tracks.iter().flat_map(OpenTrack::current_stage);
            let mut slots = approval.slots.iter().chain(steps.flat_map(|step| &step.slots));
            !out(user) && slots.any(|slot| self.answers(user, slot))
        };
        let gave_it_away = approval.handed.values().any(|by| by == user);
        (!gave_it_away && has_place(user)) || approval.handed.get(user).is_some_and(|by| has_place(by))
    }

    /// Whether a person is among those of a slot, now: the same as looking in [`Self::people_of`], without making the list.
    fn answers(&self, id: &str, slot: &Slot) -> bool {
        let Some(user) = self.users.get(id).filter(|user| may_vote(user)) else {
            return false;
        };
        if slot.names.is_empty() {
            return user.roles.iter().any(|role| role == "admin");
        }
        let on_call = slot.on_call.iter().any(|other| other == id);
        on_call
            || slot
                .names
                .iter()
                .any(|name| !depends_on_the_hour(name) && is_meant(name, id, user))
    }

    /// Requests that a person may decide, the nearest deadline first, so many at most.
    pub fn queue_of(&self, user: &str, most: usize) -> Vec<(ApprovalId, ActionId)> {
        let mut open: Vec<_> = self.approvals.iter().collect();
        open.sort_by_key(|(id, approval)| (approval.deadline, **id));
        let mine = open.into_iter().filter(|(_, approval)| self.may_decide(approval, user));
        mine.take(most)
            .map(|(id, approval)| (*id, approval.action_id))
            .collect()
    }

    /// Whether this person may decide an open request now.
    pub fn may_decide(&self, approval: &OpenApproval, user: &str) -> bool {
        approval.evidence_due.is_none() && self.is_asked(approval, user)
    }

    /// People who said this, and may vote.
    pub(super) fn voters(&self, approval: &OpenApproval, said: Verb, also: Option<&str>) -> Place {
        let voters = approval.votes.iter().filter(|(_, verb)| **verb == said);
        let mut voters: Place = voters.map(|(user, _)| user.clone()).collect();
        voters.extend(also.map(str::to_owned));
        voters
    }
}

/// Whom a name means depends on when it is asked, or by whom.
fn depends_on_the_hour(name: &str) -> bool {
    name.starts_with("schedule:") || name.starts_with("manager_of:")
}

/// Whether a name means this person: by itself, by a team or by a duty.
fn is_meant(name: &str, id: &str, user: &User) -> bool {
    let (kind, bare) = name.split_once(':').unwrap_or(("", name));
    match kind {
        "user" => id == bare,
        "team" => user.teams.iter().any(|team| team == bare),
        "role" | "duty" => user.duties.iter().any(|duty| duty == bare),
        _ => id == name || user.teams.iter().any(|team| team == name) || user.duties.iter().any(|duty| duty == name),
    }
}

pub(super) fn may_vote(user: &User) -> bool {
    user.roles.iter().any(|role| role == "reviewer" || role == "admin")
}
