//! Routes of a request: which step is asked, which one is next when nobody answers, and when their people have approved.
//!
//! Who was asked may answer as long as the request is open: a step that let its time pass is joined by the next one, not
//! replaced. A route is a sequence of stages; within a stage the steps are alternatives, of which one has to approve.

use std::collections::BTreeSet;

use countersign_policy::Snapshot;
use countersign_policy::verdict::Quorum;

use super::matching::{Place, can_fill, matched};
use super::theatre::with_a_second;
use super::{AskedStep, Ctx, OpenApproval, OpenTrack, Requester, State};
use crate::event::{
    ApprovalHeld, ApprovalReminded, ApprovalResumed, ApprovalState, ApprovalStepPassed, ApprovalStepStarted, Excluded,
    Exhausted, Slot, Step, StepReason, Track,
};
use crate::ids::{ActionId, ApprovalId};
use crate::record::Draft;
use crate::schedule::add_business;
use crate::time::{Span, Time};

/// A step that reaches somebody.
struct Reached {
    step: u32,
    slots: Vec<Slot>,
    fallback: bool,
}

/// What leads to a step.
pub(super) struct Cause {
    pub(super) reason: StepReason,
    pub(super) from: Option<u32>,
    pub(super) missed: Option<Time>,
}

impl Cause {
    /// The request is open to people from now on.
    pub(super) const OPENED: Cause = Cause {
        reason: StepReason::Opened,
        from: None,
        missed: None,
    };
    /// The request is about another action now, and whoever had approved is asked again.
    pub(super) const REVISED: Cause = Cause {
        reason: StepReason::Revised,
        from: None,
        missed: None,
    };
}

/// The request whose step is started.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) action_id: ActionId,
    pub(super) approval: ApprovalId,
    pub(super) deadline: Time,
    pub(super) excluded: &'a [Excluded],
    pub(super) requester: Requester<'a>,
}

