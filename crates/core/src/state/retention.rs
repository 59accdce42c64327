//! Holds, erasure, destruction by class, pruning. Hold beats erasure, and erasure beats retention.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_policy::Snapshot;
use serde::{Deserialize, Serialize};

use super::{Ctx, Handled, State};
use crate::command::{Destroy, Erase, Prune, Restrict, Sealed};
use crate::event::{
    HoldPlaced, HoldReleaseRequested, HoldReleased, HoldScope, LedgerPruned, PayloadsDestroyed, SubjectErased,
    SubjectErasureConfirmed, SubjectRestricted,
};
use crate::ids::HoldId;
use crate::record::{Actor, Draft};
use crate::refusal::Refusal;
use crate::retention::{Covered, KeyId, Subject};
use crate::time::{Span, Time};

/// How long after it was asked for a hold can be released at the earliest.
pub const HOLD_RELEASE_SPAN: Span = Span::hours(24);
/// Holds that an organization has at once.
const HOLDS_AT_MOST: usize = 1000;

/// A legal hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who placed it.
    pub by: String,
    /// When.
    pub placed: Time,
    /// Who wants it released, and from when on it can be.
    pub release: Option<(String, Time)>,
    /// What it covers.
    pub scope: HoldScope,
}

/// Data about a subject that is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Who asked.
    pub by: String,
    /// Nobody else has to agree any more.
    pub confirmed: bool,
    /// The keys that the data lies under.
    pub keys: Vec<String>,
    /// Why the law asks for it.
    pub legal_basis: Option<String>,
    /// One person sufficed.
    pub single_person: bool,
    /// Until when a rule of retention forbids the erasure.
    pub until: Option<Time>,
}

impl State {
    pub(super) fn place_hold(
        &self,
        scope: HoldScope,
        reason: Sealed,
        actor: &Actor,
        ctx: &mut Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        if scope.from.zip(scope.to).is_some_and(|(from, to)| from >= to) {
            return Err(Refusal::invalid("invalid_range", "the hold ends before it begins"));
        }
        if self.holds.len() >= HOLDS_AT_MOST {
            return Err(Refusal::conflict(
                "too_many_holds",
                format!("there are {HOLDS_AT_MOST} holds"),
            ));
        }
        let placed = HoldPlaced {
            by: actor.id.clone(),
            hold: HoldId(ctx.ids.next(ctx.now)),
            scope,
        };
        Handled::done(vec![Draft::observed(placed).with_payload(Some(reason))])
    }

    pub(super) fn release_hold(
        &self,
        id: HoldId,
        reason: Sealed,
        actor: &Actor,
        ctx: &Ctx<'_>,
    ) -> Result<Handled, Refusal> {
        let hold = (self.holds.get(&id)).ok_or_else(|| Refusal::missing("hold", id))?;
        let two = self.takes_two(ctx.live);
        // Whoever asked and is gone meanwhile counts as nobody.
        let asked = (hold.release.as_ref()).filter(|(first, _)| self.users.contains_key(first) || !two);
        let Some((first, ready)) = asked else {
            let requested = HoldReleaseRequested {
                by: actor.id.clone(),
                hold: id,
                ready: ctx.now + HOLD_RELEASE_SPAN,
            };
            return Handled::done(vec![Draft::observed(requested).with_payload(Some(reason))]);
        };
        if two && *first == actor.id {
            return Err(Refusal::conflict(
                "second_person_needed",
                format!("`{first}` asked for the release; another admin has to confirm it from {ready} on"),
            ));
        }
        if *ready > ctx.now {
            return Err(Refusal::conflict(
                "too_early",
                format!("`{id}` can be released from {ready} on"),
            ));
        }
        let released = HoldReleased {
            hold: id,
            single_person: !two,
        };
        Handled::done(vec![Draft::observed(released).with_payload(Some(reason))])
    }

    /// Restricts data about a subject on its way to erasure, or confirms the erasure as the second person.
    pub(super) fn restrict(&self, ask: Restrict, actor: &Actor, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let subject = ask.subject;
        if let Some((id, _)) = self.holds.iter().find(|(_, hold)| hold.scope.covers_subject(subject)) {
            return Err(held(*id));
        }
        let two = self.takes_two(ctx.live);
        let reason = Some(ask.reason);
        match self.restricted.get(&subject) {
            None => {
                let restricted = SubjectRestricted {
                    by: actor.id.clone(),
                    confirmation_needed: two,
                    keys: self.keys_of(subject, ask.since, ctx.now),
                    legal_basis: ask.legal_basis,
                    subject,
                    until: ask.until.filter(|until| *until > ctx.now),
                };
                Handled::done(vec![Draft::observed(restricted).with_payload(reason)])
            }
            Some(known) if known.confirmed => Handled::done(Vec::new()),
            Some(known) if two && known.by == actor.id => Err(Refusal::conflict(
                "second_person_needed",
                format!("`{}` asked for this erasure; another admin has to confirm it", known.by),
            )),
            Some(_) => {
                let confirmed = SubjectErasureConfirmed {
                    by: actor.id.clone(),
                    subject,
                };
                Handled::done(vec![Draft::observed(confirmed).with_payload(reason)])
            }
        }
    }

