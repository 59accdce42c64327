//! What an outsider knows of one organization: its records as they came, folded along, and everything that was shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::digest::Digest;
use countersign_core::event::{ApprovalOpened, ApprovalState, DecisionMade, Event, StepReason, Verb};
use countersign_core::ids::{ActionId, ApprovalId};
use countersign_core::{Record, State, Time};
use countersign_store::{Org, Store, StoredRecord};
use countersign_tlog::{Checkpoint, Edge, Hash, VerifyingKey, leaf_hash};

use super::accounts::Accounts;
use super::keeping::Keeping;
use super::rules;
use crate::history::Line;

/// A permit as the record that issued it states it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Index of that record.
    pub seq: u64,
    /// Time of that record.
    pub ts: Time,
    /// The true time at which it was seen.
    pub seen: Time,
    /// When it ends.
    pub expires: Time,
    /// The digest of what may run.
    pub digest: Digest,
}

/// One organization as an outsider knows it.
pub struct Trail {
    /// Whose.
    pub org: Org,
    /// The state, folded record by record.
    pub state: State,
    /// All records.
    pub records: Vec<Record>,
    /// What a history is held against.
    pub lines: Vec<Line>,
    /// Decisions by action.
    pub decisions: BTreeMap<ActionId, (u64, DecisionMade, Option<Arc<str>>)>,
    /// Permits, the last that was issued for an action.
    pub issued: BTreeMap<ActionId, Issued>,
    /// Actions whose permit was used.
    pub redeemed: BTreeSet<ActionId>,
    /// Requests as they were opened.
    pub opened: BTreeMap<ApprovalId, ApprovalOpened>,
    /// Where a request ended, so far.
    pub ended: BTreeMap<ApprovalId, ApprovalState>,
    /// Who said yes and was counted.
    pub approvers: BTreeMap<ApprovalId, BTreeSet<String>>,
    /// Engaged kill switches.
    pub kills: BTreeSet<String>,
    /// Index of the last kill of a scope.
    pub last_kill: BTreeMap<String, u64>,
    /// The live snapshot.
    pub live: Option<Arc<str>>,
    /// Roots of the tree by size.
    pub roots: Vec<Hash>,
    edge: Edge,
    leaves: Vec<Vec<u8>>,
    key: Option<VerifyingKey>,
    /// Budgets, added up from the records.
    pub accounts: Accounts,
    /// Holds and erasures.
    pub keeping: Keeping,
    /// Actions whose outcome is known.
    pub reported: BTreeSet<ActionId>,
    /// The clocks were right, or known to be wrong, all the time.
    pub clocks_are_known: bool,
    /// The true time before which a request cannot have been handled, by idempotency key.
    pub arrived: BTreeMap<String, Time>,
}

impl Trail {
    /// What is known of an organization before its first record.
    pub fn new(org: Org) -> Trail {
        Trail {
            org,
            state: State::default(),
            records: Vec::new(),
            lines: Vec::new(),
            decisions: BTreeMap::new(),
            issued: BTreeMap::new(),
            redeemed: BTreeSet::new(),
            opened: BTreeMap::new(),
            ended: BTreeMap::new(),
            approvers: BTreeMap::new(),
            kills: BTreeSet::new(),
            last_kill: BTreeMap::new(),
            live: None,
            roots: vec![Edge::new().root()],
            edge: Edge::new(),
            leaves: Vec::new(),
            key: None,
            accounts: Accounts::default(),
            keeping: Keeping::default(),
            reported: BTreeSet::new(),
            clocks_are_known: true,
            arrived: BTreeMap::new(),
        }
    }

    /// How many records are known.
    pub fn size(&self) -> u64 {
        self.records.len() as u64
    }

    /// How many steps of routes were asked because the one before let its time pass.
    pub fn escalations(&self) -> u64 {
        let late = |record: &&Record| match &record.event {
            Event::ApprovalStepStarted(e) => e.reason == StepReason::TimedOut,
            _other => false,
        };
        self.records.iter().filter(late).count() as u64
    }

    /// How many erasures were carried out.
    pub fn erasures(&self) -> u64 {
        self.keeping.erasures
    }

    /// How many decisions were permitted for a chain of agents.
    pub fn chains(&self) -> u64 {
        let decisions = self.decisions.values();
        let chained = decisions.filter(|(_, e, _)| e.permit.is_some() && !e.facts.delegation.is_empty());
        chained.count() as u64
    }

