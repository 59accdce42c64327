//! Approval theatre: whether somebody's votes look like no review, and what policy lets follow of that.
//!
//! What is looked at are the last votes of each person, of seven days and 500 at most. A vote is judged by what was there
//! before it; what it adds takes effect with the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use countersign_policy::{Response, Theatre};
use serde::{Deserialize, Serialize};

use super::matching::Place;
use super::practice::Tested;
use super::{Ctx, Handled, OpenApproval, State};
use crate::command::{Sealed, Vote};
use crate::event::{AlertRaised, ApprovalVoted, Flag, ReviewerRestored, ReviewerSuspended, Verb};
use crate::ids::AlertId;
use crate::record::{Actor, ActorKind, Draft};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// How long a vote is looked at.
pub const THEATRE_SPAN: Span = Span::days(7);
/// What counts of a reading: a request that lies open over lunch was not read all the time.
pub const LONGEST_READING: Span = Span::minutes(15);
/// How many votes of one person are kept.
const MOST: usize = 500;

/// What is known of those who vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewers {
    /// The oldest vote of each person, so that what is too old is found without a look at everybody.
    #[serde(skip)]
    oldest: BTreeSet<(Time, String)>,
    /// What was conspicuous after somebody's last vote.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    flags: BTreeMap<String, Vec<Flag>>,
    /// Who does not vote until an admin says so. A person who is removed and comes back does not either.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suspended: BTreeMap<String, Barred>,
    /// Canaries that they decided on, oldest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tested: BTreeMap<String, VecDeque<Tested>>,
    /// Votes that count, oldest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    votes: BTreeMap<String, VecDeque<Given>>,
}

/// Why somebody does not vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barred {
    /// What was conspicuous.
    pub flags: Vec<Flag>,
    /// Since when.
    pub since: Time,
}

/// A vote that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    agent: Arc<str>,
    approve: bool,
    at: Time,
    dwell_ms: i64,
    /// It approves less than was asked for.
    #[serde(default, skip_serializing_if = "super::is_false")]
    edit: bool,
    #[serde(default, skip_serializing_if = "super::is_false")]
    too_fast: bool,
}

/// How somebody votes, within the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// Votes that count: approvals and rejections.
    pub votes: u64,
    /// Those of them that approve.
    pub approvals: u64,
    /// Those of them that approve less than was asked for.
    pub edits: u64,
    /// Approvals sooner than the policy of their time took for reading.
    pub too_fast: u64,
    /// The most approvals in a row.
    pub streak: u64,
    /// The most votes within an hour.
    pub pace: u64,
    /// The median time from the first reading to the approval, the lower one of two.
    pub median_dwell_ms: Option<i64>,
    /// Votes by agent, and how many of them approve.
    pub agents: BTreeMap<Arc<str>, (u64, u64)>,
    /// How long requests were read before a vote, milliseconds; no reading counts for longer than [`LONGEST_READING`].
    pub reading_ms: i64,
    /// Canaries that were rejected, of the last 90 days.
    pub canaries_caught: u64,
    /// Canaries that were approved, of the last 90 days.
    pub canaries_missed: u64,
}

/// What comes of a vote besides what it says.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) dwell_ms: Option<i64>,
    pub(super) flags: Vec<Flag>,
    pub(super) second: bool,
    pub(super) too_fast: bool,
}

impl Reviewers {
    pub(super) fn is_empty(&self) -> bool {
        self.flags.is_empty() && self.suspended.is_empty() && self.tested.is_empty() && self.votes.is_empty()
    }

    /// Everybody of whom something is known at `now`.
    pub fn people(&self, now: Time) -> BTreeSet<&String> {
        let voted = self
            .votes
            .iter()
            .filter(|(_, given)| given.iter().any(|vote| counts(vote, now)));
        let tested = self.tested.keys().filter(|user| self.canaries(user, now) != (0, 0));
        voted
            .map(|(user, _)| user)
            .chain(tested)
            .chain(self.suspended.keys())
            .collect()
    }

    /// How a person votes.
    pub fn conduct(&self, user: &str, now: Time) -> Conduct {
        self.with_canaries(Conduct::of(self.window(user, now)), user, now)
    }

