//! The rules of a route as they hold for one request, and how far the request is on it.

use std::collections::BTreeSet;

use countersign_policy::verdict::Quorum;
use countersign_policy::{self as policy, Demand, Snapshot};
use serde::{Deserialize, Serialize};

use crate::event::{ApprovalStepStarted, Asked, Editable, Exhausted, Slot, Step, StepReason, Track};
use crate::time::{Span, Time};

/// A step that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedStep {
    /// Who.
    pub slots: Vec<Slot>,
    /// Which, from 0.
    pub step: u32,
}

/// A route that a request takes, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTrack {
    /// Steps that were asked, oldest first; one that was asked again stands there once.
    pub asked: Vec<AskedStep>,
    /// When the time of the current step is over.
    pub due: Option<Time>,
    /// Every step let its time pass.
    pub held: bool,
    /// The people of the current stage have approved.
    pub passed: bool,
    /// When the people of the current step are reminded.
    pub remind: Option<Time>,
    /// How often the current step was asked again.
    pub repeats: u32,
    /// The rules, as they were when the request was opened.
    pub rules: Track,
    /// The current step, from 0.
    pub step: u32,
}

/// What a rule's approvers come to: slots of people, and routes.
pub(super) struct Taken {
    pub(super) plain: Vec<Demand>,
    pub(super) tracks: Vec<Track>,
    pub(super) deadline: Option<Span>,
    pub(super) valid_for: Option<Span>,
    pub(super) separation: BTreeSet<policy::Separation>,
    /// What whoever decides may narrow, by any of them.
    pub(super) editable: Editable,
    /// For each track, who may stand in for its people, and how many a rule wants at least.
    alternatives: Vec<(Vec<String>, u32)>,
}

impl Taken {
    /// Sorts what `demands` name into people and routes of the live policy. What names nobody goes to the default route.
    pub(super) fn of(demands: &[Demand], live: Option<&Snapshot>) -> Taken {
        let mut taken = Taken {
            plain: Vec::new(),
            tracks: Vec::new(),
            deadline: None,
            valid_for: None,
            separation: BTreeSet::new(),
            editable: Editable::default(),
            alternatives: Vec::new(),
        };
        let pointers = demands.iter().flat_map(|demand| demand.editable.iter().cloned());
        taken.editable.pointers.extend(pointers);
        let Some(organization) = live.and_then(Snapshot::organization) else {
            taken.plain = demands.to_vec();
            return taken;
        };
        let route = |name: &str| organization.route(name.strip_prefix("route:").unwrap_or(name));
        for demand in demands {
            let default = organization.default_route().filter(|_| demand.names.is_empty());
            let names = default.map_or(&demand.names, |default| &default.to);
            let (routes, people): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| route(name).is_some());
            if routes.is_empty() {
                taken.plain.push(Demand {
                    names: demand.names.iter().map(|name| full_name(name, organization)).collect(),
                    ..demand.clone()
                });
                continue;
            }
            let alternatives = if demand.quorum == Quorum::All {
                &[]
            } else {
                people.as_slice()
            };
            for found in routes.iter().filter_map(|name| route(name)) {
                taken.take(found, alternatives, demand, organization);
            }
            if demand.quorum == Quorum::All && !people.is_empty() {
                taken.plain.push(Demand {
                    names: people.iter().map(|name| full_name(name, organization)).collect(),
                    ..demand.clone()
                });
            }
        }
        taken
    }

    /// Adds a route, once. The strictest times and rules of all routes hold.
    fn take(
        &mut self,
        route: &policy::Route,
        alternatives: &[String],
        demand: &Demand,
        organization: &policy::Organization,
    ) {
        self.take_edits(&route.edits);
        let known = self.tracks.iter().position(|track| *track.route == *route.name);
        if let Some((index, before)) = known.and_then(|index| Some((index, self.alternatives.get(index)?))) {
            // Two rules want it: whoever may stand in for its people in both may, and the larger quorum holds.
            let both: Vec<String> = before
                .0
                .iter()
                .filter(|name| alternatives.contains(name))
                .cloned()
                .collect();
            let quorum = least(demand).max(before.1);
            let mut track = track(route, &both, quorum, &demand.source, organization);
            if let Some(old) = self.tracks.get_mut(index) {
                track.source = format!("{}, {}", old.source, demand.source);
                *old = track;
            }
            if let Some(old) = self.alternatives.get_mut(index) {
                *old = (both, quorum);
            }
            return;
        }
        let shorter = |ours: Option<Span>, theirs: Option<i64>| match (ours, theirs.map(Span)) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.deadline = shorter(self.deadline, route.deadline);
        self.valid_for = shorter(self.valid_for, route.valid_for);
        self.separation.extend(route.separation.iter().copied());
        let quorum = least(demand);
        self.tracks
            .push(track(route, alternatives, quorum, &demand.source, organization));
        self.alternatives.push((alternatives.to_vec(), quorum));
    }
}