    /// Takes in what a store has beyond what is known, holding every record against the rules.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn follow(&mut self, store: &dyn Store, now: Time) -> Result<(), String> {
        let Some(head) = store.head(&self.org).map_err(|error| error.to_string())? else {
            return if self.records.is_empty() {
                Ok(())
            } else {
                Err(format!("the ledger of `{}` is gone", self.org))
            };
        };
        if head.size < self.size() {
            let known = self.size();
            return Err(format!(
                "invariant 7: {} of {known} committed records are left",
                head.size
            ));
        }
        if head.size == self.size() {
            return Ok(());
        }
        let more = usize::try_from(head.size - self.size()).unwrap_or(usize::MAX);
        let stored = store.records(&self.org, self.size(), more);
        for stored in stored.map_err(|error| error.to_string())? {
            self.take(&stored, now)?;
        }
        (self.keeping.are_gone(&self.org, store)).map_err(|why| format!("invariant 27: `{}`: {why}", self.org))?;
        self.open(&head.checkpoint)?;
        if head.edge != self.edge.to_bytes() || head.ts != self.state.last_ts() {
            return Err("invariant 12: the head does not fit the records".into());
        }
        Ok(())
    }

    /// Holds a record that would come next against the rules, without taking it in.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn hold(&self, record: &Record) -> Result<(), String> {
        rules::hold(self, record)
    }

    fn take(&mut self, stored: &StoredRecord, now: Time) -> Result<(), String> {
        let (record, _) = Record::decode(&stored.leaf).map_err(|error| error.to_string())?;
        if stored.leaf_hash.0 != leaf_hash(&stored.leaf).0 {
            return Err(format!("record {} has another leaf hash than its bytes", record.seq));
        }
        self.hold(&record)?;
        (self.accounts.take(&record))
            .map_err(|why| format!("invariants 9 and 10: record {} of `{}`: {why}", record.seq, self.org))?;
        (self.keeping.take(&record))
            .map_err(|why| format!("invariant 27: record {} of `{}`: {why}", record.seq, self.org))?;
        self.note(&record, now);
        self.state.apply(&record);
        self.edge.push(Hash(stored.leaf_hash.0));
        self.roots.push(self.edge.root());
        self.lines.push(Line::of(&stored.leaf)?);
        self.leaves.push(stored.leaf.clone());
        self.records.push(record);
        Ok(())
    }

    fn note(&mut self, record: &Record, seen: Time) {
        let issue = |permit: &countersign_core::event::Permit, digest: Digest| Issued {
            seq: record.seq,
            ts: record.ts,
            seen,
            expires: permit.expires,
            digest,
        };
        match &record.event {
            Event::LedgerOpened(e) => self.key = e.vkey.parse().ok(),
            Event::DecisionMade(e) => {
                if let Some(permit) = &e.permit {
                    self.issued.insert(e.action_id, issue(permit, rules::granted(e)));
                }
                let decision = (record.seq, (**e).clone(), record.snapshot.clone());
                self.decisions.insert(e.action_id, decision);
            }
            Event::ApprovalOpened(e) => {
                self.opened.insert(e.approval, (**e).clone());
            }
            Event::ApprovalVoted(e) if e.counted && e.verb == Verb::Approve => {
                self.approvers.entry(e.approval).or_default().insert(e.user.clone());
            }
            Event::ApprovalResolved(e) => {
                self.ended.insert(e.approval, e.state);
                let decision = self.decisions.get(&e.action_id);
                if let (Some(permit), Some((_, decision, _))) = (&e.permit, decision) {
                    self.issued.insert(e.action_id, issue(permit, rules::granted(decision)));
                }
            }
            Event::PermitRedeemed(e) => {
                self.redeemed.insert(e.action_id);
                if let Some(approval) = e.approval {
                    self.ended.insert(approval, ApprovalState::Consumed);
                }
            }
            Event::OutcomeReported(e) => {
                self.reported.insert(e.action_id);
            }
            Event::KillEngaged(e) => {
                self.kills.insert(e.scope.to_string());
                self.last_kill.insert(e.scope.to_string(), record.seq);
            }
            Event::KillReleased(e) => {
                self.kills.remove(&e.scope.to_string());
            }
            Event::SnapshotActivated(e) => self.live = Some(e.hash.clone()),
            // The rest is held against the rules as it comes and matters to none of them later.
            _other => {}
        }
    }

    /// Opens a checkpoint that somebody was shown: its signature holds, and its root is the ledger's at that size.
    ///
    /// # Errors
    /// If there are two roots for one size, or somebody else signed.
    pub fn open(&self, text: &str) -> Result<Checkpoint, String> {
        let key = self.key.as_ref().ok_or("the ledger does not begin with its opening")?;
        let checkpoint = Checkpoint::open(key, text).map_err(|error| format!("invariant 11: {error}"))?;
        let place = usize::try_from(checkpoint.size).unwrap_or(usize::MAX);
        if self.roots.get(place) != Some(&checkpoint.root) {
            let size = checkpoint.size;
            return Err(format!(
                "invariant 11: a checkpoint shows another root for {size} records"
            ));
        }
        Ok(checkpoint)
    }

    /// The state after the first `size` records, folded anew.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn refold(&self, size: u64) -> Result<State, String> {
        let mut state = State::default();
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.leaves.len());
        for leaf in &self.leaves[..size] {
            let (record, _) = Record::decode(leaf).map_err(|error| error.to_string())?;
            state.apply(&record);
        }
        Ok(state)
    }
}
