//! Links of one use, by which people decide on what is of low risk without a key. The state keeps a keyed digest of each
//! secret with the request that it is for, so that all of them end with it.

use countersign_policy::{Assurance, Snapshot};
use serde::{Deserialize, Serialize};

use super::viewed::HIGH;
use super::{Ctx, Handled, OpenApproval, OpenTrack, State};
use crate::command::Vote;
use crate::digest::Digest;
use crate::event::ApprovalLinked;
use crate::ids::ApprovalId;
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
    /// Whether a request may be decided over a channel by a link: policy says so of the channel, it takes a route,
    /// every one is content with little assurance, and its tool is not of high risk.
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
        let risk = live.risk(&action.tool);
        let mut routes = open.tracks.iter().map(|track| &*track.rules.route);
        !open.tracks.is_empty() && routes.all(of_route) && !risk.is_some_and(|risk| HIGH.contains(&risk))
    }

    /// The link of a request with this digest, if it works.
    pub fn open_link(&self, id: ApprovalId, link: &Digest, now: Time) -> Option<&OpenLink> {
        let links = self.approvals.get(&id)?.links.iter();
        links.into_iter().find(|open| open.link == *link && open.until > now)
    }

    /// Until when somebody is asked: the time of the step, or the request's.
    pub fn asked_until(&self, id: ApprovalId, user: &str) -> Option<Time> {
        let open = self.approvals.get(&id)?;
        let asks = |track: &&OpenTrack| {
            let slots = track.current_stage().flat_map(|step| &step.slots);
            slots
                .into_iter()
                .any(|slot| slot.people.iter().any(|person| person == user))
        };
        let steps = open.tracks.iter().filter(asks).filter_map(|track| track.due);
        Some(steps.max().unwrap_or(open.deadline).min(open.deadline))
    }

    /// Makes a link work.
    pub(super) fn send_link(&self, link: ApprovalLinked, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        if !self.may_be_linked(link.approval, &link.channel, ctx.live) {
            let detail = format!("`{}` is not decided by a link over `{}`", link.approval, link.channel);
            return Err(Refusal::conflict("not_by_link", detail));
        }
        Handled::one(link)
    }

    /// Whether the link that a vote came by still works, and is the voter's.
    pub(super) fn link_holds(&self, vote: &Vote, approval: &OpenApproval, ctx: &Ctx<'_>) -> Result<(), Refusal> {
        let Some((channel, link)) = vote.via.as_ref().and_then(|via| Some((&via.channel, via.link?))) else {
            return Ok(());
        };
        let works = |open: &OpenLink| open.link == link && open.user == vote.user && open.until > ctx.now;
        if !approval.links.iter().any(works) {
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