impl Taken {
    /// Adds what a route says of edits: what any of them lists may be narrowed, as strictly as the strictest wants it.
    fn take_edits(&mut self, edits: &policy::Edits) {
        let all = &mut self.editable;
        let first = self.tracks.is_empty();
        all.pointers.extend(edits.pointers.iter().cloned());
        all.keeps_votes = edits.keeps_votes && (first || all.keeps_votes);
        all.second = match (all.second, edits.requires_second) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (None, only) if first => only,
            (Some(_) | None, Some(_) | None) => None,
        };
    }

    /// What may be narrowed, if something may.
    pub(super) fn editable(&self) -> Option<Editable> {
        Some(self.editable.clone()).filter(|editable| !editable.pointers.is_empty())
    }
}

/// A bare name may be a schedule's; in a request it says so, since the policy may change while the request is open.
pub(super) fn full_name(name: &str, organization: &policy::Organization) -> String {
    match organization.schedule(name) {
        Some(_) => format!("schedule:{name}"),
        None => name.to_owned(),
    }
}

/// How many people a rule wants of what it names.
fn least(demand: &Demand) -> u32 {
    match demand.quorum {
        Quorum::Any(count) => count,
        Quorum::All => 1,
    }
}

/// The rules of a route as a record states them.
fn track(
    route: &policy::Route,
    alternatives: &[String],
    least: u32,
    source: &str,
    organization: &policy::Organization,
) -> Track {
    let said = |name: &String| full_name(name, organization);
    let asked = |slot: &policy::StepSlot| Asked {
        names: slot.names.iter().chain(alternatives).map(said).collect(),
        quorum: match slot.quorum {
            Quorum::Any(count) => Quorum::Any(count.max(least)),
            Quorum::All => Quorum::All,
        },
    };
    let step = |step: &policy::Step| Step {
        after_approval: step.when == policy::When::Approved,
        min_teams: step.min_teams,
        must_include: step.must_include.iter().map(said).collect(),
        rejections: step.rejections,
        repeat: step.repeat,
        slots: step.slots.iter().map(asked).collect(),
        within_s: step.within.map(|span| Span(span).as_seconds()),
    };
    Track {
        assurance: route.assurance,
        clarify_pauses: route.clarify.pauses,
        clarify_rounds: route.clarify.rounds,
        clarify_s: Span(route.clarify.within).as_seconds(),
        fallback: route.fallback.iter().map(said).collect(),
        on_exhausted: match &route.on_exhausted {
            policy::Exhausted::Reject => Exhausted::Reject,
            policy::Exhausted::Hold => Exhausted::Hold,
            policy::Exhausted::SafeFallback(action) => Exhausted::SafeFallback(action.clone()),
        },
        remind_before_s: route.remind_before.map(|span| Span(span).as_seconds()),
        route: route.name.to_string(),
        // The requester never decides, whatever a route says.
        separation: (route.separation.iter().copied())
            .filter(|who| *who != policy::Separation::Requester)
            .collect(),
        sla_s: route.sla.map(|span| Span(span).as_seconds()),
        source: source.to_owned(),
        steps: route.steps.iter().map(step).collect(),
    }
}

