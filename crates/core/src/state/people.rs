//! Who may decide: names to people, who is left out, and whether votes of distinct people fill every slot.

use std::collections::BTreeSet;

use countersign_policy::verdict::Quorum;
use countersign_policy::{Demand, Snapshot};

use super::matching::Place;
use super::track::full_name;
use super::{Ctx, OpenApproval, OpenTrack, Requester, State, User};
use crate::event::{Excluded, OnCallAs, Slot, StandIn, Verb};
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
        let (mut on_call, mut stands_in) = (Vec::new(), Vec::new());
        for name in &names {
            if depends_on_the_hour(name) {
                let meant = self.people_meant(name, ctx.live, requester, ctx.now).into_iter();
                on_call.push(OnCallAs {
                    name: name.clone(),
                    people: meant.map(|person| person.user).collect(),
                });
                continue;
            }
            for user in self.people_named(name) {
                let changes = self.changes();
                let delegate = changes
                    .delegate(&user, ctx.now)
                    .filter(|_| changes.is_absent(&user, ctx.now));
                let able = |id: &&str| self.users.get(*id).is_some_and(may_vote);
                let taken = |delegate: &&str| !stands_in.iter().any(|other: &StandIn| other.delegate == *delegate);
                if let Some(delegate) = delegate.filter(able).filter(taken) {
                    let delegate = delegate.to_owned();
                    stands_in.push(StandIn {
                        delegate,
                        principal: user,
                    });
                }
            }
        }
        let mut slot = Slot {
            on_call,
            names,
            people: Vec::new(),
            quorum,
            source: source.to_owned(),
            stands_in,
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
        slot.names.iter().flat_map(|name| self.people_for(slot, name)).collect()
    }

    /// People whom one name of a slot means: for what depends on the hour, those whom it meant when the slot was asked.
    /// A delegate has the seat of whoever was away then: between them they have one.
    fn people_for(&self, slot: &Slot, name: &str) -> Place {
        let able = |id: &&String| self.users.get(*id).is_some_and(may_vote);
        if depends_on_the_hour(name) {
            return slot.on_call_as(name).iter().filter(able).cloned().collect();
        }
        let mut people = self.people_named(name);
        for stand_in in slot.stands_in.iter().filter(|stand_in| able(&&stand_in.delegate)) {
            if people.remove(&stand_in.principal) {
                people.insert(stand_in.delegate.clone());
            }
        }
        people
    }

    /// The places that a set of slots has now: each has to be filled by a person of its own.
    pub(super) fn places(&self, slots: &[Slot], excluded: &[Excluded]) -> Vec<Place> {
        let places = slots.iter().flat_map(|slot| self.places_by_name(slot));
        let free = |people: Place| {
            people
                .into_iter()
                .filter(|user| !excluded.iter().any(|out| out.user == *user))
        };
        places.map(|(_, people)| free(people).collect()).collect()
    }

    /// The places of one slot, with the names that each is asked as.
    fn places_by_name<'a>(&self, slot: &'a Slot) -> Vec<(&'a [String], Place)> {
        match slot.quorum {
            Quorum::Any(count) => {
                let people = self.people_of(slot);
                // One place more than there are people cannot be filled; more need not be tried.
                let most = u32::try_from(people.len()).unwrap_or(u32::MAX).saturating_add(1);
                (0..count.clamp(1, most))
                    .map(|_| (&*slot.names, people.clone()))
                    .collect()
            }
            Quorum::All => {
                let place = |name: &'a String| (std::slice::from_ref(name), self.people_for(slot, name));
                slot.names.iter().map(place).collect()
            }
        }
    }

    /// The places of an open request's slots. A colleague has the place of whoever handed it over where both answer to its
    /// name, and nowhere else.
    pub(super) fn places_of(&self, approval: &OpenApproval, slots: &[Slot]) -> Vec<Place> {
        let able = |user: &str| {
            self.users.get(user).is_some_and(may_vote) && !approval.excluded.iter().any(|out| out.user == *user)
        };
        let mut places: Vec<_> = slots.iter().flat_map(|slot| self.places_by_name(slot)).collect();
        for (names, people) in &mut places {
            for (to, handed) in &approval.handed {
                let shared = handed.names.iter().any(|name| names.contains(name));
                if shared && people.remove(&handed.by) && able(to) {
                    people.insert(to.clone());
                }
            }
            people.retain(|user| able(user));
        }
        places.into_iter().map(|(_, people)| people).collect()
    }

    /// Whether a person is asked about an open request now: by name, or in the place of somebody who handed it over.
    pub(super) fn is_asked(&self, approval: &OpenApproval, user: &str) -> bool {
        let out = approval.excluded.iter().any(|out| out.user == user);
        !out && self.users.get(user).is_some_and(may_vote)
            && current_slots(approval).any(|slot| {
                // Where no place changed hands, one look at the person is enough.
                if approval.handed.is_empty() {
                    return self.answers(user, slot);
                }
                let places = self.places_of(approval, std::slice::from_ref(slot));
                places.iter().any(|place| place.contains(user))
            })
    }

    /// Whether a person is among those of a slot, now: the same as looking in [`Self::people_of`], without making the list.
    fn answers(&self, id: &str, slot: &Slot) -> bool {
        let Some(user) = self.users.get(id).filter(|user| may_vote(user)) else {
            return false;
        };
        if slot.names.is_empty() {
            return user.roles.iter().any(|role| role == "admin");
        }
        if !slot.stands_in.is_empty() {
            return self.people_of(slot).contains(id);
        }
        let on_call = |name: &String| slot.on_call_as(name).iter().any(|other| other == id);
        let mut names = slot.names.iter();
        names.any(|name| on_call(name) || !depends_on_the_hour(name) && is_meant(name, id, user))
    }

    /// Open requests of a kind, the nearest deadline first, behind a place in that order, so many at most.
    pub fn queue(
        &self,
        kind: impl Fn(ApprovalId, &OpenApproval) -> bool,
        behind: Option<(Time, ApprovalId)>,
        most: usize,
    ) -> Vec<(Time, ApprovalId, ActionId)> {
        let place = |(id, approval): &(&ApprovalId, &OpenApproval)| (approval.deadline, **id);
        let mut open: Vec<_> = self.approvals.iter().filter(|it| Some(place(it)) > behind).collect();
        open.sort_by_key(place);
        let found = open.into_iter().filter(|(id, approval)| kind(**id, approval));
        found
            .take(most)
            .map(|(id, approval)| (approval.deadline, *id, approval.action_id))
            .collect()
    }

    /// The names by which the people of somebody's teams are asked.
    pub fn names_of_teams(&self, user: &str) -> BTreeSet<String> {
        let teams = self.users.get(user).map_or(&[][..], |user| &user.teams);
        let in_them = |(_, other): &(&String, &User)| other.teams.iter().any(|team| teams.contains(team));
        let people = self.users.iter().filter(in_them);
        let mut names = BTreeSet::new();
        for (id, colleague) in people {
            names.extend([id.clone(), format!("user:{id}")]);
            for team in &colleague.teams {
                names.extend([team.clone(), format!("team:{team}")]);
            }
            for duty in &colleague.duties {
                names.extend([duty.clone(), format!("role:{duty}"), format!("duty:{duty}")]);
            }
        }
        names
    }

    /// Whether an open request asks by one of these names now, or somebody of them who is on call.
    pub fn asks_by(&self, approval: &OpenApproval, names: &BTreeSet<String>) -> bool {
        let asked = |slot: &Slot| {
            let mut of_slot = slot.names.iter();
            of_slot
                .any(|name| names.contains(name) || slot.on_call_as(name).iter().any(|person| names.contains(person)))
        };
        approval.evidence_due.is_none() && current_slots(approval).any(asked)
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

/// What a request asks now, by rules and by routes.
fn current_slots(approval: &OpenApproval) -> impl Iterator<Item = &Slot> {
    let steps = approval.tracks.iter().flat_map(OpenTrack::current_stage);
    approval.slots.iter().chain(steps.flat_map(|step| &step.slots))
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

impl State {
    /// Everybody who may decide.
    pub fn who_may_vote(&self) -> impl Iterator<Item = &String> {
        let allowed = self.users.iter().filter(|(_, user)| may_vote(user));
        allowed.map(|(id, _)| id)
    }
}

pub(super) fn may_vote(user: &User) -> bool {
    !user.suspended && user.roles.iter().any(|role| role == "reviewer" || role == "admin")
}