    fn with_canaries(&self, mut conduct: Conduct, user: &str, now: Time) -> Conduct {
        (conduct.canaries_caught, conduct.canaries_missed) = self.canaries(user, now);
        conduct
    }

    /// What is conspicuous by these rules.
    pub fn flags(&self, user: &str, rules: &Theatre, now: Time) -> Vec<Flag> {
        self.conduct(user, now).flags(rules)
    }

    fn window(&self, user: &str, now: Time) -> impl Iterator<Item = &Given> {
        let given = self.votes.get(user).into_iter().flatten();
        given.filter(move |vote| counts(vote, now))
    }

    /// Keeps a vote, and lets go of what is too old.
    pub(super) fn voted(&mut self, now: Time, agent: &Arc<str>, e: &ApprovalVoted) {
        let (true, Some(dwell_ms)) = (e.counted, e.dwell_ms) else {
            return;
        };
        let vote = Given {
            agent: agent.clone(),
            approve: e.verb.decision() == Verb::Approve,
            at: now,
            dwell_ms,
            edit: e.verb == Verb::Edit,
            too_fast: e.too_fast,
        };
        let given = self.votes.entry(e.user.clone()).or_default();
        let before = given.front().map(|vote| vote.at);
        given.push_back(vote);
        if given.len() > MOST {
            given.pop_front();
        }
        let after = given.front().map(|vote| vote.at);
        if before != after {
            self.oldest.extend(after.map(|at| (at, e.user.clone())));
            if let Some(at) = before {
                self.oldest.remove(&(at, e.user.clone()));
            }
        }
        if e.flags.is_empty() {
            self.flags.remove(&e.user);
        } else {
            self.flags.insert(e.user.clone(), e.flags.clone());
        }
        self.let_go(now);
    }

    /// Lets go of votes that are too old, and of what was conspicuous about somebody of whom none is left.
    fn let_go(&mut self, now: Time) {
        while let Some((at, user)) = self.oldest.first().cloned().filter(|(at, _)| *at + THEATRE_SPAN <= now) {
            self.oldest.remove(&(at, user.clone()));
            let Some(given) = self.votes.get_mut(&user) else {
                continue;
            };
            while given.front().is_some_and(|vote| !counts(vote, now)) {
                given.pop_front();
            }
            match given.front().map(|vote| vote.at) {
                Some(at) => drop(self.oldest.insert((at, user))),
                None => {
                    self.votes.remove(&user);
                    self.flags.remove(&user);
                }
            }
        }
    }

    /// What is kept besides the votes themselves, made of them.
    pub(super) fn rebuild(&mut self) {
        let oldest = self
            .votes
            .iter()
            .filter_map(|(user, given)| Some((given.front()?.at, user.clone())));
        self.oldest = oldest.collect();
    }
}

impl Conduct {
    fn of<'a>(window: impl Iterator<Item = &'a Given>) -> Conduct {
        let mut conduct = Conduct::default();
        let (mut row, mut dwells, mut hour) = (0, Vec::new(), VecDeque::new());
        for vote in window {
            conduct.votes += 1;
            let of_agent = conduct.agents.entry(vote.agent.clone()).or_default();
            of_agent.0 += 1;
            of_agent.1 += u64::from(vote.approve);
            conduct.reading_ms += vote.dwell_ms.clamp(0, LONGEST_READING.0 / 1000);
            hour.push_back(vote.at);
            while hour.front().is_some_and(|at| *at + Span::hours(1) <= vote.at) {
                hour.pop_front();
            }
            conduct.pace = conduct.pace.max(hour.len() as u64);
            row = if vote.approve { row + 1 } else { 0 };
            conduct.streak = conduct.streak.max(row);
            if vote.approve {
                conduct.approvals += 1;
                conduct.edits += u64::from(vote.edit);
                conduct.too_fast += u64::from(vote.too_fast);
                dwells.push(vote.dwell_ms);
            }
        }
        dwells.sort_unstable();
        conduct.median_dwell_ms = dwells.get(dwells.len().saturating_sub(1) / 2).copied();
        conduct
    }

    /// What is conspicuous by these rules.
    pub(super) fn flags(&self, rules: &Theatre) -> Vec<Flag> {
        let at_least = |count: u64, least: u32| count >= u64::from(least);
        let approves = self.approvals * 100 >= self.votes * u64::from(rules.share.percent);
        let flags = [
            (Flag::Canary, at_least(self.canaries_missed, rules.canary.of)),
            (
                Flag::Dwell,
                at_least(self.approvals, rules.dwell.of) && self.too_fast * 2 > self.approvals,
            ),
            (Flag::Pace, self.pace > u64::from(rules.pace.of)),
            (Flag::Share, at_least(self.votes, rules.share.of) && approves),
            (Flag::Streak, at_least(self.streak, rules.streak.of)),
        ];
        flags
            .into_iter()
            .filter(|(_, holds)| *holds)
            .map(|(flag, _)| flag)
            .collect()
    }
}