    /// The keys that payloads about a subject may lie under now.
    fn keys_of(&self, subject: Subject, since: i16, now: Time) -> Vec<String> {
        let after = self.renewed.get(&subject).copied().unwrap_or_default();
        (since..=now.year().max(since))
            .map(|year| KeyId { subject, year, after }.to_string())
            .collect()
    }

    /// The key for a payload about `subject` of a record at `at`.
    pub fn payload_key(&self, subject: Subject, at: Time) -> KeyId {
        KeyId {
            subject,
            year: at.year(),
            after: self.renewed.get(&subject).copied().unwrap_or_default(),
        }
    }

    pub(super) fn erase(&self, erase: Erase, ctx: &Ctx<'_>) -> Result<Handled, Refusal> {
        let subject = erase.subject;
        let Some(known) = self.restricted.get(&subject).filter(|known| known.confirmed) else {
            return Err(Refusal::conflict("not_restricted", "nobody asked for this erasure"));
        };
        if let Some(until) = known.until.filter(|until| *until > ctx.now) {
            return Err(Refusal::conflict(
                "retention_floor",
                format!("a rule of retention forbids this erasure until {until}"),
            ));
        }
        self.check_holds(erase.covered.as_ref(), Some(subject))?;
        Handled::one(SubjectErased {
            keys: known.keys.clone(),
            legal_basis: known.legal_basis.clone(),
            payloads: erase.payloads,
            single_person: known.single_person,
            subject,
        })
    }

    pub(super) fn destroy(&self, destroy: Destroy) -> Result<Handled, Refusal> {
        for covered in &destroy.covered {
            self.check_holds(Some(covered), None)?;
        }
        Handled::one(PayloadsDestroyed {
            class: destroy.class,
            count: destroy.covered.len() as u64,
            from: destroy.from,
            to: destroy.to,
        })
    }

    /// Refuses what an open hold covers.
    fn check_holds(&self, what: Option<&Covered>, subject: Option<Subject>) -> Result<(), Refusal> {
        let covers = |hold: &&Hold| {
            what.is_some_and(|what| hold.scope.covers(what))
                || subject.is_some_and(|subject| hold.scope.covers_subject(subject))
        };
        match self.holds.iter().find(|(_, hold)| covers(hold)) {
            Some((id, _)) => Err(held(*id)),
            None => Ok(()),
        }
    }

    pub(super) fn prune(&self, prune: Prune) -> Result<Handled, Refusal> {
        if prune.to <= self.pruned {
            return Handled::done(Vec::new());
        }
        let refuse = |code, why: String| Err(Refusal::conflict(code, why));
        let open = self.oldest_open();
        if prune.to > self.sealed {
            return refuse(
                "not_sealed",
                format!(
                    "the state is sealed at record {}, and nothing after it is pruned",
                    self.sealed
                ),
            );
        }
        if let Some(open) = open.filter(|open| *open < prune.to) {
            return refuse(
                "still_open",
                format!("something that began with record {open} is still open"),
            );
        }
        if let Some((id, _)) = (self.holds.iter()).find(|(_, hold)| hold.scope.covers_time(prune.oldest, prune.newest))
        {
            return Err(held(*id));
        }
        let pruned = LedgerPruned {
            from: self.pruned,
            to: prune.to,
        };
        Handled::done(vec![Draft::observed(pruned).with_payload(Some(prune.reason))])
    }

    /// Index of the oldest record that something open began with.
    pub fn oldest_open(&self) -> Option<u64> {
        self.actions.values().map(|action| action.seq).min()
    }

    /// Records before this index have lost their bytes.
    pub fn pruned(&self) -> u64 {
        self.pruned
    }

    /// The state is sealed at this index.
    pub fn sealed_at(&self) -> u64 {
        self.sealed
    }

    /// Open holds.
    pub fn holds(&self) -> &std::collections::BTreeMap<HoldId, Hold> {
        &self.holds
    }

    /// Subjects whose data is to be erased.
    pub fn restricted(&self) -> &std::collections::BTreeMap<Subject, Restriction> {
        &self.restricted
    }

    /// Retention classes that payloads were given, besides the default.
    pub fn classes(&self) -> &BTreeSet<Arc<str>> {
        &self.classes
    }

    pub(super) fn restricted_by(&mut self, seq: u64, e: &SubjectRestricted) {
        let restriction = Restriction {
            by: e.by.clone(),
            confirmed: !e.confirmation_needed,
            keys: e.keys.clone(),
            legal_basis: e.legal_basis.clone(),
            single_person: !e.confirmation_needed,
            until: e.until,
        };
        self.restricted.insert(e.subject, restriction);
        self.renewed.insert(e.subject, seq);
    }

    pub(super) fn placed(&mut self, at: Time, e: &HoldPlaced) {
        let hold = Hold {
            by: e.by.clone(),
            placed: at,
            release: None,
            scope: e.scope.clone(),
        };
        self.holds.insert(e.hold, hold);
    }

    /// Whether an erasure or a release needs a second person now.
    pub fn needs_two(&self, live: Option<&Snapshot>) -> bool {
        self.takes_two(live)
    }
}

fn held(id: HoldId) -> Refusal {
    Refusal::conflict("legal_hold", format!("the legal hold `{id}` covers it"))
        .hint("`countersign audit hold list` shows the holds; a hold has to be released first")
}
