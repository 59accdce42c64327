//! Who is there: absences and overrides, and which people a name means at an instant.

use std::collections::{BTreeMap, BTreeSet};

use countersign_policy::{Schedule, Snapshot};
use serde::{Deserialize, Serialize};

use super::people::may_vote;
use super::{Ctx, Handled, State};
use crate::command::{NewAbsence, NewOverride};
use crate::event::{AbsenceRecorded, AbsenceWithdrawn, OverrideRecorded, OverrideWithdrawn};
use crate::ids::{AbsenceId, OverrideId};
use crate::record::{Actor, ActorKind};
use crate::refusal::Refusal;
use crate::schedule::{Absence, Changes, Override, who_is_on};
use crate::time::{Span, Time};

/// Longest time for which somebody else may stand in.
pub const LONGEST_DELEGATION: Span = Span::days(30);
/// Longest absence or override.
const LONGEST: Span = Span::days(366);
/// Most absences and overrides of one person that have not ended.
const MOST: usize = 100;

/// Absences and overrides that have not ended. Ids rise, so their order is that of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rota {
    absences: BTreeMap<AbsenceId, Absence>,
    overrides: BTreeMap<OverrideId, Override>,
    #[serde(skip)]
    ending: BTreeSet<(Time, Ending)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Absence(AbsenceId),
    Override(OverrideId),
}

impl Rota {
    pub(super) fn is_empty(&self) -> bool {
        self.absences.is_empty() && self.overrides.is_empty()
    }

    /// Lets go of what has ended.
    pub(super) fn leave(&mut self, now: Time) {
        while let Some((at, ending)) = self.ending.first().copied() {
            if at > now {
                break;
            }
            self.ending.pop_first();
            match ending {
                Ending::Absence(id) => drop(self.absences.remove(&id)),
                Ending::Override(id) => drop(self.overrides.remove(&id)),
            }
        }
    }

    pub(super) fn rebuild(&mut self) {
        let absences = self.absences.iter().map(|(id, it)| (it.to, Ending::Absence(*id)));
        let overrides = self.overrides.iter().map(|(id, it)| (it.to, Ending::Override(*id)));
        self.ending = absences.chain(overrides).collect();
    }

    pub(super) fn absent(&mut self, e: &AbsenceRecorded) {
        let absence = Absence {
            delegate: e.delegate.clone(),
            from: e.from,
            to: e.to,
            user: e.user.clone(),
        };
        self.ending.insert((e.to, Ending::Absence(e.absence)));
        self.absences.insert(e.absence, absence);
    }

    pub(super) fn back(&mut self, id: AbsenceId) {
        if let Some(absence) = self.absences.remove(&id) {
            self.ending.remove(&(absence.to, Ending::Absence(id)));
        }
    }