/// What follows of these flags: the strictest of what policy says of each.
pub fn response(flags: &[Flag], rules: &Theatre) -> Option<Response> {
    let then = |flag: &Flag| match flag {
        Flag::Canary => rules.canary.then,
        Flag::Dwell => rules.dwell.then,
        Flag::Pace => rules.pace.then,
        Flag::Share => rules.share.then,
        Flag::Streak => rules.streak.then,
    };
    flags.iter().map(then).max()
}

fn counts(vote: &Given, now: Time) -> bool {
    vote.at + THEATRE_SPAN > now
}

/// Whether these voters are enough, where what some of them approve takes one more person.
pub(super) fn with_a_second(voters: &Place, second: &Place, enough: impl Fn(&Place) -> bool) -> bool {
    let without = |out: &String| {
        let mut others = voters.clone();
        others.remove(out);
        enough(&others)
    };
    enough(voters) && (second.is_disjoint(voters) || voters.difference(second).any(without))
}

impl State {
    /// What is known of those who vote.
    pub fn reviewers(&self) -> &Reviewers {
        &self.reviewers
    }

    /// What the flags that stand before a vote demand of it.
    fn demanded(&self, user: &str, ctx: &Ctx<'_>) -> Option<Response> {
        let rules = ctx.live?.organization()?.theatre()?;
        response(&self.reviewers.flags(user, rules, ctx.now), rules)
    }

    /// Whether the person is not suspended.
    pub(super) fn may_still_vote(&self, vote: &Vote) -> Result<(), Refusal> {
        if let Some(barred) = self.reviewers.suspended.get(&vote.user) {
            let detail = format!("`{}` does not vote since {}", vote.user, barred.since);
            return Err(Refusal::forbidden("reviewer_suspended", detail).hint("ask an admin to restore it"));
        }
        // Who made it knows what it is.
        if self
            .practices
            .get(&vote.approval)
            .is_some_and(|practice| practice.by == vote.user)
        {
            let detail = format!("`{}` made this request and cannot decide on it", vote.user);
            return Err(Refusal::forbidden("self_approval", detail).hint("leave it to those who are asked"));
        }
        Ok(())
    }

    /// Whether an approval says as much as is demanded of its person.
    pub(super) fn may_approve(&self, vote: &Vote, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let demanded = self.demanded(&vote.user, ctx) >= Some(Response::Comment);
        if vote.comment.is_none() && demanded {
            let detail = format!(
                "the last votes of `{}` are conspicuous, and an approval takes a comment",
                vote.user
            );
            return Err(Refusal::invalid("comment_required", detail).hint("say in a comment why it is right"));
        }
        Ok(())
    }