impl State {
    /// The first step from `from` on, within its stage, that can be filled by people who are there; otherwise the fallback;
    /// otherwise the first of them whose people may come back.
    fn reach(
        &self,
        track: &Track,
        from: u32,
        excluded: &[Excluded],
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> Option<Reached> {
        let slot = |names: &[String], quorum| self.slot(names.to_vec(), quorum, &track.source, requester, ctx);
        let steps = track.rest_of_stage(from).map(|(index, step)| Reached {
            step: index,
            slots: step
                .slots
                .iter()
                .map(|asked| slot(&asked.names, asked.quorum))
                .collect(),
            fallback: false,
        });
        // The fallback stands in for the step with as many people.
        let seats = track.step(from).map_or(1, Step::seats);
        let fallback = std::iter::once_with(|| Reached {
            step: from,
            slots: vec![slot(&track.fallback, Quorum::Any(seats))],
            fallback: true,
        });
        let mut away = None;
        for reached in steps.chain(fallback) {
            let mut places = self.places(&reached.slots, excluded);
            if !can_fill(&places) {
                continue;
            }
            places
                .iter_mut()
                .for_each(|place| place.retain(|user| self.is_there(user, ctx.now)));
            if can_fill(&places) {
                return Some(reached);
            }
            away.get_or_insert(reached);
        }
        away
    }

    /// When an answer is expected at the latest, by those of these tracks that say so, in the hours that they count.
    pub(super) fn target(tracks: &[Track], live: Option<&Snapshot>, now: Time) -> Option<Time> {
        let organization = live.and_then(Snapshot::organization);
        let calendar = |track: &Track| {
            let organization = organization?;
            organization.calendar(organization.route(&track.route)?.calendar.as_deref()?)
        };
        let target = |track: &Track| {
            let span = Span::seconds(track.sla_s?);
            Some(calendar(track).map_or(now + span, |calendar| add_business(calendar, now, span)))
        };
        tracks.iter().filter_map(target).min()
    }

    /// Whether each of these tracks reaches somebody with its first stage.
    pub(super) fn tracks_reach(
        &self,
        tracks: &[Track],
        excluded: &[Excluded],
        requester: Requester<'_>,
        ctx: &Ctx<'_>,
    ) -> bool {
        let reaches = |track: &Track| self.reach(track, 0, excluded, requester, ctx).is_some();
        tracks.iter().all(reaches)
    }

    /// The record that asks the first step from `from` on that reaches somebody.
    pub(super) fn start_step(
        &self,
        asking: Asking<'_>,
        index: u32,
        track: &Track,
        from: u32,
        cause: Cause,
        ctx: &Ctx<'_>,
    ) -> Option<ApprovalStepStarted> {
        let reached = self.reach(track, from, asking.excluded, asking.requester, ctx)?;
        let within = track.step(reached.step).and_then(|step| step.within_s);
        let due = within.map(|within| (ctx.now + Span::seconds(within)).min(asking.deadline));
        let remind = due
            .zip(track.remind_before_s)
            .map(|(due, before)| due - Span::seconds(before));
        Some(ApprovalStepStarted {
            action_id: asking.action_id,
            approval: asking.approval,
            due,
            fallback: reached.fallback,
            from: cause.from,
            missed: cause.missed,
            // A fallback that is asked again is asked as often as the step would be.
            reason: if reached.step == from && (!reached.fallback || cause.reason == StepReason::Repeated) {
                cause.reason
            } else {
                StepReason::Unreachable
            },
            remind: remind.filter(|remind| *remind > ctx.now),
            slots: reached.slots,
            step: reached.step,
            track: index,
        })
    }

    /// An open request, for asking a step of it.
    fn asking<'a>(&'a self, id: ApprovalId, approval: &'a OpenApproval) -> Asking<'a> {
        Asking {
            action_id: approval.action_id,
            approval: id,
            deadline: approval.deadline,
            excluded: &approval.excluded,
            requester: self.requester_of(approval.action_id),
        }
    }

    /// What asks the first step of every track of an open request.
    pub(super) fn start_tracks(&self, id: ApprovalId, approval: &OpenApproval, ctx: &Ctx<'_>) -> Vec<Draft> {
        (0..)
            .zip(&approval.tracks)
            .filter_map(|(index, track)| {
                self.start_step(self.asking(id, approval), index, &track.rules, 0, Cause::OPENED, ctx)
            })
            .map(Draft::observed)
            .collect()
    }

    /// What follows when a step let its time pass: it is asked again, the next one is, or the route is exhausted.
    pub(super) fn step_over(&self, id: ApprovalId, index: u32, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let open = self.approvals.get(&id);
        let Some((approval, track)) = open.and_then(|open| Some((open, open.tracks.get(index as usize)?))) else {
            return Vec::new();
        };
        let missed = track.due;
        let repeat = track
            .rules
            .step(track.step)
            .is_some_and(|step| track.repeats < step.repeat);
        let (next, reason) = if repeat {
            (track.step, StepReason::Repeated)
        } else {
            (track.step + 1, StepReason::TimedOut)
        };
        let in_stage = track.rules.rest_of_stage(track.step).any(|(step, _)| step == next);
        let cause = Cause {
            reason,
            from: Some(track.step),
            missed,
        };
        let started = in_stage
            .then(|| self.start_step(self.asking(id, approval), index, &track.rules, next, cause, ctx))
            .flatten();
        if let Some(started) = started {
            return vec![Draft::observed(started)];
        }
        let why = format!("every step of route `{}` let its time pass", track.rules.route);
        match &track.rules.on_exhausted {
            Exhausted::Hold => vec![Draft::observed(ApprovalHeld {
                action_id: approval.action_id,
                approval: id,
                missed: missed.unwrap_or(ctx.now),
                track: index,
            })],
            Exhausted::Reject => self.end_approval(id, ApprovalState::Expired, "expired", why, ctx),
            Exhausted::SafeFallback(action) => {
                let mut events = self.end_approval(id, ApprovalState::Expired, "expired", why, ctx);
                for draft in &mut events {
                    if let crate::event::Event::ApprovalResolved(resolved) = &mut draft.event {
                        resolved.fallback = Some(action.clone());
                    }
                }
                events
            }
        }
    }

    /// Reminds the people of a step.
    pub(super) fn remind(&self, id: ApprovalId, index: u32) -> Option<Draft> {
        let approval = self.approvals.get(&id)?;
        let track = approval.tracks.get(index as usize)?;
        Some(Draft::observed(ApprovalReminded {
            action_id: approval.action_id,
            approval: id,
            due: track.due?,
            step: track.step,
            track: index,
        }))
    }

    /// Goes on without the agent's answer.
    pub(super) fn unanswered(&self, id: ApprovalId) -> Option<Draft> {
        let approval = self.approvals.get(&id)?;
        Some(Draft::observed(ApprovalResumed {
            action_id: approval.action_id,
            approval: id,
            due: approval.question.as_ref()?.due,
        }))
    }

    /// What these voters bring about: stages that pass and the steps that are asked next; and the request after it. Whoever
    /// has approved the action has approved it for every seat that is free for them, also one of a step that is asked now.
    pub(super) fn stages_passed(
        &self,
        id: ApprovalId,
        approval: &OpenApproval,
        voters: &Place,
        ctx: &mut Ctx<'_>,
    ) -> (Vec<Draft>, OpenApproval) {
        let mut events = Vec::new();
        let mut after = approval.clone();
        for (index, place) in (0..).zip(0..approval.tracks.len()) {
            while let Some(passed) = self.next_passed(id, index, &after, voters) {
                let Some(track) = after.tracks.get_mut(place) else {
                    break;
                };
                track.passed = true;
                track.stand_still();
                let next = track.rules.next_stage(track.step);
                let (rules, filled) = (track.rules.clone(), passed.step);
                events.push(Draft::observed(passed));
                let Some(next) = next else { break };
                let cause = Cause {
                    reason: StepReason::Approved,
                    from: Some(filled),
                    missed: None,
                };
                let Some(started) = self.start_step(self.asking(id, approval), index, &rules, next, cause, ctx) else {
                    let why = format!("nobody who may take step {} of `{}` is left", next + 1, rules.route);
                    events.extend(self.end_approval(id, ApprovalState::Invalidated, "unroutable", why, ctx));
                    return (events, after);
                };
                if let Some(track) = after.tracks.get_mut(place) {
                    track.started(&started);
                }
                events.push(Draft::observed(started));
            }
        }
        (events, after)
    }

    /// The record that the current stage of a track has passed, if these voters fill one of its steps.
    fn next_passed(
        &self,
        id: ApprovalId,
        index: u32,
        approval: &OpenApproval,
        voters: &Place,
    ) -> Option<ApprovalStepPassed> {
        let track = approval.tracks.get(index as usize).filter(|track| !track.passed)?;
        let second = &approval.second;
        let filled = track
            .current_stage()
            .find(|step| with_a_second(voters, second, |voters| self.fills(approval, track, step, voters)))?;
        // Nobody passes a stage with the seat that another one has passed with.
        let wanted = |other: &OpenTrack, stage: u32| {
            stage < other.rules.stage_of(other.step) || other.passed || std::ptr::eq(other, track)
        };
        self.fill_at_once(approval, &[], voters, wanted).then_some(())?;
        // The last stage waits for somebody else than whoever edited the action.
        let last = track.rules.next_stage(track.step).is_none();
        (!last || self.is_seconded(approval, voters)).then_some(())?;
        Some(ApprovalStepPassed {
            action_id: approval.action_id,
            approval: id,
            step: filled.step,
            track: index,
        })
    }

    /// Whether these voters fill the slots of a step, with the teams and the people that it wants among them.
    fn fills(&self, approval: &OpenApproval, track: &OpenTrack, asked: &AskedStep, voters: &Place) -> bool {
        let mut places = self.places_of(approval, &asked.slots);
        let eligible: Place = places
            .iter()
            .flatten()
            .filter(|user| voters.contains(*user))
            .cloned()
            .collect();
        places
            .iter_mut()
            .for_each(|place| place.retain(|user| voters.contains(user)));
        let Some(step) = track.rules.step(asked.step) else {
            return false;
        };
        // A delegate speaks for the team of whoever is away.
        let speaks_for = |user: &String| {
            let principal = asked.slots.iter().find_map(|slot| slot.principal(user));
            self.users.get(principal.unwrap_or(user))
        };
        let teams: BTreeSet<&String> = (eligible.iter())
            .filter_map(speaks_for)
            .flat_map(|user| &user.teams)
            .collect();
        let of_team = |team: &&String| -> Place {
            let member = |user: &&String| speaks_for(user).is_some_and(|known| known.teams.contains(team));
            eligible.iter().filter(member).cloned().collect()
        };
        let teams: Vec<Place> = teams.iter().map(of_team).collect();
        can_fill(&places)
            && matched(&teams) >= step.min_teams as usize
            && (step.must_include.iter()).all(|name| !self.people_named(name).is_disjoint(voters))
    }

    /// Whether these voters fill every slot and every stage of every route, each with a person of its own.
    pub(super) fn all_filled(&self, approval: &OpenApproval, voters: &Place) -> bool {
        // What was never asked, or is still to be asked, is not filled.
        let asked = |track: &OpenTrack| !track.asked.is_empty() && track.rules.next_stage(track.step).is_none();
        let all = |_: &OpenTrack, _: u32| true;
        let filled = |voters: &Place| self.fill_at_once(approval, &approval.slots, voters, all);
        approval.tracks.iter().all(asked)
            && with_a_second(voters, &approval.second, filled)
            && self.is_seconded(approval, voters)
    }

    /// Whether an edit that takes a second person has one: somebody who has a seat, and is not its author.
    fn is_seconded(&self, approval: &OpenApproval, voters: &Place) -> bool {
        let Some(author) = &approval.author else { return true };
        let steps = approval.tracks.iter().flat_map(|track| &track.asked);
        let slots: Vec<Slot> = (approval.slots.iter())
            .chain(steps.flat_map(|step| &step.slots))
            .cloned()
            .collect();
        let mut seats = self.places_of(approval, &slots).into_iter().flatten();
        seats.any(|user| user != *author && voters.contains(&user))
    }

    /// Whether these voters fill these slots and the wanted stages of all routes at once, each with a person of its own.
    fn fill_at_once(
        &self,
        approval: &OpenApproval,
        slots: &[Slot],
        voters: &Place,
        wanted: impl Fn(&OpenTrack, u32) -> bool,
    ) -> bool {
        let of_voters = |slots: &[Slot]| -> Vec<Place> {
            let mut places = self.places_of(approval, slots);
            places
                .iter_mut()
                .for_each(|place| place.retain(|user| voters.contains(user)));
            places
        };
        let mut choices: Vec<Vec<Vec<Place>>> = Vec::new();
        for track in &approval.tracks {
            let stage_of = |asked: &AskedStep| track.rules.stage_of(asked.step);
            let stages: BTreeSet<u32> = track.asked.iter().map(stage_of).collect();
            for stage in stages.into_iter().filter(|stage| wanted(track, *stage)) {
                let steps = track.asked.iter().filter(|asked| stage_of(asked) == stage);
                let filled = steps.filter(|asked| self.fills(approval, track, asked, voters));
                choices.push(filled.map(|asked| of_voters(&asked.slots)).collect());
            }
        }
        choose(&choices, &mut of_voters(slots))
    }

    /// Whether so many have said no that it is rejected: one of those whom a rule names, or as many as a step wants.
    pub(super) fn is_rejected(&self, approval: &OpenApproval, against: &Place) -> bool {
        let among = |slots: &[Slot]| -> usize {
            let people: Place = self.places_of(approval, slots).into_iter().flatten().collect();
            people.intersection(against).count()
        };
        let plain = among(&approval.slots) > 0;
        plain
            || approval.tracks.iter().any(|track| {
                track.current_stage().any(|asked| {
                    let wanted = track.rules.step(asked.step).map_or(1, |step| step.rejections.max(1));
                    among(&asked.slots) >= wanted as usize
                })
            })
    }
}

/// Whether one step can be chosen for each stage so that all places are filled at once.
fn choose(choices: &[Vec<Vec<Place>>], places: &mut Vec<Place>) -> bool {
    let Some((first, rest)) = choices.split_first() else {
        return can_fill(places);
    };
    let before = places.len();
    first.iter().any(|step| {
        places.extend(step.iter().cloned());
        let filled = can_fill(places) && choose(rest, places);
        places.truncate(before);
        filled
    })
}