impl Track {
    pub(super) fn step(&self, index: u32) -> Option<&Step> {
        self.steps.get(index as usize)
    }

    /// Whether whoever has approved on this route has approved on the other: it asks the same people, and knows them as surely.
    pub(super) fn stands_for(&self, other: &Track) -> bool {
        self.assurance >= other.assurance && self.asks_the_same(other)
    }

    /// Whether the other route asks the same people, whatever it takes to be sure of them.
    pub(super) fn asks_the_same(&self, other: &Track) -> bool {
        self.steps_of_people() == other.steps_of_people()
    }

    /// Who is asked in which step, without the times.
    fn steps_of_people(&self) -> Vec<Step> {
        let mut steps = self.steps.clone();
        steps.iter_mut().for_each(|step| {
            step.within_s = None;
            step.repeat = 0;
        });
        steps
    }

    /// The first step of the stage that `step` lies in.
    pub(super) fn stage_of(&self, step: u32) -> u32 {
        (0..=step)
            .rev()
            .find(|index| *index == 0 || self.step(*index).is_some_and(|step| step.after_approval))
            .unwrap_or_default()
    }

    /// The first step of the stage after the one that `step` lies in.
    pub(super) fn next_stage(&self, step: u32) -> Option<u32> {
        (step + 1..)
            .zip(self.steps.iter().skip(step as usize + 1))
            .find_map(|(index, step)| step.after_approval.then_some(index))
    }

    /// Steps from `from` to the end of its stage.
    pub(super) fn rest_of_stage(&self, from: u32) -> impl Iterator<Item = (u32, &Step)> {
        let end = self.next_stage(from).unwrap_or(u32::MAX);
        (from..end).zip(self.steps.iter().skip(from as usize))
    }
}

impl OpenTrack {
    /// A track that was not asked yet.
    pub(super) fn new(rules: Track) -> OpenTrack {
        OpenTrack {
            asked: Vec::new(),
            due: None,
            held: false,
            passed: false,
            remind: None,
            repeats: 0,
            rules,
            step: 0,
        }
    }

    /// Steps of the current stage that were asked.
    pub(super) fn current_stage(&self) -> impl Iterator<Item = &AskedStep> {
        let stage = self.rules.stage_of(self.step);
        self.asked.iter().filter(move |asked| asked.step >= stage)
    }

    /// Stores that a step is asked.
    pub(super) fn started(&mut self, e: &ApprovalStepStarted) {
        self.repeats = if e.reason == StepReason::Repeated {
            self.repeats + 1
        } else {
            0
        };
        self.due = e.due;
        self.remind = e.remind;
        self.step = e.step;
        self.passed = false;
        self.held = false;
        self.asked.retain(|asked| asked.step != e.step);
        self.asked.push(AskedStep {
            slots: e.slots.clone(),
            step: e.step,
        });
    }

    /// Nobody has approved any more: the people of its first stage are asked, or still are. Where they had passed, the time
    /// of their step runs anew.
    pub(super) fn begin_again(&mut self, now: Time, deadline: Time) {
        if self.rules.stage_of(self.step) > 0 {
            *self = OpenTrack::new(self.rules.clone());
        } else if std::mem::take(&mut self.passed) {
            let within = self.rules.step(self.step).and_then(|step| step.within_s);
            self.due = within.map(|within| (now + Span::seconds(within)).min(deadline));
            self.remind = None;
        }
    }

    /// Stores that no timer of the current step is left.
    pub(super) fn stand_still(&mut self) {
        self.due = None;
        self.remind = None;
    }
}
