//! Registrations: agents, people, credentials, snapshots, receivers of callbacks, alerts.

use std::sync::Arc;

use countersign_policy::is_time_zone;

use super::{Ctx, Handled, Key, State};
use crate::command::{OwnProfile, Sealed};
use crate::event::{
    AgentRegistered, AlertAcknowledged, AlertRaised, CallbackAttempted, CallbackRegistered, CallbackRemoved,
    ClockConfirmed, ClockJumped, Delivery, KeyIssued, KeyRevoked, SnapshotUploaded, UserAdded, UserRemoved,
};
use crate::ids::{AlertId, DeliveryId, ReceiverId};
use crate::record::{Actor, ActorKind, Draft};
use crate::refusal::Refusal;
use crate::time::Time;

/// Permission roles, and what a person may do in Countersign with each.
pub(super) const ROLES: [&str; 6] = ["admin", "auditor", "operator", "policy_author", "reviewer", "viewer"];

fn check_zone(zone: Option<&str>) -> Result<(), Refusal> {
    match zone {
        Some(zone) if !is_time_zone(zone) => Err(Refusal::invalid("unknown_zone", format!("`{zone}` is no time zone"))
            .hint("write an IANA name such as `Europe/Berlin`")),
        Some(_) | None => Ok(()),
    }
}

impl State {
    pub(super) fn register_agent(
        &self,
        agent: AgentRegistered,
        key: Option<Box<KeyIssued>>,
        ctx: &Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        if self
            .agents
            .get(agent.agent.as_str())
            .is_some_and(|known| !known.quarantined)
            && key.is_some()
        {
            return Err(
                Refusal::conflict("already_registered", format!("agent `{}` is registered", agent.agent))
                    .hint("issue another key with `POST /v1/keys`, or change it with `PUT /v1/agents/{id}`"),
            );
        }
        if let Some(owner) = ctx
            .live
            .and_then(|live| live.mandate(&agent.agent))
            .and_then(|mandate| mandate.owner())
            && owner != agent.owner
        {
            return Err(Refusal::conflict(
                "defined_in_policy",
                format!("the mandate of `{}` says that its owner is `{owner}`", agent.agent),
            )
            .hint("register it with that owner, or change the mandate"));
        }
        let mut events = vec![Draft::observed(agent)];
        events.extend(key.map(|key| Draft::observed(*key)));
        Handled::done(events)
    }