    pub(super) fn put_on(&mut self, e: &OverrideRecorded) {
        let other = Override {
            from: e.from,
            replaces: e.replaces.clone(),
            schedule: e.schedule.clone(),
            to: e.to,
            user: e.user.clone(),
        };
        self.ending.insert((e.to, Ending::Override(e.r#override)));
        self.overrides.insert(e.r#override, other);
    }

    pub(super) fn taken_off(&mut self, id: OverrideId) {
        if let Some(other) = self.overrides.remove(&id) {
            self.ending.remove(&(other.to, Ending::Override(id)));
        }
    }
}

/// A person whom a name means, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The person.
    pub user: String,
    /// One sentence.
    pub because: String,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requester<'a> {
    /// The person on whose behalf it is.
    pub person: Option<&'a str>,
    /// The agent that asks.
    pub agent: Option<&'a str>,
}

impl State {
    /// Absences that have not ended.
    pub fn absences(&self) -> &BTreeMap<AbsenceId, Absence> {
        &self.rota.absences
    }

    /// Overrides that have not ended.
    pub fn overrides(&self) -> &BTreeMap<OverrideId, Override> {
        &self.rota.overrides
    }

    /// What people changed about schedules.
    pub fn changes(&self) -> Changes<'_> {
        Changes {
            overrides: self.rota.overrides.values().collect(),
            absences: self.rota.absences.values().collect(),
        }
    }

    /// Who is on in a schedule of the live policy, if that is somebody who may vote.
    pub fn people_on(&self, schedule: &str, live: Option<&Snapshot>, now: Time) -> Vec<Resolved> {
        let Some(schedule) = schedule_of(live, schedule) else {
            return Vec::new();
        };
        let on = who_is_on(schedule, &self.changes(), now);
        let person = on.person.filter(|person| self.users.get(person).is_some_and(may_vote));
        let because = on.because;
        person.map(|user| Resolved { user, because }).into_iter().collect()
    }

    /// People that `name` means now, each once, by id: only those who may vote. Who is absent is not asked; the delegate,
    /// if there is one, stands in. A bare name is the schedule of that name, or else the person, the team or the duty.
    pub fn people_meant(
        &self,
        name: &str,
        live: Option<&Snapshot>,
        requester: Requester<'_>,
        now: Time,
    ) -> Vec<Resolved> {
        let (kind, bare) = name.split_once(':').unwrap_or(("", name));
        let named = match kind {
            "schedule" => return self.people_on(bare, live, now),
            "" if schedule_of(live, bare).is_some() => return self.people_on(bare, live, now),
            "manager_of" => self.managers(bare, requester),
            _ => {
                let people = self.people_named(name).into_iter();
                let because = |user: &str| self.why_named(user, kind, if kind.is_empty() { name } else { bare });
                people.map(|user| (because(&user), user)).collect()
            }
        };
        let changes = self.changes();
        let mut resolved: BTreeMap<String, String> = BTreeMap::new();
        for (because, user) in named {
            if !changes.is_absent(&user, now) {
                resolved.insert(user, because);
            } else if let Some(delegate) = changes.delegate(&user, now)
                && self.users.get(delegate).is_some_and(may_vote)
            {
                let because = format!("{because}, is absent, and `{delegate}` stands in");
                resolved.entry(delegate.to_owned()).or_insert(because);
            }
        }
        let person = |(user, because)| Resolved { user, because };
        resolved.into_iter().map(person).collect()
    }

    fn why_named(&self, user: &str, kind: &str, name: &str) -> String {
        let is = |names: &[String]| names.iter().any(|other| other == name);
        let known = self.users.get(user);
        match kind {
            "team" => format!("`{user}` is of the team `{name}`"),
            "role" | "duty" => format!("`{user}` has the duty `{name}`"),
            _ if user == name => format!("`{user}` is named"),
            _ if known.is_some_and(|known| is(&known.teams)) => format!("`{user}` is of the team `{name}`"),
            _ => format!("`{user}` has the duty `{name}`"),
        }
    }

    /// Managers of the requester, or of the people who answer for the agent; those of them who may vote, with reasons.
    fn managers(&self, whose: &str, requester: Requester<'_>) -> Vec<(String, String)> {
        let managed: BTreeSet<String> = match whose {
            "requester" => requester.person.map(str::to_owned).into_iter().collect(),
            _ => {
                let agent = requester.agent.and_then(|agent| self.agents.get(agent));
                let of_owner = |owner: &str| {
                    let person = owner.strip_prefix("user:").unwrap_or(owner);
                    // Whoever answers for an agent need not be somebody who votes.
                    if self.users.contains_key(person) {
                        [person.to_owned()].into()
                    } else {
                        self.people_named(owner)
                    }
                };
                agent.map(|agent| of_owner(&agent.owner)).unwrap_or_default()
            }
        };
        let manager = |user: &String| {
            let manager = self.users.get(user)?.manager.clone()?;
            let votes = self.users.get(&manager).is_some_and(may_vote);
            votes.then(|| (format!("`{manager}` is the manager of `{user}`"), manager))
        };
        managed.iter().filter_map(manager).collect()
    }

    pub(super) fn record_absence(&self, new: NewAbsence, actor: &Actor, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        self.known_user(&new.user)?;
        self.may_speak_for(actor, &[&new.user])?;
        check_span(new.from, new.to, ctx.now)?;
        if let Some(delegate) = &new.delegate {
            self.check_voter(delegate)?;
            if *delegate == new.user {
                return Err(Refusal::invalid("own_delegate", "nobody stands in for themselves"));
            }
            if new.to - new.from > LONGEST_DELEGATION {
                return Err(
                    Refusal::invalid("too_long", "somebody else may stand in for 30 days at most")
                        .hint("record a shorter absence, or one without a delegate"),
                );
            }
        }
        let open = self.rota.absences.values().filter(|other| other.user == new.user);
        check_count(open.count(), &new.user)?;
        Handled::one(AbsenceRecorded {
            absence: AbsenceId(ctx.ids.next(ctx.now)),
            by: actor.id.clone(),
            delegate: new.delegate,
            from: new.from,
            to: new.to,
            user: new.user,
        })
    }

    pub(super) fn withdraw_absence(&self, id: AbsenceId, actor: &Actor) -> Result<Handled, Refusal> {
        let Some(absence) = self.rota.absences.get(&id) else {
            return Err(Refusal::missing("absence", id));
        };
        self.may_speak_for(actor, &[&absence.user])?;
        Handled::one(AbsenceWithdrawn {
            absence: id,
            by: actor.id.clone(),
        })
    }

    /// A person may take a turn of somebody else or give one away, within a schedule that has both of them: nobody becomes
    /// somebody who decides without an admin or the policy saying so.
    pub(super) fn record_override(
        &self,
        new: NewOverride,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let Some(schedule) = schedule_of(ctx.live, &new.schedule) else {
            return Err(Refusal::missing("schedule", &new.schedule));
        };
        self.check_voter(&new.user)?;
        let concerned: Vec<&str> = [Some(new.user.as_str()), new.replaces.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        self.may_speak_for(actor, &concerned)?;
        let is_of = |person: &str| {
            schedule
                .layers
                .iter()
                .any(|layer| layer.people.iter().any(|it| it == person))
        };
        if !self.is_admin(actor) && !concerned.iter().all(|person| is_of(person)) {
            let detail = format!("`{}` is for the people of its layers", schedule.name);
            return Err(Refusal::forbidden("not_of_schedule", detail).hint("ask an admin to record the override"));
        }
        if new.replaces.as_ref() == Some(&new.user) {
            return Err(Refusal::invalid("own_turn", "nobody takes their own turn"));
        }
        check_span(new.from, new.to, ctx.now)?;
        let open = self.rota.overrides.values().filter(|other| other.user == new.user);
        check_count(open.count(), &new.user)?;
        Handled::one(OverrideRecorded {
            by: actor.id.clone(),
            from: new.from,
            r#override: OverrideId(ctx.ids.next(ctx.now)),
            replaces: new.replaces,
            schedule: new.schedule,
            to: new.to,
            user: new.user,
        })
    }

    pub(super) fn withdraw_override(&self, id: OverrideId, actor: &Actor) -> Result<Handled, Refusal> {
        let Some(other) = self.rota.overrides.get(&id) else {
            return Err(Refusal::missing("override", id));
        };
        let concerned = [Some(other.user.as_str()), other.replaces.as_deref()];
        self.may_speak_for(actor, &Vec::from_iter(concerned.into_iter().flatten()))?;
        Handled::one(OverrideWithdrawn {
            by: actor.id.clone(),
            r#override: id,
        })
    }

    fn is_admin(&self, actor: &Actor) -> bool {
        let admin = || {
            let user = self.users.get(&actor.id);
            user.is_some_and(|user| user.roles.iter().any(|role| role == "admin"))
        };
        actor.kind == ActorKind::Operator || (actor.kind == ActorKind::User && admin())
    }

    fn may_speak_for(&self, actor: &Actor, users: &[&str]) -> Result<(), Refusal> {
        let own = actor.kind == ActorKind::User && users.contains(&actor.id.as_str());
        if own || self.is_admin(actor) {
            return Ok(());
        }
        let detail = format!("`{}` may not say this for `{}`", actor.id, users.join("` and `"));
        Err(Refusal::forbidden("not_yours", detail).hint("a person says it for themselves, an admin for everybody"))
    }

    fn known_user(&self, user: &str) -> Result<(), Refusal> {
        match self.users.contains_key(user) {
            true => Ok(()),
            false => Err(Refusal::missing("user", user)),
        }
    }

    fn check_voter(&self, user: &str) -> Result<(), Refusal> {
        self.known_user(user)?;
        if self.users.get(user).is_some_and(may_vote) {
            return Ok(());
        }
        let detail = format!("`{user}` may not vote");
        Err(Refusal::conflict("may_not_vote", detail).hint("name somebody with the role `reviewer` or `admin`"))
    }
}

fn schedule_of<'a>(live: Option<&'a Snapshot>, name: &str) -> Option<&'a Schedule> {
    live?.organization()?.schedule(name)
}

fn check_span(from: Time, to: Time, now: Time) -> Result<(), Refusal> {
    if to <= from || to <= now {
        return Err(Refusal::invalid("empty_span", "this span of time is empty or over")
            .hint("`to` comes after `from`, and is not over"));
    }
    if to - from > LONGEST {
        return Err(Refusal::invalid("too_long", "a span of time is 366 days at most").hint("record a shorter one"));
    }
    Ok(())
}

fn check_count(open: usize, user: &str) -> Result<(), Refusal> {
    if open < MOST {
        return Ok(());
    }
    let detail = format!("`{user}` has {MOST} of them already");
    Err(Refusal::conflict("too_many", detail).hint("withdraw what does not hold any more"))
}
