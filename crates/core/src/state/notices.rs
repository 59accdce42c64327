//! Which notices follow from what happened. They are records of the same batch, so that none is lost.

use std::collections::BTreeSet;

use super::channels::{Telling, quiet_until};
use super::matching::Place;
use super::{Channel, Ctx, OpenTrack, State};
use crate::event::{
    ApprovalOpened, ApprovalRevised, ApprovalState, ChannelKind, Event, Excluded, NoticeDue, NoticeKind, Slot,
    StepReason, Verb,
};
use crate::ids::{ActionId, ApprovalId, NoticeId, ReviewId};
use crate::record::Draft;
use crate::time::Time;

/// How many people are told by mail that a step asks them.
pub(super) const TOLD_AT_MOST: usize = 50;

/// Something that people are told.
struct News {
    action_id: ActionId,
    approval: ApprovalId,
    kind: NoticeKind,
    /// Track and step.
    step: Option<(u32, u32)>,
    people: Place,
    /// Until when it is waited for them.
    ends: Time,
    /// A step is asked once more: whoever was told is told again.
    again: bool,
}

impl State {
    /// Adds the notices that these events make due, on every channel.
    pub(super) fn notify_on(&self, events: &mut Vec<Draft>, ctx: &mut Ctx<'_>) {
        if self.channels.is_empty() {
            return;
        }
        let mut notices = Vec::new();
        let mut told = BTreeSet::new();
        for news in events.iter().filter_map(|draft| self.news(&draft.event, events)) {
            for (name, channel) in &self.channels {
                notices.extend(self.notices_of(&news, name, channel, &mut told, ctx));
            }
        }
        events.extend(notices.into_iter().map(Draft::observed));
    }

    /// What an event is to people, if it is something; `batch` are the events that happen with it.
    fn news(&self, event: &Event, batch: &[Draft]) -> Option<News> {
        match event {
            Event::ApprovalOpened(e) if e.state == ApprovalState::Pending && !e.slots.is_empty() => Some(News {
                action_id: e.action_id,
                approval: e.approval,
                kind: NoticeKind::Opened,
                step: None,
                people: self.reached(&e.slots, &e.excluded),
                ends: e.deadline,
                again: false,
            }),
            Event::ApprovalAnswered(e) => {
                let open = self.approvals.get(&e.approval)?;
                let asked_now = open.evidence_due.is_some() && e.state == ApprovalState::Pending;
                (asked_now && !open.slots.is_empty()).then(|| News {
                    action_id: e.action_id,
                    approval: e.approval,
                    kind: NoticeKind::Opened,
                    step: None,
                    people: self.reached(&open.slots, &open.excluded),
                    ends: open.deadline,
                    again: false,
                })
            }
            Event::ApprovalStepStarted(e) => {
                let opened = || batch.iter().find_map(|draft| opened(draft, e.approval));
                let (excluded, deadline) = match self.approvals.get(&e.approval) {
                    Some(open) => (&open.excluded, open.deadline),
                    None => opened().map(|opened| (&opened.excluded, opened.deadline))?,
                };
                Some(News {
                    action_id: e.action_id,
                    approval: e.approval,
                    kind: match e.reason {
                        StepReason::TimedOut | StepReason::Repeated => NoticeKind::Escalated,
                        StepReason::Unreachable if e.missed.is_some() => NoticeKind::Escalated,
                        StepReason::Approved | StepReason::Opened | StepReason::Revised | StepReason::Unreachable => {
                            NoticeKind::StepStarted
                        }
                    },
                    step: Some((e.track, e.step)),
                    people: self.reached(&e.slots, excluded),
                    ends: e.due.unwrap_or(deadline),
                    again: matches!(e.reason, StepReason::Repeated | StepReason::Revised),
                })
            }
            Event::ApprovalVoted(e) if e.counted && e.verb == Verb::HandOver => {
                let open = self.approvals.get(&e.approval)?;
                Some(News {
                    action_id: e.action_id,
                    approval: e.approval,
                    kind: NoticeKind::Opened,
                    step: None,
                    people: e.to.iter().cloned().collect(),
                    ends: open.deadline,
                    again: false,
                })
            }
            Event::ApprovalRevised(e) => self.revised_for(e),
            Event::ApprovalReminded(e) => {
                self.still_wanted(e.approval, NoticeKind::Reminded, Some((e.track, e.step)), Some(e.due))
            }
            Event::ApprovalHeld(e) => {
                let track = self.approvals.get(&e.approval)?.tracks.get(e.track as usize)?;
                self.still_wanted(e.approval, NoticeKind::Escalated, Some((e.track, track.step)), None)
            }
            Event::ApprovalOverdue(e) => self.still_wanted(e.approval, NoticeKind::Reminded, None, None),
            Event::ApprovalResolved(e) => {
                let open = self.approvals.get(&e.approval)?;
                Some(News {
                    action_id: e.action_id,
                    approval: e.approval,
                    kind: NoticeKind::Resolved,
                    step: None,
                    people: Place::new(),
                    ends: open.deadline,
                    again: false,
                })
            }
            Event::GlassBroken(e) => {
                let open = self.approvals.get(&e.approval)?;
                let names = batch.iter().find_map(|draft| lookers(draft, e.review));
                Some(News {
                    action_id: e.action_id,
                    approval: e.approval,
                    kind: NoticeKind::GlassBroken,
                    step: None,
                    people: self.concerned(e, names.unwrap_or_default()),
                    ends: open.deadline,
                    again: false,
                })
            }
            // Nothing else asks anybody to decide, or ends that.
            _other => None,
        }
    }