    pub(super) fn put_user(
        &self,
        user: UserAdded,
        profile: Option<Sealed>,
        key: Option<Box<KeyIssued>>,
    ) -> Result<Handled, Refusal> {
        if let Some(role) = user.roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
            return Err(Refusal::invalid("unknown_role", format!("`{role}` is not a role"))
                .hint(format!("roles are {}", ROLES.join(", "))));
        }
        self.check_place(&user)?;
        if key.is_some() && self.users.contains_key(&user.user) {
            return Err(
                Refusal::conflict("already_registered", format!("user `{}` exists", user.user))
                    .hint("change it with `PUT /v1/users/{id}`, or issue another key with `POST /v1/keys`"),
            );
        }
        let stays = user.roles.iter().any(|role| role == "admin");
        self.keep_an_admin(&user.user, stays)?;
        let mut events = vec![Draft::observed(user).with_payload(profile)];
        events.extend(key.map(|key| Draft::observed(*key)));
        Handled::done(events)
    }

    /// A person's own zone and profile. What the person may do stays what it is now, whatever was read before.
    pub(super) fn change_own_profile(&self, own: OwnProfile) -> Result<Handled, Refusal> {
        let Some(known) = self.users.get(&own.user) else {
            return Err(Refusal::missing("user", own.user));
        };
        if own.profile.is_some() && own.made_from != known.profile {
            let detail = "somebody else has changed this profile meanwhile";
            return Err(Refusal::conflict("profile_changed", detail).hint("read it again"));
        }
        let changed = UserAdded {
            duties: known.duties.clone(),
            manager: known.manager.clone(),
            roles: known.roles.clone(),
            teams: known.teams.clone(),
            zone: own.zone.or_else(|| known.zone.clone()),
            user: own.user,
        };
        check_zone(changed.zone.as_deref())?;
        Handled::done(vec![Draft::observed(changed).with_payload(own.profile)])
    }

    /// Whom somebody reports to is known, and the zone is one.
    fn check_place(&self, user: &UserAdded) -> Result<(), Refusal> {
        if let Some(manager) = &user.manager
            && (*manager == user.user || !self.users.contains_key(manager))
        {
            return Err(
                Refusal::invalid("unknown_manager", format!("`{manager}` is nobody to report to"))
                    .hint("name another person who was added before"),
            );
        }
        check_zone(user.zone.as_deref())
    }

    pub(super) fn remove_user(&self, user: String, actor: &Actor) -> Result<Handled, Refusal> {
        if !self.users.contains_key(&user) {
            return Err(Refusal::missing("user", user));
        }
        if actor.id == user {
            return Err(Refusal::conflict(
                "own_account",
                "a person cannot remove their own account",
            ));
        }
        self.keep_an_admin(&user, false)?;
        Handled::one(UserRemoved { user })
    }

    /// An organization that lost its last admin could not be run any more.
    fn keep_an_admin(&self, user: &str, stays: bool) -> Result<(), Refusal> {
        let admins = self.admins();
        if !stays && admins.len() == 1 && admins.contains(user) {
            return Err(Refusal::conflict("last_admin", format!("`{user}` is the last admin"))
                .hint("make somebody else an admin first"));
        }
        Ok(())
    }

    pub(super) fn issue_key(&self, key: KeyIssued) -> Result<Handled, Refusal> {
        let known = match key.kind {
            ActorKind::Agent => self
                .agents
                .get(key.subject.as_str())
                .is_some_and(|agent| !agent.quarantined),
            ActorKind::User => self.users.contains_key(&key.subject),
            ActorKind::Operator | ActorKind::System => false,
        };
        if !known {
            return Err(Refusal::missing("agent or user", &key.subject));
        }
        Handled::one(key)
    }

    pub(super) fn revoke_key(&self, kid: String, now: Time) -> Result<Handled, Refusal> {
        match self.keys.get(kid.as_str()) {
            None => Err(Refusal::missing("key", kid)),
            Some(key) if key.revoked => Err(Refusal::conflict(
                "already_revoked",
                format!("key `{kid}` was revoked before"),
            )),
            Some(key) => {
                let others = |(other, _): &(&Arc<str>, &Key)| ***other != *kid;
                let last = key.kind == ActorKind::User
                    && !key.is_passing()
                    && !self
                        .keys_issued_to(&key.subject)
                        .filter(others)
                        .any(|(_, key)| key.works(now));
                let ends_links = last && self.has_links(&key.subject);
                // Whoever had the key may have signed in by it.
                let by_key = |other: &Key| !key.is_passing() && other.session() == Some("key");
                let ends = self.passing_of(&key.subject, Some(&kid), by_key, now);
                let mut events = vec![Draft::observed(KeyRevoked { ends_links, kid })];
                events.extend(ends);
                Handled::done(events)
            }
        }
    }

    pub(super) fn upload_snapshot(&self, snapshot: SnapshotUploaded) -> Result<Handled, Refusal> {
        // The same content is the same snapshot: storing it again changes nothing.
        if self.snapshots.contains_key(&snapshot.hash) {
            return Handled::done(Vec::new());
        }
        Handled::one(snapshot)
    }

    pub(super) fn register_receiver(&self, url: String, ctx: &mut Ctx<'_>) -> Result<Handled, Refusal> {
        if self.receivers.values().any(|known| *known == url) {
            return Err(
                Refusal::conflict("already_registered", format!("a receiver at `{url}` is registered"))
                    .hint("remove it first to get a new secret"),
            );
        }
        let receiver = ReceiverId(ctx.ids.next(ctx.now));
        Handled::one(CallbackRegistered { receiver, url })
    }

    pub(super) fn remove_receiver(&self, receiver: ReceiverId, why: &str) -> Result<Handled, Refusal> {
        if !self.receivers.contains_key(&receiver) {
            return Err(Refusal::missing("receiver", receiver));
        }
        Handled::one(CallbackRemoved {
            receiver,
            why: why.to_owned(),
        })
    }

    pub(super) fn note_delivery(
        &self,
        delivery: DeliveryId,
        attempt: u32,
        detail: String,
        result: Delivery,
        next: Option<Time>,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let Some(pending) = self.deliveries.get(&delivery) else {
            return Err(Refusal::missing("callback", delivery));
        };
        // Two nodes may have tried at once: only the first report of a try counts.
        if attempt <= pending.attempts || pending.dead {
            return Err(Refusal::conflict(
                "already_noted",
                format!("try {attempt} of `{delivery}` is noted"),
            ));
        }
        let detail: String = detail.chars().take(300).collect();
        let mut events = vec![Draft::observed(CallbackAttempted {
            attempt,
            delivery,
            detail: detail.clone(),
            next,
            result,
        })];
        if result == Delivery::Dead {
            events.push(Draft::observed(AlertRaised {
                action_id: Some(pending.action_id),
                agent: None,
                alert: AlertId(ctx.ids.next(ctx.now)),
                name: "callback_exhausted".into(),
                summary: format!("callback `{delivery}` could not be delivered: {detail}"),
            }));
        }
        Handled::done(events)
    }

    pub(super) fn resend(&self, delivery: DeliveryId, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        match self.deliveries.get(&delivery) {
            None => Err(Refusal::missing("callback", delivery)),
            Some(pending) if !self.receivers.contains_key(&pending.receiver) => Err(Refusal::conflict(
                "receiver_removed",
                format!("the receiver of `{delivery}` is not registered any more"),
            )),
            Some(_) => Handled::one(CallbackAttempted {
                attempt: 0,
                delivery,
                detail: "sent again by a person".into(),
                next: Some(ctx.now),
                result: Delivery::Resent,
            }),
        }
    }

    pub(super) fn acknowledge(&self, alert: AlertId) -> Result<Handled, Refusal> {
        if !self.alerts.contains_key(&alert) {
            return Err(Refusal::missing("open alert", alert));
        }
        Handled::one(AlertAcknowledged { alert })
    }

    pub(super) fn note_clock_jump(&self, shows: Time) -> Result<Handled, Refusal> {
        if self.frozen {
            return Handled::done(Vec::new());
        }
        Handled::one(ClockJumped { shows })
    }

    pub(super) fn confirm_clock(&self, by: &str) -> Result<Handled, Refusal> {
        if !self.frozen {
            return Err(Refusal::conflict(
                "clock_is_fine",
                "the clock has not jumped; timers are running",
            ));
        }
        Handled::one(ClockConfirmed { by: by.to_owned() })
    }
}
