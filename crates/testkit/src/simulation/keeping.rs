//! Holds and erasures as an outsider follows them: a hold beats an erasure, an erasure takes as many people as it says, and
//! what was erased is gone from the store.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::event::{Event, HoldScope};
use countersign_core::ids::HoldId;
use countersign_core::retention::Subject;
use countersign_core::{ActorKind, Record};
use countersign_store::Store;

/// Kinds of the secrets that open payloads.
const KINDS: [&str; 2] = ["payload_key", "restricted_payload_key"];

/// What was asked for and is not carried out.
struct Asked {
    by: BTreeSet<String>,
    confirmed: bool,
    keys: Vec<String>,
}

/// Holds and erasures of one organization.
#[derive(Default)]
pub struct Keeping {
    /// How many erasures were carried out.
    pub erasures: u64,
    /// Holds that stand.
    pub holds: BTreeMap<HoldId, HoldScope>,
    asked: BTreeMap<Subject, Asked>,
    /// Keys that were destroyed and that the store was not asked for yet.
    destroyed: Vec<String>,
}

impl Keeping {
    /// Takes in the next record.
    ///
    /// # Errors
    /// What it must not say.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        match &record.event {
            Event::HoldPlaced(e) => {
                self.holds.insert(e.hold, e.scope.clone());
            }
            Event::HoldReleased(e) => {
                let hold = self.holds.remove(&e.hold);
                hold.ok_or_else(|| format!("`{}` is released, and does not stand", e.hold))?;
            }
            Event::SubjectRestricted(e) => {
                let asked = Asked {
                    by: BTreeSet::from([e.by.clone()]),
                    confirmed: !e.confirmation_needed,
                    keys: e.keys.clone(),
                };
                self.asked.insert(e.subject, asked);
                if record.actor.kind != ActorKind::User {
                    return Err("nobody asked for the erasure".into());
                }
            }
            Event::SubjectErasureConfirmed(e) => {
                let asked = self.asked.get_mut(&e.subject).ok_or("nobody asked for the erasure")?;
                asked.confirmed = asked.by.insert(e.by.clone());
            }
            Event::SubjectErased(e) => {
                let asked = self.asked.remove(&e.subject).ok_or("nobody asked for the erasure")?;
                let people = if e.single_person { 1 } else { 2 };
                if !asked.confirmed || asked.by.len() < people {
                    return Err(format!("{:?} asked for the erasure, which takes {people}", asked.by));
                }
                let holds = |(_, scope): &(&HoldId, &HoldScope)| scope.covers_subject(e.subject);
                if let Some((hold, _)) = self.holds.iter().find(holds) {
                    return Err(format!("`{hold}` forbids the erasure"));
                }
                if asked.keys != e.keys {
                    return Err("other keys were destroyed than were named before".into());
                }
                self.destroyed.extend(e.keys.iter().cloned());
                self.erasures += 1;
            }
            // Nothing else is about keeping.
            _other => {}
        }
        Ok(())
    }

    /// Asks the store for every key that was destroyed since this was asked last.
    ///
    /// # Errors
    /// If one of them is there.
    pub fn are_gone(&mut self, org: &str, store: &dyn Store) -> Result<(), String> {
        for key in std::mem::take(&mut self.destroyed) {
            for kind in KINDS {
                if store
                    .secret(org, kind, &key)
                    .map_err(|error| error.to_string())?
                    .is_some()
                {
                    return Err(format!("the key `{key}` was destroyed, and is there"));
                }
            }
        }
        Ok(())
    }
}
