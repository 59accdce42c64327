//! What a world keeps of payloads, and what becomes of it: the part of an engine that holds, erasure and retention need.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::command::{Destroy, Erase, Restrict, Sealed};
use countersign_core::event::HoldScope;
use countersign_core::ids::HoldId;
use countersign_core::policy::Value;
use countersign_core::record::{ActorKind, Payload};
use countersign_core::redact::Kinds;
use countersign_core::retention::{Covered, Subject, actor_subject, kept_for, legal_floor};
use countersign_core::stored::store_value;
use countersign_core::{Answer, Command, Event, Record, Refusal};

use crate::{World, by, outcome_of};

/// A payload that lies in the world's store.
#[derive(Clone, Debug)]
pub struct Lying {
    /// The key that it lies under.
    pub key: String,
    /// Its retention class.
    pub class: String,
    /// What a hold may ask about it.
    pub covered: Covered,
}

/// What is left of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    Kept,
    /// Nobody reads it but for a legal purpose.
    Restricted,
    /// The key is gone.
    Erased,
    /// Its time was over.
    Destroyed,
}

impl World {
    /// The digest by which records name a subject.
    pub fn subject(&self, name: &str) -> Subject {
        self.key.subject(name)
    }

    pub(crate) fn lay(&mut self, record: &Record, payload: &Payload) {
        let subject = payload
            .about
            .unwrap_or_else(|| self.subject(&actor_subject(&record.actor)));
        let agent: Option<Arc<str>> = match &record.event {
            Event::DecisionMade(e) => Some(e.agent.clone()),
            Event::ApprovalVoted(e) => Some(self.view(e.action_id).decision.agent),
            Event::ApprovalAnswered(e) => Some(self.view(e.action_id).decision.agent),
            _other => None,
        };
        let lying = Lying {
            key: self.state.payload_key(subject, record.ts).to_string(),
            class: payload.class.clone(),
            covered: Covered {
                agents: agent.into_iter().collect(),
                from: record.ts,
                subjects: [subject].into(),
                to: record.ts,
            },
        };
        self.lying.insert(record.seq, lying);
    }

    /// Every payload that lies in the store, readable or not.
    pub fn lying(&self) -> impl Iterator<Item = (u64, &Lying)> {
        self.lying.iter().map(|(seq, lying)| (*seq, lying))
    }

    /// What is left of the payload of a record.
    pub fn left(&self, seq: u64) -> Left {
        let Some(lying) = self.lying.get(&seq) else {
            return Left::Destroyed;
        };
        let mut restricted = self.state.restricted().values().flat_map(|known| &known.keys);
        if self.erased.contains(&lying.key) {
            Left::Erased
        } else if restricted.any(|key| *key == lying.key) {
            Left::Restricted
        } else {
            Left::Kept
        }
    }

    fn why(&self) -> Sealed {
        let words = Value::Map([("text".to_owned(), Value::from("a reason"))].into());
        store_value(&words, &self.redactor, &Kinds::default(), [6; 32], "default").0
    }

    /// Places a hold.
    pub fn hold(&mut self, who: &str, scope: HoldScope) -> Result<HoldId, Refusal> {
        let reason = self.why();
        match self.give(by(ActorKind::User, who), Command::PlaceHold { scope, reason }) {
            (Answer::Refused(refusal), _) => Err(refusal),
            (_, records) => match records.first().map(|record| &record.event) {
                Some(Event::HoldPlaced(placed)) => Ok(placed.hold),
                other => panic!("a hold left {other:?}"),
            },
        }
    }

    /// Releases a hold, or asks for it.
    pub fn release_hold(&mut self, who: &str, hold: HoldId) -> Result<(), Refusal> {
        let reason = self.why();
        outcome_of(
            self.give(by(ActorKind::User, who), Command::ReleaseHold { hold, reason })
                .0,
        )
    }

    /// Asks for an erasure, and carries it out if nothing forbids it.
    pub fn erase(&mut self, who: &str, name: &str) -> Result<(), Refusal> {
        let subject = self.subject(name);
        let now = self.now.max(self.state.last_ts());
        let last = self.state.payload_key(subject, now);
        let floor = legal_floor(self.live());
        let newest = self.lying.values().rev().find(|lying| {
            let after = lying.key.splitn(3, '/').nth(2).map_or(Ok(0), str::parse::<u64>);
            lying.covered.subjects.contains(&subject) && after == Ok(last.after)
        });
        let ask = Restrict {
            subject,
            legal_basis: None,
            reason: self.why(),
            since: crate::BEGIN.year(),
            until: floor.and_then(|floor| Some(newest?.covered.to + floor)),
        };
        outcome_of(self.give(by(ActorKind::User, who), Command::Restrict(Box::new(ask))).0)?;
        match self.finish_erasure(subject) {
            // It waits: for a second person, or for the end of a floor.
            Err(refusal) if matches!(refusal.code, "not_restricted" | "retention_floor") => Ok(()),
            other => other,
        }
    }

    /// Carries an erasure out that nothing forbids.
    fn finish_erasure(&mut self, subject: Subject) -> Result<(), Refusal> {
        let Some(known) = self.state.restricted().get(&subject).cloned() else {
            return Ok(());
        };
        let under: Vec<Covered> = (self.lying.values())
            .filter(|lying| known.keys.contains(&lying.key))
            .map(|lying| lying.covered.clone())
            .collect();
        let payloads = under.len() as u64;
        let covered = under.into_iter().reduce(|mut all, one| {
            all.agents.extend(one.agents);
            all.from = all.from.min(one.from);
            all.to = all.to.max(one.to);
            all
        });
        let erase = Erase {
            subject,
            covered,
            payloads,
        };
        let (answer, records) = self.give(countersign_core::Actor::system(), Command::Erase(Box::new(erase)));
        for record in records {
            if let Event::SubjectErased(erased) = record.event {
                self.erased.extend(erased.keys);
            }
        }
        outcome_of(answer)
    }

    /// Does what is due: erasures that nothing forbids any more, payloads whose time is over.
    pub fn destroy_due(&mut self) {
        let subjects: Vec<Subject> = self.state.restricted().keys().copied().collect();
        for subject in subjects {
            // What is still forbidden stays.
            drop(self.finish_erasure(subject));
        }
        let holds: Vec<HoldScope> = self.state.holds().values().map(|hold| hold.scope.clone()).collect();
        let classes: BTreeSet<String> = self.lying.values().map(|lying| lying.class.clone()).collect();
        for class in classes {
            let Some(span) = kept_for(&class, self.live()) else {
                continue;
            };
            let before = self.now - span;
            let over: Vec<(u64, Covered)> = (self.lying.iter())
                .filter(|(_, lying)| lying.class == class && lying.covered.to < before)
                .filter(|(_, lying)| !holds.iter().any(|hold| hold.covers(&lying.covered)))
                .map(|(seq, lying)| (*seq, lying.covered.clone()))
                .collect();
            let (Some(first), Some(last)) = (over.first(), over.last()) else {
                continue;
            };
            let destroy = Destroy {
                class,
                from: first.0,
                to: last.0 + 1,
                covered: over.iter().map(|(_, covered)| covered.clone()).collect(),
            };
            self.done(Command::Destroy(Box::new(destroy)));
            for (seq, _) in over {
                self.lying.remove(&seq);
                self.payloads.remove(&seq);
            }
        }
    }
}
