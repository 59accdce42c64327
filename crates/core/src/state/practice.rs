//! Practice: requests that cannot come to anything. A drill shows who answers in time, a canary who reads what is approved.
//!
//! To those who are asked it is a request like any other until it is over. There is no way from it to a permit: every vote
//! on it is taken here, and everything that ends it ends it here, without one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use countersign_policy::{Decision, Theatre};
use serde::{Deserialize, Serialize};

use super::theatre::{Judged, Reviewers};
use super::{Ctx, Handled, OpenApproval, State, response};
use crate::command::{Practise, Sealed, Submit, Vote};
use crate::event::{
    AlertRaised, ApprovalResolved, ApprovalState, Event, Flag, PracticeEnded, PracticeKind, PracticeStarted, Practised,
    ReviewerSuspended, Slot, Status, Verb,
};
use crate::ids::{ActionId, AlertId, ApprovalId};
use crate::record::{Actor, Draft, Record};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// How long it is remembered who approved a canary.
pub const CANARY_SPAN: Span = Span::days(90);
/// How many canaries of one person are remembered.
const CANARIES: usize = 100;

/// A request that cannot come to anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPractice {
    /// The action.
    pub action_id: ActionId,
    /// What people said, and how long after they were asked.
    pub answers: BTreeMap<String, Said>,
    /// Who was asked, and when.
    pub asked: BTreeMap<String, Time>,
    /// Who made it.
    pub by: String,
    /// What it is.
    pub kind: PracticeKind,
    /// When it was made.
    pub since: Time,
}

/// What somebody said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// How long after being asked, milliseconds.
    pub after_ms: i64,
    /// What.
    pub verb: Verb,
}

/// A canary that somebody decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tested {
    at: Time,
    caught: bool,
}

impl OpenPractice {
    fn said(&self, user: &str, verb: Verb, now: Time) -> Said {
        let asked = self.asked.get(user).copied().unwrap_or(self.since);
        Said {
            after_ms: (now - asked).0 / 1000,
            verb,
        }
    }
}

impl Reviewers {
    /// How many canaries somebody rejected, and how many approved.
    pub fn canaries(&self, user: &str, now: Time) -> (u64, u64) {
        let tested = self.tested.get(user).into_iter().flatten();
        let (mut caught, mut missed) = (0, 0);
        for canary in tested.filter(|canary| canary.at + CANARY_SPAN > now) {
            if canary.caught { caught += 1 } else { missed += 1 }
        }
        (caught, missed)
    }

    fn test(&mut self, user: &str, caught: bool, now: Time) {
        let tested: &mut VecDeque<Tested> = self.tested.entry(user.to_owned()).or_default();
        tested.push_back(Tested { at: now, caught });
        while tested.len() > CANARIES || tested.front().is_some_and(|canary| canary.at + CANARY_SPAN <= now) {
            tested.pop_front();
        }
    }
}

impl State {
    /// Open requests that cannot come to anything.
    pub fn practices(&self) -> &BTreeMap<ApprovalId, OpenPractice> {
        &self.practices
    }

    /// Makes a request that goes the way that the agent's own would go.
    pub(super) fn practise(&self, ask: Practise, actor: &Actor, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        let (_, events) = self.practise_in(ask.submit, ask.kind, Some(ask.reason), actor, ctx)?;
        Handled::done(events)
    }

