//! Whether every route reaches somebody, whoever asks and at whatever hour: looked at before a policy is made live.

use std::collections::BTreeSet;

use countersign_policy::verdict::Quorum;
use countersign_policy::{Route, Snapshot, StepSlot, When};

use super::matching::{Place, can_fill};
use super::people::may_vote;
use super::{Requester, State};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// How far ahead it looks, in hours.
const HOURS: i64 = 14 * 24;

/// A request that would reach nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// By this route.
    pub route: String,
    /// If this person asked; `None`: if an agent asked for itself.
    pub requester: Option<String>,
    /// At this hour.
    pub at: Time,
    /// The names of the first slot, which cannot be filled.
    pub slot: Vec<String>,
}

impl Unreachable {
    /// What whoever wants to make the policy live is told.
    pub fn refusal(&self) -> Refusal {
        let who = match &self.requester {
            Some(user) => format!("`{user}`"),
            None => "an agent".to_owned(),
        };
        let slot = self.slot.join("`, `");
        let detail = format!(
            "route `{}` reaches nobody if {who} asks at {}: no step can be filled, beginning with `{slot}`, and the \
             fallback neither",
            self.route, self.at
        );
        Refusal::conflict("route_unreachable", detail).hint("name more people in the route, or add `fallback:`")
    }
}

impl State {
    /// A copy that holds no more than who is there: what a look at coverage reads.
    pub fn people_alone(&self) -> State {
        State {
            agents: self.agents.clone(),
            rota: self.rota.clone(),
            users: self.users.clone(),
            ..State::default()
        }
    }

    /// A counter-example, if somebody could ask on a route of `snapshot` within two weeks and reach neither one of its first
    /// steps nor its fallback. Where fewer than two people may vote, nothing can be promised, and nothing is looked for.
    pub fn unreachable(&self, snapshot: &Snapshot, from: Time) -> Option<Unreachable> {
        if self.users.values().filter(|user| may_vote(user)).take(2).count() < 2 {
            return None;
        }
        let mut routes = snapshot.organization()?.routes();
        routes.find_map(|route| {
            let schedules = snapshot.organization()?;
            let changes = !self.rota.is_empty()
                || route
                    .names()
                    .any(|name| name.starts_with("schedule:") || schedules.schedule(name).is_some());
            let hours = if changes { HOURS } else { 1 };
            (0..hours).find_map(|hour| self.unreachable_at(route, snapshot, from + Span::hours(hour)))
        })
    }

    fn unreachable_at(&self, route: &Route, live: &Snapshot, at: Time) -> Option<Unreachable> {
        let fallback = self.fallback_of(route, live, at);
        // A requester is one person: where two can be asked, somebody is left.
        if fallback.len() >= 2 {
            return None;
        }
        let later = route.steps.iter().skip(1).take_while(|step| step.when == When::Timeout);
        let steps: Vec<Vec<Place>> = (route.steps.iter().take(1).chain(later))
            .map(|step| {
                let places = |slot| self.step_places(slot, live, at);
                step.slots.iter().flat_map(places).collect()
            })
            .collect();
        let everybody: BTreeSet<&String> = steps.iter().flatten().flatten().chain(&fallback).collect();
        let mut requesters = std::iter::once(None).chain(everybody.into_iter().map(Some));
        let stuck = requesters.find(|requester| {
            let others =
                |place: &Place| -> Place { place.iter().filter(|it| Some(*it) != *requester).cloned().collect() };
            let step = |places: &Vec<Place>| can_fill(&places.iter().map(others).collect::<Vec<_>>());
            others(&fallback).is_empty() && !steps.iter().any(step)
        })?;
        Some(Unreachable {
            route: route.name.to_string(),
            requester: stuck.cloned(),
            at,
            slot: route.steps.first()?.slots.first()?.names.clone(),
        })
    }

    fn fallback_of(&self, route: &Route, live: &Snapshot, at: Time) -> Place {
        if route.fallback.is_empty() {
            let changes = self.changes();
            return (self.admins().into_iter())
                .filter(|admin| !changes.is_absent(admin, at))
                .collect();
        }
        let names = route.fallback.iter();
        names.flat_map(|name| self.place_of(name, live, at)).collect()
    }

    fn place_of(&self, name: &str, live: &Snapshot, at: Time) -> Place {
        let people = self.people_meant(name, Some(live), Requester::default(), at);
        people.into_iter().map(|person| person.user).collect()
    }

    fn step_places(&self, slot: &StepSlot, live: &Snapshot, at: Time) -> Vec<Place> {
        let each = slot.names.iter().map(|name| self.place_of(name, live, at));
        match slot.quorum {
            Quorum::All => each.collect(),
            Quorum::Any(count) => {
                let all: Place = each.flatten().collect();
                vec![all; count as usize]
            }
        }
    }
}