    /// Those who were asked already and are to look at what it is about now.
    fn revised_for(&self, e: &ApprovalRevised) -> Option<News> {
        let open = self.approvals.get(&e.approval)?;
        // A route that begins again asks its people by itself.
        let goes_on = |track: &&OpenTrack| e.keeps_votes || track.rules.stage_of(track.step) == 0;
        let steps = open.tracks.iter().filter(goes_on).flat_map(OpenTrack::current_stage);
        let slots: Vec<Slot> = (steps.flat_map(|step| &step.slots)).chain(&e.slots).cloned().collect();
        let mut people = self.reached(&slots, &e.excluded);
        people.retain(|user| e.edited_by.as_ref() != Some(user));
        people.retain(|user| !e.keeps_votes || !open.votes.contains_key(user));
        Some(News {
            action_id: e.action_id,
            approval: e.approval,
            kind: NoticeKind::Opened,
            step: None,
            people,
            ends: open.deadline,
            again: true,
        })
        .filter(|news| !news.people.is_empty())
    }

    /// Those who were asked, in a track or at all, and have said neither yes nor no.
    fn still_wanted(
        &self,
        approval: ApprovalId,
        kind: NoticeKind,
        step: Option<(u32, u32)>,
        ends: Option<Time>,
    ) -> Option<News> {
        let open = self.approvals.get(&approval)?;
        // A route that reminds by itself does so once for each step.
        let wanted = |(index, track): &(usize, &OpenTrack)| match step {
            Some((wanted, _)) => wanted as usize == *index,
            None => track.rules.remind_before_s.is_none() && !track.passed,
        };
        // A reminder is for the people of its step; that nobody answered is for all who were asked.
        let of_step = |index: u32| kind != NoticeKind::Reminded || step.is_none_or(|(_, step)| step == index);
        let asked = open.tracks.iter().enumerate().filter(wanted);
        let slots = asked.flat_map(|(_, track)| track.current_stage());
        let slots = slots.filter(|asked| of_step(asked.step)).flat_map(|asked| &asked.slots);
        let plain = open.slots.iter().filter(|_| step.is_none());
        let slots: Vec<Slot> = slots.chain(plain).cloned().collect();
        let mut people: Place = self.places_of(open, &slots).into_iter().flatten().collect();
        people.retain(|user| !open.votes.contains_key(user));
        Some(News {
            action_id: open.action_id,
            approval,
            kind,
            step,
            people,
            ends: ends.unwrap_or(open.deadline),
            again: false,
        })
        .filter(|news| !news.people.is_empty())
    }

    fn reached(&self, slots: &[Slot], excluded: &[Excluded]) -> Place {
        self.places(slots, excluded).into_iter().flatten().collect()
    }

    /// The notices of one piece of news on one channel: none that was given before.
    fn notices_of(
        &self,
        news: &News,
        name: &str,
        channel: &Channel,
        told: &mut BTreeSet<(ApprovalId, String, Telling)>,
        ctx: &mut Ctx<'_>,
    ) -> Vec<NoticeDue> {
        let before = self.told.get(&news.approval).and_then(|channels| channels.get(name));
        let ended = news.kind == NoticeKind::Resolved;
        // How it ended is told to those who were told that it began.
        if ended && before.is_none() {
            return Vec::new();
        }
        let mut people: Vec<Option<String>> = match channel.kind {
            ChannelKind::Slack | ChannelKind::Webhook => vec![None],
            ChannelKind::Email if ended => {
                let users = before.into_iter().flat_map(|before| &before.notices);
                let users: BTreeSet<_> = users.filter_map(|(_, _, user)| user.clone()).collect();
                users.into_iter().map(Some).collect()
            }
            ChannelKind::Email => news.people.iter().cloned().map(Some).collect(),
        };
        let left_out = people.len().saturating_sub(TOLD_AT_MOST);
        people.truncate(TOLD_AT_MOST);
        let after = self.waits_until(news, channel, ctx.now);
        let fresh = people.into_iter().filter(|user| {
            let telling = (news.kind, news.step, user.clone());
            (news.again || !before.is_some_and(|before| before.notices.contains(&telling)))
                && told.insert((news.approval, name.to_owned(), telling))
        });
        let mut notices: Vec<NoticeDue> = Vec::new();
        for user in fresh {
            notices.push(NoticeDue {
                action_id: news.action_id,
                after,
                approval: news.approval,
                channel: name.to_owned(),
                kind: news.kind,
                left_out: 0,
                notice: NoticeId(ctx.ids.next(ctx.now)),
                step: news.step.map(|(_, step)| step),
                track: news.step.map(|(track, _)| track),
                user,
            });
        }
        if let Some(first) = notices.first_mut() {
            first.left_out = u32::try_from(left_out).unwrap_or(u32::MAX);
        }
        notices
    }

    /// The end of quiet hours, for what can wait until then.
    fn waits_until(&self, news: &News, channel: &Channel, now: Time) -> Option<Time> {
        let until = quiet_until(channel.quiet.as_ref()?, now)?;
        let waits = match news.kind {
            NoticeKind::Opened | NoticeKind::StepStarted => news.ends >= until,
            // A message that is put in place of another disturbs nobody.
            NoticeKind::Resolved => channel.kind != ChannelKind::Slack,
            NoticeKind::Reminded | NoticeKind::Escalated | NoticeKind::GlassBroken => false,
        };
        waits.then_some(until)
    }
}

/// The names of those who look at what was let through.
fn lookers(draft: &Draft, review: ReviewId) -> Option<&[String]> {
    match &draft.event {
        Event::ReviewOpened(opened) if opened.review == review => Some(&opened.names),
        _other => None,
    }
}

fn opened(draft: &Draft, approval: ApprovalId) -> Option<&ApprovalOpened> {
    match &draft.event {
        Event::ApprovalOpened(opened) if opened.approval == approval => Some(opened),
        _other => None,
    }
}