    /// The same, with the request that it makes.
    pub(super) fn practise_in(
        &self,
        mut submit: Submit,
        kind: PracticeKind,
        reason: Option<Sealed>,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<(ApprovalId, Vec<Draft>), Refusal> {
        let agent = self.agents.get(&submit.agent);
        if agent.is_none_or(|agent| agent.quarantined) {
            return Err(Refusal::missing("agent", &submit.agent));
        }
        submit.practice = true;
        let Handled { mut events, .. } = self.decide(submit, ctx)?;
        // Nobody did it, so nothing is told of the agent; that a route leads to nobody is told of the route.
        events.retain(|draft| match &draft.event {
            Event::AlertRaised(e) => e.name == "unresolved_approvers",
            _record => true,
        });
        let mut made = None;
        let mut decided = Decision::Deny;
        for draft in &mut events {
            if let Event::DecisionMade(e) = &mut draft.event {
                decided = e.decision;
                e.practice = Some(kind);
                made = e.approval.map(|approval| (e.action_id, approval));
            }
        }
        let Some((action_id, approval)) = made else {
            let detail = format!("policy says {} to this action, and asks nobody", decided.as_str());
            return Err(Refusal::conflict("nobody_asked", detail)
                .hint("practise with an action that a person decides on; `dry_run` says which"));
        };
        let started = PracticeStarted {
            action_id,
            approval,
            by: actor.id.clone(),
            kind,
        };
        events.push(Draft::observed(started).with_payload(reason));
        Ok((approval, events))
    }

    /// What follows of a vote that counts. Whatever it is, nothing is permitted.
    pub(super) fn practised(
        &self,
        vote: &Vote,
        approval: &OpenApproval,
        judged: &Judged,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let Some(practice) = self.practices.get(&vote.approval) else {
            return Vec::new();
        };
        let mut with = approval.clone();
        with.second.extend(judged.second.then(|| vote.user.clone()));
        let (mut events, mut filled) = (Vec::new(), false);
        let verb = vote.verb.decision();
        if verb == Verb::Approve {
            let voters = self.voters(approval, Verb::Approve, Some(&vote.user));
            let (passed, after) = self.stages_passed(vote.approval, &with, &voters, ctx);
            filled = self.all_filled(&after, &voters);
            events = passed;
        } else if verb != Verb::Reject {
            return events;
        }
        if events
            .iter()
            .any(|draft| matches!(draft.event, Event::ApprovalResolved(_)))
        {
            return events;
        }
        let end = match (practice.kind, verb) {
            (PracticeKind::Canary, Verb::Approve) => filled.then_some(ApprovalState::Cancelled),
            (PracticeKind::Canary, _reject) => {
                let against = self.voters(approval, Verb::Reject, Some(&vote.user));
                self.is_rejected(approval, &against).then_some(ApprovalState::Rejected)
            }
            // A drill waits for everybody, also for those who would not be needed any more.
            (PracticeKind::Drill, _verb) => {
                let answered = |user: &String| *user == vote.user || practice.answers.contains_key(user);
                let newly = events.iter().flat_map(asked_by);
                let all = practice.asked.keys().chain(newly).all(answered);
                all.then_some(ApprovalState::Cancelled)
            }
        };
        let said = (vote.user.as_str(), verb);
        events.extend(
            end.into_iter()
                .flat_map(|end| self.practice_over(vote.approval, Some(said), end, "", ctx)),
        );
        events
    }

    /// The events that end a practice, whatever ended it; `last` is the answer that did.
    pub(super) fn practice_over(
        &self,
        id: ApprovalId,
        last: Option<(&str, Verb)>,
        state: ApprovalState,
        because: &str,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let Some(practice) = self.practices.get(&id) else {
            return Vec::new();
        };
        let mut answers = practice.answers.clone();
        answers.extend(last.map(|(user, verb)| (user.to_owned(), practice.said(user, verb, ctx.now))));
        let those = |verb: Verb| -> Vec<&str> {
            let said = answers.iter().filter(|(_, said)| said.verb == verb);
            said.map(|(user, _)| user.as_str()).collect()
        };
        let (for_it, against) = (those(Verb::Approve), those(Verb::Reject));
        let snapshot = self
            .actions
            .get(&practice.action_id)
            .and_then(|action| action.snapshot.clone());
        let resolved = ApprovalResolved {
            action_id: practice.action_id,
            approval: id,
            break_glass: false,
            counted: Vec::new(),
            decided: Vec::new(),
            fallback: None,
            permit: None,
            positions: Vec::new(),
            reason_code: Some(practice.kind.as_str().to_owned()),
            reserved: Vec::new(),
            state,
            status: Status::Refused,
            why: told(practice, answers.len(), &for_it, &against, because),
        };
        // What a policy change, a kill switch or missing evidence ended says nothing of people.
        let people_had_it = self
            .approvals
            .get(&id)
            .is_some_and(|approval| approval.evidence_due.is_none());
        let went_its_way = last.is_some() && because.is_empty() || state == ApprovalState::Expired && people_had_it;
        let silent = || practice.asked.keys().filter(|user| !answers.contains_key(*user));
        let unanswered: Option<Vec<String>> = went_its_way.then(|| silent().cloned().collect());
        let ended = PracticeEnded {
            action_id: practice.action_id,
            answers: (answers.iter())
                .map(|(user, said)| Practised {
                    after_ms: said.after_ms,
                    user: user.clone(),
                    verb: said.verb,
                })
                .collect(),
            approval: id,
            asked: practice.asked.keys().cloned().collect(),
            kind: practice.kind,
            unanswered: unanswered.clone(),
        };
        let mut events = vec![Draft::observed(resolved).citing(snapshot), Draft::observed(ended)];
        let silent = unanswered.filter(|silent| practice.kind == PracticeKind::Drill && !silent.is_empty());
        if let Some(silent) = silent {
            let summary = format!("`{}` did not answer to a drill", silent.join("`, `"));
            events.extend(self.alert("drill_unanswered", summary, None, Some(practice.action_id), ctx));
        }
        if practice.kind == PracticeKind::Canary {
            let missed: Vec<String> = for_it.iter().map(|user| (*user).to_owned()).collect();
            for user in missed {
                events.extend(self.missed_canary(&user, practice, ctx));
            }
        }
        events
    }

    /// What follows for somebody who approved a canary.
    fn missed_canary(&self, user: &str, practice: &OpenPractice, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let mut events = vec![Draft::observed(AlertRaised {
            action_id: Some(practice.action_id),
            agent: None,
            alert: AlertId(ctx.ids.next(ctx.now)),
            name: "canary_approved".into(),
            summary: format!("`{user}` approved what was made to be rejected"),
        })];
        let Some(rules) = ctx.live.and_then(|live| live.organization()?.theatre()) else {
            return events;
        };
        let mut conduct = self.reviewers.conduct(user, ctx.now);
        conduct.canaries_missed += 1;
        let flags = conduct.flags(rules);
        let already = self.reviewers.suspended.contains_key(user);
        if suspends(&flags, rules) && !already {
            events.push(Draft::observed(ReviewerSuspended {
                ends_links: self.has_links(user),
                flags,
                user: user.to_owned(),
            }));
        }
        events
    }

    /// Stores that a request is practice, and who was asked with it.
    pub(super) fn practice_started(&mut self, now: Time, e: &PracticeStarted) {
        let mut practice = OpenPractice {
            action_id: e.action_id,
            answers: BTreeMap::new(),
            asked: BTreeMap::new(),
            by: e.by.clone(),
            kind: e.kind,
            since: now,
        };
        if let Some(approval) = self.approvals.get(&e.approval) {
            let steps = approval.tracks.iter().flat_map(|track| &track.asked);
            let slots = approval.slots.iter().chain(steps.flat_map(|step| &step.slots));
            asked(&mut practice, approval, slots, now);
        }
        self.practices.insert(e.approval, practice);
    }

    /// Stores what happened to a request that is practice: who else is asked, and who answered.
    pub(super) fn follow_practice(&mut self, record: &Record) {
        if let Event::ApprovalStepStarted(e) = &record.event
            && let Some((practice, approval)) = self.practices.get_mut(&e.approval).zip(self.approvals.get(&e.approval))
        {
            asked(practice, approval, &e.slots, record.ts);
        }
        if let Event::ApprovalVoted(e) = &record.event
            && let Some(practice) = self.practices.get_mut(&e.approval)
            && e.counted
            && matches!(e.verb, Verb::Approve | Verb::Reject | Verb::Edit)
        {
            let said = practice.said(&e.user, e.verb.decision(), record.ts);
            practice.answers.insert(e.user.clone(), said);
        }
    }

    /// Stores that a practice is over, and who saw through a canary.
    pub(super) fn practice_ended(&mut self, now: Time, e: &PracticeEnded) {
        self.practices.remove(&e.approval);
        if e.kind == PracticeKind::Canary {
            for answer in &e.answers {
                self.reviewers.test(&answer.user, answer.verb == Verb::Reject, now);
            }
        }
    }
}

fn suspends(flags: &[Flag], rules: &Theatre) -> bool {
    response(flags, rules) == Some(countersign_policy::Response::Suspend)
}

/// Adds people who are asked now, and were not before.
fn asked<'s>(
    practice: &mut OpenPractice,
    approval: &OpenApproval,
    slots: impl IntoIterator<Item = &'s Slot>,
    now: Time,
) {
    for user in slots.into_iter().flat_map(|slot| &slot.people) {
        let out = approval.excluded.iter().any(|out| out.user == *user);
        if !out && *user != practice.by {
            practice.asked.entry(user.clone()).or_insert(now);
        }
    }
}

/// People whom a record asks.
fn asked_by(draft: &Draft) -> BTreeSet<&String> {
    match &draft.event {
        Event::ApprovalStepStarted(e) => e.slots.iter().flat_map(|slot| &slot.people).collect(),
        _other => BTreeSet::new(),
    }
}

/// What people are told when it is over.
fn told(practice: &OpenPractice, answered: usize, for_it: &[&str], against: &[&str], because: &str) -> String {
    let mut why = match practice.kind {
        PracticeKind::Drill => format!(
            "this was a drill, and nothing runs: {answered} of {} who were asked answered",
            practice.asked.len()
        ),
        PracticeKind::Canary if for_it.is_empty() && against.is_empty() => {
            "this was a canary, made to be rejected, and nobody decided on it".to_owned()
        }
        PracticeKind::Canary if for_it.is_empty() => {
            format!(
                "this was a canary, and `{}` rejected it as a careful person does",
                against.join("`, `")
            )
        }
        PracticeKind::Canary => format!(
            "this was a canary, made to be rejected, and `{}` approved it; nothing runs",
            for_it.join("`, `")
        ),
    };
    if !because.is_empty() {
        why = format!("{why}; {because}");
    }
    why
}