    /// What comes of a vote that counts.
    pub(super) fn judge(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Judged {
        let action = self.actions.get(&approval.action_id);
        let (Verb::Approve | Verb::Reject | Verb::Edit, Some(action)) = (vote.verb, action) else {
            return Judged::default();
        };
        let first = approval.first_viewed.get(&vote.user);
        // Who did not open the request had it for no time.
        let dwell = first.map_or(Span(0), |first| ctx.now - *first);
        let dwell_ms = Some(dwell.0 / 1000);
        let Some(rules) = ctx.live.and_then(|live| live.organization()?.theatre()) else {
            return Judged {
                dwell_ms,
                ..Judged::default()
            };
        };
        let approve = vote.verb.decision() == Verb::Approve;
        let risk = ctx.live.and_then(|live| live.risk(&action.tool));
        let too_fast = approve && dwell.0 < rules.floor(risk);
        let given = Given {
            agent: action.agent.clone(),
            approve,
            at: ctx.now,
            dwell_ms: dwell.0 / 1000,
            edit: vote.verb == Verb::Edit,
            too_fast,
        };
        let before: Vec<&Given> = self.reviewers.window(&vote.user, ctx.now).collect();
        let kept = before.len().saturating_sub(MOST - 1);
        let after = before.into_iter().skip(kept).chain(std::iter::once(&given));
        Judged {
            dwell_ms,
            flags: (self.reviewers.with_canaries(Conduct::of(after), &vote.user, ctx.now)).flags(rules),
            second: vote.verb != Verb::Reject && self.demanded(&vote.user, ctx) >= Some(Response::Second),
            too_fast,
        }
    }

    /// What a vote that makes its person conspicuous leads to.
    pub(super) fn call_out(
        &self,
        vote: &Vote,
        approval: &OpenApproval,
        judged: &Judged,
        ctx: &mut Ctx<'_>,
    ) -> Vec<Draft> {
        let known = self
            .reviewers
            .flags
            .get(&vote.user)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut events = Vec::new();
        if judged.flags.iter().any(|flag| !known.contains(flag)) {
            let names: Vec<_> = judged.flags.iter().map(|flag| flag.as_str()).collect();
            let summary = format!("the votes of `{}` look like no review: {}", vote.user, names.join(", "));
            events.push(Draft::observed(AlertRaised {
                action_id: Some(approval.action_id),
                agent: None,
                alert: AlertId(ctx.ids.next(ctx.now)),
                name: "approval_theatre".into(),
                summary,
            }));
        }
        let rules = ctx.live.and_then(|live| live.organization()?.theatre());
        if rules.is_some_and(|rules| response(&judged.flags, rules) == Some(Response::Suspend)) {
            events.push(Draft::observed(ReviewerSuspended {
                ends_links: self.has_links(&vote.user),
                flags: judged.flags.clone(),
                user: vote.user.clone(),
            }));
        }
        events
    }

    pub(super) fn reviewer_suspended(&mut self, now: Time, e: &ReviewerSuspended) {
        let flags = e.flags.clone();
        self.reviewers
            .suspended
            .insert(e.user.clone(), Barred { flags, since: now });
        if let Some(user) = self.users.get_mut(&e.user) {
            user.suspended = true;
        }
        if e.ends_links {
            self.end_links_of(&e.user);
        }
    }

    /// Whoever is restored begins anew: what was conspicuous would suspend them again at once.
    pub(super) fn reviewer_restored(&mut self, e: &ReviewerRestored) {
        self.reviewers.suspended.remove(&e.user);
        if let Some(oldest) = self
            .reviewers
            .votes
            .remove(&e.user)
            .and_then(|given| Some(given.front()?.at))
        {
            self.reviewers.oldest.remove(&(oldest, e.user.clone()));
        }
        self.reviewers.tested.remove(&e.user);
        self.reviewers.flags.remove(&e.user);
        if let Some(user) = self.users.get_mut(&e.user) {
            user.suspended = false;
        }
    }

    pub(super) fn restore_reviewer(&self, user: String, reason: Sealed, actor: &Actor) -> Result<Handled, Refusal> {
        if !self.reviewers.suspended.contains_key(&user) {
            return Err(Refusal::missing("suspended reviewer", user));
        }
        if actor.kind == ActorKind::User && actor.id == user {
            let detail = format!("`{user}` does not restore the own right");
            return Err(Refusal::forbidden("self_approval", detail).hint("ask another admin"));
        }
        let by = actor.id.clone();
        Handled::done(vec![
            Draft::observed(ReviewerRestored { by, user }).with_payload(Some(reason)),
        ])
    }
}
