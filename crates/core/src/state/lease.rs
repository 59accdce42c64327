//! Leases of gateways: whoever guards something stops when it cannot hear of kill switches any more.
//!
//! A gateway renews its lease every few seconds. That it was granted, what it guards and that it ended are facts for the
//! ledger; that it was renewed is not: a renewal only reads the stops, and a record of each would drown everything else. So a
//! grant counts for [`LEASE_SPAN`], a renewal in its second half is a grant anew, and a gateway of which nothing is heard for
//! that long has ended. Safety does not wait for that: the gateway itself stops when its seconds are over.

use countersign_policy::Snapshot;
use serde::{Deserialize, Serialize};

use super::{Ctx, Handled, Kill, NamedDue, State};
use crate::event::{FailOpen, LeaseEnd, LeaseEnded, LeaseGranted, Scope};
use crate::record::{Actor, Draft};
use crate::refusal::Refusal;
use crate::time::{Span, Time};

/// How long a grant counts in the ledger.
pub const LEASE_SPAN: Span = Span::minutes(10);
/// How short and how long a gateway may go on without a renewal, in seconds.
pub const LEASE_SECONDS: std::ops::RangeInclusive<u32> = 5..=30;
/// Leases that an organization has at once.
const LEASES_AT_MOST: usize = 1000;
/// Tools that may be let through without a lease, in one lease; those that come later by their names stay closed.
const FAIL_OPEN_AT_MOST: usize = 100;

/// A lease that a gateway wants to have or to keep.
pub struct NewLease {
    /// The gateway.
    pub gateway: String,
    /// What it guards; nothing = everything.
    pub guards: Vec<Scope>,
    /// How long it goes on without a renewal.
    pub seconds: u32,
}

/// A lease that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What it may let through without a lease.
    pub fail_open: Vec<FailOpen>,
    /// The gateway.
    pub gateway: String,
    /// What it guards.
    pub guards: Vec<Scope>,
    /// Whose key it holds the lease with.
    pub holder: String,
    /// How long it may go on without a renewal.
    pub seconds: u32,
    /// Since when it guards.
    pub since: Time,
    /// Until when it counts if nothing is heard of it.
    pub until: Time,
}

impl Lease {
    /// Whether a kill switch is its concern. One of another kind than all that it guards may be: an agent that is stopped
    /// may want to use a tool that is guarded.
    fn hears_of(&self, stop: &Scope) -> bool {
        let alike = |guard: &&Scope| std::mem::discriminant(*guard) == std::mem::discriminant(stop);
        let mut of_kind = self.guards.iter().filter(alike).peekable();
        let everything = self.guards.contains(&Scope::Organization);
        everything || of_kind.peek().is_none() || of_kind.any(|guard| guard == stop)
    }
}

/// How the state names a lease. An id holds no line break.
fn named(holder: &str, gateway: &str) -> String {
    format!("{holder}\n{gateway}")
}

impl State {
    /// Leases that hold.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The lease of a gateway.
    pub fn lease(&self, holder: &str, gateway: &str) -> Option<&Lease> {
        self.leases.get(&named(holder, gateway))
    }

    /// Stops that a lease's holder has to obey, and whether they leave it anything to guard: `false` = it stops altogether.
    pub fn stops_for(&self, lease: &Lease) -> (Vec<&Kill>, bool) {
        let stops: Vec<&Kill> = (self.kills.values())
            .filter(|kill| lease.hears_of(&kill.scope))
            .collect();
        let engaged = |scope: &Scope| self.kills.contains_key(&scope.to_string());
        let goes_on = !engaged(&Scope::Organization) && !lease.guards.iter().all(engaged);
        (stops, goes_on)
    }

