//! Links in mail by which a person decides on a request, once and without a key.
//!
//! The secret of a link stands in the mail alone; the ledger has a keyed digest of it, before the mail is sent. Whoever
//! follows a link is the person it was made for, as far as policy lets that be enough: the vote is then cast like any other,
//! for exactly what was shown, and counts only if that person may decide now.

use std::sync::Arc;

use countersign_api::ApprovalAnswer;
use countersign_api::convert::link_url;
use countersign_core::Command;
use countersign_core::command::Via;
use countersign_core::digest::{Digest, hex, read_hex};
use countersign_core::event::{ApprovalLinked, Verb};
use countersign_core::ids::{ActionId, ApprovalId, NoticeId};
use countersign_core::record::{Actor, ActorKind};
use countersign_core::state::PendingNotice;
use countersign_store::Org;
use zeroize::Zeroizing;

use crate::approvals::VoteRequest;
use crate::auth::Caller;
use crate::error::EngineError;
use crate::inbox::Lane;
use crate::intake::Request;
use crate::ledger::Beside;
use crate::{Engine, by_system};

/// How the person of a vote that came by a link was known.
const BY_LINK: &str = "link";

/// A link that works.
pub struct Followed {
    /// The person it was made for.
    pub caller: Caller,
    /// The request.
    pub approval: ApprovalId,
    /// The channel that brought it.
    channel: String,
    action: ActionId,
    link: Digest,
}

/// What a person says by a link, and what was shown before.
pub struct LinkVote {
    /// `Approve` or `Reject`.
    pub verb: Verb,
    /// What the person says.
    pub comment: Option<String>,
    /// The digest that was shown.
    pub digest: Digest,
    /// The snapshot that was shown.
    pub snapshot: String,
    /// The hash of all that was shown.
    pub presentation: Digest,
}

impl Engine {
    /// A link for a notice to one person, where that person may decide by one: the ledger knows it before anybody has it.
    pub(crate) async fn link_for(
        &self,
        org: &Org,
        notice: NoticeId,
        pending: &PendingNotice,
    ) -> Result<Option<String>, EngineError> {
        let Some(user) = pending.user.clone() else {
            return Ok(None);
        };
        let handle = self.inner.org(org)?;
        let (live, approval, channel, person) =
            (handle.live(), pending.approval, pending.channel.clone(), user.clone());
        let now = self.inner.clock.read().now;
        let until = self.look(org, move |state| {
            let may = state.may_be_linked(approval, &channel, live.as_deref()) && !state.is_locked_out(&person, now);
            may.then(|| state.asked_until(approval, &person)).flatten()
        });
        let Some(until) = until.await? else { return Ok(None) };
        // Of a mailbox that two people have, nobody can say who follows its links.
        if !self.has_own_address(org, &user).await? {
            return Ok(None);
        }
        let secret = Zeroizing::new(crate::random::bytes::<32>());
        let made = ApprovalLinked {
            action_id: pending.action_id,
            approval,
            channel: pending.channel.clone(),
            link: handle.keys.digest.link(&secret),
            notice,
            until,
            user,
        };
        let envelope = by_system(Command::Link(Box::new(made)));
        self.perform(Lane::Write, org, envelope, Beside::default()).await?;
        let link = format!("{approval}.{}", hex(&*secret));
        Ok(Some(link_url(&self.inner.settings.base_url, &link, org)))
    }

    /// Whom a link was made for, and what for.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it, it is [`EngineError::Unauthenticated`]: a stranger learns only that it does not work.
    pub async fn follow_link(&self, org: &str, link: &str) -> Result<Followed, EngineError> {
        let stranger = || EngineError::Unauthenticated("this link does not work".into());
        let (approval, secret) = link.split_once('.').ok_or_else(stranger)?;
        let approval: ApprovalId = approval.parse().map_err(|_| stranger())?;
        let secret = read_hex::<32>(secret).map(Zeroizing::new).ok_or_else(stranger)?;
        let org = Org::from(org);
        let handle = self.inner.org(&org).map_err(|error| match error {
            EngineError::Refused(_) => stranger(),
            other => other,
        })?;
        let (digest, now, live) = (
            handle.keys.digest.link(&secret),
            self.inner.clock.read().now,
            handle.live(),
        );
        let found = self.look(&org, move |state| {
            let open = state.open_link(approval, &digest, now)?;
            if !state.may_be_linked(approval, &open.channel, live.as_deref()) {
                return None;
            }
            let action = state.approvals().get(&approval)?.action_id;
            let roles = state.users().get(&open.user)?.roles.clone();
            let votes = roles.iter().any(|role| role == "reviewer" || role == "admin");
            votes.then(|| (open.clone(), action, roles))
        });
        let (open, action, roles) = found.await?.ok_or_else(stranger)?;
        let actor = Actor {
            auth: BY_LINK.into(),
            id: open.user,
            kind: ActorKind::User,
            verified: true,
        };
        Ok(Followed {
            caller: Caller {
                org,
                actor,
                kid: None,
                scopes: Arc::new([]),
                roles: roles.into(),
            },
            approval,
            channel: open.channel,
            action,
            link: digest,
        })
    }

    /// The request of a link, for somebody of whom nobody knows yet that it is a person: that leaves no record.
    pub async fn glimpse(&self, followed: &Followed) -> Result<ApprovalAnswer, EngineError> {
        self.approval_of_action(&followed.caller.org, followed.action).await
    }

    /// The request of a link, opened by its person: the ledger keeps what was shown.
    pub async fn read_by_link(&self, followed: &Followed) -> Result<ApprovalAnswer, EngineError> {
        self.shown(&followed.caller, followed.action).await
    }

    /// Casts the vote of a link's person. The link works no more if it counts.
    pub async fn vote_by_link(
        &self,
        followed: &Followed,
        route: &str,
        vote: LinkVote,
    ) -> Result<ApprovalAnswer, EngineError> {
        let request = Request {
            caller: &followed.caller,
            route,
            idempotency_key: None,
            body: &[],
        };
        let vote = VoteRequest {
            verb: vote.verb,
            comment: vote.comment,
            to: None,
            digest: vote.digest,
            snapshot: vote.snapshot,
            presentation: Some(vote.presentation),
            set: None,
            via: Some(Via {
                channel: followed.channel.clone(),
                link: Some(followed.link),
            }),
            assertion: None,
        };
        self.vote(&request, followed.approval, vote)
            .await
            .map(|(answer, _)| answer)
    }
}
