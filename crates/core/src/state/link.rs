//! Links of one use, by which people decide on what is of low risk without a key. The state keeps a keyed digest of each
//! secret with the request that it is for, so that all of them end with it.

use std::sync::Arc;

use countersign_policy::{Assurance, Snapshot};
use serde::{Deserialize, Serialize};

use super::viewed::HIGH;
use super::{Ctx, Handled, Key, OpenApproval, OpenTrack, State};
use crate::command::Vote;
use crate::digest::Digest;
use crate::event::ApprovalLinked;
use crate::ids::ApprovalId;
use crate::record::ActorKind;
use crate::refusal::Refusal;
use crate::time::Time;

/// Links of one person for one request that work at a time: that of each try to send one, and of reminders.
pub(super) const LINKS_PER_PERSON: usize = 4;

/// A link that works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLink {
    /// The channel that brought it.
    pub channel: String,
    /// A keyed digest of its secret.
    pub link: Digest,
    /// When it stops working.
    pub until: Time,
    /// Who may decide with it.
    pub user: String,
}

impl State {
    /// Whether a request may be decided over a channel by a link: policy says so of the channel, it takes routes that are all
    /// content with little assurance, and its tool is known and never counts as one of high risk.
    pub fn may_be_linked(&self, id: ApprovalId, channel: &str, live: Option<&Snapshot>) -> bool {
        let Some(open) = self.approvals.get(&id) else {
            return false;
        };
        let (Some(action), Some(live)) = (self.actions.get(&open.action_id), live) else {
            return false;
        };
        let Some(organization) = live
            .organization()
            .filter(|organization| organization.decides_over(channel))
        else {
            return false;
        };
        let of_route = |name: &str| {
            organization
                .route(name)
                .is_some_and(|route| route.assurance == Assurance::Low)
        };
        // What is not known may be high.
        let known = live.risk(&action.tool).is_some();
        let high = live.highest_risk(&action.tool).is_some_and(|risk| HIGH.contains(&risk));
        let routes = !open.tracks.is_empty() && open.tracks.iter().all(|track| of_route(&track.rules.route));
        routes && known && !high
    }

    /// The link of a request with this digest, if it works: its person is still asked.
    pub fn open_link(&self, id: ApprovalId, link: &Digest, now: Time) -> Option<&OpenLink> {
        let approval = self.approvals.get(&id)?;
        let mut links = approval.links.iter();
        let found = links.find(|open| open.link == *link && open.until > now);
        found.filter(|open| self.is_asked(approval, &open.user) && !self.is_locked_out(&open.user, now))
    }

    /// Until when somebody is asked: the time of the step, or the request's. Nothing if they are not.
    pub fn asked_until(&self, id: ApprovalId, user: &str) -> Option<Time> {
        let open = self.approvals.get(&id).filter(|open| self.is_asked(open, user))?;
        let asks = |track: &&OpenTrack| {
            let slots = track.current_stage().flat_map(|step| &step.slots);
            slots
                .into_iter()
                .any(|slot| slot.people.iter().any(|person| person == user))
        };
        let steps = open.tracks.iter().filter(asks).filter_map(|track| track.due);
        Some(steps.max().unwrap_or(open.deadline).min(open.deadline))
    }

    /// Whether somebody has a link that was not used.
    pub(super) fn has_links(&self, user: &str) -> bool {
        let mut links = self.approvals.values().flat_map(|approval| &approval.links);
        links.any(|open| open.user == user)
    }

    /// The keys of a person, those that ended as well; sessions are no keys that somebody was given.
    pub(super) fn keys_issued_to(&self, user: &str) -> impl Iterator<Item = (&Arc<str>, &Key)> {
        let theirs =
            move |(_, key): &(&Arc<str>, &Key)| key.kind == ActorKind::User && key.subject == user && !key.is_passing();
        self.keys.iter().filter(theirs)
    }

    /// Whether somebody's keys were taken away: one was revoked, and none works. A link would be a way around that.
    pub fn is_locked_out(&self, user: &str, now: Time) -> bool {
        let works = self.keys_issued_to(user).any(|(_, key)| key.works(now));
        !works && self.keys_issued_to(user).any(|(_, key)| key.revoked)
    }

    /// Ends the links of a person everywhere: whoever has them may not be that person any more.
    pub(super) fn end_links_of(&mut self, user: &str) {
        let theirs = |open: &OpenLink| open.user == user;
        for approval in self.approvals.values_mut() {
            if approval.links.iter().any(theirs) {
                approval.links.retain(|open| !theirs(open));
            }
        }
    }

    /// Makes a link work.
    pub(super) fn send_link(&self, link: ApprovalLinked, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        if !self.may_be_linked(link.approval, &link.channel, ctx.live) {
            let detail = format!("`{}` is not decided by a link over `{}`", link.approval, link.channel);
            return Err(Refusal::conflict("not_by_link", detail));
        }
        if self.is_locked_out(&link.user, ctx.now) {
            let detail = format!("the keys of `{}` were revoked", link.user);
            return Err(Refusal::conflict("not_by_link", detail).hint("issue a key to that person first"));
        }
        Handled::one(link)
    }

    /// Whether the link that a vote came by still works, and is the voter's.
    pub(super) fn link_holds(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let Some((channel, link)) = vote.via.as_ref().and_then(|via| Some((&via.channel, via.link?))) else {
            return Ok(());
        };
        let works = |open: &OpenLink| open.link == link && open.user == vote.user && open.until > ctx.now;
        if !approval.links.iter().any(works) || self.is_locked_out(&vote.user, ctx.now) {
            let detail = "the link was used, or its time is over";
            return Err(Refusal::conflict("link_over", detail).hint("decide with a key of your own"));
        }
        if !self.may_be_linked(vote.approval, channel, ctx.live) {
            let detail = "this request is not decided by a link any more";
            return Err(Refusal::forbidden("not_by_link", detail).hint("decide with a key of your own"));
        }
        Ok(())
    }
}