    pub(super) fn take_lease(&self, mut ask: NewLease, actor: &Actor, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        if !LEASE_SECONDS.contains(&ask.seconds) {
            return Err(Refusal::invalid(
                "invalid_value",
                format!("a lease is for 5 to 30 seconds, not for {}", ask.seconds),
            ));
        }
        if ask.guards.is_empty() {
            ask.guards.push(Scope::Organization);
        }
        ask.guards.sort();
        ask.guards.dedup();
        let known = self.lease(&actor.id, &ask.gateway);
        if known.is_none() && self.leases.len() >= LEASES_AT_MOST {
            return Err(
                Refusal::conflict("too_many_leases", format!("{LEASES_AT_MOST} gateways hold a lease"))
                    .hint("give back what is not used with `DELETE /v1/leases/{gateway}`"),
            );
        }
        let fail_open = ctx.live.map(|live| fail_open(live, &ask.guards)).unwrap_or_default();
        let fresh = |lease: &&Lease| {
            let same = lease.guards == ask.guards && lease.seconds == ask.seconds && lease.fail_open == fail_open;
            same && ctx.now + Span(LEASE_SPAN.0 / 2) < lease.until
        };
        if known.filter(fresh).is_some() {
            return Handled::done(Vec::new());
        }
        Handled::one(LeaseGranted {
            fail_open,
            gateway: ask.gateway,
            guards: ask.guards,
            holder: actor.id.clone(),
            seconds: ask.seconds,
            until: ctx.now + LEASE_SPAN,
        })
    }

    pub(super) fn end_lease(&self, gateway: String, actor: &Actor) -> Result<Handled, Refusal> {
        if self.lease(&actor.id, &gateway).is_none() {
            return Err(Refusal::missing("lease of", gateway));
        }
        Handled::one(LeaseEnded {
            gateway,
            holder: actor.id.clone(),
            why: LeaseEnd::Returned,
        })
    }

    /// Nothing was heard of a gateway.
    pub(super) fn lapse(&self, name: &str, ctx: &mut Ctx<'_>) -> Vec<Draft> {
        let Some(lease) = self.leases.get(name) else {
            return Vec::new();
        };
        let ended = LeaseEnded {
            gateway: lease.gateway.clone(),
            holder: lease.holder.clone(),
            why: LeaseEnd::Lapsed,
        };
        let summary = format!("nothing was heard of gateway `{}` for ten minutes", lease.gateway);
        let alert = self.alert("lease_lapsed", summary, None, None, ctx);
        std::iter::once(Draft::observed(ended)).chain(alert).collect()
    }

    pub(super) fn leased(&mut self, now: Time, e: &LeaseGranted) {
        let name = named(&e.holder, &e.gateway);
        let before = self.leases.get(&name);
        if let Some(before) = before {
            self.named_due.remove(&(before.until, NamedDue::Lease(name.clone())));
        }
        let lease = Lease {
            fail_open: e.fail_open.clone(),
            gateway: e.gateway.clone(),
            guards: e.guards.clone(),
            holder: e.holder.clone(),
            seconds: e.seconds,
            since: before.map_or(now, |before| before.since),
            until: e.until,
        };
        self.named_due.insert((e.until, NamedDue::Lease(name.clone())));
        self.leases.insert(name, lease);
    }

    pub(super) fn lease_ended(&mut self, e: &LeaseEnded) {
        let name = named(&e.holder, &e.gateway);
        if let Some(lease) = self.leases.remove(&name) {
            self.named_due.remove(&(lease.until, NamedDue::Lease(name)));
        }
    }
}

/// What policy lets through without a lease, of what is guarded.
fn fail_open(live: &Snapshot, guards: &[Scope]) -> Vec<FailOpen> {
    let by_tool = |guard: &Scope| matches!(guard, Scope::Tool(_) | Scope::Class(_));
    let narrow = guards.iter().any(by_tool) && !guards.contains(&Scope::Organization);
    let guarded = |tool: &str, class: Option<&str>| {
        let named = |guard: &Scope| match guard {
            Scope::Tool(name) => name == tool,
            Scope::Class(name) => class == Some(name),
            Scope::Agent(_) | Scope::Organization | Scope::Run(_) | Scope::Team(_) => false,
        };
        !narrow || guards.iter().any(named)
    };
    live.fail_open()
        .filter(|open| guarded(open.tool, open.class))
        .take(FAIL_OPEN_AT_MOST)
        .map(|open| FailOpen {
            seconds: open.seconds,
            tool: open.tool.to_owned(),
        })
        .collect()
}
